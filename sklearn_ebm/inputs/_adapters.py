"""Input adapters, which check samples, apply masks and move samples to their device.

`read` accepts the samples that users pass and returns `Data`, which has the same form for all
models. It sets only those attributes of the estimator that scikit-learn's validation sets.
"""

from dataclasses import dataclass
from typing import Any

from scipy import sparse

from sklearn_ebm.backends import array_namespace, resolve_backend
from sklearn_ebm.inputs._checks import check_magnitude, require_same_place
from sklearn_ebm.inputs._image_checks import check_mask, flat, require_observed, without_unseen
from sklearn_ebm.inputs._images import (
    ImageForm,
    check_images,
    check_values,
    full_shape,
    warn_of_signals,
)
from sklearn_ebm.inputs._rows import (
    canonical,
    check_rows,
    is_nan,
    require_complete,
    split_missing,
)

ROWS = ImageForm(2)


@dataclass(frozen=True)
class Data:
    """Samples of one call.

    Attributes
    ----------
    X : array of shape (n_samples, n_features) or (n_samples, height, width, n_channels), or \
            csr_array of shape (n_samples, n_features)
        Samples, with zeros for entries that are not observed. A sparse array is in canonical
        format, and has no mask.
    mask : array of the shape of X or None
        1 for observed entries, otherwise 0. None if all entries are observed.
    backend : module
        Backend that computes with the samples.
    form : ImageForm
        Form of the samples that the user passed.
    source : Source or None
        Chunks of a Dask array, of which X contains some rows. None if X contains all samples.
    """

    X: Any
    mask: Any
    backend: Any
    form: ImageForm = ROWS
    source: Any = None

    @property
    def n_samples(self):
        """Number of samples, including those that are not in memory."""
        return self.X.shape[0] if self.source is None else self.source.chunks.n_rows

    @property
    def values(self):
        """Values with the extremes of all samples."""
        return self.X if self.source is None else self.source.extremes

    @property
    def passed(self):
        """All samples, for callbacks: a checked array, or the Dask array that the user passed."""
        return self.X if self.source is None else self.source.chunks.X

    @property
    def shape(self):
        """Shape of one sample."""
        return self.X.shape[1:]

    @property
    def rows(self):
        """Samples as rows."""
        return flat(self.X)

    @property
    def observed(self):
        """The mask as rows, or None."""
        return flat(self.mask)


class Rows:
    """Samples that are rows of features.

    Parameters
    ----------
    missing_values : float or None, default=None
        Placeholder for missing entries, NaN or a number. None if no entries are missing.
    accepts_sparse : bool, default=False
        Whether the model computes with sparse samples.
    """

    def __init__(self, missing_values=None, accepts_sparse=False):
        self.missing_values = missing_values
        self.accepts_sparse = accepts_sparse

    def read(self, estimator, X, mask=None, *, reset=False, degree=2, dtype=None):
        """Check the samples of one call and move them to their device.

        Parameters
        ----------
        estimator : estimator
            Estimator that error messages name. Its `backend` selects the device.
        X : {array-like, sparse matrix}
            Samples.
        mask : array-like or None, default=None
            1, or True, for observed entries.
        reset : bool, default=False
            Whether this is the first call of `fit` or `partial_fit`.
        degree : int, default=2
            Highest power of X that is computed.
        dtype : dtype or None, default=None
            Type to which batches will be cast. None if batches keep their type.

        Returns
        -------
        Data
        """
        if self.accepts_sparse:
            require_complete(X, self.missing_values, mask)
        array, form = self._checked(estimator, X, reset, mask is None)
        if sparse.issparse(array):
            check_magnitude(array, degree, dtype)
            if not reset:
                require_same_place(estimator, array)
            return Data(array, None, resolve_backend(estimator.backend, array), form)
        if mask is not None:
            mask = check_mask(mask, array, form)
            array = without_unseen(array, mask)
            check_values(estimator, array, is_nan(self.missing_values))
        rows, observed = split_missing(flat(array), self.missing_values)
        if mask is not None:
            observed = mask if observed is None else observed * mask
            require_observed(observed)
        check_magnitude(rows, degree, dtype)
        backend = resolve_backend(estimator.backend, rows)
        rows = backend.to_device(rows)
        if not reset:
            require_same_place(estimator, rows)
        observed = None if observed is None else backend.to_device(observed)
        return Data(_shaped(rows, array.shape), _shaped(observed, array.shape), backend, form)

    def shape_of_rows(self, fitted_shape):
        """Return the shape of samples that are passed as rows, from the shape in `fit`."""
        return fitted_shape

    def encoder_of_rows(self, encoder):
        """Return an encoder for samples in all forms that users may pass."""
        return encoder

    def _checked(self, estimator, X, reset, finite):
        """Return samples as a floating-point array, and their form."""
        accepted = "csr" if self.accepts_sparse and estimator.backend != "cupy" else False
        rows = check_rows(
            estimator, X, reset=reset, accept_sparse=accepted, finite=finite,
            allow_nan=is_nan(self.missing_values),
        )  # fmt: skip
        return canonical(rows), ROWS


class Images(Rows):
    """Samples that are images, or flat rows of their pixels.

    Parameters
    ----------
    missing_values : float or None
        Placeholder for missing pixels, NaN or a number. None if no pixels are missing.
    image_shape : tuple of int or None
        Height, width and channels of images in flat rows. None treats rows as signals, which are
        images of height one.
    smallest : int or tuple of int
        Smallest height and width of images.
    """

    def __init__(self, missing_values, image_shape, smallest):
        super().__init__(missing_values)
        self.image_shape = image_shape
        self.smallest = smallest

    def shape_of_rows(self, fitted_shape):
        return fitted_shape if self.image_shape is None else full_shape(self.image_shape)

    def encoder_of_rows(self, encoder):
        return encoder.on_images(self.image_shape)

    def _checked(self, estimator, X, reset, finite):
        images, form = check_images(
            estimator, X, reset=reset, image_shape=self.image_shape, smallest=self.smallest,
            allow_nan=is_nan(self.missing_values), finite=finite,
        )  # fmt: skip
        if reset:
            warn_of_signals(estimator, form, images)
        return images, form


def _shaped(rows, shape):
    if rows is None or len(shape) == 2:
        return rows
    return array_namespace(rows).reshape(rows, shape)
