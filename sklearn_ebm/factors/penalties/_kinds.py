"""What users name as a penalty: an object whose `factory` makes the factor of some components."""

from sklearn_ebm.factors.penalties._l1 import L1


class L1Penalty:
    """alpha sum_j |z_j|: each component by itself."""

    def factory(self, n_components):
        """Make a function that gives the penalty for an alpha; `L1` itself."""
        return L1


PENALTIES = {"l1": L1Penalty()}


def penalty_kind(penalty):
    """What the parameter `penalty` stands for: a name, or an object that has `factory`."""
    return PENALTIES[penalty] if isinstance(penalty, str) else penalty
