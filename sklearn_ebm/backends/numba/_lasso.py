"""Host side of the solvers for single samples: buffers, and distribution of rows over threads."""

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._inhibition import SWEEP_ROUNDINGS
from sklearn_ebm.backends._namespace import diagonal, read_only
from sklearn_ebm.backends.numba._active_set import Path, active_set_path_rows, active_set_rows
from sklearn_ebm.backends.numba._block_descent import (
    block_descent_rows,
    group_bounds,
    new_blocks,
)
from sklearn_ebm.backends.numba._coordinate_descent import coordinate_descent_rows, quadratic_rows
from sklearn_ebm.backends.numba._factor import new_descent as new_search_in_double
from sklearn_ebm.backends.numba._feature_sign import feature_sign_rows
from sklearn_ebm.backends.numba._inhibited_descent import inhibited_descent_rows, new_inhibited
from sklearn_ebm.backends.numba._joint_pursuit import new_joint_pursuit, pursue_groups
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._proximal_gradient import new_descent, proximal_gradient_rows
from sklearn_ebm.backends.numba._pursuit import Limits, new_pursuit, pursue_rows
from sklearn_ebm.backends.numba._support import has_few_on, new_search, typed_rule
from sklearn_ebm.backends.numpy._pursuit import least_squares

MAX_SUPPORT = 1024  # with a larger support, the inverse would be slower than coordinate descent
SMALLEST_PIECE = 32  # rows; fewer are finished before a second thread starts
ROUNDINGS = 4  # possible underestimate of a computed gap, in units of rounding of its dtype


def _typed(lasso):
    """Return a problem with read-only arrays and a rule in their dtype.

    Otherwise, kernels would be compiled again for other numbers and for arrays that may be written.
    """
    *arrays, rule = lasso
    return type(lasso)(*map(read_only, arrays), typed_rule(rule, lasso.gram.dtype))


def _stop_at(tol, dtype):
    """Return a tolerance for gaps that are computed in `dtype`."""
    return max(tol - ROUNDINGS * float(np.finfo(dtype).eps), tol / 2)


def by_rows(solve, code, tol, smallest=SMALLEST_PIECE):
    """Return the gaps of all rows and the rounds, by solve(gap, n_iter, tol, first, last).

    The rounds are the maximum over the rows above tol, or over all rows if there are none.
    """
    gap, n_iter = np.zeros(code.shape[0]), np.zeros(code.shape[0], np.int64)
    stop = _stop_at(tol, code.dtype)
    split_rows(lambda first, last: solve(gap, n_iter, stop, first, last), code.shape[0], smallest)
    late = gap > tol
    return gap, int(np.max(n_iter, where=late if late.any() else True, initial=0))


def active_set(lasso, code, tol, max_iter, warm=True):
    """Fused active set; see `sklearn_ebm.backends.numpy.active_set`."""
    lasso = _typed(lasso)
    n_atoms = code.shape[1]
    capacity = min(n_atoms, MAX_SUPPORT)

    def solve(gap, n_iter, tol, first, last):
        search = new_search(n_atoms, capacity, code.dtype)
        active_set_rows(lasso, code, gap, n_iter, warm, tol, max_iter, search, first, last)

    return by_rows(solve, code, tol)


def active_set_path(lasso, thresholds, ridges, code, tol, max_iter):
    """Fused active set for a path; see `sklearn_ebm.backends.numpy.active_set_path`."""
    lasso = _typed(lasso._replace(rule=lasso.rule._replace(threshold=1)))
    weights = (read_only(np.asarray(each, code.dtype)) for each in (thresholds, ridges))
    path = Path(*weights, read_only(diagonal(lasso.gram).copy()), None)
    n_thresholds, n_rows, n_atoms = code.shape
    capacity = min(n_atoms, MAX_SUPPORT)
    gap = np.zeros((n_thresholds, n_rows))
    n_iter = np.zeros((n_thresholds, n_rows), np.int64)
    stop = _stop_at(tol, code.dtype)

    def work(first, last):
        search = new_search(n_atoms, capacity, code.dtype)
        own = path._replace(gram=np.array(lasso.gram))
        active_set_path_rows(lasso, own, code, gap, n_iter, stop, max_iter, search, first, last)

    split_rows(work, n_rows, SMALLEST_PIECE)
    return gap, n_iter.max(axis=1, initial=0)


def feature_sign(lasso, code, tol, max_iter):
    """Fused feature-sign search; see `sklearn_ebm.backends.numpy.feature_sign`."""
    in_double = typed_rule(lasso.rule, np.dtype(np.float64))  # as the search
    lasso = _typed(lasso)._replace(rule=in_double)
    n_atoms = code.shape[1]
    capacity = min(n_atoms, MAX_SUPPORT)

    def solve(gap, n_iter, tol, first, last):
        descent = new_search_in_double(n_atoms, capacity)
        feature_sign_rows(lasso, code, gap, n_iter, tol, max_iter, descent, first, last)

    return by_rows(solve, code, tol)


def coordinate_descent(lasso, code, tol, max_iter):
    """Fused coordinate descent; see `sklearn_ebm.backends.numpy.coordinate_descent`."""
    lasso = _typed(lasso)

    def solve(gap, n_iter, tol, first, last):
        correlation = np.empty(code.shape[1], code.dtype)
        coordinate_descent_rows(lasso, code, gap, n_iter, tol, max_iter, correlation, first, last)

    return by_rows(solve, code, tol)


def block_descent(lasso, code, tol, max_iter):
    """Fused sweeps over groups; see `sklearn_ebm.backends.numpy.block_descent`."""
    rule = lasso.rule
    starts = np.ascontiguousarray(rule.starts, np.intp)
    threshold = np.ascontiguousarray(rule.threshold, code.dtype)
    members = np.ascontiguousarray(rule.members, np.uintp)
    lasso = lasso._replace(rule=rule._replace(
        threshold=threshold, membership=None, members=members, starts=starts
    ))  # fmt: skip
    largest = int(np.diff(starts).max())
    lipschitz = np.empty_like(threshold)
    group_bounds(lasso.gram, lasso.rule, lipschitz)

    def solve(gap, n_iter, tol, first, last):
        blocks = new_blocks(lipschitz, largest, code.shape[1], code.dtype)
        block_descent_rows(lasso, code, gap, n_iter, tol, max_iter, blocks, first, last)

    return by_rows(solve, code, tol)


def inhibited_descent(lasso, code, tol, max_iter):
    """Fused greedy steps and sweeps; see `sklearn_ebm.backends.numpy.inhibited_descent`."""
    strength = read_only(np.ascontiguousarray(lasso.rule.strength, code.dtype))
    arrays = map(read_only, lasso[:3])
    lasso = type(lasso)(*arrays, lasso.rule._replace(strength=strength))
    rounding = code.dtype.type(SWEEP_ROUNDINGS * np.finfo(code.dtype).eps)

    def solve(measure, n_iter, tol, first, last):
        state = new_inhibited(code.shape[1], code.dtype)
        inhibited_descent_rows(
            lasso, code, measure, n_iter, tol, max_iter, rounding, state, first, last
        )

    return by_rows(solve, code, tol)


def proximal_gradient(lasso, code, tol, max_iter, lipschitz, accelerated):
    """Fused steps, row by row; see `sklearn_ebm.backends.numpy.proximal_gradient`."""
    lasso, lipschitz = _typed(lasso), code.dtype.type(lipschitz)

    def solve(gap, n_iter, tol, first, last):
        descent = new_descent(code.shape[1], code.dtype)
        proximal_gradient_rows(
            lasso, code, gap, n_iter, tol, max_iter, lipschitz, accelerated, descent, first, last
        )

    return by_rows(solve, code, tol)


def quadratic(gram, correlation, code):
    """Sum over non-zeros if they are few; see `sklearn_ebm.backends.numpy.quadratic`."""
    if not has_few_on(code):
        return reference.quadratic(gram, correlation, code)
    result = np.empty(code.shape[0], code.dtype)

    def work(first, last):
        support = np.empty(code.shape[1], np.uintp)
        quadratic_rows(gram, correlation, code, support, result, first, last)

    split_rows(work, code.shape[0], SMALLEST_PIECE)
    return result


def pursue(lasso, code, most):
    """Fused pursuit; see `sklearn_ebm.backends.numpy.pursue`."""
    dtype, n_atoms = code.dtype, lasso.gram.shape[0]
    rule, squares = lasso.rule, read_only(np.ascontiguousarray(diagonal(lasso.gram)))
    numbers = map(dtype.type, (rule.tol, *least_squares(squares)))
    limits, capacity = Limits(*numbers, bool(rule.optimized)), min(most, n_atoms)
    gram, correlation, half_norm = map(read_only, lasso[:3])
    n_samples = code.shape[1] // n_atoms
    if n_samples > 1:
        shape = code.shape[0], n_samples, n_atoms
        correlation, code = correlation.reshape(shape), code.reshape(shape)
    lasso = type(lasso)(gram, correlation, half_norm, 0)

    sizes = np.zeros(code.shape[0], np.int64)

    def work(first, last):
        if n_samples > 1:
            buffers = new_joint_pursuit(n_samples, n_atoms, capacity, dtype)
            pursue_groups(lasso, squares, limits, code, sizes, buffers, first, last)
        else:
            buffers = new_pursuit(n_atoms, capacity, dtype)
            pursue_rows(lasso, squares, limits, code, sizes, buffers, first, last)

    split_rows(work, code.shape[0], max(1, SMALLEST_PIECE // max(1, n_samples)))
    return int(sizes.max(initial=0))
