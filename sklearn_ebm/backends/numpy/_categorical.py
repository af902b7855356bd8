"""Categorical units: one-hot samples of features, each with some of the columns."""

from sklearn_ebm.backends._namespace import array_namespace, cumulated, new_matrix
from sklearn_ebm.backends.numpy._random import uniform


def categorical_sample(field, bias, scale, key, categories, uniform=uniform):
    """Set field to one-hot samples, in place, by the inverse distribution function.

    The logarithm of the probability of a category is scale * field + bias, up to a constant of its
    feature. Each feature uses one uniform number.

    Parameters
    ----------
    field : array of shape (n_rows, n_columns)
        Overwritten.
    bias : array of shape (n_columns,)
        Logarithms if the field is zero.
    scale : float
        Scale of the field.
    key : Key
        Key of the draw.
    categories : Categories
        Columns of the features.
    uniform : callable, default=the function of this package
        Fills a matrix with uniform numbers.

    Returns
    -------
    field : array
    """
    numbers = uniform(new_matrix((field.shape[0], len(categories.sizes)), field), key)
    field[...] = categories.map(_drawn, float(scale) * field + bias, numbers)
    return field


def raised(field):
    """Return exp(field) relative to the largest entry of each feature, and that entry."""
    xp = array_namespace(field)
    largest = xp.max(field, axis=1, keepdims=True)
    return xp.exp(field - largest), largest


def _drawn(field, numbers):
    """Return 1 for the first category whose cumulative probability exceeds a uniform number."""
    xp, size = array_namespace(field), field.shape[1]
    powers, _ = raised(field)
    sums = cumulated(powers)
    is_passed = sums[:, :-1, :] <= numbers * sums[:, -1:, :]
    chosen = xp.sum(xp.astype(is_passed, xp.int64), axis=1, keepdims=True)
    return xp.astype(chosen == xp.arange(size)[None, :, None], field.dtype)
