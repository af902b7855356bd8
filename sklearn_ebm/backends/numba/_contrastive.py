"""Many steps of contrastive learning in one call: the single steps of `Contrastive`, on the CPU.

Several threads take pieces of work from one list, in order. Each batch has the pieces of the chains
and of the data, then two sums over all of them, then the parts of the weights, then the update of
the hidden biases. A piece waits until all pieces of previous stages are finished. If a thread is
late, the other threads take its pieces.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.extending import overload

from sklearn_ebm.backends._namespace import new_matrix, read_only
from sklearn_ebm.backends._random import GROUP, LANES, LOW_BITS
from sklearn_ebm.backends.numba._atomic import take_number, wait_for
from sklearn_ebm.backends.numba._bernoulli import mean_rows, sample_rows
from sklearn_ebm.backends.numba._contrast import ascend_rows
from sklearn_ebm.backends.numba._entries import Entries, new_entries, project_rows
from sklearn_ebm.backends.numba._fields import transposed_fields
from sklearn_ebm.backends.numba._launcher import n_threads, work_together
from sklearn_ebm.backends.numba._layouts import any_layout
from sklearn_ebm.backends.numba._random import draw_words
from sklearn_ebm.backends.numba._rules import inner, kernel, routine
from sklearn_ebm.backends.numba._simd import (
    add,
    add_scaled,
    load_first,
    multiply,
    splat,
    store_first,
    subtract,
    total,
    where_larger,
)
from sklearn_ebm.backends.numba._simd_bits import unit_interval

ROWS_APART = 4  # pieces begin at multiples, so that tiles of the fields and rounding are the same
PARTS = 4  # of the weights per thread, since some units are on more often than others
DRAWS_BEFORE = 2  # keys that a step uses before the keys of its chains


class Room(NamedTuple):
    """Buffers through which pieces pass their results to later pieces."""

    visible: Any  # (n_rows + n_chains + 2, n_visible)
    hidden: Any
    share: Any
    bounds: Any  # (n_pieces + 1,), bounds of the chains and of the rows
    parts: Any  # (n_parts + 1,), bounds of the rows of the weights
    lanes: Any  # (n_pieces, LANES)
    row_entries: Entries  # of all pieces, concatenated
    column_entries: Entries
    shift: Any  # (n_parts, n_hidden)
    largest: Any  # (n_parts, LANES)
    means: Any  # means of the data, for both layers
    counters: Any  # arrays of one number each: taken, finished, whether to stop


class Plan(NamedTuple):
    """Constants of all batches, as numbers."""

    n_rows: int
    n_chains: int
    n_chain_pieces: int
    n_gibbs_steps: int
    is_persistent: bool
    draws: bool
    seed: Any
    first_draw: int


class Rates(NamedTuple):
    """Learning rates and related numbers in the dtype of the weights; see `Contrast`."""

    rate: Any  # (n_batches,)
    momentum: Any
    decay: Any
    target: Any
    cost: Any
    activity_share: Any  # (n_batches,)
    limit: Any


def take_rows(X, index, result):
    """Copy some rows of a matrix, or of a CSR matrix given as (data, indices, indptr)."""


@overload(take_rows)
def _take_rows(X, index, result):
    if isinstance(X, types.Array):
        return _take_dense
    return _take_sparse


def _take_dense(X, index, result):
    for n in range(index.shape[0]):
        for k in range(X.shape[1]):
            result[n, k] = X[index[n], k]


def _take_sparse(X, index, result):
    data, indices, indptr = X
    for n in range(index.shape[0]):
        for k in range(result.shape[1]):
            result[n, k] = 0
        for e in range(indptr[index[n]], indptr[index[n] + 1]):
            result[n, indices[e]] += data[e]


@routine
def _draw_data(visible, words, first_row, one):
    """Replace each entry by 1 with that probability, and by 0 otherwise."""
    n_units = visible.shape[1]
    for n in range(visible.shape[0]):
        for column in range(0, n_units, GROUP):
            drawn = draw_words(words, first_row + n, column)
            for w in range(4):
                k = column + LANES * w
                count = min(LANES, n_units - k)
                if count <= 0:
                    break
                chance = load_first(visible, (n, k), count)
                below = where_larger(
                    chance, unit_interval(drawn[w], chance), splat(one), subtract(chance, chance)
                )
                store_first(visible, (n, k), below, count)


@inner
def _words(plan, batch, number):
    """Return the words of a draw, given its number in the step of a batch."""
    each = DRAWS_BEFORE + 2 * plan.n_gibbs_steps
    draw = np.uint64(plan.first_draw + batch * each + number)
    lower, upper = draw & np.uint64(LOW_BITS), draw >> np.uint64(32)
    return plan.seed[0], plan.seed[1], np.uint32(lower), np.uint32(upper)


@inner
def _part_of(entries, first, last):
    """Return a range of the lists as separate lists."""
    begin, end = first * entries.capacity, last * entries.capacity
    stop, index, value = entries.stop, entries.index, entries.value
    return Entries(stop[first:last], index[begin:end], value[begin:end], entries.capacity)


@routine
def _move_chains(matrices, biases, plan, batch, first, lanes, entries):
    """Make all steps of some chains; their states start and end in `hidden`."""
    weights, hidden, visible, mean = matrices
    one = lanes.dtype.type(1)
    for step in range(plan.n_gibbs_steps):
        transposed_fields(hidden, weights, visible, lanes)
        words = _words(plan, batch, DRAWS_BEFORE + 2 * step)
        sample_rows(visible, biases[0], one, one, words, first, visible[:0])
        project_rows(visible, weights, entries, hidden)
        words = _words(plan, batch, DRAWS_BEFORE + 2 * step + 1)
        wanted = mean if step == plan.n_gibbs_steps - 1 else mean[:0]
        sample_rows(hidden, biases[1], one, one, words, first, wanted)


@routine
def _add_push(hidden, activity, target, cost):
    """Add the sparsity term, which moves hidden units towards the target activity."""
    for n in range(hidden.shape[0]):
        for k in range(hidden.shape[1]):
            hidden[n, k] += cost * (target - activity[k])


@routine
def _sum_states(states, share, center, bias, velocity, numbers, means):
    """Update the biases, and write the two rows that centre the update of the weights.

    `means` receives the mean of the data.
    """
    rate, momentum, n_rows, slope_row, center_row = numbers
    n_states = states.shape[0] - 2
    positive, negative = splat(share[0]), splat(share[n_states - 1])
    for k in range(0, states.shape[1], LANES):
        count = min(LANES, states.shape[1] - k)
        data = chains = splat(rate - rate)
        for n in range(n_rows):
            data = add(data, load_first(states, (n, k), count))
        for n in range(n_rows, n_states):
            chains = add(chains, load_first(states, (n, k), count))
        data = multiply(positive, data)
        slope = add(data, multiply(negative, chains))
        store_first(means, k, data, count)
        store_first(states, (slope_row, k), slope, count)
        store_first(states, (center_row, k), load_first(center, k, count), count)
        step = multiply(splat(momentum), load_first(velocity, k, count))
        step = add_scaled(step, rate, slope)
        store_first(velocity, k, step, count)
        store_first(bias, k, add(load_first(bias, k, count), step), count)


@routine
def _give_back(velocity, visible_center, hidden_center, visible_bias, shift):
    """Subtract the part of the biases that compensates a change `velocity` of centred weights."""
    n_rows, n_columns = velocity.shape
    zero = splat(velocity.dtype.type(0))
    for k in range(0, n_columns, LANES):
        store_first(shift, k, zero, min(LANES, n_columns - k))
    for i in range(n_rows):
        back = zero
        for k in range(0, n_columns, LANES):
            count = min(LANES, n_columns - k)
            step = load_first(velocity, (i, k), count)
            back = add(back, multiply(step, load_first(hidden_center, k, count)))
            sums = add_scaled(load_first(shift, k, count), visible_center[i], step)
            store_first(shift, k, sums, count)
        visible_bias[i] -= total(back)


@routine
def _finish(hidden_bias, shift, largest, activity, means, numbers):
    """Update hidden biases and activities after all weights; return the largest weight."""
    share, target, cost = numbers
    for k in range(hidden_bias.shape[0]):
        for part in range(shift.shape[0]):
            hidden_bias[k] -= shift[part, k]
        before = activity[k]
        activity[k] = before + share * (means[k] - cost * (target - before) - before)
    top = share - share
    for part in range(largest.shape[0]):
        for lane in range(LANES):
            top = max(top, largest[part, lane])
    return top


@inner
def _stage_begins(n_first, n_parts, piece):
    """Return the first piece of the stage of a piece."""
    if piece < n_first:
        return 0
    if piece < n_first + 2:
        return n_first
    if piece < n_first + 2 + n_parts:
        return n_first + 2
    return n_first + 2 + n_parts


@routine
def _rows_piece(layers, room, plan, rates, X, index, batch, piece):
    """Process a piece of the chains, of the data, or of both if chains start at the data."""
    first, last = room.bounds[piece], room.bounds[piece + 1]
    lanes, entries = room.lanes[piece], _part_of(room.row_entries, first, last)
    has_data = not plan.is_persistent or piece >= plan.n_chain_pieces
    has_chains = not plan.is_persistent or piece < plan.n_chain_pieces
    if not has_chains:
        first, last = first - plan.n_chains, last - plan.n_chains
    hidden = room.hidden[first:last]
    state = layers.particles[first:last] if has_chains else hidden
    one = lanes.dtype.type(1)
    if has_data:
        visible = room.visible[first:last]
        take_rows(X, index[batch, first:last], visible)
        if plan.draws:
            _draw_data(visible, _words(plan, batch, 0), first, one)
        project_rows(visible, layers.weights, entries, state)
        if has_chains:
            words = _words(plan, batch, 1)
            sample_rows(state, layers.hidden_bias, one, one, words, first, hidden)
        else:
            mean_rows(state, layers.hidden_bias, one, one)
        if rates.cost > 0:
            _add_push(hidden, layers.activity, rates.target, rates.cost)
    if has_chains:
        own = slice(plan.n_rows + first, plan.n_rows + last)
        matrices = layers.weights, state, room.visible[own], room.hidden[own]
        biases = layers.visible_bias, layers.hidden_bias
        _move_chains(matrices, biases, plan, batch, first, lanes, entries)


@kernel
def _take_part(layers, room, plan, rates, X, index):
    """Process pieces until none is left; run by each thread."""
    taken, finished, stop = room.counters
    n_first, n_parts = room.bounds.shape[0] - 1, room.parts.shape[0] - 1
    n_pieces = n_first + n_parts + 3
    last_row = room.visible.shape[0] - 1
    while True:
        number = take_number(taken)
        if number >= index.shape[0] * n_pieces:
            return
        batch, piece = number // n_pieces, number % n_pieces
        wait_for(finished, number - piece + _stage_begins(n_first, n_parts, piece))
        if stop[0]:
            take_number(finished)
            continue
        rate = rates.rate[batch]
        if piece < n_first:
            _rows_piece(layers, room, plan, rates, X, index, batch, piece)
        elif piece == n_first:
            numbers = rate, rates.momentum, plan.n_rows, last_row - 1, last_row
            center, velocity = layers.hidden_center, layers.hidden_velocity
            _sum_states(
                room.hidden, room.share, center, layers.hidden_bias, velocity, numbers,
                room.means[1],
            )  # fmt: skip
        elif piece == n_first + 1:
            numbers = rate, rates.momentum, plan.n_rows, last_row, last_row - 1
            center, velocity = layers.visible_center, layers.visible_velocity
            _sum_states(
                room.visible, room.share, center, layers.visible_bias, velocity, numbers,
                room.means[0],
            )  # fmt: skip
        elif piece < n_first + 2 + n_parts:
            part = piece - n_first - 2
            first, last = room.parts[part], room.parts[part + 1]
            weights, velocity = layers.weights[first:last], layers.weights_velocity[first:last]
            entries = _part_of(room.column_entries, first, last)
            sides = room.visible[:, first:last], room.hidden, room.share
            numbers = rate, rates.momentum, rates.decay
            ascend_rows(weights, velocity, sides, entries, numbers, weights, room.largest[part])
            _give_back(
                velocity, layers.visible_center[first:last], room.hidden[last_row],
                layers.visible_bias[first:last], room.shift[part],
            )  # fmt: skip
        else:
            numbers = rates.activity_share[batch], rates.target, rates.cost
            top = _finish(
                layers.hidden_bias, room.shift, room.largest, layers.activity, room.means[1],
                numbers,
            )  # fmt: skip
            stop[0] = top > rates.limit
        take_number(finished)


def contrastive_steps(layers, X, index, how):
    """Make one step for each batch; return the largest magnitude of a weight afterwards.

    Parameters
    ----------
    layers : Layers
        Changed in place.
    X : array of shape (n_samples, n_visible), or tuple (data, indices, indptr)
        Data, dense or as CSR.
    index : int64 array of shape (n_batches, n_rows)
        Rows of X in each batch.
    how : Contrast
        Learning rates and other settings.

    Returns
    -------
    largest : float
        Above `how.limit` if not all steps were made.
    """
    n_rows = index.shape[1]
    particles = layers.particles
    if not how.is_persistent:
        particles = new_matrix((n_rows, layers.weights.shape[1]), layers.weights)
    layers = layers._replace(
        weights=any_layout(layers.weights),
        weights_velocity=any_layout(layers.weights_velocity),
        particles=any_layout(particles),
    )
    room, plan = _room_for(layers, n_rows, how)
    number = layers.weights.dtype.type
    rates = Rates(
        np.asarray(how.rates, layers.weights.dtype),
        number(how.momentum),
        number(how.decay),
        number(how.sparsity_target),
        number(how.sparsity_cost),
        np.asarray(how.activity_shares, layers.weights.dtype),
        number(how.limit),
    )
    most = max(len(room.bounds), len(room.parts)) - 1
    data, index = _data(X, index)
    work_together(lambda: _take_part(layers, room, plan, rates, data, index), most)
    return float(room.largest.max())


def _data(X, index):
    """Return X and the rows of each batch in a form for which few kernels are compiled."""
    if isinstance(X, tuple):
        return X, index
    X = X.view(np.uint8) if X.dtype == bool else X
    if not X.flags.c_contiguous:
        X, index = (
            np.ascontiguousarray(X[index.ravel()]),
            np.arange(index.size).reshape(index.shape),
        )
    return read_only(X), index


def _bounds(n_rows, n_pieces, apart):
    """Return the bounds of pieces of about equal size, which begin at multiples."""
    n_pieces = min(n_pieces, -(-n_rows // apart))
    return [*(n_rows * i // n_pieces // apart * apart for i in range(n_pieces)), n_rows]


def _room_for(layers, n_rows, how):
    weights = layers.weights
    n_visible, n_hidden = weights.shape
    n_chains = layers.particles.shape[0]
    threads = n_threads()
    bounds = _bounds(n_rows, threads, ROWS_APART)
    chains = _bounds(n_chains, threads, ROWS_APART)[:-1] if how.is_persistent else []
    if chains:
        bounds = [*chains, *(n_chains + bound for bound in bounds)]
    parts = _bounds(n_visible, PARTS * threads, LANES)
    n_states = n_rows + n_chains + 2
    share = np.repeat([1 / n_rows, -1 / n_chains, -1], [n_rows, n_chains, 2])
    dtype = weights.dtype
    room = Room(
        new_matrix((n_states, n_visible), weights),
        new_matrix((n_states, n_hidden), weights),
        share.astype(dtype),
        np.array(bounds),
        np.array(parts),
        np.empty((len(bounds) - 1, LANES), dtype),
        new_entries(bounds[-1], n_visible, dtype),
        new_entries(n_visible, n_states, dtype),
        np.empty((len(parts) - 1, n_hidden), dtype),
        np.zeros((len(parts) - 1, LANES), dtype),
        tuple(np.empty(size, dtype) for size in weights.shape),
        tuple(np.zeros(1, np.int64) for _ in range(3)),
    )
    plan = Plan(
        n_rows,
        n_chains,
        len(chains),
        how.n_gibbs_steps,
        how.is_persistent,
        how.draws,
        tuple(np.uint32(word) for word in how.seed),
        how.first_draw,
    )
    return room, plan
