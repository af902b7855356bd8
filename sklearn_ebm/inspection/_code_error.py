"""Display of the distance of codes from the optimum, for trained encoders and for solvers."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import NamedTuple, Self

import numpy as np
from scipy import sparse
from sklearn.utils import check_array, check_scalar, gen_batches
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._typing import Array, Axes, Estimator, EstimatorOrMapping, MatrixLike
from sklearn_ebm.backends import to_host
from sklearn_ebm.factors import ENCODERS, LinearDecoder, Tape
from sklearn_ebm.inspection._axes import check_option, fitted, take_axes

UNROLLED = {"ista": "lista", "fista": "lfista", "cd": "lcod"}  # the encoder of each solver
POSITIVE = {"ista": "drsae"}  # likewise, of solvers for non-negative codes
LABELS = {"ista": "ISTA", "fista": "FISTA", "cd": "Coordinate descent"}
FEWEST_STEPS = 30  # minimum length of the curves of solvers
FURTHER = 4  # steps of solvers, as a multiple of the steps of the deepest encoder
GREEDY_POINTS = 20  # points of a curve that are computed one by one
PIECE_ROWS = 1024  # samples whose iterates are in memory at once
MARKED = 15  # maximum number of points of a curve with markers


Floats = Sequence[float] | Array


class CodeErrorDisplay:
    """Mean squared distance from the optimal codes over the number of steps.

    A step is a product with S, or with one of its rows in coordinate descent. An encoder with
    `n_steps=T` is plotted at T. The untrained encoder with T steps equals T + 1 steps of the solver
    from zero, so the error of the solver after T + 1 steps is also plotted at T. The vertical
    distance between the lines is therefore the effect of training, and the horizontal distance is
    the number of solver steps that training saves.

    Use :meth:`from_estimators` to create a display from fitted encoders.

    Parameters
    ----------
    errors : dict of str to tuple (steps, error)
        For each line, two array-likes of the same length: the numbers of steps, and the mean of ||z
        - z*||^2 over the samples after these steps.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that contains the plot.

    axes_ : ndarray of matplotlib Axes, of shape (1,)
        Axes of the plot.

    lines_ : list of matplotlib Line2D
        One line for each entry of `errors`, in the same order.

    See Also
    --------
    ObjectiveDisplay : Display of the objective during learning.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_ebm import LISTAEncoder, SparseCoder
    >>> from sklearn_ebm.inspection import CodeErrorDisplay
    >>> X = scale(load_digits().data)
    >>> coder = SparseCoder(32, alpha=0.5, tol=1e-2, random_state=0).fit(X)
    >>> encoder = LISTAEncoder(dictionary=coder, n_steps=1, random_state=0).fit(X)
    >>> display = CodeErrorDisplay.from_estimators(encoder, X[:300])
    >>> list(display.errors)
    ['LISTAEncoder', 'ISTA', 'FISTA']
    >>> steps, error = display.errors["LISTAEncoder"]
    >>> bool(error[0] < display.errors["FISTA"][1][5])  # one trained step beats five of FISTA
    True
    """

    def __init__(self, errors: Mapping[str, tuple[Floats, Floats]]) -> None:
        self.errors = errors

    @classmethod
    def from_estimators(
        cls,
        estimators: EstimatorOrMapping | Sequence[Estimator],
        X: MatrixLike,
        *,
        solvers: str | Sequence[str] | None = None,
        max_steps: int | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Plot the errors of trained encoders and of solvers.

        Parameters
        ----------
        estimators : LISTAEncoder, list of LISTAEncoder, or dict of str to either
            Fitted encoders of the same dictionary and the same alpha. A list is plotted as one
            line, with a point for each of its encoders. The keys of a dict are the names of the
            lines.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples to encode, preferably not the training data of an encoder.

        solvers : sequence of {"ista", "fista", "cd"} or None, default=None
            Solvers to draw for comparison. None draws ISTA and FISTA, and ISTA alone for encoders
            of non-negative codes, for which the others are not available.

        max_steps : int or None, default=None
            Number of steps of the solvers. None uses four times the number of steps of the deepest
            encoder, but at least 30.

        ax : matplotlib Axes, default=None
            Axes for the plot. None creates a new figure.

        Returns
        -------
        CodeErrorDisplay
            The display after plotting.

        Raises
        ------
        ValueError
            If the encoders differ in dictionary, alpha or the signs of their codes.
        """
        lines = _lines(estimators)
        unrolled = POSITIVE if _is_positive(lines) else UNROLLED
        if solvers is None:
            solvers = [name for name in ("ista", "fista") if name in unrolled]
        solvers = [solvers] if isinstance(solvers, str) else list(solvers)
        for solver in solvers:
            check_option(solver, list(unrolled), "solvers")
            if LABELS[solver] in lines:
                raise ValueError(
                    "The keys of estimators must differ from the labels of solvers, got "
                    f"{LABELS[solver]!r}. Rename this key."
                )
        deepest = max(each.encoder_.n_steps for line in lines.values() for each in line)
        if max_steps is None:
            max_steps = max(FEWEST_STEPS, FURTHER * deepest)
        check_scalar(max_steps, "max_steps", Integral, min_val=0)
        task = _shared_task(lines, X)
        errors = {name: _encoder_line(task, line, X) for name, line in lines.items()}
        errors.update({LABELS[name]: _solver_line(task, name, max_steps) for name in solvers})
        return cls(errors).plot(ax=ax)

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Plot the errors on a logarithmic scale.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes for the plot. None creates a new figure.

        Returns
        -------
        CodeErrorDisplay
            The display itself.
        """
        self.figure_, self.axes_ = take_axes(ax, 1, self, (6.0, 4.0))
        axes = self.axes_[0]
        self.lines_ = []
        for name, (steps, error) in self.errors.items():
            marker = "o" if len(steps) <= MARKED else None
            self.lines_ += axes.plot(
                to_host(steps), to_host(error), marker=marker, markersize=4, label=name
            )
        axes.set_yscale("log")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("Steps")
        axes.set_ylabel("Mean of ||z - z*||² over samples")
        axes.grid(alpha=0.3)
        axes.legend()
        return self


class _Task(NamedTuple):
    """Samples, optimal codes, dictionary, alpha and signs of codes that all lines share."""

    X: np.ndarray
    optimum: np.ndarray
    dictionary: np.ndarray
    alpha: float
    positive: bool

    def untrained(self, solver, n_steps):
        """Return the encoder that equals n_steps + 1 steps of the solver."""
        lipschitz = LinearDecoder(self.dictionary).lipschitz
        entry = ENCODERS[(POSITIVE if self.positive else UNROLLED)[solver]]
        return entry.from_dictionary(self.dictionary, lipschitz, self.alpha, n_steps=n_steps)


def _lines(estimators):
    """Return lists of fitted encoders, by the name of their line."""
    if not isinstance(estimators, Mapping):
        one = estimators[:1] if isinstance(estimators, list | tuple) else [estimators]
        estimators = {type(each).__name__: estimators for each in one}
    lines = {
        name: list(line) if isinstance(line, list | tuple) else [line]
        for name, line in estimators.items()
    }
    if not lines or not all(lines.values()):
        raise ValueError("estimators must contain at least one encoder for each line, got none.")
    for line in lines.values():
        for each in line:
            check_is_fitted(each)
            fitted(each, "lateral_weights_")
    return lines


def _is_positive(lines):
    """Return whether the codes of all encoders are non-negative; refuse encoders of both kinds."""
    kinds = {bool(getattr(each, "positive", False)) for line in lines.values() for each in line}
    if len(kinds) > 1:
        raise ValueError(
            "All encoders must have codes of the same signs, got encoder='drsae', whose codes are "
            "non-negative, and other encoders, whose optimal codes differ."
        )
    return kinds.pop()


def _shared_task(lines, X):
    """Return the samples and their optimal codes, for the dictionary and alpha of all encoders."""
    (first_name, (first, *_)), *_ = lines.items()
    dictionary, alpha = fitted(first, "components_"), first.alpha_
    for name, line in lines.items():
        for each in line:
            other = fitted(each, "components_")
            if other.shape != dictionary.shape or not np.allclose(other, dictionary):
                raise ValueError(
                    "All encoders must have the same dictionary, got different dictionaries for "
                    f"{_called(first_name, first)} and {_called(name, each)}, whose optimal codes "
                    "differ. Fit them with the same `dictionary`."
                )
            if each.alpha_ != alpha:
                raise ValueError(
                    f"All encoders must have the same alpha, got alpha={alpha} for "
                    f"{_called(first_name, first)} and alpha={each.alpha_} for "
                    f"{_called(name, each)}, whose optimal codes differ."
                )
    optimum = _codes(first, X, "optimal")
    X = X if sparse.issparse(X) else to_host(X)
    X = check_array(X, accept_sparse="csr", dtype=(np.float64, np.float32))
    return _Task(X, optimum, dictionary.astype(X.dtype), alpha, _is_positive(lines))


def _called(name, estimator):
    return f"{name!r} (n_steps={estimator.encoder_.n_steps})"


def _codes(estimator, X, inference):
    """Return dense codes on the host. The estimator does not change."""
    coder = copy.copy(estimator).set_params(inference=inference, sparse_output=False)
    return to_host(coder.transform(X))


def _squared_distances(codes, optimum):
    """Return ||z - z*||^2 summed over samples, in float64. `codes` may have a leading axis."""
    return np.sum((codes - optimum) ** 2, axis=(-2, -1), dtype=np.float64)


def _encoder_line(task, encoders, X):
    """Return steps and errors of trained encoders, in the order of their steps."""
    encoders = sorted(encoders, key=lambda each: each.encoder_.n_steps)
    steps = np.array([each.encoder_.n_steps for each in encoders])
    total = [_squared_distances(_codes(each, X, "encoder"), task.optimum) for each in encoders]
    return steps, np.array(total) / task.X.shape[0]


def _solver_line(task, solver, max_steps):
    """Return steps and errors of a solver, computed by the untrained encoders that equal it."""
    encoder = task.untrained(solver, max_steps)
    tape = Tape()
    encoder.forward(task.X[:1], tape)
    if "codes" in tape.kept:  # one pass computes the codes of all steps
        return np.arange(max_steps + 1), _errors_of_iterates(task, encoder)
    steps = np.unique(np.geomspace(1, max_steps + 1, GREEDY_POINTS).round().astype(int)) - 1
    codes = (task.untrained(solver, int(n_steps)).forward(task.X) for n_steps in steps)
    total = [_squared_distances(code, task.optimum) for code in codes]
    return steps, np.array(total) / task.X.shape[0]


def _errors_of_iterates(task, encoder):
    """Return the errors after each step, computed in one pass over pieces of the samples."""
    total, tape = np.zeros(encoder.n_steps + 1), Tape()
    for rows in gen_batches(task.X.shape[0], PIECE_ROWS):
        encoder.forward(task.X[rows], tape)
        total += _squared_distances(tape.kept["codes"], task.optimum[rows])
    return total / task.X.shape[0]
