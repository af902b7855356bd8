"""Written contracts: what each kind of part must offer, as `typing.Protocol` classes."""

from sklearn_ebm.protocols._capabilities import offers
from sklearn_ebm.protocols._penalty import Penalty, PenaltyFactor
from sklearn_ebm.protocols._solver import Solver

__all__ = ["Penalty", "PenaltyFactor", "Solver", "offers"]
