"""Upper bounds of gaps that were computed in single precision, or whose codes were rounded."""

from sklearn_ebm.backends._namespace import array_namespace


def gap_with_rounding(code, gap, unit, roundings, largest_atom, dual_norm):
    """Return an upper bound of the relative gap of each row, given rounding errors.

    An error delta of the correlations changes the gap by at most
    (sqrt(gap) + delta |1|)^2 - gap + 2 delta ||z||_1 / unit, with |1| the dual norm of ones.

    Parameters
    ----------
    code : array of shape (n_rows, n_components)
        z.
    gap : array of shape (n_rows,)
        Gaps relative to `unit`; NaN stays NaN.
    unit : array of shape (n_rows,)
        1/2 ||x||^2, or one if it is zero.
    roundings : float
        Relative error of a correlation.
    largest_atom : float
        Largest norm of an atom.
    dual_norm : float
        Dual norm of a row of ones, in units of the penalty.

    Returns
    -------
    bound : array of shape (n_rows,)
        Bounds in the dtype of the codes.
    """
    xp = array_namespace(code)
    ones = xp.ones(code.shape[1], dtype=code.dtype)
    size, half_norm = (xp.astype(each, xp.float64) for each in (xp.abs(code) @ ones, unit))
    delta = roundings * largest_atom * (xp.sqrt(2 * half_norm) + largest_atom * size)
    root = xp.sqrt(xp.astype(xp.abs(gap), xp.float64))
    bound = (root + delta * dual_norm) ** 2 + 2 * delta * size / half_norm
    return xp.astype(bound, code.dtype)
