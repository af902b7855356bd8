"""ZCA whitening from running moments.

With the covariance C = U diag(s) U' of the data (divided by n_samples) and the regularisation e =
regularization * mean(s),

    W = U diag(1 / sqrt(s + e)) U',    y = (x - mean) W.

Among all whitening matrices, the symmetric one changes x least in the mean square [1]: a whitened
patch still resembles the patch. [1] Kessy, Lewin, Strimmer, "Optimal whitening and decorrelation",
The American Statistician, 2018.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, NamedTuple, Self

from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import gen_batches

from sklearn_ebm._sklearn import Interval, StrOptions, _fit_context
from sklearn_ebm._storage import stored
from sklearn_ebm._typing import Array, Backend, MatrixLike
from sklearn_ebm.backends import array_namespace, copied, read_only, resolve_backend, to_host
from sklearn_ebm.inputs._rows import check_rows
from sklearn_ebm.layers._layer import Layer
from sklearn_ebm.layers._state import refusable

BLOCK_ENTRIES = 2**20  # entries of X per block: 8 MB in float64, large enough for fast BLAS calls


@stored
class Moments(NamedTuple):
    """First and second moments of rows, in float64.

    The rows are taken relative to `origin`, the first of them. A constant column is then exactly
    zero, and so is its variance; otherwise, rounding errors of its mean would be amplified.
    """

    n_samples: int
    origin: Any
    mean: Any  # of x - origin
    scatter: Any  # sum of (x - origin - mean)'(x - origin - mean)


def block_moments(block, origin):
    """Return the moments of a block of rows in float64."""
    xp = array_namespace(block)
    shifted = block - origin
    mean = xp.mean(shifted, axis=0)
    centred = shifted - mean
    return Moments(block.shape[0], origin, mean, centred.T @ centred)


def merge_moments(first, second):
    """Return the moments of two sets of rows that share their origin.

    This is the update of [Chan, Golub, LeVeque 1979]. It avoids differences of large sums, so that
    the result is as accurate as if all rows were processed at once.
    """
    n_samples = first.n_samples + second.n_samples
    step = second.mean - first.mean
    mean = first.mean + step * (second.n_samples / n_samples)
    between = step[:, None] * step[None, :] * (first.n_samples * second.n_samples / n_samples)
    return Moments(n_samples, first.origin, mean, first.scatter + second.scatter + between)


def running_moments(X, moments=None, place=lambda block: block):
    """Return the moments of the rows of X and of earlier rows. X is read in blocks, without a copy.

    `place` moves a block to the device on which its moments are computed.
    """
    for rows in _blocks(X):
        block = place(X[rows, :])
        xp = array_namespace(block)
        block = xp.asarray(block, dtype=xp.float64)  # sums of squares require double precision
        # positive() copies: a view would keep X in memory as long as the moments
        origin = xp.positive(block[0, :]) if moments is None else moments.origin
        seen = block_moments(block, origin)
        moments = seen if moments is None else merge_moments(moments, seen)
    return moments


def _blocks(X):
    n_samples, n_features = X.shape
    return gen_batches(n_samples, max(1, BLOCK_ENTRIES // n_features))


def whitening_matrices(moments, regularization, dtype):
    """Return W and its inverse in float64. If e = 0, directions without variance map to zero."""
    xp = array_namespace(moments.scatter)
    if not bool(xp.all(xp.isfinite(moments.scatter))):
        raise ValueError("The variance of X is too large for dtype('float64'). Scale X down.")
    variance, directions = xp.linalg.eigh(moments.scatter / moments.n_samples)
    regularized = xp.clip(variance, 0, None)  # eigh may round zeros to negative values
    regularized = regularized + regularization * xp.mean(regularized)
    kept = regularized > _relative_rounding(moments, dtype) * xp.max(regularized)
    spread = xp.sqrt(xp.where(kept, regularized, xp.ones_like(regularized)))
    zero = xp.zeros_like(spread)
    whitening = (directions * xp.where(kept, 1 / spread, zero)) @ directions.T
    dewhitening = (directions * xp.where(kept, spread, zero)) @ directions.T
    return whitening, dewhitening


def _relative_rounding(moments, dtype):
    """Return the fraction of the largest variance below which a variance is a rounding error.

    The error of eigh is eps of float64 times the largest eigenvalue. The data are rounded in their
    own dtype with a standard deviation of eps, and hence a variance of eps squared.
    """
    xp = array_namespace(moments.scatter)
    n_features = moments.scatter.shape[0]
    double, own = (float(xp.finfo(kind).eps) for kind in (xp.float64, dtype))
    return max(n_features * double, (n_features * own) ** 2)


class ZCAWhitener(Layer, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Remove correlations between features with the least change of the features.

    The output is y = (x - mean) W with the symmetric W = U diag(1 / sqrt(s + e)) U'. U and s are
    the eigenvectors and eigenvalues of the covariance of X (divided by n_samples), and e =
    `regularization` * mean(s). Whitened features are uncorrelated and, up to e, have unit variance.
    Among all whitening matrices, the symmetric one changes the features least.

    Parameters
    ----------
    regularization : float, default=0.01
        Value added to the variance of each direction, as a fraction of the mean variance of all
        directions (the mean of the eigenvalues), so that it does not depend on the unit of X. A
        direction of variance s has the variance s / (s + e) after whitening, and no direction is
        amplified more than 1 / sqrt(`regularization`) times as much as one of mean variance, which
        is ten times by default. For contrast-normalised patches of photographs, [1]_ recommends
        0.01 for 16 x 16 pixels and 0.1 for 8 x 8 pixels. With 0, directions without variance are
        mapped to zero.

    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library that performs the computations. "auto" uses CuPy if X is a CuPy array, and NumPy
        otherwise. "cupy" moves data to the device and returns CuPy arrays. "numpy" and "numba" both
        use NumPy on the host, because the layer only computes matrix products.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features_in_,)
        Mean of X.

    whitening_ : ndarray of shape (n_features_in_, n_features_in_)
        Symmetric matrix W, in the dtype of X.

    dewhitening_ : ndarray of shape (n_features_in_, n_features_in_)
        Inverse of W, or its pseudo-inverse if W maps a direction to zero.

    n_samples_seen_ : int
        Number of samples from which the moments were computed, in all calls of `partial_fit`.

    n_features_in_ : int
        Number of features seen during :term:`fit`.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during :term:`fit`, if X has names that are all strings.

    See Also
    --------
    Rectifier : Layer that rectifies features.
    sklearn.decomposition.PCA : With `whiten=True`, whitens and rotates to the principal axes.

    Notes
    -----
    Moments are computed in float64, and X is read in blocks of about a million entries, so that a
    memory map of any length requires only a few megabytes. Each call of `partial_fit` computes an
    eigenvalue decomposition, at a cost of n_features cubed; pass batches of at least n_features
    rows. If X has no variance at all (a single sample, or constant features), all samples are
    mapped to zero, and `inverse_transform` returns the mean.

    References
    ----------
    .. [1] A. Coates, A. Y. Ng, "Learning feature representations with k-means", in Neural Networks:
           Tricks of the Trade, 2012.
    .. [2] A. J. Bell, T. J. Sejnowski, "The 'independent components' of natural scenes are edge
           filters", Vision Research, 1997.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ebm import ZCAWhitener
    >>> X = load_digits().data  # images of 8 x 8 pixels; some pixels are always zero
    >>> whitener = ZCAWhitener(regularization=0.0).fit(X)
    >>> whitened = whitener.transform(X)
    >>> covariance = whitened.T @ whitened / len(X)
    >>> bool(np.allclose(covariance @ covariance, covariance))  # 1 or 0 in each direction
    True
    >>> bool(np.allclose(whitener.inverse_transform(whitened), X))
    True
    """

    _model_attributes = ("mean_", "whitening_", "dewhitening_")
    _needs_fit = ("regularization",)
    _parameter_constraints: dict = {
        "regularization": [Interval(Real, 0, None, closed="left")],
        "backend": [StrOptions({"auto", "numpy", "numba", "cupy"})],
    }

    def __init__(self, *, regularization: float = 0.01, backend: Backend = "auto") -> None:
        self.regularization = regularization
        self.backend = backend

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: MatrixLike, y: object = None) -> Self:
        """Compute the moments of X and the whitening matrix.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples. The array may be memory-mapped.

        y : None
            Ignored.

        Returns
        -------
        object
            The fitted layer itself.
        """
        with refusable(self):
            return self._see(X, None)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: MatrixLike, y: object = None) -> Self:
        """Add samples to those of earlier calls, and compute the whitening matrix of all samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Further samples.

        y : None
            Ignored.

        Returns
        -------
        object
            The fitted layer itself.
        """
        with refusable(self):
            return self._see(X, self._moments_to_go_on())

    def _moments_to_go_on(self):
        """Return the moments of earlier samples, or None."""
        if not self.__sklearn_is_fitted__():
            return None
        self._ready(learning=True)
        if self._state.replaced:
            raise ValueError(
                f"{', '.join(sorted(self._state.replaced))} of this ZCAWhitener was set after fit, "
                "but partial_fit would recompute it from the moments of all samples. Call fit."
            )
        return self._moments

    def _see(self, X, moments):
        X = check_rows(self, X, reset=moments is None, dtype=None)
        like = X if moments is None else self.whitening_
        dtype = "float32" if like.dtype == array_namespace(like).float32 else "float64"
        return self._keep(running_moments(X, moments, self._place), dtype)

    def _place(self, X):
        """Return X on the device that `backend` requires."""
        if self.backend == "auto":
            return X
        if self.backend == "cupy":
            return resolve_backend("cupy", X).to_device(X)
        return to_host(X)

    def _keep(self, moments, dtype):
        """Set all fitted attributes at once, in the given dtype."""
        xp = array_namespace(moments.scatter)
        dtype = getattr(xp, dtype)
        matrices = whitening_matrices(moments, float(self.regularization), dtype)
        whitening, dewhitening = (xp.asarray(each, dtype=dtype) for each in matrices)
        parts = xp.asarray(moments.origin + moments.mean, dtype=dtype), whitening, dewhitening
        attributes = {"n_samples_seen_": moments.n_samples, **self._published(parts)}
        self._moments = moments
        vars(self).update(self._left(None, attributes, parts))
        return self

    def _published(self, parts):
        return dict(zip(self._model_attributes, parts, strict=True))

    def _take_over(self, state, replaced):
        """Return copies of the mean, W and its inverse. W and its inverse determine each other."""
        if state.parts is not None and not replaced:
            return state.parts
        mean, whitening, dewhitening = (
            copied(self._checked_attribute(name, state)) for name in self._model_attributes
        )
        inverse = array_namespace(mean).linalg.pinv
        if "whitening_" in replaced and "dewhitening_" not in replaced:
            dewhitening = inverse(whitening)
        if "dewhitening_" in replaced and "whitening_" not in replaced:
            whitening = inverse(dewhitening)
        parts = mean, whitening, dewhitening
        published = self._published(parts)
        vars(self).update({name: read_only(value) for name, value in published.items()})
        return parts

    def __sklearn_is_fitted__(self):
        """Return whether there is a whitening matrix; validation alone sets other attributes."""
        return "whitening_" in vars(self)

    def transform(self, X: MatrixLike) -> Array:
        """Whiten samples: (X - mean) W.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Whitened samples, in the dtype of X if it is float32 or float64.
        """
        self._ready()
        X = self._place(check_rows(self, X, reset=False))
        mean, whitening, _ = _like(X, *self._state.parts)
        return _in_blocks(lambda block: (block - mean) @ whitening, X)

    def inverse_transform(self, X: MatrixLike) -> Array:
        """Invert `transform`: multiply by the inverse of W, and add the mean.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Whitened samples.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Samples before whitening, in the dtype of X if it is float32 or float64.
        """
        self._ready()
        X = self._place(check_rows(self, X, reset=False))
        mean, _, dewhitening = _like(X, *self._state.parts)
        return _in_blocks(lambda block: block @ dewhitening + mean, X)

    def _output_and_kept(self, x, stream):
        self._ready()
        mean, whitening, _ = _like(x, *self._state.parts)
        return (x - mean) @ whitening, None

    def _input_gradient(self, kept, dy):
        self._ready()
        _, whitening, _ = _like(dy, *self._state.parts)
        return dy @ whitening.T

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _like(x, *arrays):
    """Return the arrays in the dtype of x, without a copy if they already have it."""
    xp = array_namespace(x)
    return [xp.asarray(array, dtype=x.dtype) for array in arrays]


def _in_blocks(function, X):
    """Return function(X), computed in blocks so that little memory beyond the result is needed."""
    blocks = list(_blocks(X))
    if len(blocks) == 1:
        return function(X)
    result = array_namespace(X).empty_like(X)
    for rows in blocks:
        result[rows, :] = function(X[rows, :])
    return result
