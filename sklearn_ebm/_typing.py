"""Types in the signatures of the public interface, as aliases.

They serve type checkers and readers; nothing checks them at run time. scikit-learn has no types, so
that estimators are `Any`. Importing this module loads neither numba nor cupy nor matplotlib.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy import sparse

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
else:
    Axes = Colormap = Any

__all__ = [
    "Activation",
    "Array",
    "ArrayLike",
    "Axes",
    "AxesLike",
    "Backend",
    "BatchSize",
    "Border",
    "ColormapLike",
    "ConvolutionSolver",
    "DTypeLike",
    "Encoder",
    "Estimator",
    "EstimatorOrMapping",
    "ImageShape",
    "Inference",
    "LearningRate",
    "MatrixLike",
    "MatrixSolver",
    "PenaltyLike",
    "Pooling",
    "RandomState",
    "Scale",
    "Size",
    "SparseOrDense",
    "Unrolled",
]

# Data. Results are on the device of the input: an `Array` may be a CuPy array, which has the same
# methods.
Array: TypeAlias = NDArray[Any]
MatrixLike: TypeAlias = ArrayLike | sparse.sparray | sparse.spmatrix
SparseOrDense: TypeAlias = Any  # an Array, or a csr_array if `sparse_output=True`
ImageShape: TypeAlias = Sequence[int]
Size: TypeAlias = int | Sequence[int]  # the same in both directions, or (height, width)

# Models
Estimator: TypeAlias = Any
EstimatorOrMapping: TypeAlias = Estimator | Mapping[str, Estimator]
PenaltyLike: TypeAlias = Literal["l1"] | object  # a specification, or an object with value and prox
RandomState: TypeAlias = int | np.random.RandomState | None

# Options
Activation: TypeAlias = Literal[
    "sigmoid", "tanh", "relu", "saturated_linear", "shrinkage", "linear"
]
Backend: TypeAlias = Literal["auto", "numpy", "numba", "cupy"]
BatchSize: TypeAlias = Literal["auto"] | int
Border: TypeAlias = Literal["full", "same", "valid", "circular"]
Encoder: TypeAlias = Literal[
    "shrinkage", "smooth_shrinkage", "tanh", "lista", "lfista", "lcod", "drsae"
]
Unrolled: TypeAlias = Literal["lista", "lfista", "lcod", "drsae"]
Inference: TypeAlias = Literal["encoder", "optimal"]
LearningRate: TypeAlias = Literal["auto"] | float | Callable[[float], float]
MatrixSolver: TypeAlias = Literal[
    "auto",
    "constrained",
    "omp",
    "reweighted",
    "inhibited_cd",
    "active_set",
    "cd",
    "block_cd",
    "fista",
    "ista",
]
ConvolutionSolver: TypeAlias = Literal[
    "auto", "reweighted", "local_cd", "fista", "fista_fft", "ista"
]
Pooling: TypeAlias = Literal["average", "max", "l2"]
Scale: TypeAlias = Literal["scale"]  # of alpha: the root mean square of the training data

# Displays
AxesLike: TypeAlias = Axes | Sequence[Axes] | NDArray[Any]
ColormapLike: TypeAlias = str | Colormap
