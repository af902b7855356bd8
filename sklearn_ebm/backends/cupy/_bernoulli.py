"""Binary units, in a single pass each; see `sklearn_ebm.backends.numpy`."""

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._namespace import new_array
from sklearn_ebm.backends.cupy import _launch
from sklearn_ebm.backends.cupy._random import key_struct, n_random_threads


def bernoulli_mean(field, bias, scale=1.0):
    """Compute field = 1 / (1 + exp(-logit)), in place."""
    if not _launch.fusible(field):
        return reference.bernoulli_mean(field, bias, scale)
    n_rows, n_units = field.shape
    _launch.launch(
        "units",
        "unit_means",
        (n_rows, _launch.n_threads(n_units)),
        (field, _launch.as_input(bias, field), field.dtype.type(scale), np.uint32(n_units)),
    )
    return field


def bernoulli_sample(field, bias, scale, key, mean=None):
    """Draw random numbers and samples, and write the means if `mean` is not None."""
    replaced = (field,) if mean is None else (field, mean)
    if not _launch.fusible(*replaced):
        return reference.bernoulli_sample(field, bias, scale, key, mean)
    n_rows, n_units = field.shape
    _launch.launch(
        "units",
        "draw_units",
        (n_rows, n_random_threads(n_units)),
        (
            field,
            _launch.as_input(bias, field),
            field.dtype.type(scale),
            key_struct(key),
            _launch.NULL if mean is None else mean,
            np.uint32(n_units),
        ),
    )
    return field


def softplus_sums(field, bias, scale=1.0):
    """Sum each row by one block."""
    n_rows, n_units = field.shape
    sums = new_array((n_rows,), field)
    if not _launch.fusible(sums):
        return reference.softplus_sums(field, bias, scale)
    threads = _launch.n_threads(n_units)
    _launch.launch(
        "units",
        "softplus_sums",
        (n_rows, threads),
        (
            _launch.as_input(field, sums),
            _launch.as_input(bias, sums),
            field.dtype.type(scale),
            sums,
            np.uint32(n_units),
        ),
        shared_bytes=threads * field.dtype.itemsize,
    )
    return sums
