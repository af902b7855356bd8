"""Products of filters and a tile of pixels, by register tiles of positions times components."""

from numba.extending import overload

from sklearn_ebm.backends._random import LANES
from sklearn_ebm.backends.numba._fields import registers_hold
from sklearn_ebm.backends.numba._rules import inner
from sklearn_ebm.backends.numba._simd import add_scaled, load, splat, store
from sklearn_ebm.backends.numba._tiles import BLOCK


@inner
def _pair(sums, pixel, first, second):
    return add_scaled(sums[0], pixel, first), add_scaled(sums[1], pixel, second)


@inner
def _put_pair(lanes, x, k, sums):
    store(lanes, (x, k), sums[0])
    store(lanes, (x, k + LANES), sums[1])


@inner
def _two_vectors(canvas, y, taps, n_channels, x, k, lanes):
    """Process eight positions and two vectors of components."""
    zero = splat(canvas[0, 0] - canvas[0, 0])
    p = q = r = s = t = u = v = w = (zero, zero)
    start = x * n_channels
    for i in range(taps.shape[0]):
        row = canvas[y + i]
        for j in range(taps.shape[1]):
            first, second = load(taps, (i, j, k)), load(taps, (i, j, k + LANES))
            place = start + j
            p = _pair(p, row[place], first, second)
            q = _pair(q, row[place + n_channels], first, second)
            r = _pair(r, row[place + 2 * n_channels], first, second)
            s = _pair(s, row[place + 3 * n_channels], first, second)
            t = _pair(t, row[place + 4 * n_channels], first, second)
            u = _pair(u, row[place + 5 * n_channels], first, second)
            v = _pair(v, row[place + 6 * n_channels], first, second)
            w = _pair(w, row[place + 7 * n_channels], first, second)
    _put_pair(lanes, x, k, p)
    _put_pair(lanes, x + 1, k, q)
    _put_pair(lanes, x + 2, k, r)
    _put_pair(lanes, x + 3, k, s)
    _put_pair(lanes, x + 4, k, t)
    _put_pair(lanes, x + 5, k, u)
    _put_pair(lanes, x + 6, k, v)
    _put_pair(lanes, x + 7, k, w)


@inner
def _one_vector(canvas, y, taps, n_channels, x, k, lanes):
    """Process four positions and one vector of components."""
    zero = splat(canvas[0, 0] - canvas[0, 0])
    p = q = r = s = zero
    start = x * n_channels
    for i in range(taps.shape[0]):
        row = canvas[y + i]
        for j in range(taps.shape[1]):
            first, place = load(taps, (i, j, k)), start + j
            p = add_scaled(p, row[place], first)
            q = add_scaled(q, row[place + n_channels], first)
            r = add_scaled(r, row[place + 2 * n_channels], first)
            s = add_scaled(s, row[place + 3 * n_channels], first)
    store(lanes, (x, k), p)
    store(lanes, (x + 1, k), q)
    store(lanes, (x + 2, k), r)
    store(lanes, (x + 3, k), s)


@inner
def _wide_products(canvas, y, taps, n_channels, columns, lanes):
    n_lanes = taps.shape[2]
    for k in range(0, n_lanes - LANES, 2 * LANES):
        for x in range(0, columns, BLOCK):
            _two_vectors(canvas, y, taps, n_channels, x, k, lanes)
    if n_lanes // LANES % 2:
        for x in range(0, columns, BLOCK // 2):
            _one_vector(canvas, y, taps, n_channels, x, n_lanes - LANES, lanes)


@inner
def _narrow_products(canvas, y, taps, n_channels, columns, lanes):
    for k in range(0, taps.shape[2], LANES):
        for x in range(0, columns, BLOCK // 2):
            _one_vector(canvas, y, taps, n_channels, x, k, lanes)


def products(canvas, y, taps, n_channels, columns, lanes):
    """Compute the products of all filters with at least `columns` positions of row y of the canvas.

    They are written to `lanes`, (columns up to a whole block, padded n_components).
    """


@overload(products)
def _products(canvas, y, taps, n_channels, columns, lanes):
    if registers_hold(LANES * lanes.dtype.bitwidth):
        return lambda canvas, y, taps, n_channels, columns, lanes: _wide_products(
            canvas, y, taps, n_channels, columns, lanes
        )
    return lambda canvas, y, taps, n_channels, columns, lanes: _narrow_products(
        canvas, y, taps, n_channels, columns, lanes
    )
