"""Moments of convolutional codes, and the sweep over filters that uses them.

With A_kl[s] = sum_q z_k[q] z_l[q + s] and B_k[u] = sum_q z_k[q] x[q + u], the squared error of all
images so far is, up to a constant, 1/2 sum d_k[u] A_kl[u - v] d_l[v] - sum B_k[u] d_k[u].
"""

from itertools import product

from sklearn_ebm.backends._namespace import array_namespace

SMALLEST_USE = 1e-10  # share of the largest moment below which a filter is not updated


def add_code_moment(left, right, circular, moment):
    """Add the moment A of two batches of maps, with `right` shifted by s.

    Parameters
    ----------
    left, right : array of shape (n_samples, map_height, map_width, n_components)
        Maps.
    circular : bool
        Whether maps wrap around; otherwise they are zero beyond their edges.
    moment : array of shape (n_components, n_components, 2 height - 1, 2 width - 1)
        Moment for filters of the given height and width; changed in place.
    """
    xp = array_namespace(left)
    n_components = left.shape[3]
    heights, widths = (size // 2 for size in moment.shape[2:])
    rows = xp.reshape(left, (-1, n_components)).T
    _, height, width, _ = left.shape
    for i, j in product(range(-heights, heights + 1), range(-widths, widths + 1)):
        shifted = xp.roll(right, (-i, -j), axis=(1, 2))
        if not circular:
            shifted[:, _came_in(i, height), :, :] = 0
            shifted[:, :, _came_in(j, width), :] = 0
        moment[:, :, i + heights, j + widths] += rows @ xp.reshape(shifted, (-1, n_components))
    return moment


def _came_in(shift, size):
    """Return the slice of entries that a roll by -shift wraps around."""
    return slice(max(0, size - shift), size) if shift > 0 else slice(0, min(-shift, size))


def update_kernels(kernels, code_moment, cross_moment, table=None):
    """Update one filter after another along its gradient, in place, and scale it to norm one.

    The step size is one over the bound sum_s |A_kk[s]| of the curvature.

    Parameters
    ----------
    kernels, cross_moment : array of shape (n_components, height, width, n_channels)
        Filters, of unit norm afterwards, and the moment B.
    code_moment : array of shape (n_components, n_components, n_rows, n_columns)
        The moment A for all shifts between filters, 2 height - 1 by 2 width - 1, or only for the
        nearest shifts if it is zero beyond them.
    table : array of shape (n_components, n_channels) or None, default=None
        1 if a filter may read a channel, else 0. Other entries of the filter remain zero.
    """
    sweep(kernels, code_moment, cross_moment, table, _unit)


def _unit(moved):
    xp = array_namespace(moved)
    return moved / xp.sqrt(xp.sum(moved * moved))


def sweep(kernels, code_moment, cross_moment, table, nearest):
    """Update one filter after another along its gradient, in place.

    `nearest` returns the allowed filter that is nearest to a filter other than zero.
    """
    xp = array_namespace(kernels)
    floor = SMALLEST_USE * float(xp.max(xp.abs(code_moment)))
    for k in range(kernels.shape[0]):
        curvature = float(xp.sum(xp.abs(code_moment[k, k, :, :])))
        if curvature <= floor:
            continue
        slope = cross_moment[k, ...] - _explained(kernels, code_moment[k, ...])
        if table is not None:
            slope *= table[k, ...]
        moved = kernels[k, ...] + slope / curvature
        if float(xp.sum(moved * moved)) > 0:
            kernels[k, ...] = nearest(moved)


def of_all_shifts(moment, kernel_shape):
    """Return A padded with zeros to all shifts, (..., 2 height - 1, 2 width - 1)."""
    wanted = tuple(2 * size - 1 for size in kernel_shape)
    if moment.shape[-2:] == wanted:
        return moment
    xp = array_namespace(moment)
    padded = xp.zeros((*moment.shape[:-2], *wanted), dtype=moment.dtype)
    rows, columns = (
        slice((full - few) // 2, (full + few) // 2)
        for full, few in zip(wanted, moment.shape[-2:], strict=True)
    )
    padded[..., rows, columns] = moment
    return padded


def _explained(kernels, moment):
    """Return sum_l sum_v A_kl[u - v] d_l[v] for one k, in the shape of a filter."""
    xp = array_namespace(kernels)
    moment = of_all_shifts(moment, kernels.shape[1:3])
    _, height, width, n_channels = kernels.shape
    explained = xp.zeros((height, width, n_channels), dtype=kernels.dtype)
    for i, j in product(range(height), range(width)):
        rows = slice(height - 1 - i, 2 * height - 1 - i)
        columns = slice(width - 1 - j, 2 * width - 1 - j)
        part = xp.reshape(moment[:, rows, columns], (kernels.shape[0], -1))
        explained += xp.reshape(part.T @ kernels[:, i, j, :], explained.shape)
    return explained
