"""Moments of convolutional codes, and the sweep over kernels that they allow.

With A_kl[s] = sum_q z_k[q] z_l[q + s] and B_k[u] = sum_q z_k[q] x[q + u], the squared error of all
images seen is, up to a constant, 1/2 sum d_k[u] A_kl[u - v] d_l[v] - sum B_k[u] d_k[u].
"""

from itertools import product

from sklearn_ebm.backends._namespace import array_namespace

SMALLEST_USE = 1e-10  # of the largest, below which a kernel is left as it is


def add_code_moment(left, right, circular, moment):
    """Add A of two batches of maps, those of `left` at the place and of `right` shifted by s.

    Parameters
    ----------
    left, right : array of shape (n_samples, map_height, map_width, n_components)
        Maps.
    circular : bool
        Whether maps go on at the other side; else they are zero beyond their edges.
    moment : array of shape (n_components, n_components, 2 height - 1, 2 width - 1)
        Of kernels of that height and width; added to.
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
    """What a roll by -shift brought in from the other side."""
    return slice(max(0, size - shift), size) if shift > 0 else slice(0, min(-shift, size))


def update_kernels(kernels, code_moment, cross_moment, table=None):
    """Move one kernel after another against its gradient, in place, and scale it to norm one.

    The step is over the bound sum_s |A_kk[s]| of the curvature.

    Parameters
    ----------
    kernels, cross_moment : array of shape (n_components, height, width, n_channels)
        Kernels, of unit norm afterwards, and B.
    code_moment : array of shape (n_components, n_components, n_rows, n_columns)
        A of all shifts from one edge of a kernel to the other, 2 height - 1 by 2 width - 1; or of
        the nearest ones, where it is zero beyond.
    table : array of shape (n_components, n_channels) or None, default=None
        One where a kernel may read a channel; it is zero elsewhere, and stays so.
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
        norm = float(xp.sqrt(xp.sum(moved * moved)))
        if norm > 0:
            kernels[k, ...] = moved / norm


def of_all_shifts(moment, kernel_shape):
    """A of the nearest shifts with the zeros beyond, (..., 2 height - 1, 2 width - 1)."""
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
    """sum_l sum_v A_kl[u - v] d_l[v] of one k, in the shape of a kernel."""
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
