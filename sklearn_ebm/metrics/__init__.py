"""Measures of codes and models."""

from sklearn_ebm.metrics._duality_gap import duality_gap
from sklearn_ebm.metrics._energy_of import energy_of
from sklearn_ebm.metrics._invariance import invariance_curve, normalized_distance
from sklearn_ebm.metrics._topography import pinwheels, topographic_order

__all__ = [
    "duality_gap",
    "energy_of",
    "invariance_curve",
    "normalized_distance",
    "pinwheels",
    "topographic_order",
]
