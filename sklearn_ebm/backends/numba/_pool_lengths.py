"""Squared lengths of pools, for sixteen samples at a time; see `sklearn_ebm.backends.numpy`.

Samples are the lanes of vectors, since most pools have fewer members than a vector has lanes. The
products of the filters of a pool are contiguous, with their weights.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends._namespace import read_only
from sklearn_ebm.backends._random import LANES
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._simd import (
    add,
    add_scaled,
    load,
    multiply,
    splat,
    store,
    total,
)
from sklearn_ebm.backends.numba._support import padded

SMALLEST_PIECE = 8  # vectors of samples of a thread
PIECE = 64  # vectors of samples whose products are added in one order


class Forms(NamedTuple):
    """Quadratic forms of pools: the products of the filters of each pool, times their weights."""

    members: Any  # components of all pools, concatenated
    starts: Any  # (n_pools + 1,), first member of each pool
    offsets: Any  # (n_pools + 1,), first product of each pool
    products: Any  # (sum of squared sizes,)


@inner
def _load_members(signal, forms, g, c, rows):
    """Copy the responses of a pool, and return its number of members."""
    first = forms.starts[g]
    size = forms.starts[g + 1] - first
    for a in range(size):
        store(rows, (a, 0), load(signal, (forms.members[first + a], c)))
    return size


@inner
def _product(forms, place, size, rows):
    """Return a row of a form, times the responses of the pool."""
    row = multiply(splat(forms.products[place]), load(rows, (0, 0)))
    for b in range(1, size):
        row = add_scaled(row, forms.products[place + b], load(rows, (b, 0)))
    return row


@kernel
def _length_columns(signal, forms, first, last, rows, lengths):
    for c in range(first, last, LANES):
        for g in range(forms.starts.size - 1):
            size = _load_members(signal, forms, g, c, rows)
            place = forms.offsets[g]
            length = multiply(_product(forms, place, size, rows), load(rows, (0, 0)))
            for a in range(1, size):
                row = _product(forms, place + a * size, size, rows)
                length = add(length, multiply(row, load(rows, (a, 0))))
            store(lengths, (g, c), length)


@kernel
def _slope_columns(signal, forms, first, last, rows, factor, slopes, products):
    """Add to the slopes, and to the lower triangles of the products of responses."""
    for c in range(first, last, LANES):
        for g in range(forms.starts.size - 1):
            size = _load_members(signal, forms, g, c, rows)
            begin, place = forms.starts[g], forms.offsets[g]
            share = load(factor, (g, c))
            twice = add(share, share)
            for a in range(size):
                where = (forms.members[begin + a], c)
                row = _product(forms, place + a * size, size, rows)
                store(slopes, where, add(load(slopes, where), multiply(twice, row)))
                scaled = multiply(share, load(rows, (a, 0)))
                for b in range(a + 1):
                    products[place + a * size + b] += total(multiply(scaled, load(rows, (b, 0))))


def pool_lengths(response, pools, gram, result):
    """Fused; see `sklearn_ebm.backends.numpy.pool_lengths`."""
    if response.shape[0] == 0:
        return
    forms, largest = _forms(pools, gram)
    signal = _as_columns(response)
    lengths = np.empty((pools.n_pools, signal.shape[1]), response.dtype)

    def work(first, last):
        rows = np.empty((largest, LANES), response.dtype)
        _length_columns(signal, forms, first * LANES, last * LANES, rows, lengths)

    split_rows(work, signal.shape[1] // LANES, SMALLEST_PIECE)
    result[...] = lengths[:, : response.shape[0]].T


def pool_length_slopes(response, pools, gram, factor, slopes, gram_slopes):
    """Fused; see `sklearn_ebm.backends.numpy.pool_length_slopes`."""
    forms, largest = _forms(pools, gram)
    signal, factor = _as_columns(response), _as_columns(factor)
    moved = np.zeros_like(signal)
    n_vectors = signal.shape[1] // LANES
    n_pieces = -(-n_vectors // PIECE)
    products = np.zeros((n_pieces, forms.products.size), response.dtype)

    def work(first, last):
        rows = np.empty((largest, LANES), response.dtype)
        for piece in range(first, last):
            bounds = LANES * PIECE * piece, LANES * min(PIECE * (piece + 1), n_vectors)
            _slope_columns(signal, forms, *bounds, rows, factor, moved, products[piece])

    split_rows(work, n_pieces, 1)
    slopes[...] = moved[:, : response.shape[0]].T
    _, _, pairs, weights = _pairs_of(pools)
    lower = np.bincount(pairs, weights * products.sum(axis=0), gram.size).reshape(gram.shape)
    gram_slopes[...] = lower + lower.T - np.diag(np.diagonal(lower))


def _as_columns(rows):
    """Return the transpose of a matrix, padded with zeros to whole vectors."""
    columns = np.zeros((rows.shape[1], padded(rows.shape[0])), rows.dtype)
    columns[:, : rows.shape[0]] = rows.T
    return columns


def _forms(pools, gram):
    """Return the quadratic forms of pools, and the number of members of the largest pool."""
    starts, offsets, pairs, weights = _pairs_of(pools)
    products = np.ascontiguousarray(gram).reshape(-1)[pairs]
    products *= weights.astype(gram.dtype)
    members = pools.remember("places", lambda: read_only(pools.members.astype(np.intp)))
    forms = Forms(members, starts, offsets, read_only(products))
    return forms, int(np.diff(starts).max())


def _pairs_of(pools):
    """Return the first members and pairs of each pool, all pairs, and their weights p_j p_k."""

    def make():
        starts, pairs, weights = pools.starts, [], []
        for first, end in pairwise(starts):
            members, own = pools.members[first:end], pools.member_weights[first:end]
            pairs.append((members[:, None] * pools.n_components + members).ravel())
            weights.append((own[:, None] * own).ravel())
        offsets = np.concatenate([[0], np.cumsum(np.diff(starts) ** 2)])
        arrays = starts.astype(np.intp), offsets.astype(np.intp)
        return *map(read_only, arrays), np.concatenate(pairs), np.concatenate(weights)

    return pools.remember("pairs", make)
