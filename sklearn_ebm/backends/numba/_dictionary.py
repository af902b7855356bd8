"""Moments of sparse codes, and block coordinate descent on atoms, in place."""

import math

import numpy as np
from scipy import sparse

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._support import add_row, has_few_on
from sklearn_ebm.backends.numpy._dictionary import SMALLEST_USE, STILL


@kernel
def _add_moments(code_moment, cross_moment, code, X, weight):
    """Add the code and the sample, times each non-zero coefficient, to the rows of its atom."""
    for n in range(code.shape[0]):
        for j in range(code.shape[1]):
            if code[n, j] != 0:
                weighted = weight[n] * code[n, j]
                add_row(code_moment[j], code, n, weighted)
                add_row(cross_moment[j], X, n, weighted)


def add_moments(code_moment, cross_moment, code, X, weight):
    """Sum over non-zeros if they are few; see `sklearn_ebm.backends.numpy.add_moments`."""
    if sparse.issparse(X) or not has_few_on(code):
        reference.add_moments(code_moment, cross_moment, code, X, weight)
        return
    _add_moments(code_moment, cross_moment, code, np.ascontiguousarray(X), weight)


@kernel
def _sweep(dictionary, code_moment, cross_moment, is_positive, atom, floor):
    n_atoms, n_features = dictionary.shape
    tiny = np.finfo(dictionary.dtype).tiny
    for j in range(n_atoms):
        use = code_moment[j, j]
        if use <= floor:
            continue
        for t in range(n_features):
            atom[t] = cross_moment[j, t]
        for i in range(n_atoms):
            if code_moment[j, i] != 0:
                add_row(atom, dictionary, i, -code_moment[j, i])
        square = use - use
        for t in range(n_features):
            atom[t] = dictionary[j, t] + atom[t] / use
            if is_positive:
                atom[t] = max(atom[t], use - use)
            square += atom[t] * atom[t]
        norm = math.sqrt(square)
        if norm > tiny:
            for t in range(n_features):
                dictionary[j, t] = atom[t] / norm


def update_atoms(dictionary, code_moment, cross_moment, is_positive=False):
    """Fused sweep over the atoms; see `sklearn_ebm.backends.numpy.update_atoms`."""
    floor = dictionary.dtype.type(SMALLEST_USE * code_moment.diagonal().max())
    atom = np.empty(dictionary.shape[1], dictionary.dtype)
    _sweep(dictionary, code_moment, cross_moment, is_positive, atom, floor)


@kernel
def _count_uses(code, starts):
    """Write the end of the samples of each atom, in a list ordered by atoms, to starts[j + 1]."""
    n_samples, n_atoms = code.shape
    for n in range(n_samples):
        for j in range(n_atoms):
            starts[j + 1] += code[n, j] != 0
    for j in range(n_atoms):
        starts[j + 1] += starts[j]


@kernel
def _list_uses(code, starts, free, rows, values):
    """Write the samples of each atom and their coefficients; `free` is a copy of the starts."""
    n_samples, n_atoms = code.shape
    for n in range(n_samples):
        for j in range(n_atoms):
            if code[n, j] != 0:
                rows[free[j]], values[free[j]] = n, code[n, j]
                free[j] += 1


@inner
def _add_products(residual, rows, values, weight, first, last, total):
    """Compute total = sum_n w_n z_n e_n."""
    for t in range(total.shape[0]):
        total[t] = 0
    for i in range(first, last):
        add_row(total, residual, rows[i], weight[rows[i]] * values[i])


@inner
def _normalized(total, atom):
    """Set the atom to total / ||total||; return the squared distance that it moves."""
    square = total[0] - total[0]
    for t in range(total.shape[0]):
        square += total[t] * total[t]
    norm = math.sqrt(square)
    if not norm > np.finfo(total.dtype).tiny:
        return total[0] - total[0]
    moved = total[0] - total[0]
    for t in range(total.shape[0]):
        new = total[t] / norm
        moved += (new - atom[t]) * (new - atom[t])
        atom[t] = new
    return moved


@inner
def _project(residual, rows, values, atom, first, last):
    """Compute z_n = e_n d'."""
    for i in range(first, last):
        value = atom[0] - atom[0]
        for t in range(atom.shape[0]):
            value += residual[rows[i], t] * atom[t]
        values[i] = value


@kernel
def _svd_sweep(dictionary, residual, weight, starts, rows, values, n_steps, still, total):
    for j in range(dictionary.shape[0]):
        first, last, atom = starts[j], starts[j + 1], dictionary[j]
        if first == last:
            continue
        for i in range(first, last):
            add_row(residual[rows[i]], dictionary, j, values[i])
        for _ in range(n_steps):
            _add_products(residual, rows, values, weight, first, last, total)
            moved = _normalized(total, atom)
            _project(residual, rows, values, atom, first, last)
            if moved <= still:
                break
        for i in range(first, last):
            add_row(residual[rows[i]], dictionary, j, -values[i])


@kernel
def _write_values(code, starts, rows, values):
    for j in range(code.shape[1]):
        for i in range(starts[j], starts[j + 1]):
            code[rows[i], j] = values[i]


def update_atoms_by_svd(dictionary, residual, code, weight, n_steps):
    """Fused power iterations; see `sklearn_ebm.backends.numpy.update_atoms_by_svd`."""
    dtype = dictionary.dtype
    starts = np.zeros(dictionary.shape[0] + 1, np.int64)
    _count_uses(code, starts)
    rows, values = np.empty(starts[-1], np.int64), np.empty(starts[-1], dtype)
    _list_uses(code, starts, starts.copy(), rows, values)
    still, total = dtype.type(STILL * np.finfo(dtype).eps), np.empty(dictionary.shape[1], dtype)
    _svd_sweep(dictionary, residual, weight, starts, rows, values, n_steps, still, total)
    _write_values(code, starts, rows, values)
