"""Changes of sums over hidden units if one binary visible unit flips, and their gradients.

With the field f of the hidden units, p = 1 / (1 + exp(-f)), and d = 1 if a unit is off and -1 if it
is on, a flip of the unit i changes the sum of log(1 + exp(f_j)) over the hidden units j by

    sum_j log(1 + exp(f_j + d w_ij)) - log(1 + exp(f_j)) = sum_j log(1 - p_j + p_j exp(d w_ij)),

and the probability of the hidden unit j is p_j exp(d w_ij) / (1 - p_j + p_j exp(d w_ij)) after the
flip. No exponential depends on both the sample and the weight.
"""

from sklearn_ebm.backends._flips import FlipFactors
from sklearn_ebm.backends._namespace import array_namespace, new_array
from sklearn_ebm.backends.numpy._bernoulli import LARGEST_EXPONENT

LARGEST_LOGIT = {4: 80.0, 8: 700.0}  # by bytes of the dtype; weights are clipped here


def flip_factors(field, bias, weights):
    """Return the factors of all flips.

    Parameters
    ----------
    field : array of shape (n_rows, n_hidden)
        Input from visible units.
    bias : array of shape (n_hidden,)
        Logits if the field is zero.
    weights : array of shape (n_visible, n_hidden)
        Weights. Larger magnitudes than `LARGEST_LOGIT` are clipped.

    Returns
    -------
    factors : FlipFactors
    """
    xp = array_namespace(field)
    size = xp.finfo(field.dtype).bits // 8
    largest = LARGEST_EXPONENT[size]
    odds_against = xp.exp(xp.clip(-(field + bias), -largest, largest))
    on = 1 / (1 + odds_against)
    weights = xp.clip(weights, -LARGEST_LOGIT[size], LARGEST_LOGIT[size])
    rise = xp.exp(weights)
    return FlipFactors(on, odds_against * on, rise, 1 / rise, xp.max(xp.abs(weights), axis=1))


def flip_sums(states, factors):
    """Return the change of the sum over hidden units for each flip.

    Parameters
    ----------
    states : array of shape (n_rows, n_visible)
        States of the visible units. A unit is on if its state is above 1/2.
    factors : FlipFactors
        Factors of all flips.

    Returns
    -------
    sums : array of shape (n_rows, n_visible)
    """
    xp, sums = array_namespace(states), new_array(states.shape, states)
    for i in range(states.shape[1]):
        ratio = factors.off + factors.on * _factor(states, factors, i)
        sums[:, i] = xp.sum(xp.log(ratio), axis=1)
    return sums


def flip_slopes(states, factors, share, slopes, field_slopes):
    """Compute the gradients of sum_ni share_ni sums_ni, with the sums of `flip_sums`.

    Parameters
    ----------
    states : array of shape (n_rows, n_visible)
        States of the visible units. A unit is on if its state is above 1/2.
    factors : FlipFactors
        Factors of all flips.
    share : array of shape (n_rows, n_visible)
        Share of each flip.
    slopes : array of shape (n_visible, n_hidden)
        Overwritten with the gradient with respect to the weights if the fields are fixed.
    field_slopes : array of shape (n_rows, n_hidden)
        Overwritten with the gradient with respect to the fields.
    """
    xp, on = array_namespace(states), factors.on
    field_slopes[...] = 0
    direction = xp.where(states > 0.5, -share, share)
    for i in range(states.shape[1]):
        product = on * _factor(states, factors, i)
        flipped = product / (factors.off + product)
        slopes[i, :] = direction[:, i] @ flipped
        field_slopes += share[:, i : i + 1] * (flipped - on)


def _factor(states, factors, i):
    """Return the factor of the odds of all hidden units if the unit i of each row flips."""
    xp = array_namespace(states)
    return xp.where(states[:, i : i + 1] > 0.5, factors.fall[i, :], factors.rise[i, :])
