"""The three products of images, filters and maps, each linear in two of them.

    correlate          map_k[q]       =  sum_u  image[q - before + u] . kernel_k[u]
    synthesize         image[p]       =  sum_k sum_u  map_k[p + before - u] kernel_k[u]
    correlate_kernels  kernel_k[u]   +=  sum_q  map_k[q] image[q - before + u]

The first two are adjoint to each other. Images have the shape (n_samples, height, width,
n_channels), maps (n_samples, height, width, n_components) in the size that the border defines, and
filters (n_components, height, width, n_channels).
"""

from itertools import product

from sklearn_ebm.backends._namespace import array_namespace


def taps(shape, kernels):
    """Yield offsets in a filter, with the slices of a canvas there and the weights."""
    height, width = shape
    for i, j in product(range(kernels.shape[1]), range(kernels.shape[2])):
        yield (slice(None), slice(i, i + height), slice(j, j + width), slice(None)), (i, j)


def correlate(images, kernels, border, maps):
    """Fill `maps` with the products of all filters with the image at all positions.

    Parameters
    ----------
    images : array of shape (n_samples, height, width, n_channels)
        Images.
    kernels : array of shape (n_components, kernel_height, kernel_width, n_channels)
        Filters.
    border : Border
        Positions of the filters.
    maps : array of shape (n_samples, map_height, map_width, n_components)
        Overwritten.
    """
    canvas = border.extend(images, kernels.shape[1:])
    maps[...] = 0
    for place, (i, j) in taps(maps.shape[1:3], kernels):
        maps += canvas[place] @ kernels[:, i, j, :].T
    return maps


def synthesize(maps, kernels, border, images):
    """Fill `images` with the sums of the convolved maps; shapes as in `correlate`."""
    xp = array_namespace(maps)
    n_samples, height, width, _ = maps.shape
    _, rows, columns, n_channels = kernels.shape
    shape = n_samples, height + rows - 1, width + columns - 1, n_channels
    canvas = xp.zeros(shape, dtype=images.dtype)
    for place, (i, j) in taps((height, width), kernels):
        canvas[place] += maps @ kernels[:, i, j, :]
    images[...] = border.fold(canvas, images.shape[1:])
    return images


def correlate_kernels(maps, images, border, kernels):
    """Add the sums of map times image over all positions to `kernels`; shapes as in `correlate`."""
    xp = array_namespace(maps)
    canvas = border.extend(images, kernels.shape[1:])
    rows = xp.reshape(maps, (-1, maps.shape[3])).T
    for place, (i, j) in taps(maps.shape[1:3], kernels):
        kernels[:, i, j, :] += rows @ xp.reshape(canvas[place], (-1, canvas.shape[3]))
    return kernels
