"""Local means and deviations of maps; see `sklearn_ebm.backends._gaussian` for the window.

With c the mean of the deviation sigma over the image, maps are multiplied by r = 1 / max(c, sigma),
or by zero if the image is constant.
"""

from sklearn_ebm.backends._namespace import array_namespace, divide_or_zero

ROUNDINGS = 64  # relative to a local mean; smaller differences are treated as constant


def smooth_maps(values, window, transposed=False):
    """Compute local means of maps.

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
    """Compute differences from the local mean, and local deviations, over all maps.

    Parameters
    ----------
    maps : array of shape (n_samples, height, width, n_maps)
        Images.
    window : Window
        Weights.
    centred : array of shape (n_samples, height, width, n_maps)
        Receives v = x - mean.
    deviation : array of shape (n_samples, height, width)
        Receives the root of the local mean of v^2, where v is treated as zero if it may be a
        rounding error.
    """
    xp = array_namespace(maps)
    mean = smooth_maps(_mean_map(maps), window)
    centred[...] = maps - mean[..., None]
    squares = _mean_map(centred * centred)
    rounding = ROUNDINGS * float(xp.finfo(maps.dtype).eps) * mean
    squares = xp.where(squares > rounding * rounding, squares, xp.zeros_like(squares))
    deviation[...] = xp.sqrt(smooth_maps(squares, window))


def scale_contrast(centred, deviation, result):
    """Write v r to `result`, which may be `centred`; shapes as in `local_contrast`."""
    result[...] = centred * _gain(deviation)[1][..., None]
    return result


def local_contrast_backward(centred, deviation, window, scaled, dy, dx):
    """Differentiate v, or v r, with respect to the input of `local_contrast`.

    Parameters
    ----------
    centred, deviation : array
        Results of `local_contrast`.
    window : Window
        Weights.
    scaled : bool
        Whether the output is v r.
    dy : array of shape (n_samples, height, width, n_maps)
        Derivative of a scalar with respect to the output.
    dx : array of shape (n_samples, height, width, n_maps)
        Receives the derivative with respect to the maps.
    """
    n_maps, dv = centred.shape[-1], dy
    if scaled:
        floor, gain = _gain(deviation)
        dsigma = _deviation_derivative(deviation, floor, -gain * gain * _total(centred * dy))
        weight = smooth_maps(divide_or_zero(dsigma, deviation), window, transposed=True) / n_maps
        dv = dy * gain[..., None] + centred * weight[..., None]
    dx[...] = dv - smooth_maps(_total(dv) / n_maps, window, transposed=True)[..., None]
    return dx


def _gain(deviation):
    """Return c and r of each image."""
    xp = array_namespace(deviation)
    floor = xp.mean(deviation, axis=(1, 2), keepdims=True)
    return floor, divide_or_zero(xp.ones_like(deviation), xp.maximum(deviation, floor))


def _deviation_derivative(deviation, floor, du):
    """Return dsigma: directly if sigma is larger than c, and through c otherwise."""
    xp = array_namespace(du)
    own, nothing = deviation > floor, xp.zeros_like(du)
    shared = xp.mean(xp.where(own, nothing, du), axis=(1, 2), keepdims=True)
    return xp.where(own, du, nothing) + shared


def _total(maps):
    """Sum over the maps, as a matrix product, which is faster for few maps."""
    xp, n_maps = array_namespace(maps), maps.shape[-1]
    ones = xp.ones((n_maps,), dtype=maps.dtype)
    return xp.reshape(xp.reshape(maps, (-1, n_maps)) @ ones, maps.shape[:-1])


def _mean_map(maps):
    """Average over the maps, as a matrix product, which is faster for few maps."""
    xp = array_namespace(maps)
    n_maps = maps.shape[-1]
    if n_maps == 1:
        return maps[..., 0]
    weights = xp.full((n_maps,), 1 / n_maps, dtype=maps.dtype)
    return xp.reshape(xp.reshape(maps, (-1, n_maps)) @ weights, maps.shape[:-1])


def _convolve(values, weights):
    """Convolve along columns, then along rows, with zero padding."""
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
