"""Elementwise parts of the encoders, applied to x W in place, with parameters per component.

In the backward functions, `gradient` is the derivative of a loss with respect to the code. `result`
receives the derivative with respect to u = x W + b, and the rows of `sums` the derivatives with
respect to `parameters`, starting with the bias. `product` is x W, or None if it is not needed.
"""

from sklearn_ebm.backends._namespace import array_namespace


def shrink_preactivation(preactivation, bias, threshold):
    """Compute sh(u) = sign(u) max(|u| - threshold, 0) with u = x W + b."""
    xp = array_namespace(preactivation)
    preactivation += bias
    preactivation -= xp.clip(preactivation, -threshold, threshold)
    return preactivation


def shrink_backward(product, code, gradient, parameters, result, sums):
    """Differentiate: d sh / d u = 1 and d sh / d threshold = -sign(u) if the unit is on."""
    xp = array_namespace(code)
    sign = xp.sign(code)
    return chain(sign * sign, (-sign,), gradient, result, sums)


def tanh_preactivation(preactivation, bias, gain):
    """Compute gain * tanh(x W + b)."""
    xp = array_namespace(preactivation)
    preactivation += bias
    preactivation[...] = gain * xp.tanh(preactivation)
    return preactivation


def tanh_backward(product, code, gradient, parameters, result, sums):
    """Differentiate: d/du = gain (1 - tanh(u)^2) and d/d gain = tanh(u)."""
    bias, gain = parameters
    squashed = array_namespace(code).tanh(product + bias)
    return chain(gain * (1 - squashed * squashed), (squashed,), gradient, result, sums)


def logistic_backward(product, code, gradient, parameters, result, sums):
    """Differentiate: the slope of 1 / (1 + exp(-u)) is code (1 - code)."""
    return chain(code * (1 - code), (), gradient, result, sums)


def smooth_shrink_preactivation(preactivation, bias, slope, location):
    """Compute sign(u) (log(exp(s b) + exp(s |u|) - 1) / s - b) with u = x W + b.

    With m = max(location, |u|) and d = |location - |u||, the logarithm is
    s m + log1p(exp(-s d) - exp(-s m)), which never overflows
    (Kavukcuoglu et al. 2010, eq. 4).
    """
    xp = array_namespace(preactivation)
    preactivation += bias
    size = xp.abs(preactivation)
    larger = xp.maximum(size, xp.broadcast_to(location, size.shape))
    excess = xp.log1p(xp.exp(-slope * xp.abs(size - location)) - xp.exp(-slope * larger))
    preactivation[...] = xp.sign(preactivation) * (larger + excess / slope - location)
    return preactivation


def smooth_shrink_backward(product, code, gradient, parameters, result, sums):
    """Differentiate the smooth shrinkage with respect to u, s and b.

    With A = exp(s b), B = exp(s |u|), T = A + B - 1 and h = log(T) / s:
    d/d|u| = B / T, d/db = A / T - 1, d/ds = (b A + |u| B) / (s T) - h / s.
    A / T and B / T are computed from logarithms to avoid overflow.
    """
    xp, (bias, slope, location) = array_namespace(code), parameters
    preactivation = product + bias
    size, sign = xp.abs(preactivation), xp.sign(preactivation)
    log_sum = slope * (xp.abs(code) + location)  # log T, since |code| = log(T) / s - b
    share_size = xp.exp(slope * size - log_sum)
    share_location = xp.exp(slope * location - log_sum)
    by_slope = (location * share_location + size * share_size - log_sum / slope) / slope
    own = sign * by_slope, sign * (share_location - 1)
    return chain(share_size, own, gradient, result, sums)


def chain(slope, own, gradient, result, sums):
    """Apply the chain rule to the slopes by u and by the activation's own parameters."""
    xp = array_namespace(gradient)
    result[...] = slope * gradient
    for k, derivative in enumerate((result, *(each * gradient for each in own))):
        sums[k, ...] = xp.sum(derivative, axis=0)
    return result
