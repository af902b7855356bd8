"""`fit` of an estimator that trains a pipeline as one network with labels or other targets."""

import copy
import functools
from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state, indexable
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from sklearn_ebm.backends import resolve_backend
from sklearn_ebm.estimators._labelled_data import LabelledData, NetworkInput
from sklearn_ebm.estimators._rehearsal import (
    check_parameters,
    check_shapes,
    check_steps,
    check_unlabelled,
    check_values,
)
from sklearn_ebm.inputs._rows import native
from sklearn_ebm.inputs._targets import with_mean_one
from sklearn_ebm.learning._batch_sizes import GRADIENT_BATCHES
from sklearn_ebm.learning._curves import Curves
from sklearn_ebm.learning._divergence import warn_of_divergence
from sklearn_ebm.learning._heads import (
    HeadStep,
    has_bias,
    n_outputs_of,
    repeated_of,
    require_head,
    require_head_for,
    require_unbounded,
)
from sklearn_ebm.learning._labelled import LOOKED_AT, as_input
from sklearn_ebm.learning._modules import Step, backend_of, is_trainable, require_derivative
from sklearn_ebm.learning._network import Network
from sklearn_ebm.learning._optimizers import OPTIMIZERS
from sklearn_ebm.learning._policies import (
    ConfirmLastStep,
    FirstLoss,
    HeldOut,
    KeepBest,
    Patience,
    least_objective,
)
from sklearn_ebm.learning._rates import learning_rate_schedule
from sklearn_ebm.learning._stages import (
    Layerwise,
    TrainingData,
    first_row,
    flat_steps,
    on_host,
    rebuilt,
    stages_of,
    transformed,
)
from sklearn_ebm.learning._tasks import TASKS
from sklearn_ebm.learning._trainer import Plan, Trainer
from sklearn_ebm.learning.criteria import Labels

AUTOMATIC_RATE = 1e-3  # initial rate of learning_rate="auto"
EPSILON = 1e-8  # of Adam; its default, because losses are of order one
MANY_SAMPLES = 10_000  # with more samples, early_stopping="auto" stops early


class LabelLearning:
    """One call of `fit`.

    Parameters
    ----------
    model : FineTuned
        Receives the fitted attributes.
    attempt : Attempt
        Notified when training with labels begins.
    """

    def __init__(self, model, attempt):
        self.model = model
        self.attempt = attempt

    @functools.cached_property
    def goes_on(self):
        """Whether training continues from the previous fit."""
        return self.model.warm_start and self.model.__sklearn_is_fitted__()

    @functools.cached_property
    def schedule(self):
        """Learning rate for each completed fraction of training."""
        return learning_rate_schedule(self.model.learning_rate, AUTOMATIC_RATE)

    def fit(self, X, y, sample_weight, unsupervised_X):
        """Fit the pipeline stage by stage, then train all of it with targets."""
        model = self.model
        if self.goes_on:
            model._ready(learning=True)
        steps = self._check_pipeline()
        data = LabelledData.read(model, X, y, sample_weight)
        targets = data.targets
        (unsupervised_X,) = indexable(native(unsupervised_X))
        require_head_for(targets, *model.estimator.steps[-1])
        unsupervised_X = check_unlabelled(unsupervised_X, data.X)
        self._rehearse(steps, targets, data.X)
        random_state = check_random_state(model.random_state)
        split = self._split(targets, random_state)
        context = model._init_callback_context(max_subtasks=len(stages_of(steps)) + 2)
        context.call_on_fit_task_begin(estimator=model, X=data.passed, y=targets.y)
        if not self.goes_on and model.prefit:
            model._keep(copy.deepcopy(model.estimator), Curves())
        elif not self.goes_on:
            own, rows = data.in_memory(split[0])
            parts = data.X, own.of_all, unsupervised_X, model.subsample, random_state
            model._keep(self._fit_layerwise(TrainingData(*parts, rows), own, context), Curves())
        if model.max_iter > 0:
            self._tune(data, split, random_state, context)
        context.call_on_fit_task_end(estimator=model, X=data.passed, y=targets.y)
        return model

    # ------------------------------------------------------------------------- before it is fitted
    def _check_pipeline(self):
        """Refuse pipelines that cannot be trained; return the steps before the last one."""
        estimator = self.model.estimator
        kind = self.model._head_kind
        if not isinstance(estimator, Pipeline):
            raise ValueError(
                f"estimator must be a Pipeline that ends in a linear {kind.name}, got "
                f"{type(estimator).__name__}."
            )
        name, head = estimator.steps[-1]
        require_head(kind, name, head)
        if self.model.max_iter > 0 and self._rate_of(name) > 0:
            require_unbounded(name, head)
        if self.model.prefit:
            message = "estimator must be fitted if prefit=True. Call 'fit' on it first."
            check_is_fitted(estimator, msg=message)
        steps = list(flat_steps(estimator))[:-1]
        self._check_rates([*(name for name, _ in steps), name])
        for name, step in steps[self._n_before(steps) :]:
            require_derivative(name, step)
        return steps

    def _check_rates(self, names):
        """Refuse learning rates of unknown steps, and rates that are not finite numbers."""
        rates = self.model.learning_rates or {}
        unknown = sorted(set(rates) - set(names))
        if unknown:
            raise ValueError(
                f"The keys of learning_rates must be names of steps, {names}, got {unknown}."
            )
        for step, rate in rates.items():
            if not (isinstance(rate, Real) and 0 <= rate < np.inf):
                raise ValueError(
                    f"learning_rates[{step!r}] must be a finite non-negative number, got {rate!r}."
                )

    def _rate_of(self, name):
        """Return the factor of the learning rate for a step."""
        return float((self.model.learning_rates or {}).get(name, 1.0))

    def _n_before(self, steps):
        """Return the number of steps before the first one that is trained."""
        trained = (
            number
            for number, (name, step) in enumerate(steps)
            if is_trainable(step) and self._rate_of(name) > 0
        )
        return next(trained, len(steps))

    def _rehearse(self, steps, targets, X):
        """Refuse unsuitable data and parameters before any step is fitted."""
        model = self.model
        resolve_backend(model.backend, X)
        _ = self.schedule  # refuses a callable that returns no rate
        if self.goes_on or model.prefit:
            pipeline = model.pipeline_ if self.goes_on else model.estimator
            _require_known(targets, *pipeline.steps[-1])
            fitted = [step for _, step in flat_steps(pipeline)][:-1]
            if model.max_iter > 0:
                check_values(fitted, self._n_before(steps), X)
        else:
            head = model.estimator.steps[-1][1]
            check_steps(model, steps, X)
            check_parameters(repeated_of(head))
            check_shapes(steps, head, X)

    def _split(self, targets, random_state):
        """Return the training samples, and the held-out samples or None."""
        stops_early = self.model.early_stopping
        if stops_early == "auto":
            stops_early = len(targets.rows) > MANY_SAMPLES
        if not stops_early:
            return targets.rows, None
        return targets.split(float(self.model.validation_fraction), random_state)

    # ------------------------------------------------------------------------------ stage by stage
    def _fit_layerwise(self, data, targets, context):
        """Return the fitted pipeline. Its last step is fitted on samples that are not held out."""
        model, train = self.model, data.rows
        *steps, (name, head) = flat_steps(model.estimator)

        def task(name):
            return context.subcontext(task_name=f"fit {name}")

        fitted, features = Layerwise(model.estimator.memory).fit(steps, data, task)
        head, options = clone(head), {}
        if targets.sample_weights is not None and has_fit_parameter(head, "sample_weight"):
            options["sample_weight"] = with_mean_one(targets.sample_weights, train)[train]
        subcontext = task(name).call_on_fit_task_begin(estimator=model)
        head.fit(on_host(features), targets.y[train], **options)
        subcontext.call_on_fit_task_end(estimator=model)
        return rebuilt(model.estimator, dict([*fitted, (name, head)]))

    # --------------------------------------------------------------------------------- as a network
    def _tune(self, data, split, random_state, context):
        """Train the pipeline as a network, and keep the result as a pipeline."""
        model, (train, held_out), targets = self.model, split, data.targets
        steps = list(flat_steps(model.pipeline_))
        n_before = self._n_before(steps[:-1])
        before = [step for _, step in steps[:n_before]]
        row = as_input(transformed(before, first_row(data.X)))
        units = targets.units(train)
        trained, backend = self._trained(steps[n_before:], row, units)
        trainer = self._trainer(trained, backend, TASKS[targets.kind])
        weights = with_mean_one(targets.weights, *(rows for rows in split if rows is not None))
        network = NetworkInput(steps[-1][1], units, before, backend.name, row.dtype)
        samples = data.samples(network, weights)
        policies = self._policies(samples, train, held_out, trainer.criterion.merit)
        batch_size = GRADIENT_BATCHES.of_pass(model.batch_size, len(train))
        plan = Plan(int(model.max_iter), batch_size, random_state, model.max_time)
        self.attempt.begin(trainer)
        task = context.subcontext(task_name="tune", max_subtasks=int(model.max_iter))
        task.call_on_fit_task_begin(estimator=model, X=data.passed, y=targets.y)
        with model._tuning_of(trained, trainer.curves):
            outcome = trainer.run(samples.part(train), policies, plan, model, task)
        warn_of_divergence(outcome, model)
        task.call_on_fit_task_end(estimator=model, X=data.passed, y=targets.y)

    def _trained(self, steps, row, units):
        """Return the steps that are trained as parts of a network, and its backend."""
        *steps, (name, head) = steps
        trained = [Step(*step, row.dtype) for step in steps]
        backend = backend_of(trained, row, self.model.backend)
        return [*trained, HeadStep(name, head, backend.to_device(row), units)], backend

    def _trainer(self, trained, backend, task):
        """Return a trainer of the network that follows the parameters."""
        network = Network.of_steps(trained, task.loss, backend)
        trainer = Trainer(Labels(network, self._optimizer(network), task.score))
        trainer.criterion.follow(self.schedule, backend.name)
        return trainer

    def _policies(self, samples, train, held_out, merit):
        """Return policies that keep the best parameters on held-out samples, or else the last."""
        first = FirstLoss([samples.fetch(train[:LOOKED_AT])])
        if held_out is None:
            return [ConfirmLastStep(), first, KeepBest(least_objective, always=False)]
        watch = HeldOut(samples.part(held_out), merit)
        best, n_passes = KeepBest(lambda trainer: watch.merit), int(self.model.n_iter_no_change)
        return [ConfirmLastStep(), watch, first, best, Patience(watch, n_passes)]

    def _optimizer(self, network):
        model = self.model
        own = {"adam": {"epsilon": EPSILON}, "sgd": {"momentum": float(model.momentum)}}
        return OPTIMIZERS[model.optimizer](
            network.parameters,
            scales={name: self._scale_of(name[0], name[-1]) for name in network.parameters},
            decay=float(model.weight_decay),
            units=self._units(network),
            **own[model.optimizer],
        )

    def _scale_of(self, step, parameter):
        """Return the factor of a parameter's learning rate; 0 for the bias of a head without."""
        name, head = self.model.estimator.steps[-1]
        is_absent = step == name and parameter == "bias" and not has_bias(head)
        return 0.0 if is_absent else self._rate_of(step)

    def _units(self, network):
        """Return the units of the parameters: their initial sizes in the first of warm fits."""
        kept = vars(self.model).get("_units", {}) if self.goes_on else {}
        keys = {name: "/".join(map(str, name)) for name in network.parameters}
        units = {name: kept.get(keys[name], size) for name, size in network.scales.items()}
        self.model._units = {keys[name]: float(size) for name, size in units.items()}
        return units


def tuned_pipeline(pipeline, trained):
    """Return a pipeline with the current parameters of the trained steps."""
    steps = dict(flat_steps(pipeline))
    steps |= {step.name: step.trained() for step in trained}
    return rebuilt(pipeline, steps)


def _require_known(targets, name, head):
    """Refuse targets that a fitted classifier or regressor cannot predict."""
    remedy = "Set warm_start=False and prefit=False to fit a new"
    if targets.kind == "multiclass":
        classes, known = targets.classes, head.classes_
        if not np.isin(classes, known).all():
            raise ValueError(
                f"y must contain only classes of the fitted classifier, {known}, got {classes}. "
                f"{remedy} classifier."
            )
    elif targets.n_outputs != n_outputs_of(name, head):
        raise ValueError(
            f"y must have as many columns as {type(head).__name__} was fitted with, "
            f"{n_outputs_of(name, head)}, got {targets.n_outputs}. {remedy} one."
        )
