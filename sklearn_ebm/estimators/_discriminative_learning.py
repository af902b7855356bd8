"""`fit` of a recurrent coder of labels: passes without labels, then passes with labels."""

import functools
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils import check_random_state, indexable

from sklearn_ebm._warnings import warn
from sklearn_ebm.backends import array_namespace, resolve_backend
from sklearn_ebm.estimators._rehearsal import check_unlabelled
from sklearn_ebm.factors import RecurrentCoder
from sklearn_ebm.inputs._adapters import Rows
from sklearn_ebm.inputs._checks import check_dictionary, check_weight
from sklearn_ebm.inputs._chunked import Chunks, read_samples
from sklearn_ebm.inputs._chunks import is_dask
from sklearn_ebm.inputs._labels import check_labels
from sklearn_ebm.inputs._rows import native
from sklearn_ebm.inputs._sizes import data_size
from sklearn_ebm.inputs._targets import with_mean_one
from sklearn_ebm.layers._state import NEW_FIT
from sklearn_ebm.learning._batch_sizes import AUTO
from sklearn_ebm.learning._distributed import ChunkedSamples
from sklearn_ebm.learning._divergence import warn_of_divergence
from sklearn_ebm.learning._first_atoms import first_dictionary, unit_rows
from sklearn_ebm.learning._labelled import LOOKED_AT, ClassifiedRows
from sklearn_ebm.learning._policies import (
    BackOff,
    ConfirmLastStep,
    FirstLoss,
    HeldOut,
    KeepBest,
    Patience,
    SampleLoss,
    least_objective,
)
from sklearn_ebm.learning._rates import ConstantRate, learning_rate_schedule
from sklearn_ebm.learning._stages import joined, on_host
from sklearn_ebm.learning._trainer import Plan, Trainer
from sklearn_ebm.learning.criteria import Discriminative

BATCH_SIZE = 10  # of batch_size="auto" (Rolfe & LeCun 2013, appendix A)
RATES = {"sgd": 3e-2, "adam": 1e-3}  # initial rates of learning_rate="auto", by optimizer
SAMPLE_SHARE = 0.25  # share of a sample in an initial atom, relative to noise of norm one
MANY_SAMPLES = 10_000  # with more samples, early_stopping="auto" stops early
NORMS = 0.3, 3.0  # root mean square of the norms of samples outside which a warning is issued
MEASURED = 10_000  # samples of which the norm is measured


class DiscriminativeLearning:
    """One call of `fit`.

    Parameters
    ----------
    model : DrSAEClassifier
        Receives the fitted attributes.
    attempt : Attempt
        Notified when learning begins.
    """

    def __init__(self, model, attempt):
        self.model = model
        self.attempt = attempt
        self.random_state = check_random_state(model.random_state)

    @functools.cached_property
    def goes_on(self):
        """Whether learning continues from the previous fit."""
        return self.model.warm_start and self.model.__sklearn_is_fitted__()

    def fit(self, X, y, sample_weight, unsupervised_X):
        """Learn without labels, then with labels."""
        model = self.model
        trainer = model._learner_to_go_on() if self.goes_on else None
        targets, data, of_all = self._read(X, y, sample_weight, unsupervised_X, trainer)
        split = self._split(targets)
        if trainer is None:
            trainer = Trainer(Discriminative(self._first(data, len(targets.classes))))
        else:
            self._require_same(targets)
        classes = targets.classes if not self.goes_on else model.classes_
        context = model._init_callback_context(max_subtasks=2)
        context.call_on_fit_task_begin(estimator=model, X=data.passed, y=targets.y)
        rate = self.schedule
        self.attempt.begin(trainer)
        trainer.begin()
        model._keep(trainer, classes, model.pretrain_curve_ if self.goes_on else [])
        self._follow(trainer, data, ConstantRate(rate(0.0)))
        curve = self._learn_without_labels(trainer, of_all, classes, context)
        self._follow(trainer, data, rate)
        self._learn_with_labels(trainer, data, targets, split, (classes, curve), context)
        context.call_on_fit_task_end(estimator=model, X=data.passed, y=targets.y)

    # ------------------------------------------------------------------------------------ the data
    def _read(self, X, y, sample_weight, unsupervised_X, trainer):
        """Return checked targets, the data, and the data for passes without labels."""
        model = self.model
        X, unsupervised_X = map(_indexable, (X, unsupervised_X))
        unsupervised_X = check_unlabelled(unsupervised_X, X)
        dtype = None if trainer is None else trainer.dtype
        data = self._read_rows(X, reset=trainer is None, dtype=dtype)
        labels = map(_in_memory, (y, sample_weight))
        targets = check_labels(model, X, *labels, model.class_weight, multi_label=False)
        for name in ("alpha", "label_weight"):
            if getattr(model, name):
                check_weight(float(getattr(model, name)), data.X.dtype, name)
        _warn_of_norms(type(model).__name__, data.X)
        if unsupervised_X is None:
            return targets, data, data
        if data.source is not None:
            import dask.array as da

            together = da.concatenate([X, da.asarray(unsupervised_X)])
            return targets, data, self._read_rows(together, reset=False, dtype=dtype)
        others = self._read_rows(unsupervised_X, reset=False, dtype=dtype)
        return targets, data, replace(data, X=joined(data.X, others.X))

    def _read_rows(self, X, **options):
        """Return checked samples, in memory or in chunks."""
        inputs = Rows(accepts_sparse=True)
        return read_samples(inputs, self.model, X, None, None, degree=4, **options)[0]

    def _split(self, targets):
        """Return the training samples, and the held-out samples or None."""
        stops_early = self.model.early_stopping
        if stops_early == "auto":
            stops_early = len(targets.rows) > MANY_SAMPLES
        if not stops_early:
            return targets.rows, None
        return targets.split(float(self.model.validation_fraction), self.random_state)

    def _require_same(self, targets):
        classes, model = targets.classes, self.model
        if not np.isin(classes, model.classes_).all():
            raise ValueError(
                f"y must contain only classes of the fitted classifier, {model.classes_}, got "
                f"{classes}. Set warm_start=False to fit a new classifier."
            )
        model._require_fitted_with(model._last_state.fitted_with, model._needs_fit, NEW_FIT)

    def _first(self, data, n_classes):
        """Return the initial model."""
        model, X = self.model, data.X
        n_components = None if model.n_components is None else int(model.n_components)
        xp = array_namespace(X)
        if model.dictionary_init is not None:
            given = check_dictionary(
                model.dictionary_init, n_components, X.shape[1], X.dtype, "dictionary_init"
            )
            dictionary = unit_rows(xp.asarray(given))
        else:
            shape = n_components or X.shape[1], X.shape[1]
            noise = unit_rows(xp.asarray(self.random_state.standard_normal(shape), dtype=X.dtype))
            samples = first_dictionary(X, shape[0], self.random_state)
            dictionary = unit_rows(noise + SAMPLE_SHARE * samples)
        return RecurrentCoder.first(dictionary, n_classes, int(model.n_steps))

    # ---------------------------------------------------------------------------------- the phases
    @property
    def _batch_size(self):
        size = self.model.batch_size
        return BATCH_SIZE if size == AUTO else int(size)

    @functools.cached_property
    def schedule(self):
        """Learning rate for each completed fraction of training with labels."""
        return learning_rate_schedule(self.model.learning_rate, RATES[self.model.optimizer])

    def _follow(self, trainer, data, rate):
        model = self.model
        weights = float(model.alpha), float(model.label_weight)
        trainer.criterion.follow(
            *weights, rate, data.backend.name, model.optimizer, keeps_damping=self.is_automatic
        )

    @property
    def is_automatic(self):
        """Whether learning may lower the learning rate."""
        return isinstance(self.model.learning_rate, str)

    def _lasting(self, batch):
        """Return policies that return to the best parameters, with smaller steps if allowed."""
        if not self.is_automatic:
            return [FirstLoss([batch]), KeepBest(least_objective, always=False)], []
        sample = SampleLoss([batch])
        best = KeepBest(lambda trainer: -sample.loss, always=False)
        retry = BackOff(best)
        return [sample, best, retry], [retry]

    @staticmethod
    def _samples(trainer, data, target=None, weight=None, n_classes=0):
        """Return the samples of a phase, in memory or in chunks."""
        if data.source is None:
            return ClassifiedRows(
                data.X, target, weight=weight, dtype=trainer.dtype, backend=data.backend,
                n_classes=n_classes,
            )  # fmt: skip
        source, given = data.source, {"target": target, "weight": weight}
        given = {name: each for name, each in given.items() if each is not None}
        chunks = Chunks(source.chunks.X, **given)
        load = ClassifiedLoad(source.read, trainer.dtype, data.backend.name, n_classes)
        some = {name: each[source.numbers] for name, each in given.items()}
        return ChunkedSamples(chunks, load, load.samples(data.X, **some))

    def _plan(self, max_iter):
        return Plan(int(max_iter), self._batch_size, self.random_state, self.model.max_time)

    def _learn_without_labels(self, trainer, data, classes, context):
        """Make passes over all samples; return the curve of the objective."""
        model, max_iter = self.model, int(self.model.pretrain_max_iter)
        if self.goes_on:
            return model.pretrain_curve_
        if max_iter == 0:
            return []
        samples = self._samples(trainer, data)
        looked_at = np.arange(min(LOOKED_AT, data.n_samples))
        policies, retry = self._lasting(samples.fetch(looked_at))
        policies = [ConfirmLastStep(retry), *policies]
        task = context.subcontext(task_name="learn without labels", max_subtasks=max_iter)
        task.call_on_fit_task_begin(estimator=model, X=data.passed)
        try:
            outcome = trainer.run(samples, policies, self._plan(max_iter), model, task)
        finally:
            curve = trainer.curves["objective"]
            trainer.begin()
            model._keep(trainer, classes, curve)
        warn_of_divergence(outcome, model)
        task.call_on_fit_task_end(estimator=model, X=data.passed)
        return curve

    def _learn_with_labels(self, trainer, data, targets, split, kept, context):
        """Make passes over the samples with labels."""
        model, max_iter, (train, held_out) = self.model, int(self.model.max_iter), split
        if max_iter == 0:
            return
        classes, pretrain_curve = kept
        samples = self._samples(
            trainer, data,
            target=np.searchsorted(classes, np.where(targets.weights > 0, targets.y, classes[0])),
            weight=_weights(targets, split), n_classes=len(classes),
        )  # fmt: skip
        policies = self._policies(samples, train, held_out, trainer.criterion.merit)
        task = context.subcontext(task_name="learn with labels", max_subtasks=max_iter)
        task.call_on_fit_task_begin(estimator=model, X=data.passed, y=targets.y)
        try:
            outcome = trainer.run(samples.part(train), policies, self._plan(max_iter), model, task)
        finally:
            model._keep(trainer, classes, pretrain_curve)
        warn_of_divergence(outcome, model)
        task.call_on_fit_task_end(estimator=model, X=data.passed, y=targets.y)

    def _policies(self, samples, train, held_out, merit):
        """Return policies that keep the best parameters on held-out samples, or else the last."""
        policies, retry = self._lasting(samples.fetch(train[:LOOKED_AT]))
        if held_out is None:
            return [ConfirmLastStep(retry), *policies]
        watch = HeldOut(samples.part(held_out), merit)
        best, n_passes = KeepBest(lambda trainer: watch.merit), int(self.model.n_iter_no_change)
        return [ConfirmLastStep(retry), *policies, watch, best, Patience(watch, n_passes)]


@dataclass(frozen=True)
class ClassifiedLoad:
    """Reads the samples of one chunk, with the numbers of their classes.

    Attributes
    ----------
    read : callable
        Checks the rows.
    dtype : dtype
        Dtype of the batches.
    backend : str
        Name of the backend.
    n_classes : int
        Number of classes.
    """

    read: Any
    dtype: Any
    backend: str
    n_classes: int

    def __call__(self, X, **arrays):
        """Return the samples, from which batches are taken."""
        return self.samples(self.read(X).X, **arrays)

    def samples(self, X, target=None, weight=None):
        """Return the samples of checked rows."""
        backend = resolve_backend(self.backend, None)
        return ClassifiedRows(
            X, target, weight=weight, dtype=self.dtype, backend=backend, n_classes=self.n_classes
        )


def _indexable(X):
    """Return samples of which rows can be taken; Dask arrays are returned unchanged."""
    return X if is_dask(X) else indexable(native(X))[0]


def _in_memory(array):
    """Return labels or weights on the host and in memory."""
    return np.asarray(array) if is_dask(array) else on_host(array)


def _weights(targets, split):
    """Return the weights of the samples of both parts, or None if all are one."""
    parts = [rows for rows in split if rows is not None]
    weights = with_mean_one(targets.weights, *parts)
    is_one = all(np.all(weights[rows] == 1) for rows in parts)
    return None if is_one else weights


def _warn_of_norms(name, X):
    """Warn of samples of another size than the steps of learning are made for."""
    norm = data_size(X, None, slice(MEASURED), 1.0) * math.sqrt(X.shape[1])
    if not NORMS[0] <= norm <= NORMS[1]:
        warn(
            f"Samples have a root mean square norm of {norm:.3g}, but the learning rates and alpha "
            f"of {name} are for samples of norm one. Scale X with "
            "sklearn.preprocessing.Normalizer().",
            UserWarning,
        )
