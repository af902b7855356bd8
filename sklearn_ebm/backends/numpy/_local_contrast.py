"""Local means and deviations of maps; see `sklearn_ebm.backends._gaussian` for the window."""

from sklearn_ebm.backends._namespace import array_namespace

ROUNDINGS = 64  # of a local mean: what differs by less is taken for constant


def smooth_maps(values, window, transposed=False):
    """Local means of maps.

    Parameters
    ----------
    values : array of shape (n_samples, height, width)
        One map for each sample.
    window : Window
        Weights.
    transposed : bool, default=False
        Whether to apply the transpose instead.

    Returns
    -------
    means : array of shape (n_samples, height, width)
    """
    if transposed:
        return _convolve(values * window.scale, window.weights)
    return _convolve(values, window.weights) * window.scale


def local_contrast(maps, window, centred, deviation):
    """Differences from the local mean, and local deviations; means are over all maps.

    Parameters
    ----------
    maps : array of shape (n_samples, height, width, n_maps)
        Images.
    window : Window
        Weights.
    centred : array of shape (n_samples, height, width, n_maps)
        Replaced by v = x - mean.
    deviation : array of shape (n_samples, height, width)
        Replaced by the root of the local mean of v^2, which counts as zero where v is nothing but
        rounding.
    """
    xp = array_namespace(maps)
    mean = smooth_maps(_mean_map(maps), window)
    centred[...] = maps - mean[..., None]
    squares = _mean_map(centred * centred)
    rounding = ROUNDINGS * float(xp.finfo(maps.dtype).eps) * mean
    squares = xp.where(squares > rounding * rounding, squares, xp.zeros_like(squares))
    deviation[...] = xp.sqrt(smooth_maps(squares, window))


def _mean_map(maps):
    """The mean over the maps; BLAS does not mind that they are few."""
    xp = array_namespace(maps)
    n_maps = maps.shape[-1]
    if n_maps == 1:
        return maps[..., 0]
    weights = xp.full((n_maps,), 1 / n_maps, dtype=maps.dtype)
    return xp.reshape(xp.reshape(maps, (-1, n_maps)) @ weights, maps.shape[:-1])


def _convolve(values, weights):
    """Down, then across, with zeros around the image."""
    radius = len(weights) // 2
    for axis in (1, 2):
        total = values * weights[radius]
        for step in range(1, min(radius, values.shape[axis] - 1) + 1):
            later = (*[slice(None)] * axis, slice(step, None), ...)
            earlier = (*[slice(None)] * axis, slice(None, -step), ...)
            total[later] += values[earlier] * weights[radius + step]
            total[earlier] += values[later] * weights[radius + step]
        values = total
    return values
