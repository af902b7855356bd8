"""Coordinate descent for lateral inhibition, one block per sample, several sweeps per launch."""

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._inhibition import extrapolated, stationarity
from sklearn_ebm.backends._namespace import array_namespace, copied
from sklearn_ebm.backends.cupy import _launch
from sklearn_ebm.backends.numpy._inhibited_descent import GREEDY_STEPS, INNER_SWEEPS


def inhibited_descent(lasso, code, tol, max_iter):
    """Fused greedy steps and sweeps; see `sklearn_ebm.backends.numpy.inhibited_descent`."""
    if not _launch.fusible(code):
        return reference.inhibited_descent(lasso, code, tol, max_iter)
    xp = array_namespace(code)
    lasso = lasso._replace(
        gram=_launch.as_input(lasso.gram, code),
        rule=lasso.rule._replace(strength=_launch.as_input(lasso.rule.strength, code)),
    )
    _descend(lasso, code, xp.zeros(code.shape[0], dtype=xp.bool), GREEDY_STEPS, 0)
    measure, n_iter = stationarity(lasso, code), 0
    while n_iter < max_iter and not bool(xp.all(measure <= tol)):
        n_sweeps = min(1 + INNER_SWEEPS, max_iter - n_iter)
        before = copied(code)
        _descend(lasso, code, measure <= tol, 0, n_sweeps)
        code[...] = extrapolated(lasso, code, before)
        measure = stationarity(lasso, code)
        n_iter += n_sweeps
    return measure, n_iter


def _descend(lasso, code, is_done, n_greedy, n_sweeps):
    """Make steps from fresh q and t; the first of the sweeps visits all coordinates."""
    n_rows, n_atoms = code.shape
    n_threads = _launch.n_threads(n_atoms)
    strength = lasso.rule.strength
    threshold = array_namespace(code).abs(code) @ strength
    buffers = n_threads * (code.dtype.itemsize + np.dtype(np.uint32).itemsize)
    state = 2 * n_atoms * code.dtype.itemsize
    in_shared_memory = buffers + state <= _launch.MAX_SHARED_BYTES
    _launch.launch(
        "inhibited_descent",
        "descend_inhibited",
        (n_rows, n_threads),
        (
            lasso.gram,
            strength,
            _launch.as_input(lasso.correlation - code @ lasso.gram, code),
            _launch.as_input(threshold, code),
            code,
            is_done,
            np.uint32(n_atoms),
            np.uint32(n_greedy),
            np.uint32(n_sweeps),
            np.bool_(lasso.rule.positive),
            np.bool_(in_shared_memory),
        ),
        shared_bytes=buffers + state if in_shared_memory else buffers,
    )
