"""How far a representation moves when its data change, on a scale that all representations share.

The squared distance of features depends on their unit and number. It is therefore divided by the
distance of what is unrelated: a sample z_i and the changed copy z'_j of another. Its mean over all
pairs, i = j among them, is

    1/n^2 sum_ij ||z_i - z'_j||^2 = sum of the variances of z and z' + ||mean z - mean z'||^2,

so that no pair need be visited.
"""

import numpy as np
from sklearn.utils import check_array, check_consistent_length

from sklearn_ebm.backends import to_host


def normalized_distance(Z, Z_changed):
    """Measure how far a representation moves with its data: 0 not at all, 1 like another sample.

    The mean of ||z_i - z'_i||^2 over all samples, over the mean of ||z_i - z'_j||^2 over all pairs
    of different samples. Neither the unit of the features nor their number matters.

    Parameters
    ----------
    Z : {array-like, sparse matrix} of shape (n_samples, n_features)
        Representation of the data, one row per sample.

    Z_changed : {array-like, sparse matrix} of shape (n_samples, n_features)
        Representation of the same samples after the change.

    Returns
    -------
    float
        The distance; above 1 where changed samples are further from themselves than from others.

    Raises
    ------
    ValueError
        When the shapes differ or there are fewer than two samples; when different samples are at
        no distance, as from a representation that is constant.

    See Also
    --------
    invariance_curve : The distances for a sequence of changes.

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
    n_samples, origin = len(Z), Z[0]  # from an origin among them, equal rows differ by exactly 0
    Z, Z_changed = Z - origin, Z_changed - origin
    own = ((Z - Z_changed) ** 2).sum() / n_samples
    between_means = ((Z.mean(axis=0) - Z_changed.mean(axis=0)) ** 2).sum()
    all_pairs = Z.var(axis=0).sum() + Z_changed.var(axis=0).sum() + between_means
    others = (n_samples * all_pairs - own) / (n_samples - 1)
    if others <= 0:
        raise ValueError("Different samples of Z and Z_changed are at no distance: nothing varies.")
    return float(own / others)


def _dense(representation, name):
    """The representation as a float64 array on the host, of two samples at least."""
    if hasattr(representation, "toarray"):
        representation = representation.toarray()
    return check_array(
        to_host(representation), dtype=np.float64, ensure_min_samples=2, input_name=name
    )


def invariance_curve(represent, original, transformed):
    """Measure how far a representation moves with each of a sequence of changes.

    Parameters
    ----------
    represent : callable
        Function from data of shape (n_samples, n_features) to their representation, dense or
        sparse, one row per sample: a fitted model's `transform`, or a function that also
        normalizes the patches.

    original : array-like of shape (n_samples, n_features)
        Data, as from :func:`~sklearn_ebm.datasets.sample_transformed_patches`.

    transformed : array-like of shape (n_changes, n_samples, n_features)
        The same samples after each change.

    Returns
    -------
    ndarray of shape (n_changes,)
        The normalized distance of each change: 0 where the representation is invariant, about 1
        where the change leaves nothing of the sample.

    Raises
    ------
    ValueError
        When `transformed` has not three axes; for all that :func:`normalized_distance` refuses.

    See Also
    --------
    normalized_distance : The distance for one change, from its definition.
    sklearn_ebm.datasets.sample_transformed_patches : Patches shifted, rotated and scaled.

    References
    ----------
    K. Kavukcuoglu, M. Ranzato, R. Fergus, Y. LeCun (2009). Learning invariant features through
    topographic filter maps. CVPR. Its curves are divided by their value at a shift by the whole
    width of a patch, where hardly any correlation is left: `curve / curve[-1]`.

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
            f"Expected 3D array of transformed data, got {np.ndim(transformed)}D array instead: "
            "(n_changes, n_samples, n_features)."
        )
    unchanged = represent(original)
    return np.array([normalized_distance(unchanged, represent(each)) for each in transformed])
