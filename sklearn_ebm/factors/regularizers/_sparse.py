"""A penalty on the codes, with smooth norms. Linear, tied units are reconstruction ICA."""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.penalties._resolve import resolve_penalty
from sklearn_ebm.factors.regularizers._regularizer import Regularizer, unit_columns, weighted
from sklearn_ebm.protocols import offers, require

EPSILON = 1e-5  # added to the squares of norms (Le, Karpenko, Ngiam & Ng 2011)


@stored
class Sparsity(Regularizer):
    """alpha P(z), with sqrt(z^2 + epsilon) in place of |z|, and likewise for norms of groups.

    The filters of an encoder with linear activation have unit norm if weights are tied, as in
    reconstruction ICA (Le et al. 2011).

    Parameters
    ----------
    penalty : PenaltyFactor
        alpha P, with a method `gradient` or `smoothed`.
    """

    def __init__(self, penalty):
        self.penalty = penalty

    @classmethod
    def of(cls, penalty, n_components, alpha, epsilon=EPSILON):
        """Return the term for a penalty as users specify it.

        Parameters
        ----------
        penalty : str or Penalty
            As for `resolve_penalty`.
        n_components : int
            Number of components.
        alpha : float
            Weight of the penalty.
        epsilon : float, default=1e-5
            Added to the squares of norms.

        Raises
        ------
        ValueError
            If the penalty does not support the number of components, or has no gradient.
        """
        factor = resolve_penalty(penalty, n_components, alpha)
        if offers(factor, "smoothed"):
            return cls(factor.smoothed(epsilon))
        require(factor, "gradient", "regularizer='sparse' requires a penalty", "Use GroupPenalty.")
        return cls(factor)

    def differentiate(self, encoder, code, weight):
        """Return the term and its derivatives; see `Regularizer`."""
        change = weighted(self.penalty.gradient(code), weight)
        return self.penalty.value(code), change, {}

    def project(self, energy):
        """Move the parameters of an energy in place to the nearest allowed values."""
        super().project(energy)
        if _has_unit_filters(energy):
            unit_columns(energy.encoder.parameters["weights"])

    def tangent(self, energy, gradients):
        """Remove the parts of gradients along which a step would leave the allowed values."""
        if _has_unit_filters(energy):
            filters, gradient = energy.encoder.parameters["weights"], gradients["weights"]
            xp = array_namespace(filters)
            gradient -= xp.sum(gradient * filters, axis=0) * filters
        return super().tangent(energy, gradients)


def _has_unit_filters(energy):
    return energy.dictionary is None and energy.encoder.activation.is_linear
