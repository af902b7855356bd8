"""Elementwise parts of the encoders, in a single pass; see `sklearn_ebm.backends.numpy`."""

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends.cupy import _launch


def shrink_preactivation(preactivation, bias, threshold):
    """Compute sh(u) = sign(u) max(|u| - threshold, 0) with u = x W + b."""
    if not _launch.fusible(preactivation):
        return reference.shrink_preactivation(preactivation, bias, threshold)
    return _activate("shrink", preactivation, bias, threshold)


def tanh_preactivation(preactivation, bias, gain):
    """Compute gain * tanh(x W + b)."""
    if not _launch.fusible(preactivation):
        return reference.tanh_preactivation(preactivation, bias, gain)
    return _activate("scaled_tanh", preactivation, bias, gain)


def smooth_shrink_preactivation(preactivation, bias, slope, location):
    """Compute sign(u) (log(exp(s b) + exp(s |u|) - 1) / s - b) with u = x W + b."""
    if not _launch.fusible(preactivation):
        return reference.smooth_shrink_preactivation(preactivation, bias, slope, location)
    return _activate("smooth_shrink", preactivation, bias, slope, location)


def _activate(kernel, preactivation, *parameters):
    xp = array_namespace(preactivation)
    n_rows, n_columns = preactivation.shape
    each = (xp.broadcast_to(parameter, (n_columns,)) for parameter in parameters)
    _launch.launch(
        "encoders",
        kernel,
        (n_rows, _launch.n_threads(n_columns)),
        (
            preactivation,
            *(_launch.as_input(values, preactivation) for values in each),
            np.uint32(n_columns),
        ),
    )
    return preactivation
