"""The quadratic part ridge/2 ||z||^2 of a penalty, which inference adds to the misfit."""

from sklearn_ebm.protocols import offers


def without_ridge(penalty):
    """Return a penalty without its quadratic part, and the weight of this part.

    Parameters
    ----------
    penalty : PenaltyFactor
        alpha P(z).

    Returns
    -------
    penalty : PenaltyFactor
        The penalty itself if it declares no quadratic part.
    ridge : float
        Weight of 1/2 ||z||^2; zero if there is no quadratic part.
    """
    if offers(penalty, "without_ridge"):
        return penalty.without_ridge, float(penalty.ridge)
    return penalty, 0.0
