"""One accelerated proximal step for a batch of codes, one block per row."""

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends.cupy._launch import (
    as_input,
    as_struct,
    fusible,
    has_functor,
    launch,
    n_threads,
    typed_rule,
)
from sklearn_ebm.protocols import offers


def proximal_step(product, correlation, code, extrapolated, momentum, step_size, penalty):
    """Fused step for penalties with a rule; see `sklearn_ebm.backends.numpy.proximal_step`."""
    dtype = code.dtype.type
    rule = penalty.rule(step_size, dtype) if offers(penalty, "rule") else None
    replaced = (code, extrapolated) if momentum is None else (code, extrapolated, momentum)
    if not (has_functor(rule) and fusible(*replaced)):
        reference.proximal_step(
            product, correlation, code, extrapolated, momentum, step_size, penalty
        )
        return
    rule = typed_rule(rule, code)
    n_rows, n_columns = code.shape
    threads = n_threads(n_columns)
    launch(
        "proximal",
        "plain_step" if momentum is None else "accelerated_step",
        (n_rows, threads),
        (
            as_input(product, code),
            as_input(correlation, code),
            *replaced,
            dtype(step_size),
            as_struct(rule, code.dtype),
            np.uint32(n_columns),
        ),
        rule=type(rule).__name__,
        shared_bytes=threads * code.dtype.itemsize,
    )
