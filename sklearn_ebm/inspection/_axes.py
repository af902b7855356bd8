"""Helpers of all displays: lazy import of matplotlib, axes, and fitted arrays."""

import numpy as np

from sklearn_ebm._extras import install_hint
from sklearn_ebm.backends import to_host


def take_axes(ax, n_axes, display, figure_size, stacked=False):
    """Return a figure and an array of n_axes axes: the given axes, or those of a new figure.

    `ax` is None, a single axes object, or a sequence of n_axes axes. New axes are side by side, or
    stacked.
    """
    plt = _pyplot(type(display).__name__)
    if ax is None:
        grid = (n_axes, 1) if stacked else (1, n_axes)
        figure, axes = plt.subplots(*grid, figsize=figure_size, squeeze=False, layout="constrained")
        return figure, axes.reshape(-1)
    axes = np.asarray(ax, dtype=object).reshape(-1)
    if len(axes) != n_axes:
        raise ValueError(
            f"Expected ax to have {n_axes} axes, got {len(axes)}. Set ax=None to create a new "
            "figure."
        )
    return axes[0].figure, axes


def _pyplot(name):
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f"{name} requires matplotlib. {install_hint('plot')}") from error
    return plt


def fitted(estimator, name):
    """Return a fitted attribute as a NumPy array. Raise an AttributeError if it is missing."""
    if not hasattr(estimator, name):
        kind = type(estimator).__name__
        remedy = " Pass one of its steps, such as pipeline[0]." * hasattr(estimator, "steps")
        raise AttributeError(
            f"The display requires an estimator with {name}, which {kind} does not have.{remedy}"
        )
    return to_host(getattr(estimator, name))


def counted(number, noun):
    """Return a number and its noun, in the plural unless the number is one."""
    return f"{number} {noun}{'s' * (number != 1)}"


def check_option(value, options, name):
    """Raise a ValueError that lists the options if `value` is not one of them."""
    if value not in options:
        raise ValueError(f"{name} must be one of {list(options)}, got {value!r}.")
