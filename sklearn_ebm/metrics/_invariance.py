"""Invariance of a representation to changes of the data.

The squared distance between features depends on their unit and their number. It is therefore
divided by the mean squared distance between unrelated samples: a sample z_i and the changed copy
z'_j of another sample. The mean over all pairs, including i = j, is

    1/n^2 sum_ij ||z_i - z'_j||^2 = sum of the variances of z and z' + ||mean z - mean z'||^2,

so that the pairs need not be enumerated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_array, check_consistent_length

from sklearn_ebm._typing import Array, ArrayLike, MatrixLike
from sklearn_ebm.backends import to_host


def normalized_distance(Z: MatrixLike, Z_changed: MatrixLike) -> float:
    """Compute the distance between two representations of samples, relative to other samples.

    It is the mean of ||z_i - z'_i||^2 over all samples, divided by the mean of ||z_i - z'_j||^2
    over all pairs of different samples. It is 0 if the representation does not change, and 1 if a
    changed sample is as far from the original sample as from any other. It does not depend on the
    unit or the number of the features.

    Parameters
    ----------
    Z : {array-like, sparse matrix} of shape (n_samples, n_features)
        Representation of the samples, one row per sample.

    Z_changed : {array-like, sparse matrix} of shape (n_samples, n_features)
        Representation of the same samples after a change.

    Returns
    -------
    float
        Normalized distance. It exceeds 1 if changed samples are farther from the original samples
        than from other samples.

    Raises
    ------
    ValueError
        If the shapes differ, there are fewer than two samples, or the distance between different
        samples is zero, for instance because the representation is constant.

    See Also
    --------
    invariance_curve : Normalized distances for a sequence of changes.

    Examples
    --------
    >>> from sklearn_ebm.metrics import normalized_distance
    >>> Z = [[0.0, 2.0], [2.0, 0.0]]
    >>> normalized_distance(Z, [[0.0, 1.0], [1.0, 0.0]])  # 1 from its own, 5 from the other
    0.2
    """
    Z, Z_changed = _dense(Z, "Z"), _dense(Z_changed, "Z_changed")
    check_consistent_length(Z, Z_changed)
    if Z.shape != Z_changed.shape:
        raise ValueError(
            f"Z has {Z.shape[1]} features, but Z_changed has {Z_changed.shape[1]} features."
        )
    n_samples, origin = len(Z), Z[0]  # with a sample as the origin, equal rows differ by exactly 0
    Z, Z_changed = Z - origin, Z_changed - origin
    own = ((Z - Z_changed) ** 2).sum() / n_samples
    between_means = ((Z.mean(axis=0) - Z_changed.mean(axis=0)) ** 2).sum()
    all_pairs = Z.var(axis=0).sum() + Z_changed.var(axis=0).sum() + between_means
    others = (n_samples * all_pairs - own) / (n_samples - 1)
    if others <= 0:
        raise ValueError(
            "The mean distance between different samples of Z and Z_changed must be positive, "
            "got 0."
        )
    return float(own / others)


def _dense(representation, name):
    """Return the representation as a float64 array on the host, with at least two samples."""
    if hasattr(representation, "toarray"):
        representation = representation.toarray()
    return check_array(
        to_host(representation), dtype=np.float64, ensure_min_samples=2, input_name=name
    )


def invariance_curve(
    represent: Callable[[Any], Any], original: ArrayLike, transformed: Sequence[Any] | Array
) -> Array:
    """Compute how much a representation changes with each of a sequence of changes of the data.

    Parameters
    ----------
    represent : callable
        Function that maps samples of shape (n_samples, n_features) to their representation, dense
        or sparse, with one row per sample: for instance the `transform` method of a fitted model,
        or a function that also normalizes the patches.

    original : array-like of shape (n_samples, n_features)
        Samples, for instance from :func:`~sklearn_ebm.datasets.sample_transformed_patches`.

    transformed : array-like of shape (n_changes, n_samples, n_features)
        The same samples after each change.

    Returns
    -------
    ndarray of shape (n_changes,)
        Normalized distance for each change: 0 if the representation is invariant, and about 1 if
        the changed samples are unrelated to the original samples.

    Raises
    ------
    ValueError
        If `transformed` does not have three axes, or if :func:`normalized_distance` raises an
        error.

    See Also
    --------
    normalized_distance : Normalized distance for a single change.
    sklearn_ebm.datasets.sample_transformed_patches : Patches that are shifted, rotated and scaled.

    References
    ----------
    K. Kavukcuoglu, M. Ranzato, R. Fergus, Y. LeCun (2009). Learning invariant features through
    topographic filter maps. CVPR. The curves of the paper are divided by their value for a shift by
    the width of a patch, for which hardly any correlation is left: `curve / curve[-1]`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm.datasets import sample_transformed_patches
    >>> from sklearn_ebm.metrics import invariance_curve
    >>> image = np.sin(np.indices((64, 64)).sum(axis=0) / 4)  # a grating
    >>> shifts = [(0, pixels) for pixels in range(4)]
    >>> patches = sample_transformed_patches([image], 8, 200, shift=shifts, random_state=0)
    >>> invariance_curve(lambda pixels: pixels, *patches).round(2)
    array([0.  , 0.03, 0.12, 0.27])
    """
    if np.ndim(transformed) != 3:
        raise ValueError(
            f"Expected 3D array, got {np.ndim(transformed)}D array instead. Transformed data must "
            "have shape (n_changes, n_samples, n_features)."
        )
    unchanged = represent(original)
    return np.array([normalized_distance(unchanged, represent(each)) for each in transformed])
