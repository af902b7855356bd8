"""Models in other formats."""

from sklearn_ebm.export._trusted import skops_trusted_types

__all__ = ["skops_trusted_types"]
