"""Windows of consecutive samples, within sequences that labels define."""

from dataclasses import replace

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array, check_consistent_length

from sklearn_ebm._warnings import warn
from sklearn_ebm.backends import to_host


class Windows:
    """The window that ends at each sample.

    A window has `size` rows of one sequence. Before a sequence begins, its first sample is
    repeated.

    Parameters
    ----------
    groups : array-like of shape (n_samples,) or None
        Label of the sequence of each sample. None: each sample is a sequence of its own.
    X : array of shape (n_samples, n_features)
        Samples.
    size : int
        Number of samples in a window.

    Raises
    ------
    ValueError
        If there is not one label for each sample, or if a sequence is not contiguous.
    """

    def __init__(self, groups, X, size):
        n_samples = X.shape[0]
        starts = np.arange(n_samples) if groups is None else _starts(groups, X)
        lengths = np.diff([*starts, n_samples])
        self.size = size
        self.has_groups = groups is not None
        self.starts = starts
        self.lengths = lengths
        self._first = np.repeat(starts, lengths)

    @property
    def n_samples(self):
        """Number of samples, and of their windows."""
        return len(self._first)

    def rows(self, ends):
        """Return the rows of the windows that end at some samples, shape (n_windows, size)."""
        rows = ends[:, None] + np.arange(1 - self.size, 1)
        return np.maximum(rows, self._first[ends][:, None])

    def to_learn_from(self):
        """Return the last samples of all windows of distinct rows.

        A sequence that is shorter than a window contributes one window, with its first sample
        repeated.
        """
        position = np.arange(self.n_samples) - self._first
        needed = np.minimum(self.size, np.repeat(self.lengths, self.lengths))
        return np.flatnonzero(position >= needed - 1)

    def warn_of_short_sequences(self):
        """Issue a warning if sequences are shorter than a window."""
        n_short = int(np.count_nonzero(self.lengths < self.size))
        if not n_short:
            return
        if self.lengths.max() == 1:
            text = (
                "Each sample is a sequence of its own, so that the model cannot learn what is "
                "constant over time. Pass groups, the sequence of each sample."
            )
        else:
            text = (
                f"{n_short} of {len(self.lengths)} sequences have fewer samples than "
                f"n_frames={self.size}; their first sample is repeated."
            )
        warn(text, UserWarning)

    def warn_of_no_groups(self):
        """Issue a warning if windows are longer than a sample, and several samples lack groups."""
        if not self.has_groups and self.size > 1 and self.n_samples > 1:
            warn(
                "groups is None, so that each sample is a sequence of its own, repeated in all "
                f"n_frames={self.size} frames of its window. Pass groups, the sequence of each "
                "sample. If samples have no order, pass groups=numpy.arange(n_samples).",
                UserWarning,
            )


def _starts(groups, X):
    """Return the first sample of each sequence."""
    labels = groups if issparse(groups) else np.asarray(to_host(groups))
    if labels.ndim != 1:
        raise ValueError(
            "groups must have shape (n_samples,), one label per sample, got an array of shape "
            f"{labels.shape}."
        )
    labels = check_array(labels, dtype=None, ensure_2d=False, input_name="groups")
    check_consistent_length(X, labels)
    starts = np.flatnonzero(np.concatenate([[True], labels[1:] != labels[:-1]]))
    seen = set()
    for start in starts:
        label = labels[start]
        if label in seen:
            raise ValueError(
                f"groups must be contiguous: the samples of a sequence must be consecutive rows, "
                f"but sequence {label} begins again at sample {start}. Sort X and groups by "
                "sequence."
            )
        seen.add(label)
    return starts


def in_windows(data, rows):
    """Return the samples of windows, one after another, as `Data`."""
    rows = rows.reshape(-1)
    mask = None if data.mask is None else data.mask[rows, ...]
    return replace(data, X=data.X[rows, ...], mask=mask)
