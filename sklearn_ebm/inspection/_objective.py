"""Display of learning curves: the objective over passes, and over seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._typing import ArrayLike, AxesLike, Estimator
from sklearn_ebm.backends import to_host
from sklearn_ebm.inspection._axes import check_option, fitted, take_axes

LABELS = {"pass": "Passes over the data", "seconds": "Seconds since fit began"}
PANELS = {"pass": ("pass",), "seconds": ("seconds",), "both": ("pass", "seconds")}
MARKED = 30  # maximum number of points of a curve with markers; a single pass needs a marker


class ObjectiveDisplay:
    """Objective of models during learning, over passes, over seconds, or both.

    The objective is the attribute `objective_curve_` of the models, for most of them the mean
    energy per sample.

    Use :meth:`from_estimator` to create a display from a fitted estimator, and
    :meth:`from_estimators` to compare several.

    Parameters
    ----------
    objective : dict of str to array-like of shape (n_iter,)
        Objective of each model after each pass.

    seconds : dict of str to array-like of shape (n_iter,), default=None
        Seconds from the start of learning to the end of each pass, for each model.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that contains the plot.

    axes_ : ndarray of matplotlib Axes, of shape (1,) or (2,)
        Axes of the plot. If both are shown, the first is over passes.

    lines_ : list of list of matplotlib Line2D
        For each of `axes_`, one line per model.

    See Also
    --------
    DictionaryDisplay : Display of the learned atoms.

    Examples
    --------
    >>> from sklearn_ebm.inspection import ObjectiveDisplay
    >>> display = ObjectiveDisplay({"coder": [9.0, 6.0, 5.5]}, seconds={"coder": [0.1, 0.2, 0.3]})
    >>> display = display.plot(x="seconds")
    >>> display.axes_[0].get_xlabel()
    'Seconds since fit began'
    """

    def __init__(
        self, objective: Mapping[str, ArrayLike], *, seconds: Mapping[str, ArrayLike] | None = None
    ) -> None:
        self.objective = objective
        self.seconds = seconds

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        *,
        x: Literal["pass", "seconds", "both"] = "pass",
        ax: AxesLike | None = None,
    ) -> Self:
        """Plot the objective of a fitted estimator.

        Parameters
        ----------
        estimator : object
            Fitted estimator with `objective_curve_`, and with `seconds_curve_` unless `x="pass"`.

        x : {"pass", "seconds", "both"}, default="pass"
            Horizontal axis. "both" creates two plots.

        ax : matplotlib Axes or sequence of two, default=None
            Axes for the plot; two are required if `x="both"`. None creates a new figure.

        Returns
        -------
        ObjectiveDisplay
            The display after plotting.

        See Also
        --------
        from_estimators : Plot the objectives of several estimators.
        """
        return cls.from_estimators({type(estimator).__name__: estimator}, x=x, ax=ax)

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Estimator],
        *,
        x: Literal["pass", "seconds", "both"] = "pass",
        ax: AxesLike | None = None,
    ) -> Self:
        """Plot the objectives of several fitted estimators.

        Parameters
        ----------
        estimators : dict of str to object
            Fitted estimators with `objective_curve_`, and with `seconds_curve_` unless `x="pass"`.
            The keys are the names of the lines.

        x : {"pass", "seconds", "both"}, default="pass"
            Horizontal axis. "both" creates two plots.

        ax : matplotlib Axes or sequence of two, default=None
            Axes for the plot; two are required if `x="both"`. None creates a new figure.

        Returns
        -------
        ObjectiveDisplay
            The display after plotting.
        """
        for each in estimators.values():
            check_is_fitted(each)
        objective = {name: fitted(each, "objective_curve_") for name, each in estimators.items()}
        seconds = None
        if x != "pass" or all(hasattr(each, "seconds_curve_") for each in estimators.values()):
            seconds = {name: fitted(each, "seconds_curve_") for name, each in estimators.items()}
        return cls(objective, seconds=seconds).plot(x=x, ax=ax)

    def plot(
        self, *, x: Literal["pass", "seconds", "both"] = "pass", ax: AxesLike | None = None
    ) -> Self:
        """Plot the objective.

        Parameters
        ----------
        x : {"pass", "seconds", "both"}, default="pass"
            Horizontal axis. "both" creates two plots.

        ax : matplotlib Axes or sequence of two, default=None
            Axes for the plot; two are required if `x="both"`. None creates a new figure.

        Returns
        -------
        ObjectiveDisplay
            The display itself.
        """
        check_option(x, PANELS, "x")
        if x != "pass" and self.seconds is None:
            raise ValueError(
                f"seconds must be given if x={x!r}, got None. Set x='pass' to plot without them."
            )
        panels = PANELS[x]
        size = (5.5 * len(panels), 3.6)
        self.figure_, self.axes_ = take_axes(ax, len(panels), self, size)
        self.lines_ = [
            self._draw(axes, panel) for axes, panel in zip(self.axes_, panels, strict=True)
        ]
        self.axes_[0].set_ylabel("Objective")
        return self

    def _draw(self, axes, panel):
        lines = []
        for name, curve in self.objective.items():
            values = to_host(curve)
            passes = np.arange(1, len(values) + 1)
            position = passes if panel == "pass" else to_host(self.seconds[name])
            marker = "o" if len(values) <= MARKED else None
            lines += axes.plot(position, values, marker=marker, markersize=3, label=name)
        axes.set_xlabel(LABELS[panel])
        axes.grid(alpha=0.3)
        if panel == "pass":
            axes.xaxis.get_major_locator().set_params(integer=True)
        if len(lines) == 1:
            axes.set_title(lines[0].get_label())
        else:
            axes.legend()
        return lines
