"""Display of codes: active atoms per sample, and usage of the atoms."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._typing import ArrayLike, AxesLike, Estimator, MatrixLike
from sklearn_ebm.backends import to_host
from sklearn_ebm.inspection._axes import take_axes

MAX_BARS = 50  # more bars would make a histogram harder to read


class CodeDisplay:
    """Histogram of the number of active atoms per sample, and usage of the atoms.

    Use :meth:`from_estimator` to create a display from a fitted estimator.

    Parameters
    ----------
    n_active : array-like of shape (n_samples,)
        Number of non-zero entries in the code of each sample.

    usage : array-like of shape (n_components,)
        Fraction of the samples whose code uses each atom.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that contains the plot.

    axes_ : ndarray of matplotlib Axes, of shape (2,)
        Axes of the histogram and of the usage plot.

    bars_ : matplotlib BarContainer
        Bars of the histogram.

    line_ : matplotlib Line2D
        Usage of the atoms in percent, in descending order.

    See Also
    --------
    DictionaryDisplay : Display of the atoms in the order of their usage.

    Examples
    --------
    >>> from sklearn_ebm.inspection import CodeDisplay
    >>> display = CodeDisplay([2, 1, 2], usage=[1 / 3, 1, 0, 1 / 3]).plot()
    >>> display.line_.get_ydata().round(1)
    array([100. ,  33.3,  33.3,   0. ])
    """

    def __init__(self, n_active: ArrayLike, usage: ArrayLike) -> None:
        self.n_active = n_active
        self.usage = usage

    @classmethod
    def from_estimator(
        cls, estimator: Estimator, X: MatrixLike, *, ax: AxesLike | None = None
    ) -> Self:
        """Plot statistics of the codes of X.

        Parameters
        ----------
        estimator : object
            Fitted estimator whose method `transform` returns codes, dense or sparse.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples to encode.

        ax : sequence of two matplotlib Axes, default=None
            Axes for the two plots. None creates a new figure.

        Returns
        -------
        CodeDisplay
            The display after plotting.
        """
        check_is_fitted(estimator)
        code = estimator.transform(X)
        active = (code if sparse.issparse(code) else to_host(code)) != 0
        n_active = np.asarray(active.sum(axis=1)).reshape(-1)
        usage = np.asarray(active.sum(axis=0)).reshape(-1) / active.shape[0]
        return cls(n_active, usage).plot(ax=ax)

    def plot(self, *, ax: AxesLike | None = None) -> Self:
        """Plot the histogram and the usage.

        Parameters
        ----------
        ax : sequence of two matplotlib Axes, default=None
            Axes for the two plots. None creates a new figure.

        Returns
        -------
        CodeDisplay
            The display itself.
        """
        n_active, usage = to_host(self.n_active), to_host(self.usage)
        self.figure_, self.axes_ = take_axes(ax, 2, self, (11.0, 3.6))
        self.bars_ = _draw_histogram(self.axes_[0], n_active, len(usage))
        self.line_ = _draw_usage(self.axes_[1], usage)
        return self


def _draw_histogram(axes, n_active, n_components):
    """Plot the percentage of samples over the number of active atoms, with a line at the mean."""
    share = np.full(len(n_active), 100 / len(n_active))
    _, _, bars = axes.hist(n_active, bins=_bin_edges(n_active), weights=share)
    mean = n_active.mean()
    axes.axvline(mean, color="black", linestyle="--", linewidth=1)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("Active atoms per sample")
    axes.set_ylabel("Samples [%]")
    axes.set_title(
        f"{mean:.1f} of {n_components} atoms active on average ({100 * mean / n_components:.1f} %)"
    )
    return bars


def _bin_edges(counts):
    """Return bin edges between integers, such that all bins contain the same number of integers."""
    lowest, highest = int(counts.min()), int(counts.max())
    width = math.ceil((highest - lowest + 1) / MAX_BARS)
    n_bars = math.ceil((highest - lowest + 1) / width)
    return lowest - 0.5 + width * np.arange(n_bars + 1)


def _draw_usage(axes, usage):
    """Plot the percentage of the samples that use each atom, in descending order."""
    percent = 100 * np.sort(usage)[::-1]
    rank = np.arange(1, len(usage) + 1)
    (line,) = axes.step(rank, percent, where="mid")
    axes.fill_between(rank, percent, step="mid", alpha=0.3)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("Atoms, most used first")
    axes.set_ylabel("Samples that use the atom [%]")
    n_idle = int((usage == 0).sum())
    axes.set_title(f"{n_idle} of {len(usage)} atoms never used" if n_idle else "All atoms are used")
    return line
