"""One Adam update of a parameter, in a single pass over its entries."""

import math

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends.cupy import _launch


def adam_step(parameter, gradient, first, second, rate, constants):
    """Fused update; see `sklearn_ebm.backends.numpy.adam_step`."""
    if not _launch.fusible(parameter, first, second):
        reference.adam_step(parameter, gradient, first, second, rate, constants)
        return
    first_decay, second_decay, epsilon = constants
    size, dtype = math.prod(parameter.shape), parameter.dtype.type
    _launch.launch(
        "adam",
        "adam_entries",
        (-(-size // _launch.MAX_THREADS), _launch.MAX_THREADS),
        (
            parameter,
            _launch.as_input(gradient, parameter),
            first,
            second,
            *(dtype(number) for number in (rate, 1 - first_decay, 1 - second_decay, epsilon)),
            np.uint32(size),
            np.uint32(_launch.MAX_THREADS),
        ),
    )
