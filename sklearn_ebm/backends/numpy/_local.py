"""The three products of images, maps and filters that differ between the places of a map.

    local_correlate          map[q]        =  sum_u  image[p(q) + u] . kernel_q[u]
    local_synthesize         image[p]      =  sum_q  map[q] kernel_q[p - p(q)]
    local_correlate_kernels  kernel_k[u]  +=  sum_{q of k}  map[q] image[p(q) + u]

p(q) is the pixel of a place q of the map, and kernel_q its filter; see `Places`. The first two are
adjoint to each other. Images have the shape (n_samples, height, width, n_channels), maps
(n_samples, rows, columns), and filters (tile_rows, tile_columns, height, width, n_channels).
"""

from itertools import product

from sklearn_ebm.backends._namespace import array_namespace


def _taps(maps, kernels, places):
    """Yield offsets in a filter, and the slices of images there."""
    height, width = (length // places.fineness for length in maps.shape[1:3])
    for u, v in product(range(kernels.shape[2]), range(kernels.shape[3])):
        yield (u, v), (slice(None), slice(u, u + height), slice(v, v + width), slice(None))


def _at_all_places(kernels, tap, members):
    """Return the weights of all filters of a map at one offset, (rows, columns, n_channels)."""
    rows, columns = members
    weights, xp = kernels[:, :, tap[0], tap[1], :], array_namespace(kernels)
    return xp.take(xp.take(weights, rows, axis=0), columns, axis=1)


def _finer(pixels, fineness):
    """Return the pixels at the places of a map, (n_samples, rows, columns, n_channels)."""
    xp = array_namespace(pixels)
    return xp.repeat(xp.repeat(pixels, fineness, axis=1), fineness, axis=2)


def _coarser(maps, fineness):
    """Return the sums over the places of each pixel, the adjoint of `_finer`."""
    xp, (n_samples, rows, columns, n_channels) = array_namespace(maps), maps.shape
    shape = n_samples, rows // fineness, fineness, columns // fineness, fineness, n_channels
    return xp.sum(xp.reshape(maps, shape), axis=(2, 4))


def local_correlate(images, kernels, places, maps):
    """Fill `maps` with the product of each place's filter with the image.

    Parameters
    ----------
    images : array of shape (n_samples, height, width, n_channels)
        Images.
    kernels : array of shape (tile_rows, tile_columns, kernel_height, kernel_width, n_channels)
        Filters.
    places : Places
        Density of the map, and the place of the tile.
    maps : array of shape (n_samples, rows, columns)
        Overwritten.
    """
    xp = array_namespace(maps)
    members = places.members(maps.shape[1:3], kernels.shape[:2], maps)
    maps[...] = 0
    for tap, pixels in _taps(maps, kernels, places):
        seen = _finer(images[pixels], places.fineness)
        maps += xp.sum(seen * _at_all_places(kernels, tap, members), axis=3)
    return maps


def local_synthesize(maps, kernels, places, images):
    """Fill `images` with the sums of all filters times their codes; as in `local_correlate`."""
    members = places.members(maps.shape[1:3], kernels.shape[:2], maps)
    images[...] = 0
    for tap, pixels in _taps(maps, kernels, places):
        placed = maps[..., None] * _at_all_places(kernels, tap, members)
        images[pixels] += _coarser(placed, places.fineness)
    return images


def local_correlate_kernels(maps, images, places, kernels):
    """Add the sums of code times image to the filters; shapes as in `local_correlate`."""
    xp, tile_shape = array_namespace(maps), kernels.shape[:2]
    is_row, is_column = (
        xp.asarray(member[None, :] == xp.arange(length)[:, None], dtype=maps.dtype)
        for member, length in zip(
            places.members(maps.shape[1:3], tile_shape, maps), tile_shape, strict=True
        )
    )
    for (u, v), pixels in _taps(maps, kernels, places):
        seen = _finer(images[pixels], places.fineness)
        sums = xp.sum(maps[..., None] * seen, axis=0)
        by_row = is_row @ xp.reshape(sums, (sums.shape[0], -1))
        by_row = xp.reshape(by_row, (tile_shape[0], *sums.shape[1:]))
        kernels[:, :, u, v, :] += is_column @ by_row
    return kernels
