"""Measures of codes and models."""

from sklearn_ebm.metrics._duality_gap import duality_gap

__all__ = ["duality_gap"]
