"""Units that are on or off: means, draws and what they leave in a free energy.

The logit of a unit is scale * field + bias: `field` has what other units send, `scale` an inverse
temperature. Exponents beyond what their type can hold are cut off, where the mean is zero or one.
"""

from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends.numpy._random import uniform

LARGEST_EXPONENT = {4: 87.0, 8: 708.0}  # by bytes of the type


def _odds_against(field, bias, scale):
    """exp(-logit)."""
    xp = array_namespace(field)
    largest = LARGEST_EXPONENT[xp.finfo(field.dtype).bits // 8]
    return xp.exp(xp.clip(-(scale * field + bias), -largest, largest))


def bernoulli_mean(field, bias, scale=1.0):
    """field = 1 / (1 + exp(-logit)), in place.

    Parameters
    ----------
    field : array of shape (n_rows, n_units)
        Overwritten.
    bias : array of shape (n_units,)
        Logits without a field.
    scale : float, default=1
        Of the field.

    Returns
    -------
    field : array
    """
    field[...] = 1 / (1 + _odds_against(field, bias, scale))
    return field


def bernoulli_sample(field, bias, scale, key, mean=None):
    """field = 1 where u < mean, else 0, in place, with uniform numbers u of a key.

    Parameters
    ----------
    field : array of shape (n_rows, n_units)
        Overwritten.
    bias : array of shape (n_units,)
        Logits without a field.
    scale : float
        Of the field.
    key : Key
        Of the draw.
    mean : array of shape (n_rows, n_units) or None, default=None
        Gets the means, where they are wanted.

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
    """Sum of log(1 + exp(logit)) over the units of each row.

    Parameters
    ----------
    field : array of shape (n_rows, n_units)
        What other units send.
    bias : array of shape (n_units,)
        Logits without a field.
    scale : float, default=1
        Of the field.

    Returns
    -------
    sums : array of shape (n_rows,)
    """
    xp = array_namespace(field)
    logit = scale * field + bias
    size = xp.abs(logit)
    return xp.sum((logit + size) / 2 + xp.log1p(xp.exp(-size)), axis=1)
