"""The smallest alpha for which the code of a sample is zero."""

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.penalties._ridge import without_ridge
from sklearn_ebm.factors.problems import joint_penalty
from sklearn_ebm.protocols import require, rows_of

PIECE_ROWS = 512  # samples whose correlations are in memory at a time
ROUNDINGS = 4  # times the square root of the number of terms of a correlation


def largest_alphas(X, decoder, factor, backend, user, remedy="", group_size=1):
    """Return the smallest alpha for which the code of each sample is zero, shape (n_samples,).

    A squared norm of the code in the penalty has no effect, since its gradient at zero is zero.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Samples, with zeros for entries that are not observed.
    decoder : LinearDecoder or ConvolutionalDecoder
        Dictionary.
    factor : PenaltyFactor
        The penalty with alpha = 1.
    backend : module
        Backend that maps pieces of the samples.
    user : str
        What requires the dual norm, for the error message.
    remedy : str, default=""
        Sentence that the error message ends with.
    group_size : int, default=1
        Number of consecutive samples that share a support.

    Returns
    -------
    array of shape (n_samples // group_size,)
        Rounded up, so that codes are exactly zero in the dtype of X.

    Raises
    ------
    ValueError
        If the penalty has no dual norm.
    """
    penalty, _ = without_ridge(factor)
    if group_size > 1:
        penalty = joint_penalty(penalty, group_size)
    require(penalty, "dual_norm", f"{user} requires a penalty", remedy)
    xp = array_namespace(X)
    norms = xp.empty(X.shape[0] // group_size, dtype=X.dtype)

    def work(first, last):
        correlation = decoder.correlate(X[first * group_size : last * group_size])
        if group_size > 1:
            correlation = xp.reshape(correlation, (last - first, -1))
        own = rows_of(penalty, slice(first, last))
        norms[first:last] = own.dual_norm(correlation, xp.zeros_like(correlation))

    piece = max(1, (decoder.piece_rows or PIECE_ROWS) // group_size)
    backend.map_pieces(work, norms.shape[0], piece)
    n_terms = decoder.dictionary[0, ...].size
    rounding = ROUNDINGS * float(xp.finfo(X.dtype).eps) * n_terms**0.5
    norms = xp.maximum(norms, xp.zeros_like(norms))  # negative if only negative codes would help
    return norms * (1 + rounding)
