"""Dropout: random features are set to zero while a network is trained with labels."""

from __future__ import annotations

from numbers import Real
from typing import Self

from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin

from sklearn_ebm._sklearn import Interval, _fit_context
from sklearn_ebm._typing import MatrixLike, RandomState, SparseOrDense
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.inputs._images import check_images_or_sparse
from sklearn_ebm.layers._layer import Layer
from sklearn_ebm.layers._state import refusable


class Dropout(Layer, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Set a random fraction of the features to zero while a network is trained with labels.

    In a network that :class:`~sklearn_ebm.FineTunedClassifier` trains with labels, y = m x / (1 -
    share), where m is 0 with probability `share` and 1 otherwise, drawn anew for each sample of
    each batch [1]_. Later steps then cannot rely on single features, which reduces overfitting.
    `transform` returns X unchanged. The layer learns nothing, so `transform` works without `fit`.

    Parameters
    ----------
    share : float, default=0.5
        Fraction of the features that are set to zero, at least 0 and below 1.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        which features are set to zero.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen during :term:`fit`: height * width * channels of images.

    n_channels_in_ : int
        Number of channels seen during :term:`fit`; 1 for rows.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during :term:`fit`, if X has names that are all strings.

    See Also
    --------
    sklearn_ebm.FineTunedClassifier : Classifier that trains a pipeline with dropout.

    References
    ----------
    .. [1] G. E. Hinton, N. Srivastava, A. Krizhevsky, I. Sutskever, R. R. Salakhutdinov,
           "Improving neural networks by preventing co-adaptation of feature detectors", 2012.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_ebm import RBM, Dropout, FineTunedClassifier
    >>> pipeline = make_pipeline(RBM(64), Dropout(0.5), LogisticRegression())
    >>> classifier = FineTunedClassifier(pipeline)
    """

    _parameter_constraints: dict = {
        "share": [Interval(Real, 0, 1, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(self, share: float = 0.5, *, random_state: RandomState = None) -> None:
        self.share = share
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: MatrixLike, y: object = None) -> Self:
        """Check the parameters and the data. Nothing is learned.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Codes or other features; or images of shape (n_samples, height, width) or
            (n_samples, height, width, channels).

        y : None
            Ignored.

        Returns
        -------
        object
            The layer itself.
        """
        with refusable(self):
            self._ready()
            check_images_or_sparse(self, X, reset=True)
        return self

    def transform(self, X: MatrixLike) -> SparseOrDense:
        """Return X unchanged.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Codes or other features; or images of shape (n_samples, height, width) or
            (n_samples, height, width, channels).

        Returns
        -------
        {ndarray, CSR matrix} of the shape of X
            X, in its dtype if that is float32 or float64, and without a copy if possible.
        """
        self._ready()
        X, form = check_images_or_sparse(self, X, reset=False)
        if form is None:
            return X
        form.require_arrays(self)
        return form.restore(X)

    def _output_and_kept(self, x, stream):
        if stream is None:
            return x, None
        xp, share = array_namespace(x), float(self.share)
        factor = xp.asarray(stream.uniform(x.shape) >= share, dtype=x.dtype)
        factor /= 1 - share
        return x * factor, factor

    def _input_gradient(self, kept, dy):
        return dy if kept is None else kept * dy

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
