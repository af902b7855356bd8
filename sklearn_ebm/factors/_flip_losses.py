"""Losses that compare a binary sample with its neighbours; `FLIP_LOSSES` names them.

With F the energy of a sample and x^i the sample x whose entry i is flipped, a loss of the sample is

    sum_i phi(F(x) - F(x^i)),

so that it does not depend on the partition function. A loss is a pair of elementwise functions, phi
and its derivative.
"""

from typing import Any, NamedTuple

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors._score_losses import log_logistic


class FlipLoss(NamedTuple):
    """A function phi of F(x) - F(x^i), and what learning needs to know of it.

    Attributes
    ----------
    value : callable
        phi(difference), elementwise.
    slope : callable
        Derivative of phi, elementwise. It is positive: learning lowers F(x) and raises F(x^i).
    learning_rate : float
        Default learning rate of a restricted Boltzmann machine.
    """

    value: Any
    slope: Any
    learning_rate: float


def logistic(difference):
    """Return 1 / (1 + exp(-t)) of each difference t, without overflow."""
    return array_namespace(difference).exp(log_logistic(difference))


def _squared_share(difference):
    return logistic(difference) ** 2


def _squared_share_slope(difference):
    share = logistic(difference)
    return 2 * share**2 * (1 - share)


def _flow(difference):
    """Return the rate at which probability flows from the sample to its neighbour."""
    return array_namespace(difference).exp(difference / 2)


def _flow_slope(difference):
    return _flow(difference) / 2


def _surprise(difference):
    """Return -log p(x_i | the other entries) = log(1 + exp(t)) of each difference t."""
    return -log_logistic(-difference)


FLIP_LOSSES = {
    "ratio_matching": FlipLoss(_squared_share, _squared_share_slope, 0.5),  # Hyvarinen 2007
    "minimum_probability_flow": FlipLoss(_flow, _flow_slope, 0.1),  # Sohl-Dickstein et al. 2011
    "pseudo_likelihood": FlipLoss(_surprise, logistic, 0.2),  # Besag 1975
}
