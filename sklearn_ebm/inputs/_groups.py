"""Groups of samples, given by a label for each sample."""

import numpy as np
from sklearn.utils import check_array, check_consistent_length

from sklearn_ebm.backends import to_host


class SampleGroups:
    """Samples of each group, sorted by the size of the groups.

    The labels are stored as the array `labels`.

    Parameters
    ----------
    labels : array-like of shape (n_samples,)
        Label of the group of each sample.
    X : array of shape (n_samples, n_features)
        Samples.

    Raises
    ------
    ValueError
        If there is not one label for each sample, or if a label is NaN.
    """

    def __init__(self, labels, X):
        labels = check_array(
            to_host(labels), dtype=None, ensure_2d=False, ensure_min_samples=0, input_name="groups"
        )
        if labels.ndim != 1:
            raise ValueError(
                "groups must have shape (n_samples,), one label per sample, got an array of shape "
                f"{labels.shape}."
            )
        check_consistent_length(X, labels)
        try:
            _, group, size = np.unique(labels, return_inverse=True, return_counts=True)
        except TypeError as error:
            raise ValueError(
                "groups must contain labels of one type, such as integers or strings, got labels "
                f"that cannot be compared: {error}."
            ) from error
        self.labels = labels
        self._size = size[group]
        self._order = np.lexsort((group, self._size))

    def by_size(self):
        """Yield each size and the samples of its groups, one group after another."""
        sizes, first = np.unique(self._size[self._order], return_index=True)
        for size, members in zip(sizes, np.split(self._order, first[1:]), strict=True):
            yield int(size), members

    def positions(self):
        """Return the position of each sample in the order of `by_size`."""
        return np.argsort(self._order)
