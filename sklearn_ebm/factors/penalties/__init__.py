"""Penalties on codes: value, proximal operator, and a rule for the fused kernels."""

from sklearn_ebm.factors.penalties._group import DisjointGroupNorm, GroupNorm, group_norm
from sklearn_ebm.factors.penalties._l1 import L1

__all__ = ["L1", "DisjointGroupNorm", "GroupNorm", "group_norm"]
