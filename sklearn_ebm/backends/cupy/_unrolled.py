"""The steps of unrolled inference on a CUDA device; see `sklearn_ebm.backends.numpy`.

A step of ISTA is the library's matrix product and one kernel; all greedy steps of a sample are one
block. Gradients that are shared by all samples are summed by atomic additions, in no fixed order.
"""

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends.cupy import _launch

ROWS_EACH = 16  # rows that a block sums before it adds them to the shared gradients


def unrolled_step(before, base, lateral, rule, code):
    """Compute a matrix product, then a single pass."""
    if not _launch.fusible(code):
        return reference.unrolled_step(before, base, lateral, rule, code)
    rule = _launch.typed_rule(rule, code)
    n_rows, n_columns = code.shape
    code[...] = 0 if before is None else before @ lateral
    _launch.launch(
        "unrolled_step",
        "shrink_sum",
        (n_rows, _launch.n_threads(n_columns)),
        (
            _launch.as_input(base, code),
            code,
            _launch.as_struct(rule, code.dtype),
            np.uint32(n_columns),
        ),
        rule=type(rule).__name__,
    )
    return code


def unrolled_step_backward(code, gradient, base_gradient, threshold_gradient):
    """Compute in a single pass over all arrays."""
    if not _launch.fusible(gradient, base_gradient, threshold_gradient):
        return reference.unrolled_step_backward(code, gradient, base_gradient, threshold_gradient)
    n_rows, n_columns = code.shape
    _launch.launch(
        "unrolled",
        "shrink_sum_backward",
        (-(-n_rows // ROWS_EACH), _launch.n_threads(n_columns)),
        (
            _launch.as_input(code, gradient),
            gradient,
            base_gradient,
            threshold_gradient,
            np.uint32(n_rows),
            np.uint32(n_columns),
            np.uint32(ROWS_EACH),
        ),
    )
    return gradient


def _fits(n_columns, dtype):
    """Return the shared bytes of a block with one sample; None if a device may have fewer."""
    n_bytes = (n_columns + _launch.n_threads(n_columns)) * dtype.itemsize
    n_bytes += _launch.n_threads(n_columns) * np.dtype(np.uint32).itemsize
    return n_bytes if n_bytes <= _launch.MAX_SHARED_BYTES else None


def _greedy_fusible(chosen, *in_place):
    return chosen.dtype == np.int64 and chosen.flags.c_contiguous and _launch.fusible(*in_place)


def greedy_steps(state, lateral, threshold, code, chosen, change, sign):
    """Make all steps of a sample by one block."""
    n_rows, n_columns = code.shape
    shared_bytes = _fits(n_columns, code.dtype)
    if shared_bytes is None or not _greedy_fusible(chosen, state, code, change, sign):
        return reference.greedy_steps(state, lateral, threshold, code, chosen, change, sign)
    _launch.launch(
        "unrolled",
        "greedy_descent",
        (n_rows, _launch.n_threads(n_columns)),
        (
            state,
            _launch.as_input(lateral, state),
            _launch.as_input(threshold, state),
            code,
            chosen,
            change,
            sign,
            np.uint32(n_columns),
            np.uint32(chosen.shape[1]),
        ),
        shared_bytes=shared_bytes,
    )
    return state


def greedy_steps_backward(
    gradient, lateral, code, chosen, change, sign, lateral_gradient, threshold_gradient
):
    """Propagate gradients through all steps of a sample by one block."""
    n_rows, n_columns = code.shape
    shared_bytes = _fits(n_columns, code.dtype)
    summed = (gradient, lateral_gradient, threshold_gradient)
    if shared_bytes is None or not _greedy_fusible(chosen, *summed, change, sign):
        return reference.greedy_steps_backward(
            gradient, lateral, code, chosen, change, sign, lateral_gradient, threshold_gradient
        )
    nothing = array_namespace(code).zeros_like(code)
    unrolled_step_backward(code, gradient, nothing, threshold_gradient)
    _launch.launch(
        "unrolled",
        "greedy_descent_backward",
        (n_rows, _launch.n_threads(n_columns)),
        (
            gradient,
            _launch.as_input(lateral, gradient),
            chosen,
            change,
            sign,
            lateral_gradient,
            threshold_gradient,
            np.uint32(n_columns),
            np.uint32(chosen.shape[1]),
        ),
        shared_bytes=shared_bytes,
    )
    return gradient
