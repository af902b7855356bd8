"""Fitting a pipeline stage by stage, with data that stream through it in batches.

A stage is a step that learns from data and the following steps that do not. It is trained on the
output of the previous stage. Between its own steps, only one batch is held in memory. Large
outputs are written to a file that is mapped into memory, and models read one batch at a time.
"""

import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, gen_batches, get_tags
from sklearn.utils.validation import _num_samples, check_memory

from sklearn_ebm.backends import array_namespace, is_cupy, to_host
from sklearn_ebm.learning._modules import is_passed_through
from sklearn_ebm.learning._scratch import ScratchFolder

BATCH_NUMBERS = 2**23  # entries of the largest array between two steps: 32 MB in float32
LARGEST_BATCH = 1024
LARGEST_IN_MEMORY = 2**26  # bytes of a stage's output; larger outputs are written to a file


class Stage(NamedTuple):
    """Consecutive steps, of which only the first may learn from data."""

    names: tuple
    steps: tuple


def flat_steps(pipeline, outer=""):
    """Yield names and steps of a pipeline; steps of nested pipelines are named outer__inner."""
    for name, step in pipeline.steps:
        if isinstance(step, Pipeline):
            yield from flat_steps(step, f"{outer}{name}__")
        else:
            yield f"{outer}{name}", step


def rebuilt(pipeline, steps, outer=""):
    """Return the pipeline with other steps, given by their names in `flat_steps`."""
    others = [
        (
            name,
            rebuilt(step, steps, f"{outer}{name}__")
            if isinstance(step, Pipeline)
            else steps[f"{outer}{name}"],
        )
        for name, step in pipeline.steps
    ]
    return type(pipeline)(**{**pipeline.get_params(deep=False), "steps": others})


def stages_of(named_steps):
    """Return the stages of a pipeline without its classifier, in order."""
    stages = []
    for name, step in named_steps:
        if not stages or learns(step):
            stages.append([])
        stages[-1].append((name, step))
    return [Stage(*zip(*stage, strict=True)) for stage in stages]


def learns(step):
    """Return whether a step learns from data."""
    return not is_passed_through(step) and get_tags(step).requires_fit


def first_row(X):
    """Return the first sample, as an X with one row."""
    return _safe_indexing(X, slice(0, 1))


def transformed(steps, X):
    """Return the output of fitted steps."""
    for step in steps:
        if not is_passed_through(step):
            X = step.transform(X)
    return X


def on_host(data):
    """Return data on the host: CuPy arrays are copied, other data are returned unchanged."""
    return to_host(data) if is_cupy(data) else data


def batches_through(steps, X, n_samples=None):
    """Return slices of the rows of X such that arrays between the steps remain small."""
    n_samples = _num_samples(X) if n_samples is None else n_samples
    row = first_row(X)
    largest = math.prod(row.shape) if sparse.issparse(row) else 1  # may become dense
    for step in steps:
        row = transformed([step], row)
        largest = max(largest, math.prod(np.shape(row)))
    return gen_batches(n_samples, max(1, min(LARGEST_BATCH, BATCH_NUMBERS // largest)))


def map_batches(function, steps, X):
    """Return a list of function(rows), for slices of rows that are small enough for these steps."""
    return [function(rows) for rows in batches_through(steps, X)]


def stream(steps, X, folder=None, rows=None):
    """Return the output of fitted steps, computed batch by batch.

    Parameters
    ----------
    steps : list of fitted transformers
    X : array-like with n_samples rows
    folder : ScratchFolder or None, default=None
        Folder for large outputs. With None, they are kept in memory.
    rows : ndarray of int or None, default=None
        Indices of the samples to transform. None transforms all samples.

    Returns
    -------
    array or sparse array
        Output of the last step; X itself if there are no steps.
    """
    if all(is_passed_through(step) for step in steps):
        return X if rows is None else _safe_indexing(X, rows)
    n_samples = _num_samples(X) if rows is None else len(rows)
    result, parts = None, []
    for batch in batches_through(steps, X, n_samples):
        part = transformed(steps, _safe_indexing(X, batch if rows is None else rows[batch]))
        if sparse.issparse(part) or not hasattr(part, "dtype"):  # sparse output or a data frame
            parts.append(part)
            continue
        if result is None:
            result = _room((n_samples, *part.shape[1:]), part, folder)
        result[batch, ...] = part
    return joined(*parts) if result is None else result


def joined(first, *others):
    """Concatenate rows of the same type."""
    if not others:
        return first
    if sparse.issparse(first):
        return sparse.vstack([first, *others], format="csr")
    if hasattr(first, "iloc"):
        import pandas as pd

        return pd.concat([first, *others], ignore_index=True)
    xp = array_namespace(first)
    return xp.concat([xp.asarray(part) for part in (first, *others)])


def _room(shape, like, folder):
    xp = array_namespace(like)
    n_bytes = math.prod(shape) * like.dtype.itemsize
    if folder is None or is_cupy(like) or n_bytes <= LARGEST_IN_MEMORY:
        return xp.empty(shape, dtype=like.dtype)
    return folder.new_array(shape, like.dtype)


class Layerwise:
    """Fits the stages of a pipeline one after another.

    Parameters
    ----------
    memory : None, str or joblib.Memory
        Cache of fitted stages and their outputs. None caches nothing.
    """

    def __init__(self, memory):
        if isinstance(memory, str | Path):  # outputs are loaded as memory-mapped files
            memory = joblib.Memory(memory, mmap_mode="r", verbose=0)
        memory = check_memory(memory)
        self._fit = _stored(memory, memory.cache(fit_stage, ignore=["folder", "context"]))
        self._stream = _stored(memory, memory.cache(stream))

    def fit(self, named_steps, data, context):
        """Return the fitted steps with their names, and the features for the last step.

        Parameters
        ----------
        named_steps : list of (str, transformer)
            Steps of the pipeline, cloned before they are fitted.
        data : TrainingData
            Training samples.
        context : callable
            Maps the name of a step to the callback context in which it is fitted.
        """
        stages, fitted = stages_of(named_steps), []
        X, y = data.to_learn_from()
        with ScratchFolder() as folder:
            for number, stage in enumerate(stages, 1):
                task, is_last = context(stage.names[0]), number == len(stages)
                steps, X = self._fit(stage, X, y, is_last, folder=folder, context=task)
                fitted += zip(stage.names, steps, strict=True)
        return fitted, self._stream([step for _, step in fitted], data.X, rows=data.chosen)


def _stored(memory, function):
    """Wrap a function cached by joblib.Memory: raise OSError if its output cannot be stored.

    joblib then issues a CacheWarning, and raises a KeyError when it maps the output to memory.
    """
    if getattr(memory, "mmap_mode", None) is None:
        return function

    def call(*args, **options):
        try:
            return function(*args, **options)
        except KeyError as error:
            if "Non-existing item" not in str(error):
                raise
            raise OSError(
                f"The output of a stage could not be stored in the memory of the pipeline, "
                f"{memory.location!r}. The warning issued by joblib contains the reason. Free "
                "space there, or choose another directory."
            ) from error

    return call


class TrainingData(NamedTuple):
    """Labelled and unlabelled rows. Steps are trained on all of them, or on a random subsample.

    Attributes
    ----------
    X : array-like with n_samples rows
        Samples.
    y : ndarray or None
        Their labels. None if some of them have no label.
    unlabelled : array-like or None
        More samples.
    subsample : int or None
        Maximum number of samples.
    random_state : RandomState
        Draws the subsample.
    rows : ndarray of int or None
        Indices of the samples in X on which the last step of the pipeline is fitted. None means
        all.
    """

    X: Any
    y: Any
    unlabelled: Any = None
    subsample: Any = None
    random_state: Any = None
    rows: Any = None

    @property
    def chosen(self):
        """The indices `rows`, or None if they are all."""
        return None if self.rows is None or len(self.rows) == _num_samples(self.X) else self.rows

    def to_learn_from(self):
        """Return the training rows, and their labels if all of them are labelled."""
        X = self.X if self.unlabelled is None else joined(self.X, self.unlabelled)
        y, n_samples = self.y if self.unlabelled is None else None, _num_samples(X)
        if self.subsample is None or self.subsample >= n_samples:
            return X, y
        rows = np.sort(self.random_state.permutation(n_samples)[: self.subsample])
        return _safe_indexing(X, rows), None if y is None else y[rows]


def fit_stage(stage, X, y, is_last, folder, context):
    """Return fitted clones of a stage's steps, and their output unless the stage is the last."""
    first, *others = (step if is_passed_through(step) else clone(step) for step in stage.steps)
    if not is_passed_through(first):
        with context.propagate_callback_context(first) if _listens(first) else nullcontext():
            _fit_step(first, stage.names[0], X, y)
    row = transformed([first], first_row(X))
    for step in others:  # they learn nothing from data, but record the shape of their input
        if not is_passed_through(step):
            row = step.fit(row).transform(row)
    steps = [first, *others]
    return steps, None if is_last else stream(steps, X, folder)


def _fit_step(step, name, X, y):
    try:
        step.fit(X, y)
    except ValueError as error:
        if y is not None or "requires y to be passed" not in str(error):
            raise
        raise ValueError(
            f"Step {name!r}, {type(step).__name__}, requires y, but some samples have no label. "
            "Fit it on the labelled samples before, and pass transformed samples."
        ) from error


def _listens(step):
    """Return whether a step supports callbacks."""
    return hasattr(step, "set_callbacks")
