"""Functions of samples, computed for pieces of the rows by several threads."""

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.inputs._rows import dense_rows

PIECE_ROWS = 512  # samples that a thread converts to dense rows at a time


def map_rows(function, energy, X, n_columns=None):
    """Return function(energy, rows, ...) of all samples; sparse X is converted in pieces.

    Parameters
    ----------
    function : callable
        function(energy, rows, result, first) writes the result for dense rows to `result`, where
        the first of the rows is row `first` of X.
    energy : BilinearEnergy
        Provides the dtype of the rows and of the result, and the backend.
    X : array or csr_array of shape (n_samples, n_visible)
        Samples.
    n_columns : int or None, default=None
        Number of columns of the result. None if it has one number per sample.

    Returns
    -------
    array of shape (n_samples,) or (n_samples, n_columns)
        Results.
    """
    dtype, xp = energy.weights.dtype, array_namespace(energy.weights)
    shape = (X.shape[0],) if n_columns is None else (X.shape[0], n_columns)
    result = xp.empty(shape, dtype=dtype)

    def work(first, last):
        rows = dense_rows(X, slice(first, last), dtype)
        function(energy, rows, result[first:last, ...], first)

    energy.backend_for(energy.weights).map_pieces(work, X.shape[0], PIECE_ROWS)
    return result
