"""Arrays of which Numba does not distinguish the layout.

Numba compiles a kernel anew for arrays in C order, in Fortran order and with gaps between rows.
Kernels that work on arrays of users, or on arrays that were copied or loaded since they were made,
receive all of them as one type.
"""

import numpy as np
from numba import types
from numba.extending import typeof_impl
from numba.np import numpy_support


class AnyLayout(np.ndarray):
    """Array that Numba sees as one of any strides; see `any_layout`."""

    __numba_array_subtype_dispatch__ = True


@typeof_impl.register(AnyLayout)
def _typeof_any_layout(array, context):
    dtype = numpy_support.from_dtype(array.dtype)
    return types.Array(dtype, array.ndim, "A", readonly=not array.flags.writeable)


def any_layout(array):
    """Return a view for which kernels are compiled once, for all strides.

    Only kernels that read single numbers may receive columns or Fortran order: others load vectors,
    for which rows must be contiguous.
    """
    return array.view(AnyLayout)
