"""What energies are made of: decoders, encoders, penalties, and their sum."""

from sklearn_ebm.factors._energy import Energy
from sklearn_ebm.factors.decoders._linear import LinearDecoder
from sklearn_ebm.factors.encoders import ENCODERS
from sklearn_ebm.factors.penalties._l1 import L1

__all__ = ["ENCODERS", "L1", "Energy", "LinearDecoder"]
