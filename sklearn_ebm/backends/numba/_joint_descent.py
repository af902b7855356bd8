"""Block coordinate descent for samples that share a support, one group after another.

A block is the column Z_j of the coefficients of an atom in all samples of a group. Atoms join the
support while the threshold decreases to its final value, so that few wrong atoms join. Sweeps
require only the Hessian and the residual correlation on the support, which are in contiguous
memory. After some sweeps, the residual correlation of all atoms is computed from the codes. It
defines the atoms that join next and the duality gap, and contains no rounding errors of the sweeps.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends._namespace import read_only
from sklearn_ebm.backends.numba._coordinate_descent import gap_of_sums
from sklearn_ebm.backends.numba._lasso import SMALLEST_PIECE, by_rows
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._simd import (
    LANES,
    add,
    add_scaled,
    divide,
    larger,
    largest_lane,
    load,
    multiply,
    splat,
    store,
)
from sklearn_ebm.backends.numba._support import add_rows, padded

SHRINK = np.float32(0.45)  # factor of the threshold in one round
NEAR = np.float32(1.2)  # a threshold up to this multiple of the final one is set to it
FEW = 2  # sweeps with a threshold that is not the final one
MOST = 16  # sweeps until the residual correlation of all atoms is computed
STILL = np.float32(1e-2)  # share of the accepted gap below which a sweep is the last one
FINER = np.float32(1 / 16)  # factor of this share if the gap is large after a single sweep


class Joint(NamedTuple):
    """Buffers of one thread for the codes of a group."""

    correlation: Any  # (n_samples, n_atoms), Q = (X - Z D) D'
    square: Any  # (n_atoms,), ||Q_j||^2 / t_j^2
    is_in: Any  # (n_atoms,), whether an atom is in the support
    support: Any  # (n_atoms,), active atoms, not ordered
    is_on: Any  # (n_atoms,), whether an atom of the support has a coefficient
    hessian: Any  # (n_atoms, width), on the support, with zeros up to whole vectors
    slope: Any  # (n_samples, width), Q on the support
    value: Any  # (n_samples, width), Z on the support
    column: Any  # (n_samples,), of the current atom


def new_joint(n_samples, n_atoms, dtype):
    """Return the buffers of one thread."""
    width = padded(n_atoms)
    return Joint(
        correlation=np.empty((n_samples, n_atoms), dtype),
        square=np.empty(n_atoms, dtype),
        is_in=np.empty(n_atoms, np.bool_),
        support=np.empty(n_atoms, np.uintp),
        is_on=np.empty(n_atoms, np.bool_),
        hessian=np.empty((n_atoms, width), dtype),
        slope=np.zeros((n_samples, width), dtype),
        value=np.zeros((n_samples, width), dtype),
        column=np.empty(n_samples, dtype),
    )


@inner
def _start(joint, code):
    """Read the support and the values of a code; return the size of the support."""
    size = np.intp(0)
    for j in range(code.shape[1]):
        is_on = False
        for i in range(code.shape[0]):
            is_on |= code[i, j] != 0
            joint.value[i, size] = code[i, j]
        joint.is_in[j] = is_on
        if is_on:
            joint.support[size], joint.is_on[size] = j, True
            size += 1
    return size


@inner
def _refresh(gram, target, joint, size):
    """Compute Q = C - Z H for all atoms."""
    for i in range(target.shape[0]):
        row = joint.correlation[i]
        for j in range(target.shape[1]):
            row[j] = target[i, j]
        add_rows(row, gram, joint.support, joint.value[i], gram.dtype.type(-1), size)


@inner
def _survey(rule, joint):
    """Compute ||Q_j||^2 / t_j^2 of all atoms; return the largest."""
    q, threshold = joint.correlation, rule.threshold
    n_samples, n_atoms = q.shape
    nothing = splat(threshold[0] - threshold[0])
    best, whole = nothing, n_atoms // LANES * LANES
    for j in range(0, whole, LANES):
        total = nothing
        for i in range(n_samples):
            value = load(q, (i, j))
            if rule.positive:
                value = larger(value, nothing)
            total = add(total, multiply(value, value))
        limit = load(threshold, j)
        total = divide(total, multiply(limit, limit))
        store(joint.square, j, total)
        best = larger(best, total)
    largest = largest_lane(best)
    for j in range(whole, n_atoms):
        square = threshold[0] - threshold[0]
        for i in range(n_samples):
            part = max(q[i, j], square - square) if rule.positive else q[i, j]
            square += part * part
        joint.square[j] = square / (threshold[j] * threshold[j])
        largest = max(largest, joint.square[j])
    return largest


@inner
def _admit(joint, size, level):
    """Add all atoms with ||Q_j|| > level * t_j; return the size of the support."""
    for j in range(joint.square.shape[0]):
        if joint.square[j] > level * level and not joint.is_in[j]:
            joint.is_in[j] = True
            joint.support[size], joint.is_on[size] = j, False
            for i in range(joint.value.shape[0]):
                joint.value[i, size] = 0
            size += 1
    return size


@inner
def _gather(gram, joint, size):
    """Copy the Hessian and the residual correlation of the support."""
    support = joint.support
    for a in range(size):
        for b in range(size):
            joint.hessian[a, b] = gram[support[a], support[b]]
        for b in range(size, padded(size)):
            joint.hessian[a, b] = 0
        for i in range(joint.slope.shape[0]):
            joint.slope[i, a] = joint.correlation[i, support[a]]


@inner
def _change(joint, atom, share, width):
    """Set a column to a share of `column`, and update the slopes; return the squared change."""
    square = share - share
    for i in range(joint.value.shape[0]):
        value = share * joint.column[i]
        change = value - joint.value[i, atom]
        joint.value[i, atom] = value
        square += change * change
        for k in range(0, width, LANES):
            row = add_scaled(load(joint.slope, (i, k)), -change, load(joint.hessian, (atom, k)))
            store(joint.slope, (i, k), row)
    return square


@inner
def _sweep(rule, joint, size, level):
    """Minimise over each column of the support; return twice the largest decrease."""
    width = padded(size)
    largest = level - level
    for atom in range(size):
        curvature = joint.hessian[atom, atom]
        threshold = level * rule.threshold[joint.support[atom]]
        square = largest - largest
        for i in range(joint.value.shape[0]):
            wished = joint.slope[i, atom] + curvature * joint.value[i, atom]
            wished = max(wished, wished - wished) if rule.positive else wished
            joint.column[i] = wished
            square += wished * wished
        share = square - square
        if square > threshold * threshold:
            share = (square / square - threshold / math.sqrt(square)) / curvature
        if share > 0 or joint.is_on[atom]:
            joint.is_on[atom] = share > 0
            largest = max(largest, curvature * _change(joint, atom, share, width))
    return largest


@inner
def _drop(joint, size):
    """Remove atoms without coefficients; return the size of the support."""
    kept = np.intp(0)
    for a in range(size):
        atom = joint.support[a]
        joint.is_in[atom] = joint.is_on[a]
        if joint.is_on[a]:
            joint.support[kept], joint.is_on[kept] = atom, True
            for i in range(joint.value.shape[0]):
                joint.value[i, kept] = joint.value[i, a]
            kept += 1
    return kept


@inner
def _relative_gap(rule, target, joint, size, half_norm, largest):
    """Return the gap as `backends._certificate.relative_gap`, from the support."""
    nothing = half_norm - half_norm
    penalty, explained, along = nothing, nothing, nothing
    for a in range(size):
        atom, length = joint.support[a], nothing
        for i in range(target.shape[0]):
            value, q = joint.value[i, a], joint.correlation[i, atom]
            length += value * value
            explained += value * (target[i, atom] + q)
            along += value * q
        penalty += rule.threshold[atom] * math.sqrt(length)
    one = half_norm / half_norm
    scale = one / max(one, math.sqrt(largest))
    return gap_of_sums(half_norm, explained, penalty - scale * along, scale)


@inner
def _write(joint, size, code):
    for i in range(code.shape[0]):
        for j in range(code.shape[1]):
            code[i, j] = 0
        for a in range(size):
            code[i, joint.support[a]] = joint.value[i, a]


@kernel
def joint_descent_rows(lasso, code, gap, n_iter, tol, max_iter, finest, joint, first, last):
    """Compute the codes of the groups first..last, in place from the given codes."""
    rule, gram, one = lasso.rule, lasso.gram, lasso.gram.dtype.type(1)
    for n in range(first, last):
        target, half_norm = lasso.correlation[n], lasso.half_norm[n]
        size, sweeps, still = _start(joint, code[n]), 0, STILL * tol * half_norm
        _refresh(gram, target, joint, size)
        largest = _survey(rule, joint)
        level = max(one, math.sqrt(largest)) if size == 0 else one
        while True:
            gap[n] = _relative_gap(rule, target, joint, size, half_norm, largest)
            if gap[n] <= tol or sweeps >= max_iter or still < finest * half_norm:
                break
            level = level * SHRINK
            level = one if level < NEAR else level
            grown = _admit(joint, size, level)
            _gather(gram, joint, grown)
            budget = min(max_iter - sweeps, MOST if level == one else FEW)
            made, largest_change = 0, still + half_norm
            while made < budget and largest_change > still:
                largest_change = _sweep(rule, joint, grown, level)
                made += 1
            sweeps += made
            if level == one and grown == size and largest_change <= still and made == 1:
                still *= FINER
            size = _drop(joint, grown)
            _refresh(gram, target, joint, size)
            largest = _survey(rule, joint)
        n_iter[n] = sweeps
        _write(joint, size, code[n])


def joint_descent(lasso, code, tol, max_iter):
    """Fused sweeps; see `sklearn_ebm.backends.numpy.joint_descent`."""
    n_groups, n_atoms, dtype = code.shape[0], lasso.gram.shape[0], code.dtype
    shape = n_groups, code.shape[1] // n_atoms, n_atoms
    rule = lasso.rule._replace(threshold=read_only(np.ascontiguousarray(lasso.rule.threshold)))
    correlation = np.ascontiguousarray(lasso.correlation).reshape(shape)
    lasso = type(lasso)(*map(read_only, (lasso.gram, correlation, lasso.half_norm)), rule)
    codes, finest = code.reshape(shape), float(np.finfo(dtype).eps) ** 2

    def solve(gap, n_iter, tol, first, last):
        joint = new_joint(shape[1], n_atoms, dtype)
        joint_descent_rows(lasso, codes, gap, n_iter, tol, max_iter, finest, joint, first, last)

    return by_rows(solve, code, tol, max(1, SMALLEST_PIECE // max(1, shape[1])))
