"""Sample weights of any scale, of which only the ratios matter."""

import numpy as np
from sklearn.utils import compute_class_weight

from sklearn_ebm._sklearn import _check_sample_weight
from sklearn_ebm.backends import array_namespace, is_cupy, to_host


def check_sample_weight(sample_weight, X):
    """Return checked weights, scaled by a power of two such that the largest is in [1, 2).

    The scaling is exact, so that a common factor 2**k only changes the exponent.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), number or None
        Weights of the samples.
    X : array-like with n_samples rows
        Samples.

    Returns
    -------
    weights : ndarray of shape (n_samples,), float64
        Weights divided by 2**exponent.
    exponent : int
        Exponent of the power of two.

    Raises
    ------
    ValueError
        The errors of scikit-learn, for instance if all weights are zero.
    """
    if is_cupy(sample_weight):
        sample_weight = to_host(sample_weight)
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    return normalized(weights)


def weights_in_type_of(X, sample_weight):
    """Return weights in the dtype of X, or None, and the exponent of their scale."""
    if sample_weight is None:
        return None, 0
    with np.errstate(over="ignore"):
        weights, exponent = check_sample_weight(sample_weight, X)
    return array_namespace(X).asarray(weights, dtype=X.dtype), exponent


def normalized(weights):
    """Divide weights by a power of two such that the largest is in [1, 2).

    Parameters
    ----------
    weights : ndarray, float64
        Weights, at least one of them above zero.

    Returns
    -------
    weights : ndarray, float64
        The scaled weights.
    exponent : int
        Exponent of the power of two.
    """
    exponent = int(np.frexp(weights.max())[1]) - 1
    return np.ldexp(weights, -exponent), exponent


def times_class_weight(weights, class_weight, y):
    """Multiply sample weights by class weights, and scale the products by a power of two.

    Parameters
    ----------
    weights : ndarray of shape (n_samples,), float64
        Sample weights as returned by `check_sample_weight`.
    class_weight : dict, "balanced" or None
        Class weights as in scikit-learn. "balanced" counts samples by their weights.
    y : ndarray of shape (n_samples,)
        Labels.

    Returns
    -------
    weights : ndarray of shape (n_samples,), float64
        The scaled products.

    Raises
    ------
    ValueError
        If a class weight is negative or not finite, or if all products are zero.
    """
    if class_weight is None:
        return weights
    rows = weights > 0 if class_weight == "balanced" else slice(None)
    classes, labels = np.unique(y[rows], return_inverse=True)
    factors = compute_class_weight(
        class_weight, classes=classes, y=y[rows], sample_weight=weights[rows]
    )
    if not np.all(np.isfinite(factors) & (factors >= 0)):
        raise ValueError(f"class_weight must be finite and non-negative, got {class_weight!r}.")
    products = np.zeros_like(weights)
    if np.any(factors):
        products[rows] = weights[rows] * normalized(factors)[0][labels]
    if not np.any(products):
        raise ValueError(
            "Sample weights times class_weight must contain at least one non-zero number."
        )
    return normalized(products)[0]
