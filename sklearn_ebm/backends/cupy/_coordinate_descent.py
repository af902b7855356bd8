"""Cyclic coordinate descent in Gram form, one block per sample, several sweeps per launch."""

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._certificate import lasso_gap
from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends.cupy import _launch

CHECK_EVERY = 4  # sweeps; the gap is cheaper than one, but the host waits for it


def coordinate_descent(lasso, code, tol, max_iter):
    """Fused sweeps; see `sklearn_ebm.backends.numpy.coordinate_descent`.

    Rows whose gap is at most `tol` are skipped; the gap is computed every few sweeps.
    """
    if not (_launch.has_functor(lasso.rule) and _launch.fusible(code)):
        return reference.coordinate_descent(lasso, code, tol, max_iter)
    xp = array_namespace(code)
    gram, rule = _launch.as_input(lasso.gram, code), _launch.typed_rule(lasso.rule, code)
    residual_correlation = _launch.as_input(lasso.correlation - code @ gram, code)
    gap, n_iter = lasso_gap(lasso, code, residual_correlation), 0
    while n_iter < max_iter and not bool(xp.all(gap <= tol)):
        n_sweeps = min(CHECK_EVERY, max_iter - n_iter)
        _sweep(gram, residual_correlation, code, gap <= tol, rule, n_sweeps)
        gap = lasso_gap(lasso, code, residual_correlation)
        n_iter += n_sweeps
    return gap, n_iter


def _sweep(gram, residual_correlation, code, is_done, rule, n_sweeps):
    n_rows, n_atoms = code.shape
    row_bytes = n_atoms * code.dtype.itemsize
    in_shared_memory = row_bytes <= _launch.MAX_SHARED_BYTES
    _launch.launch(
        "coordinate_descent",
        "descend",
        (n_rows, _launch.n_threads(n_atoms)),
        (
            gram,
            residual_correlation,
            code,
            is_done,
            _launch.as_struct(rule, code.dtype),
            np.uint32(n_atoms),
            np.uint32(n_sweeps),
            np.bool_(in_shared_memory),
        ),
        rule=type(rule).__name__,
        shared_bytes=row_bytes if in_shared_memory else 0,
    )
