"""One accelerated proximal step for a batch of codes, in a single pass over its rows."""

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._momentum import accelerate
from sklearn_ebm.backends.numba._rules import kernel, row_of, shrink
from sklearn_ebm.backends.numba._support import typed_rule
from sklearn_ebm.backends.numba._windows import majorized_step
from sklearn_ebm.protocols import offers

SMALLEST_PIECE = 128


@kernel
def _plain_rows(product, correlation, code, extrapolated, step_size, rule, first, last):
    for i in range(first, last):
        own = row_of(rule, i)
        for k in range(code.shape[1]):
            slope = product[i, k] - correlation[i, k]
            updated = shrink(own, extrapolated[i, k] - step_size * slope, k)
            code[i, k] = updated
            extrapolated[i, k] = updated


@kernel
def _accelerated_rows(
    product, correlation, code, extrapolated, momentum, step_size, rule, first, last
):
    for i in range(first, last):
        own, against = row_of(rule, i), step_size - step_size
        for k in range(code.shape[1]):
            start = extrapolated[i, k]
            updated = shrink(own, start - step_size * (product[i, k] - correlation[i, k]), k)
            against += (start - updated) * (updated - code[i, k])
            extrapolated[i, k] = updated
        momentum[i], weight = accelerate(momentum[i], against)
        for k in range(code.shape[1]):
            updated = extrapolated[i, k]
            extrapolated[i, k] = updated + weight * (updated - code[i, k])
            code[i, k] = updated


def proximal_step(product, correlation, code, extrapolated, momentum, step_size, penalty):
    """Fused step for penalties with a rule; see `sklearn_ebm.backends.numpy.proximal_step`."""
    if offers(penalty, "windows"):
        majorized_step(product, correlation, code, extrapolated, momentum, step_size, penalty)
        return
    if not offers(penalty, "rule"):
        reference.proximal_step(
            product, correlation, code, extrapolated, momentum, step_size, penalty
        )
        return
    dtype = np.dtype(code.dtype).type
    rule, step_size = typed_rule(penalty.rule(step_size, dtype), code.dtype), dtype(step_size)

    def work(first, last):
        if momentum is None:
            _plain_rows(product, correlation, code, extrapolated, step_size, rule, first, last)
        else:
            _accelerated_rows(
                product, correlation, code, extrapolated, momentum, step_size, rule, first, last
            )

    split_rows(work, code.shape[0], SMALLEST_PIECE)
