"""Display of samples of a model: states of Markov chains after increasing numbers of steps."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import Self

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._typing import (
    ArrayLike,
    Axes,
    ColormapLike,
    Estimator,
    ImageShape,
    MatrixLike,
    RandomState,
)
from sklearn_ebm.backends import to_host
from sklearn_ebm.inspection._axes import take_axes
from sklearn_ebm.inspection._mosaic import GAP, arrange, draw, scaled_tiles, tile_shape

STEPS = (0, 1, 10, 100, 1000)
INCHES_PER_TILE = 0.75
BINARY_GAPS = "0.5"  # grey, because binary units are black or white


class SampleDisplay:
    """Samples of a model along Markov chains, with a row for each chain and a column for each time.

    Values between 0 and 1 are drawn on a scale from 0 to 1. If there are other values, each picture
    is scaled by its largest absolute value, and zero is mid-grey.

    Use :meth:`from_estimator` to create a display from a fitted estimator.

    Parameters
    ----------
    samples : array-like of shape (n_chains, n_times, n_features)
        State of each chain at each time.

    steps : array-like of shape (n_times,)
        Number of Gibbs sampling steps before each time.

    image_shape : tuple (height, width) or (height, width, 3), default=None
        Shape of one sample. None assumes a square, if n_features is a square number.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that contains the plot.

    axes_ : ndarray of matplotlib Axes, of shape (1,)
        Axes of the plot.

    image_ : matplotlib AxesImage
        Mosaic of the samples.

    See Also
    --------
    DictionaryDisplay : Display of the weights of the hidden units.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ebm import RBM
    >>> from sklearn_ebm.inspection import SampleDisplay
    >>> X = load_digits().data / 16
    >>> rbm = RBM(32, random_state=0).fit(X)
    >>> display = SampleDisplay.from_estimator(rbm, X, steps=(0, 1, 10), random_state=0)
    >>> display.samples.shape
    (8, 3, 64)
    """

    def __init__(
        self, samples: ArrayLike, steps: ArrayLike, *, image_shape: ImageShape | None = None
    ) -> None:
        self.samples = samples
        self.steps = steps
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        X: MatrixLike | None = None,
        *,
        n_chains: int = 8,
        steps: Sequence[int] = STEPS,
        image_shape: ImageShape | None = None,
        random_state: RandomState = None,
        cmap: ColormapLike = "gray",
        ax: Axes | None = None,
    ) -> Self:
        """Run Markov chains of a fitted model and plot their states.

        Parameters
        ----------
        estimator : object
            Fitted estimator with the method `gibbs(X, n_steps, random_state=...)` and, if X is
            None, the method `sample(n_chains, n_steps, random_state=...)`.

        X : {array-like, sparse array} of shape (n_samples, n_features), default=None
            Samples; the chains start at the first of them. None starts the chains as the method
            `sample` does.

        n_chains : int, default=8
            Number of chains, at most the number of samples in X.

        steps : sequence of int, default=(0, 1, 10, 100, 1000)
            Numbers of Gibbs sampling steps after which the states are shown, in ascending order.
            Each chain continues from one number to the next.

        image_shape : tuple (height, width) or (height, width, 3), default=None
            Shape of one sample. None assumes a square, if n_features is a square number.

        random_state : int, RandomState instance or None, default=None
            Seed or generator of the random numbers. Pass an int for reproducible results.

        cmap : str or matplotlib Colormap, default="gray"
            Colour map of samples without colour channels.

        ax : matplotlib Axes, default=None
            Axes for the plot. None creates a new figure.

        Returns
        -------
        SampleDisplay
            The display after plotting.
        """
        check_is_fitted(estimator)
        check_scalar(n_chains, "n_chains", Integral, min_val=1)
        steps = _checked_steps(steps)
        start = None if X is None else _first_rows(X, n_chains)
        samples = _run(estimator, start, n_chains, steps, check_random_state(random_state))
        return cls(samples, steps, image_shape=image_shape).plot(cmap=cmap, ax=ax)

    def plot(self, *, cmap: ColormapLike = "gray", ax: Axes | None = None) -> Self:
        """Plot the samples.

        Parameters
        ----------
        cmap : str or matplotlib Colormap, default="gray"
            Colour map of samples without colour channels.

        ax : matplotlib Axes, default=None
            Axes for the plot. None creates a new figure.

        Returns
        -------
        SampleDisplay
            The display itself.
        """
        samples, steps = _checked_samples(self.samples, self.steps)
        n_chains, n_times, n_features = samples.shape
        shape = tile_shape(self.image_shape, n_features)
        rows = samples.reshape(-1, n_features)
        is_share = rows.min() >= 0 and rows.max() <= 1
        tiles = 2.0 * rows.reshape(-1, *shape) - 1.0 if is_share else scaled_tiles(rows, shape)
        width = INCHES_PER_TILE * n_times
        height = INCHES_PER_TILE * n_chains * shape[0] / shape[1]
        self.figure_, self.axes_ = take_axes(ax, 1, self, (width + 0.4, height + 0.8))
        self.image_ = draw(self.axes_[0], arrange(tiles, n_times), cmap)
        if is_share:
            self.image_.set_cmap(self.image_.get_cmap().with_extremes(bad=BINARY_GAPS))
        _label(self.axes_[0], steps, shape[1])
        return self


def _checked_steps(steps):
    """Return the steps as a list; they must be non-negative integers in ascending order."""
    steps = list(steps)
    for number in steps:
        check_scalar(number, "steps", Integral, min_val=0)
    if not steps or steps != sorted(set(steps)):
        raise ValueError(f"steps must be non-empty and strictly increasing, got {steps}.")
    return steps


def _first_rows(X, n_rows):
    rows = X.iloc[:n_rows] if hasattr(X, "iloc") else X[:n_rows]
    return rows.toarray() if sparse.issparse(rows) else rows


def _run(estimator, state, n_chains, steps, random_state):
    """Return the states of chains after each number of steps, (n_chains, n_times, n_features)."""
    first, *later = steps
    if state is None:
        state = estimator.sample(n_chains, first, random_state=random_state)
    elif first:
        state = estimator.gibbs(state, first, random_state=random_state)
    states, done = [state], first
    with warnings.catch_warnings():
        # Samples are arrays, even if the model was fitted with feature names.
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        for number in later:
            states.append(estimator.gibbs(states[-1], number - done, random_state=random_state))
            done = number
    return np.stack([to_host(each) for each in states], axis=1)


def _checked_samples(samples, steps):
    samples = np.asarray(to_host(samples))
    if samples.ndim != 3:
        raise ValueError(
            "samples must have shape (n_chains, n_times, n_features), got an array of shape "
            f"{samples.shape}."
        )
    if len(steps) != samples.shape[1]:
        raise ValueError(
            f"steps must contain one entry for each of the {samples.shape[1]} times in samples, "
            f"got {len(steps)}."
        )
    return samples, steps


def _label(axes, steps, width):
    """Write the numbers of steps above the columns."""
    axes.set_axis_on()
    axes.spines[:].set_visible(False)
    axes.set_yticks([])
    centres = (width - 1) / 2 + (width + GAP) * np.arange(len(steps))
    axes.set_xticks(centres, [str(number) for number in steps])
    axes.tick_params(axis="x", top=False, bottom=False, labeltop=True, labelbottom=False)
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("Steps of Gibbs sampling")
