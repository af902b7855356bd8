"""Encoders f(x) = activation(x W + b), trained by back-propagation; `ENCODERS` names them."""

from sklearn_ebm.factors.encoders._shrinkage import ShrinkageEncoder
from sklearn_ebm.factors.encoders._smooth_shrinkage import SmoothShrinkageEncoder
from sklearn_ebm.factors.encoders._tanh import TanhEncoder

ENCODERS = {
    "shrinkage": ShrinkageEncoder,
    "tanh": TanhEncoder,
    "smooth_shrinkage": SmoothShrinkageEncoder,
}

__all__ = ["ENCODERS", "ShrinkageEncoder", "SmoothShrinkageEncoder", "TanhEncoder"]
