"""Encoders f(x), trained by back-propagation; `ENCODERS` names them."""

from sklearn_ebm.factors.encoders._convolutional import (
    ConvolutionalShrinkage,
    ConvolutionalSmoothShrinkage,
    ConvolutionalTanh,
)
from sklearn_ebm.factors.encoders._encoder import Encoder, Scale, placed
from sklearn_ebm.factors.encoders._greedy import GreedyEncoder
from sklearn_ebm.factors.encoders._local import (
    LocalShrinkage,
    LocalSmoothShrinkage,
    LocalTanh,
)
from sklearn_ebm.factors.encoders._logistic import LogisticEncoder
from sklearn_ebm.factors.encoders._piecewise_linear import (
    LinearEncoder,
    ReluEncoder,
    SaturatedLinearEncoder,
)
from sklearn_ebm.factors.encoders._shrinkage import ShrinkageEncoder
from sklearn_ebm.factors.encoders._smooth_shrinkage import SmoothShrinkageEncoder
from sklearn_ebm.factors.encoders._tanh import TanhEncoder
from sklearn_ebm.factors.encoders._unrolled import (
    MomentumEncoder,
    PositiveEncoder,
    UnrolledEncoder,
)

ENCODERS = {
    "shrinkage": ShrinkageEncoder,
    "tanh": TanhEncoder,
    "smooth_shrinkage": SmoothShrinkageEncoder,
    "lista": UnrolledEncoder,
    "lfista": MomentumEncoder,
    "lcod": GreedyEncoder,
    "drsae": PositiveEncoder,
}
CONVOLUTIONAL_ENCODERS = {
    "smooth_shrinkage": ConvolutionalSmoothShrinkage,
    "shrinkage": ConvolutionalShrinkage,
    "tanh": ConvolutionalTanh,
}
LOCAL_ENCODERS = {
    "smooth_shrinkage": LocalSmoothShrinkage,
    "shrinkage": LocalShrinkage,
    "tanh": LocalTanh,
}
UNROLLED_ENCODERS = ("lista", "lfista", "lcod", "drsae")  # encoders with a parameter `n_steps`
POSITIVE_ENCODERS = ("drsae",)  # encoders whose codes are not negative

__all__ = [
    "CONVOLUTIONAL_ENCODERS",
    "ENCODERS",
    "LOCAL_ENCODERS",
    "POSITIVE_ENCODERS",
    "UNROLLED_ENCODERS",
    "ConvolutionalShrinkage",
    "ConvolutionalSmoothShrinkage",
    "ConvolutionalTanh",
    "Encoder",
    "GreedyEncoder",
    "LinearEncoder",
    "LocalShrinkage",
    "LocalSmoothShrinkage",
    "LocalTanh",
    "LogisticEncoder",
    "MomentumEncoder",
    "PositiveEncoder",
    "ReluEncoder",
    "SaturatedLinearEncoder",
    "Scale",
    "ShrinkageEncoder",
    "SmoothShrinkageEncoder",
    "TanhEncoder",
    "UnrolledEncoder",
    "placed",
]
