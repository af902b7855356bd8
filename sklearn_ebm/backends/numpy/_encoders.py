"""Element-wise halves of the encoders, on x W in place; parameters are one number per component."""

from sklearn_ebm.backends._namespace import array_namespace


def shrink_preactivation(preactivation, bias, threshold):
    """u = x W + b, sh(u) = sign(u) max(|u| - threshold, 0)."""
    xp = array_namespace(preactivation)
    preactivation += bias
    preactivation -= xp.clip(preactivation, -threshold, threshold)
    return preactivation


def tanh_preactivation(preactivation, bias, gain):
    """gain * tanh(x W + b)."""
    xp = array_namespace(preactivation)
    preactivation += bias
    preactivation[...] = gain * xp.tanh(preactivation)
    return preactivation


def smooth_shrink_preactivation(preactivation, bias, slope, location):
    """Smooth shrinkage of u = x W + b, sign(u) (log(exp(s b) + exp(s |u|) - 1) / s - b).

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
