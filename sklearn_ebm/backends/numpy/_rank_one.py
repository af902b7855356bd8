"""Filters of rank one: outer products of a waveform over the pixels and a channel pattern."""

from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends.numpy._convolutional_moments import sweep


def factors_of_rank_one(filters):
    """Return the waveforms and channel patterns of the nearest filters of rank one and norm one.

    They are the leading singular vectors of each filter, a matrix of pixels and channels. The
    largest entry of each pattern is positive. Both are zero for filters of zeros.

    Parameters
    ----------
    filters : array of shape (n_components, height, width, n_channels)
        Filters of any norm.

    Returns
    -------
    waveforms : array of shape (n_components, height, width)
    patterns : array of shape (n_components, n_channels)
        Entries of channels in which a filter is zero are exactly zero.
    """
    xp = array_namespace(filters)
    n_components, height, width, n_channels = filters.shape
    matrices = xp.reshape(filters, (n_components, height * width, n_channels))
    largest = xp.max(xp.abs(matrices), axis=(1, 2), keepdims=True)
    matrices = matrices / xp.where(largest > 0, largest, xp.ones_like(largest))
    left, _, _ = xp.linalg.svd(matrices, full_matrices=False)
    patterns = xp.sum(matrices * left[:, :, :1], axis=1)  # zeros of channels remain exact
    place = xp.argmax(xp.abs(patterns), axis=1, keepdims=True)
    sign = xp.sign(xp.take_along_axis(patterns, place, axis=1))
    norm = xp.sqrt(xp.sum(patterns * patterns, axis=1, keepdims=True))
    patterns = patterns * sign / xp.where(norm > 0, norm, xp.ones_like(norm))
    waveforms = xp.reshape(left[:, :, 0] * sign, (n_components, height, width))
    return waveforms, patterns


def of_rank_one(filters):
    """Return the nearest filters of rank one and norm one."""
    waveforms, patterns = factors_of_rank_one(filters)
    return waveforms[..., None] * patterns[:, None, None, :]


def update_rank_one_kernels(kernels, code_moment, cross_moment, table=None):
    """Update filters as `update_kernels` does, and project each to rank one and norm one.

    The step minimises an upper bound of the error, a multiple of the squared distance from the
    moved filter. The nearest filter of rank one therefore minimises the bound exactly.

    Parameters
    ----------
    kernels : array of shape (n_components, height, width, n_channels)
        Filters of rank one and norm one, changed in place.
    code_moment, cross_moment, table
        As for `update_kernels`.
    """
    sweep(kernels, code_moment, cross_moment, table, _nearest)


def _nearest(moved):
    return of_rank_one(moved[None, ...])[0, ...]
