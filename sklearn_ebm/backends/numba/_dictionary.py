"""Moments of sparse codes, and block coordinate descent on atoms, in place."""

import math

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends.numba._rules import kernel
from sklearn_ebm.backends.numba._support import add_row, has_few_on
from sklearn_ebm.backends.numpy._dictionary import SMALLEST_USE


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
    if not has_few_on(code):
        reference.add_moments(code_moment, cross_moment, code, X, weight)
        return
    _add_moments(code_moment, cross_moment, code, np.ascontiguousarray(X), weight)


@kernel
def _sweep(dictionary, code_moment, cross_moment, atom, floor):
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
            square += atom[t] * atom[t]
        norm = math.sqrt(square)
        if norm > tiny:
            for t in range(n_features):
                dictionary[j, t] = atom[t] / norm


def update_atoms(dictionary, code_moment, cross_moment):
    """Fused sweep over the atoms; see `sklearn_ebm.backends.numpy.update_atoms`."""
    floor = dictionary.dtype.type(SMALLEST_USE * code_moment.diagonal().max())
    atom = np.empty(dictionary.shape[1], dictionary.dtype)
    _sweep(dictionary, code_moment, cross_moment, atom, floor)
