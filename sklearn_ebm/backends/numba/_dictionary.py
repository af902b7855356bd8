"""Moments of sparse codes, and block coordinate descent on atoms, in place."""

import math
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._namespace import read_only
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._simd import LANES, add_scaled, load, store
from sklearn_ebm.backends.numba._sparse_rows import to_csr
from sklearn_ebm.backends.numba._support import add_row, add_rows, buffers, has_few_on
from sklearn_ebm.backends.numpy._dictionary import SMALLEST_USE, STILL

BLOCK = 4  # atoms whose residuals are computed together


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
def _subtract_atoms(X, code, dictionary, places, values, result):
    one = dictionary.dtype.type(1)
    for n in range(code.shape[0]):
        number = np.intp(0)
        for j in range(code.shape[1]):
            places[number], values[number] = np.uintp(j), code[n, j]
            number += code[n, j] != 0
        for t in range(X.shape[1]):
            result[n, t] = X[n, t]
        add_rows(result[n], dictionary, places, values, -one, number)


def residuals(X, code, dictionary):
    """Sum over non-zeros if they are few; see `sklearn_ebm.backends.numpy.residuals`."""
    if sparse.issparse(X) or not has_few_on(code):
        return reference.residuals(X, code, dictionary)
    n_atoms, dtype = dictionary.shape[0], dictionary.dtype
    result, values = np.empty(X.shape, dtype), np.empty(n_atoms, dtype)
    places = np.empty(n_atoms, np.uintp)
    _subtract_atoms(read_only(X), code, dictionary, places, values, result)
    return result


class Sweep(NamedTuple):
    """Buffers for the updates of BLOCK atoms."""

    places: Any  # (n_atoms,), atoms whose moment with one of the block is not zero
    weights: Any  # (BLOCK, n_atoms), minus these moments
    residual: Any  # (BLOCK, n_features), B_j - A_j D
    change: Any  # (1, n_features), of the last atom


@inner
def _list_moments(code_moment, first, sweep):
    """List the atoms that are used together with one of a block; return their number."""
    n_atoms, number = code_moment.shape[0], np.intp(0)
    for i in range(n_atoms):
        is_used = False
        for b in range(BLOCK):
            is_used |= code_moment[min(first + b, n_atoms - 1), i] != 0
        if is_used:
            for b in range(BLOCK):
                sweep.weights[b, number] = -code_moment[min(first + b, n_atoms - 1), i]
            sweep.places[number] = np.uintp(i)
            number += 1
    return number


@inner
def _add_products(sweep, dictionary, i, t):
    """Add the products with four atoms to LANES residuals of the block."""
    a, b = load(dictionary, (sweep.places[i], t)), load(dictionary, (sweep.places[i + 1], t))
    c, d = load(dictionary, (sweep.places[i + 2], t)), load(dictionary, (sweep.places[i + 3], t))
    for row in range(BLOCK):
        sums = add_scaled(load(sweep.residual, (row, t)), sweep.weights[row, i], a)
        sums = add_scaled(sums, sweep.weights[row, i + 1], b)
        sums = add_scaled(sums, sweep.weights[row, i + 2], c)
        store(sweep.residual, (row, t), add_scaled(sums, sweep.weights[row, i + 3], d))


@inner
def _residuals(dictionary, code_moment, cross_moment, first, sweep):
    """Compute B_j - A_j D for a block of atoms; rows beyond the last atom repeat its residual."""
    n_atoms, n_features = dictionary.shape
    for b in range(BLOCK):
        for t in range(n_features):
            sweep.residual[b, t] = cross_moment[min(first + b, n_atoms - 1), t]
    number = _list_moments(code_moment, first, sweep)
    fours, whole = number // 4 * 4, n_features // LANES * LANES
    for i in range(0, fours, 4):
        for t in range(0, whole, LANES):
            _add_products(sweep, dictionary, i, t)
    for i in range(number):
        for b in range(BLOCK):
            for t in range(whole if i < fours else 0, n_features):
                sweep.residual[b, t] += sweep.weights[b, i] * dictionary[sweep.places[i], t]


@inner
def _move(atom, residual, use, is_positive, change):
    """Set an atom to d + residual / use, normalised; write its change."""
    square = use - use
    for t in range(atom.shape[0]):
        change[t] = atom[t] + residual[t] / use
        if is_positive:
            change[t] = max(change[t], use - use)
        square += change[t] * change[t]
    norm = math.sqrt(square)
    moves = norm > np.finfo(atom.dtype).tiny
    for t in range(atom.shape[0]):
        before = atom[t]
        atom[t] = change[t] / norm if moves else before
        change[t] = atom[t] - before


@kernel
def _sweep_atoms(dictionary, code_moment, cross_moment, is_positive, sweep, floor):
    """Update the atoms in order, in blocks whose residuals share one pass over the dictionary.

    A dictionary exceeds the first cache of a core. Within a block, the change of an atom is
    subtracted from the residuals of those that follow.
    """
    n_atoms = dictionary.shape[0]
    for first in range(0, n_atoms, BLOCK):
        _residuals(dictionary, code_moment, cross_moment, first, sweep)
        last = min(first + BLOCK, n_atoms)
        for j in range(first, last):
            if code_moment[j, j] <= floor:
                continue
            residual = sweep.residual[j - first]
            _move(dictionary[j], residual, code_moment[j, j], is_positive, sweep.change[0])
            for k in range(j + 1, last):
                add_row(sweep.residual[k - first], sweep.change, 0, -code_moment[k, j])


def update_atoms(dictionary, code_moment, cross_moment, is_positive=False):
    """Fused sweep over the atoms; see `sklearn_ebm.backends.numpy.update_atoms`."""
    (n_atoms, n_features), dtype = dictionary.shape, dictionary.dtype
    floor = dtype.type(SMALLEST_USE * code_moment.diagonal().max())
    sweep = Sweep(**buffers(
        places=((n_atoms,), np.uintp), weights=((BLOCK, n_atoms), dtype),
        residual=((BLOCK, n_features), dtype), change=((1, n_features), dtype),
    ))  # fmt: skip
    _sweep_atoms(dictionary, code_moment, cross_moment, is_positive, sweep, floor)


@inner
def _clear(total):
    for t in range(total.shape[0]):
        total[t] = 0


@inner
def _restore(dictionary, j, residual, rows, values, weight, first, last, total):
    """Compute e_n = r_n + z_n d in place of r_n, and total = sum_n w_n z_n e_n."""
    _clear(total)
    for i in range(first, last):
        n = rows[i]
        add_row(residual[n], dictionary, j, values[i])
        add_row(total, residual, n, weight[n] * values[i])


@inner
def _product(residual, n, atom):
    value = atom[0] - atom[0]
    for t in range(atom.shape[0]):
        value += residual[n, t] * atom[t]
    return value


@inner
def _iterate(residual, rows, weight, atom, first, last, total):
    """Compute total = sum_n w_n (e_n d') e_n."""
    _clear(total)
    for i in range(first, last):
        n = rows[i]
        add_row(total, residual, n, weight[n] * _product(residual, n, atom))


@inner
def _explain(dictionary, j, residual, rows, values, first, last):
    """Compute z_n = e_n d', and r_n = e_n - z_n d in place of e_n."""
    for i in range(first, last):
        n = rows[i]
        values[i] = _product(residual, n, dictionary[j])
        add_row(residual[n], dictionary, j, -values[i])


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


@kernel
def _svd_sweep(dictionary, residual, weight, starts, rows, values, n_steps, still, total):
    """Update the atoms in order; each step reads the samples of an atom once."""
    for j in range(dictionary.shape[0]):
        first, last, atom = starts[j], starts[j + 1], dictionary[j]
        if first == last:
            continue
        _restore(dictionary, j, residual, rows, values, weight, first, last, total)
        moved, n_made = _normalized(total, atom), 1
        while moved > still and n_made < n_steps:
            _iterate(residual, rows, weight, atom, first, last, total)
            moved = _normalized(total, atom)
            n_made += 1
        _explain(dictionary, j, residual, rows, values, first, last)


def update_atoms_by_svd(dictionary, residual, code, weight, n_steps):
    """Fused power iterations; see `sklearn_ebm.backends.numpy.update_atoms_by_svd`."""
    dtype, rows = dictionary.dtype, to_csr(code) if isinstance(code, np.ndarray) else code
    uses = rows.tocsc()  # the samples of each atom, with their coefficients
    starts, samples = (each.astype(np.int64, copy=False) for each in (uses.indptr, uses.indices))
    still, total = dtype.type(STILL * np.finfo(dtype).eps), np.empty(dictionary.shape[1], dtype)
    _svd_sweep(dictionary, residual, weight, starts, samples, uses.data, n_steps, still, total)
    if rows is code:
        code.data[...] = uses.tocsr().data
    else:
        code[...] = uses.toarray()
