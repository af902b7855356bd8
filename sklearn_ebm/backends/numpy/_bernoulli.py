"""Binary units: means, samples and their term in a free energy.

The logit of a unit is scale * field + bias, where `field` is the input from other units and `scale`
an inverse temperature. Exponents are clipped to the range of their dtype, where the mean is 0 or 1.
"""

from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends.numpy._random import uniform

LARGEST_EXPONENT = {4: 87.0, 8: 708.0}  # by bytes of the dtype


def _odds_against(field, bias, scale):
    """Return exp(-logit)."""
    xp = array_namespace(field)
    largest = LARGEST_EXPONENT[xp.finfo(field.dtype).bits // 8]
    return xp.exp(xp.clip(-(scale * field + bias), -largest, largest))


def bernoulli_mean(field, bias, scale=1.0):
    """Compute field = 1 / (1 + exp(-logit)), in place.

    Parameters
    ----------
    field : array of shape (n_rows, n_units)
        Overwritten.
    bias : array of shape (n_units,)
        Logits if the field is zero.
    scale : float, default=1
        Scale of the field.

    Returns
    -------
    field : array
    """
    field[...] = 1 / (1 + _odds_against(field, bias, scale))
    return field


def bernoulli_sample(field, bias, scale, key, mean=None):
    """Set field to 1 if u < mean, else to 0, in place, with uniform numbers u.

    Parameters
    ----------
    field : array of shape (n_rows, n_units)
        Overwritten.
    bias : array of shape (n_units,)
        Logits if the field is zero.
    scale : float
        Scale of the field.
    key : Key
        Key of the draw.
    mean : array of shape (n_rows, n_units) or None, default=None
        Receives the means. None if they are not needed.

    Returns
    -------
    field : array
    """
    xp = array_namespace(field)
    total = 1 + _odds_against(field, bias, scale)
    if mean is not None:
        mean[...] = 1 / total
    drawn = uniform(xp.empty(field.shape, dtype=field.dtype), key)
    field[...] = xp.astype(drawn * total < 1, field.dtype)
    return field


def softplus_sums(field, bias, scale=1.0):
    """Return the sum of log(1 + exp(logit)) over the units of each row.

    Parameters
    ----------
    field : array of shape (n_rows, n_units)
        Input from other units.
    bias : array of shape (n_units,)
        Logits if the field is zero.
    scale : float, default=1
        Scale of the field.

    Returns
    -------
    sums : array of shape (n_rows,)
    """
    xp = array_namespace(field)
    logit = scale * field + bias
    size = xp.abs(logit)
    return xp.sum((logit + size) / 2 + xp.log1p(xp.exp(-size)), axis=1)
