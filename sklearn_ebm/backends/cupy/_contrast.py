"""The update of a weight matrix: the library's product, then a single pass."""

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends.cupy import _launch


def ascend(weights, velocity, states, result=None):
    """Momentum, decay and step fused; see `sklearn_ebm.backends.numpy.ascend`."""
    result = weights if result is None else result
    if not _launch.fusible(weights, velocity, result):
        return reference.ascend(weights, velocity, states, result)
    xp, dtype = array_namespace(weights), weights.dtype.type
    n_rows, n_columns = weights.shape
    product = (states.left * states.share[:, None]).T @ states.right
    _launch.launch(
        "contrast",
        "move_weights",
        (n_rows, _launch.n_threads(n_columns)),
        (
            weights,
            velocity,
            _launch.as_input(product, weights),
            result,
            *(dtype(number) for number in (states.rate, states.momentum, states.decay)),
            np.uint32(n_columns),
        ),
    )
    return float(xp.max(xp.abs(result)))
