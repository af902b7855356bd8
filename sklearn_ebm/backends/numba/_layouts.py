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
    return types.Array(dtype, array.ndim, "A")


def any_layout(array):
    """Return a view of a writable array, for which kernels are compiled once for all strides.

    Read-only arrays are returned unchanged: Numba finds the types of read-only arrays and of
    subclasses in the same table, and would mistake one for the other in each call.
    Only kernels that read single numbers may receive columns or Fortran order: others load vectors,
    for which rows must be contiguous. The view is for kernels alone, since NumPy's sums of it would
    be arrays rather than numbers.
    """
    return array.view(AnyLayout) if array.flags.writeable else array
