"""Functions of samples that threads compute for pieces of the rows."""

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.inputs._rows import dense_rows

PIECE_ROWS = 512  # samples that a thread makes dense at a time


def map_rows(function, energy, X, n_columns=None):
    """Return function(energy, rows, ...) of all samples; sparse X is made dense in pieces.

    Parameters
    ----------
    function : callable
        function(energy, rows, result, first) writes the result of dense rows, the first of which is
        row `first` of X, to `result`.
    energy : BilinearEnergy
        Gives the type of the rows and of the result, and the backend.
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
