"""Central differences for tests of gradients."""

import numpy as np


def finite_differences(function, point):
    """Return central differences with error O(step^2) + O(eps / step), about 1e-9 at 1e-5."""
    flat = point.ravel()
    gradient = np.empty_like(flat)
    for i in range(flat.size):
        there = flat[i]
        values = []
        for step in (1e-5, -1e-5):
            flat[i] = there + step
            values.append(function())
        flat[i] = there
        gradient[i] = (values[0] - values[1]) / 2e-5
    return gradient.reshape(point.shape)
