"""Many steps of learning unrolled codes with labels in one call; see `Discriminative`.

Several threads take pieces of work from one list, in order. Each batch has the pieces of its
samples, then two stages with parts of the parameters: their update, and the limit of the norms of
the encoder's filters, which requires all rows of W. A piece waits until all pieces of previous
stages are finished.

Most entries of codes are zero, so all products are sums over non-zeros: of the rows of S in the
forward steps, and of the slopes at components that were on in the backward steps and the updates.
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends._namespace import new_array, read_only
from sklearn_ebm.backends._rules import WeightedPositiveSoftThreshold
from sklearn_ebm.backends.numba._atomic import take_number, wait_for
from sklearn_ebm.backends.numba._launcher import n_threads, work_together
from sklearn_ebm.backends.numba._rules import guard, inner, kernel, routine
from sklearn_ebm.backends.numba._simd import (
    LANES,
    add,
    load,
    multiply,
    splat,
    store,
    total,
)
from sklearn_ebm.backends.numba._support import add_rows
from sklearn_ebm.backends.numba._unrolled import find_support, shrink_row

PIECES = 4  # per thread, since some samples have more active components than others


class Room(NamedTuple):
    """Buffers through which pieces pass their results to later pieces."""

    base: Any  # (n_rows, n_components), x W
    codes: Any  # (n_rows, n_codes, n_components)
    slopes: Any  # (n_rows * n_steps, n_components), at the codes of all steps but the first
    slope: Any  # (n_rows, n_components), at the codes of the first step
    by_base: Any  # (n_rows, n_components), sums of the slopes of all steps
    earlier: Any  # (n_components, n_rows * n_steps), codes of all steps but the last
    last: Any  # (n_components, n_rows), codes of the last step
    residual: Any  # (n_rows, n_features)
    scores: Any  # (n_rows, n_classes)
    pull: Any  # (n_classes, n_rows), slopes at the scores, divided by the norm of the code
    loss: Any  # (n_rows,)
    right: Any  # (n_rows,), 1 for correct predictions
    squares: Any  # (n_parts, n_components), of the entries of W
    rows: Any  # (n_parts + 1,), bounds of the samples
    components: Any  # (n_parts + 1,), bounds of the rows of S and D
    features: Any  # (n_parts + 1,), bounds of the rows of W
    index: Any  # (n_parts, longest row + 1)
    value: Any  # likewise
    row: Any  # (n_parts, n_components)
    totals: Any  # (n_batches, 2), float64: sums of the losses and of `right` for each batch
    counters: Any  # arrays of one number each: taken, finished, whether to stop, steps made


class Numbers(NamedTuple):
    """Settings in the dtype of the parameters; see `Descent`."""

    alpha: Any
    label_weight: Any
    rates: Any
    longest: Any
    limit: float


@inner
def _dot(left, right, row):
    """Return the product of a vector and a row of a matrix, in four sums to hide latency."""
    size = left.shape[0]
    blocks, whole = size // (4 * LANES) * (4 * LANES), size // LANES * LANES
    a = splat(left.dtype.type(0))
    b, c, d = a, a, a
    for k in range(0, blocks, 4 * LANES):
        a = add(a, multiply(load(left, k), load(right, (row, k))))
        b = add(b, multiply(load(left, k + LANES), load(right, (row, k + LANES))))
        c = add(c, multiply(load(left, k + 2 * LANES), load(right, (row, k + 2 * LANES))))
        d = add(d, multiply(load(left, k + 3 * LANES), load(right, (row, k + 3 * LANES))))
    for k in range(blocks, whole, LANES):
        a = add(a, multiply(load(left, k), load(right, (row, k))))
    result = total(add(add(a, b), add(c, d)))
    for k in range(whole, size):
        result += left[k] * right[row, k]
    return result


@inner
def _squared_norm(row):
    whole = row.shape[0] // LANES * LANES
    sums = splat(row.dtype.type(0))
    for k in range(0, whole, LANES):
        sums = add(sums, multiply(load(row, k), load(row, k)))
    result = total(sums)
    for k in range(whole, row.shape[0]):
        result += row[k] * row[k]
    return result


@inner
def _multiply_row(row, factor):
    for k in range(row.shape[0]):
        row[k] *= factor


@inner
def _clear(row):
    for k in range(row.shape[0]):
        row[k] = row.dtype.type(0)


@inner
def _shorten(row, longest):
    norm = np.sqrt(_squared_norm(row))
    if norm > longest:
        _multiply_row(row, longest / norm)


@routine
def _encode(x, network, room, n, index, value):
    """Fill the codes of all steps of a sample."""
    codes, base, one = room.codes[n], room.base[n], x.dtype.type(1)
    rule = WeightedPositiveSoftThreshold(one, network.threshold)
    _clear(base)
    size = find_support(x, index, value)
    add_rows(base, network.weights, index, value, one, size)
    n_steps = codes.shape[0] - 1
    for t in range(n_steps + 1):
        row = codes[t]
        for k in range(row.shape[0]):
            row[k] = base[k]
        if t > 0:
            size = find_support(codes[t - 1], index, value)
            add_rows(row, network.lateral, index, value, one, size)
            place = n * n_steps + t - 1
            for i in range(size):
                room.earlier[index[i], place] = value[i]
        shrink_row(row, rule)


@routine
def _score(code, target, network, room, n, numbers):
    """Compute the scores and their slopes; return the loss of the labels."""
    one = code.dtype.type(1)
    norm = np.sqrt(_squared_norm(code))
    norm = norm if norm > 0 else one
    scores, coefficients = room.scores[n], network.coefficients
    best = wanted = 0
    for c in range(scores.shape[0]):
        scores[c] = _dot(code, coefficients, c) / norm
        best = c if scores[c] > scores[best] else best
        wanted = c if target[c] > target[wanted] else wanted
    room.right[n] = one if best == wanted else one - one
    largest, mass, loss = scores[best], one - one, one - one
    for c in range(scores.shape[0]):
        mass += np.exp(scores[c] - largest)
    for c in range(scores.shape[0]):
        log_p = scores[c] - largest - np.log(mass)
        loss -= target[c] * log_p
        room.pull[c, n] = numbers.label_weight * (np.exp(log_p) - target[c]) / norm
    return numbers.label_weight * loss, norm


@routine
def _last_slopes(code, network, room, n, numbers, index, size, norm, slope):
    """Fill the slopes of the energy at the components of the last code that are on."""
    along = norm - norm
    for c in range(room.scores.shape[1]):
        along += room.pull[c, n] * room.scores[n, c]
    for i in range(size):
        k = index[i]
        pull = numbers.alpha - _dot(room.residual[n], network.dictionary, k)
        for c in range(room.scores.shape[1]):
            pull += room.pull[c, n] * network.coefficients[c, k]
        slope[k] = pull - along * code[k] / norm


@routine
def _back_through_steps(network, room, n, index, value):
    """Propagate the slopes at the last code through all steps, and sum them."""
    codes = room.codes[n]
    n_steps, by_base = codes.shape[0] - 1, room.by_base[n]
    for t in range(n_steps, -1, -1):
        place = n * n_steps + t - 1
        if t < n_steps:
            above = room.slopes[place + 1]
            below = room.slope[n] if t == 0 else room.slopes[place]
            _clear(below)
            size = find_support(codes[t], index, value)
            for i in range(size):
                below[index[i]] = _dot(above, network.lateral, index[i])
        row = room.slope[n] if t == 0 else room.slopes[place]
        for k in range(by_base.shape[0]):
            by_base[k] += row[k]


@routine
def _rows_piece(network, X, target, room, numbers, first, last, index, value):
    """Compute codes, losses and slopes of some samples."""
    n_steps = room.codes.shape[1] - 1
    for n in range(first, last):
        x, one = X[n], X.dtype.type(1)
        _encode(x, network, room, n, index, value)
        code, residual = room.codes[n, n_steps], room.residual[n]
        for k in range(x.shape[0]):
            residual[k] = x[k]
        size = find_support(code, index, value)
        add_rows(residual, network.dictionary, index, value, -one, size)
        loss, norm = _squared_norm(residual) / (one + one), one
        for i in range(size):
            loss += numbers.alpha * value[i]
            room.last[index[i], n] = value[i]
        if target.shape[1] > 0:
            entropy, norm = _score(code, target[n], network, room, n, numbers)
            loss += entropy
        room.loss[n] = loss
        slope = room.slope[n] if n_steps == 0 else room.slopes[(n + 1) * n_steps - 1]
        _clear(slope)
        _clear(room.by_base[n])
        _last_slopes(code, network, room, n, numbers, index, size, norm, slope)
        _back_through_steps(network, room, n, index, value)


@routine
def _move_components(network, room, rates, longest, first, last, index, value):
    """Update the rows of S and D and the thresholds of some components."""
    lateral, dictionary = network.lateral, network.dictionary
    for k in range(first, last):
        size = find_support(room.earlier[k], index, value)
        add_rows(lateral[k], room.slopes, index, value, -rates[0], size)
        _clear(room.earlier[k])
        size = find_support(room.last[k], index, value)
        add_rows(dictionary[k], room.residual, index, value, rates[1], size)
        _clear(room.last[k])
        _shorten(dictionary[k], longest[1])
        threshold = network.threshold[k]
        for n in range(room.by_base.shape[0]):
            threshold += rates[0] * room.by_base[n, k]
        network.threshold[k] = max(threshold, threshold - threshold)


@routine
def _move_features(network, X, room, rate, first, last, part):
    """Update some rows of W; sum the squares of their entries."""
    index, value, squares = room.index[part], room.value[part], room.squares[part]
    _clear(squares)
    whole = squares.shape[0] // LANES * LANES
    for i in range(first, last):
        row, size = network.weights[i], 0
        for n in range(X.shape[0]):
            if X[n, i] != 0:
                index[size] = n
                value[size] = X[n, i]
                size += 1
        add_rows(row, room.by_base, index, value, -rate, size)
        for k in range(0, whole, LANES):
            store(squares, k, add(load(squares, k), multiply(load(row, k), load(row, k))))
        for k in range(whole, squares.shape[0]):
            squares[k] += row[k] * row[k]


@routine
def _move_classes(network, room, rate, longest, part):
    """Update the coefficients of some classes."""
    n_steps, n_parts = room.codes.shape[1] - 1, room.index.shape[0]
    for c in range(part, room.pull.shape[0], n_parts):
        row = network.coefficients[c]
        for n in range(room.codes.shape[0]):
            code, factor = room.codes[n, n_steps], -rate * room.pull[c, n]
            for k in range(row.shape[0]):
                row[k] += factor * code[k]
        _shorten(row, longest[2])


@routine
def _limit_filters(network, room, longest, first, last, part):
    """Limit the norms of the columns of W, in some of its rows."""
    row, one, is_any = room.row[part], longest.dtype.type(1), False
    for k in range(row.shape[0]):
        square = room.squares[0, k]
        for other in range(1, room.squares.shape[0]):
            square += room.squares[other, k]
        is_long = square > longest[0] * longest[0]
        row[k] = longest[0] / np.sqrt(square) if is_long else one
        is_any |= is_long
    if is_any:
        for i in range(first, last):
            weights = network.weights[i]
            for k in range(row.shape[0]):
                weights[k] *= row[k]


@guard
def _is_finite(room, numbers, batch):
    """Return whether the mean loss of a batch is not too large; false for NaN."""
    loss = 0.0
    for n in range(room.loss.shape[0]):
        loss += room.loss[n]
    return loss <= numbers.limit * room.loss.shape[0]


@routine
def _count(room, batch):
    for n in range(room.loss.shape[0]):
        room.totals[batch, 0] += room.loss[n]
        room.totals[batch, 1] += room.right[n]


@inner
def _stage_begins(n_first, n_parts, piece):
    """Return the first piece of the stage of a piece."""
    if piece < n_first:
        return 0
    return n_first if piece < n_first + n_parts else n_first + n_parts


@kernel
def _take_part(network, X, target, room, numbers):
    """Process pieces until none is left; run by each thread."""
    taken, finished, stop, made = room.counters
    n_first, n_parts = room.rows.shape[0] - 1, room.features.shape[0] - 1
    n_pieces, n_rows = n_first + 2 * n_parts, room.base.shape[0]
    longest = numbers.longest
    while True:
        number = take_number(taken)
        batch, piece = number // n_pieces, number % n_pieces
        if batch >= X.shape[0] // n_rows:
            return
        wait_for(finished, number - piece + _stage_begins(n_first, n_parts, piece))
        samples, rates = X[batch * n_rows : (batch + 1) * n_rows], numbers.rates[batch]
        if stop[0]:
            take_number(finished)
            continue
        if piece < n_first:
            labels = target[batch * n_rows : (batch + 1) * n_rows]
            _rows_piece(
                network, samples, labels, room, numbers, room.rows[piece], room.rows[piece + 1],
                room.index[piece], room.value[piece],
            )  # fmt: skip
            take_number(finished)
            continue
        part = (piece - n_first) % n_parts
        first, last = room.features[part], room.features[part + 1]
        if piece >= n_first + n_parts:
            _limit_filters(network, room, longest, first, last, part)
            if part == 0:
                _count(room, batch)
                made[0] += 1
        elif _is_finite(room, numbers, batch):
            _move_components(
                network, room, rates, longest, room.components[part], room.components[part + 1],
                room.index[part], room.value[part],
            )  # fmt: skip
            _move_features(network, samples, room, rates[0], first, last, part)
            _move_classes(network, room, rates[2], longest, part)
        else:
            stop[0] = 1
        take_number(finished)


def discriminative_steps(network, X, target, how):
    """Make one step of gradient descent for each batch.

    Parameters
    ----------
    network : Recurrence
        Parameters, changed in place.
    X : array of shape (n_batches * batch_size, n_features)
        Samples of all batches.
    target : array of shape (n_batches * batch_size, n_classes) or None
        Indicators of the classes. None omits the term of the labels.
    how : Descent
        Learning rates and other settings.

    Returns
    -------
    losses, right : list of float
        Sum of the energies, and number of correct predictions, before each step.
    n_made : int
        Number of steps that were made; fewer than there are batches if an energy is too large.
    """
    dtype = network.weights.dtype
    if target is None:
        target = np.empty((len(X), 0), dtype)
    room = _room_for(network, how, len(X) // how.batch_size, target.shape[1])
    numbers = Numbers(
        dtype.type(how.alpha),
        dtype.type(how.label_weight),
        np.ascontiguousarray(how.rates.T, dtype),
        np.asarray(how.longest, dtype),
        float(how.limit),
    )
    X, target = read_only(X), read_only(np.ascontiguousarray(target))
    most = len(room.features) - 1
    work_together(lambda: _take_part(network, X, target, room, numbers), most)
    return *room.totals.T.tolist(), int(room.counters[3][0])


def _bounds(n_rows, n_pieces):
    n_pieces = max(1, min(n_rows, n_pieces))
    return np.array([n_rows * i // n_pieces for i in range(n_pieces + 1)])


def _parts(n_rows, n_pieces):
    return np.array([n_rows * i // n_pieces for i in range(n_pieces + 1)])


def _room_for(network, how, n_batches, n_classes):
    weights = network.weights
    n_features, n_components = weights.shape
    n_rows, n_steps, dtype = how.batch_size, how.n_steps, weights.dtype
    n_parts = PIECES * n_threads()
    longest = max(n_features, n_components, n_rows * max(1, n_steps)) + 1
    earlier, last = (np.zeros((n_components, size), dtype) for size in (n_rows * n_steps, n_rows))
    return Room(
        base=new_array((n_rows, n_components), weights),
        codes=np.empty((n_rows, n_steps + 1, n_components), dtype),
        slopes=new_array((n_rows * n_steps, n_components), weights),
        slope=new_array((n_rows, n_components), weights),
        by_base=new_array((n_rows, n_components), weights),
        earlier=earlier,
        last=last,
        residual=new_array((n_rows, n_features), weights),
        scores=np.zeros((n_rows, n_classes), dtype),
        pull=np.zeros((n_classes, n_rows), dtype),
        loss=np.zeros(n_rows, dtype),
        right=np.zeros(n_rows, dtype),
        squares=np.empty((n_parts, n_components), dtype),
        rows=_bounds(n_rows, n_parts),
        components=_parts(n_components, n_parts),
        features=_parts(n_features, n_parts),
        index=np.empty((n_parts, longest), np.uintp),
        value=np.empty((n_parts, longest), dtype),
        row=np.empty((n_parts, n_components), dtype),
        totals=np.zeros((n_batches, 2)),
        counters=tuple(np.zeros(1, np.int64) for _ in range(4)),
    )
