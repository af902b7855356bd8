"""`fit` and `partial_fit` of models that learn by contrastive divergence."""

import functools
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from sklearn_ebm._warnings import warn
from sklearn_ebm.backends import array_namespace, new_matrix
from sklearn_ebm.backends._random import Stream
from sklearn_ebm.estimators._unit_samples import (
    Flips,
    all_samples,
    opened_units,
    samples_in_memory,
)
from sklearn_ebm.factors import FLIP_LOSSES, UNITS, BilinearEnergy, largest_log_odds
from sklearn_ebm.inputs._chunks import is_dask
from sklearn_ebm.inputs._moments import Selection, moments
from sklearn_ebm.inputs._rows import dense_rows, float_type
from sklearn_ebm.inputs._targets import with_mean_one
from sklearn_ebm.inputs._weights import check_sample_weight
from sklearn_ebm.layers._state import require_equal
from sklearn_ebm.learning._batch_sizes import GRADIENT_BATCHES
from sklearn_ebm.learning._monitor import Monitor
from sklearn_ebm.learning._policies import AverageLastSteps, Observe, RelativeChange
from sklearn_ebm.learning._rates import learning_rate_schedule
from sklearn_ebm.learning._trainer import Plan, Trainer
from sklearn_ebm.learning.criteria import Ascending, Contrastive, Flipping

LARGE_WEIGHT = 30.0  # log-odds of a hidden unit per standard deviation of one visible unit
STUCK_SHARE = 0.1  # fraction of stuck hidden units above which a warning is issued


class NegativePhase(NamedTuple):
    """Settings of the negative phase: the chains (particles), or a loss of flips without chains."""

    is_persistent: bool = False
    has_fast_weights: bool = False
    flip_loss: str | None = None


LOSSES = {
    "cd": NegativePhase(is_persistent=False),
    "pcd": NegativePhase(is_persistent=True),
    "fpcd": NegativePhase(is_persistent=True, has_fast_weights=True),
    **{name: NegativePhase(flip_loss=name) for name in FLIP_LOSSES},
}


class ContrastiveLearning:
    """One call of `fit` or `partial_fit`.

    Parameters
    ----------
    model : DensityModel
        Receives the fitted attributes.
    attempt : Attempt
        Notified when learning begins.
    """

    def __init__(self, model, attempt):
        self.model = model
        self.attempt = attempt

    # Parameters are read on first use, because a fitted model checks them in `_learner_to_go_on`.
    @functools.cached_property
    def schedule(self):
        """Learning rate for each completed fraction of training."""
        default, flip_loss = self.units.learning_rate, self.phase.flip_loss
        if flip_loss is not None:
            default = FLIP_LOSSES[flip_loss].learning_rate
        return learning_rate_schedule(self.model.learning_rate, default)

    @property
    def units(self):
        """Class of the visible units."""
        return UNITS[self.model.visible]

    @property
    def phase(self):
        """Settings of the chains in the negative phase."""
        return LOSSES[self.model.loss]

    @property
    def draws(self):
        """Whether values between 0 and 1 are replaced by random zeros and ones."""
        return bool(self.model.binarize) and self.units.is_binary

    def fit(self, X, sample_weight):
        """Make passes over shuffled batches of X."""
        model = self.model
        goes_on = model.warm_start and model.__sklearn_is_fitted__()
        trainer = model._learner_to_go_on() if goes_on else None
        data = self._read(X, trainer)
        rows, weights = _weights(sample_weight, X if is_dask(X) else data.X)
        random_state = check_random_state(model.random_state)
        rows, held_out = self._split(rows, random_state)
        if weights is not None and len(held_out):
            weights = with_mean_one(weights, rows, held_out)
        samples, how = self._some(data, rows, weights, trainer)
        context = model._init_callback_context(max_subtasks=int(model.max_iter))
        context.call_on_fit_task_begin(estimator=model, X=X if is_dask(X) else data.X)
        if trainer is None:
            samples, trainer = self._first_trainer(samples, random_state, data)
        self._follow(trainer, how, data.backend)
        trainer.begin()
        self._begin(trainer)
        samples = all_samples(samples, data, rows, weights, trainer)
        monitor = Monitor(samples, rows, held_out, self.draws, random_state)
        batch_size = GRADIENT_BATCHES.of_pass(model.batch_size, len(rows))
        plan = Plan(int(model.max_iter), batch_size, random_state, model.max_time)
        change = RelativeChange(float(model.tol))
        policies = self._policies(monitor, change)
        outcome = self._run(trainer, trainer.run, samples, policies, plan, model, context)
        self._warn_of_units(trainer, monitor, data.backend)
        if change.tol > 0 and not outcome.is_stopped:
            warn(change.message(plan), ConvergenceWarning)
        context.call_on_fit_task_end(
            estimator=model, X=samples.X, reconstruction_attributes=model._snapshot
        )
        return model

    def partial_fit(self, X, sample_weight):
        """Make one step for each batch of X, without shuffling."""
        model = self.model
        trainer = model._learner_to_go_on() if model.__sklearn_is_fitted__() else None
        data = self._read(X, trainer)
        rows, weights = _weights(sample_weight, X if is_dask(X) else data.X)
        samples, how = self._some(data, rows, weights, trainer)
        if trainer is None:
            random_state = check_random_state(model.random_state)
            samples, trainer = self._first_trainer(samples, random_state, data)
        self._follow(trainer, how, data.backend)
        self._begin(trainer)
        batch_size = GRADIENT_BATCHES.of_chunk(model.batch_size)
        samples = all_samples(samples, data, rows, weights, trainer)
        if len(rows) == samples.X.shape[0]:
            samples = samples.part(None)
        self._run(trainer, trainer.run_once, samples, [], batch_size)
        return model

    def _run(self, trainer, passes, *args):
        """Make the passes, and raise an error if they diverge. The last finite model is kept."""
        try:
            outcome = passes(*args)
        finally:
            self.model._keep(trainer)
        if outcome.has_diverged:
            raise outcome.error
        return outcome

    # -------------------------------------------------------------------------------------- inputs
    def _read(self, X, trainer):
        """Return the data with their backend: all samples, or some of a Dask array.

        Before learning begins, there are zeros in place of missing values.
        """
        base, dtype = None, None
        if trainer is not None:
            base, dtype = trainer.criterion.base, trainer.dtype
        flips, model, source = Flips(self.phase.flip_loss is not None, self.draws), self.model, None
        if is_dask(X):
            source, X = opened_units(model, X, base, dtype, flips)
        data = model._prepare(X, base, dtype)
        flips.require_bits(model, data)
        return data._replace(source=source)

    def _some(self, data, rows, weights, trainer):
        """Return the training samples in memory, and the settings of the training steps."""
        dtype = float_type(data.X) if trainer is None else trainer.dtype
        samples = samples_in_memory(data, rows, weights, dtype)
        return samples, self._how(self._largest_state(data.values))

    def _largest_state(self, values):
        """Return the largest magnitude of binary units; warn if it is not between 0 and 1."""
        if not self.units.is_binary or not values.size:
            return 1.0
        xp = array_namespace(values)
        lowest, highest = float(xp.min(values)), float(xp.max(values))
        if lowest < 0 or highest > 1:
            warn(
                f"X has values from {lowest:.4g} to {highest:.4g}, but visible='bernoulli' expects "
                "values between 0 and 1. Scale X, for instance with MinMaxScaler, or set "
                "visible='gaussian'.",
                UserWarning,
            )
        return max(1.0, -lowest, highest)

    def _how(self, largest_state):
        """Return the settings of the training steps."""
        model, target = self.model, self.model.sparsity_target
        return Ascending(
            n_gibbs_steps=int(model.n_gibbs_steps),
            momentum=float(model.momentum),
            decay=float(model.weight_decay),
            fast_rate=self.schedule(0.0),
            sparsity_target=0.0 if target is None else float(target),
            sparsity_cost=0.0 if target is None else float(model.sparsity_cost),
            draws=self.draws,
            largest_state=largest_state,
        )

    def _split(self, rows, random_state):
        """Return the training rows and the held-out rows."""
        n_held_out = int(float(self.model.validation_fraction) * len(rows))
        order = random_state.permutation(rows) if n_held_out else rows
        return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])

    # --------------------------------------------------------------------------------- the trainer
    def _first_trainer(self, samples, random_state, data):
        """Return the samples without holes, and the initial trainer, from moments and some rows."""
        model, rows, weights, dtype = self.model, samples.index, samples.weight, samples.dtype
        selection = Selection(samples.X, rows, dtype, weights, samples.mask)
        mean, deviation = moments(selection, not self.units.is_discrete)
        base = self.units.from_moments(mean, deviation, data.categories)
        X = base.on(data.backend).filled(samples.X, samples.mask)
        activity = base.first_activity
        if model.sparsity_target is not None:
            activity = float(model.sparsity_target)
        n_components = int(model.n_components)
        shares = None if weights is None else weights[rows] / weights[rows].sum()
        starts = dense_rows(X, random_state.choice(rows, n_components, p=shares), dtype)
        own = base.astype(dtype)  # a copy, because learning changes the units in place
        units, first, hidden_bias = own.first_layer(starts, activity, random_state)
        weights = new_matrix(first.shape, first)
        weights[...] = first
        energy, stream = BilinearEnergy(units, weights, hidden_bias), Stream(random_state)
        particles = None
        if self.phase.is_persistent:
            starts = random_state.choice(rows, int(model.n_chains), p=shares)
            particles = _particles(energy, dense_rows(X, starts, dtype), stream, data.backend)
        center = base.coordinates.states_of(mean) if model.centered else None
        first_activity = array_namespace(mean).full(n_components, activity, dtype=dtype)
        of_flips = self.phase.flip_loss is not None
        kind = Flipping if of_flips else Contrastive
        setting = self.phase.flip_loss if of_flips else self.phase.has_fast_weights
        criterion = kind(energy, first_activity, center, setting, base)
        return replace(samples, X=X), Trainer(criterion, stream, particles)

    def _follow(self, trainer, how, backend):
        """Pass the current parameters to the criterion."""
        self._require_same(trainer)
        trainer.criterion.follow(how, self.schedule, backend.name)

    def _begin(self, trainer):
        """Keep the results of the trainer in the model from now on."""
        self.attempt.begin(trainer)
        self.model._keep(trainer)

    def _require_same(self, trainer):
        """Refuse parameters that differ from the layers and chains of the trainer."""
        model, criterion = self.model, trainer.criterion
        n_components = criterion.energy.weights.shape[1]
        if model.n_components != n_components:
            raise ValueError(
                f"n_components={model.n_components}, but learning continues with {n_components} "
                "components. To change it, call fit with warm_start=False."
            )
        began = NegativePhase(
            trainer.shard is not None, criterion.has_fast_weights, criterion.flip_loss
        )
        has_units = isinstance(criterion.energy.visible, self.units)
        for name, is_kept in (("loss", self.phase == began), ("visible", has_units)):
            if not is_kept:
                raise ValueError(
                    f"{name}={getattr(model, name)!r} differs from the value at the start of "
                    "learning. To change it, call fit with warm_start=False."
                )
        n_chains = trainer.shard.shape[0] if self.phase.is_persistent else model.n_chains
        for name, held in (("n_chains", n_chains), ("centered", criterion.is_centered)):
            require_equal(model, name, held)

    # -------------------------------------------------------------------------------------- passes
    def _policies(self, monitor, change):
        policies = [AverageLastSteps(float(self.model.average)), Observe(monitor)]
        return [*policies, change] if change.tol > 0 else policies

    def _warn_of_units(self, trainer, monitor, backend):
        """Warn if hidden units do not depend on the data, or if weights explode."""
        energy = self.model._energy
        off, on = monitor.stuck_units(energy.on(backend))
        n_units = energy.weights.shape[1]
        if off + on > STUCK_SHARE * n_units:
            warn(
                f"{off} of {n_units} hidden units are dead (off for every sample checked) and {on} "
                "are saturated (on for every sample checked). Lower learning_rate, set "
                "weight_decay or sparsity_target, or use fewer components.",
                ConvergenceWarning,
            )
        largest = largest_log_odds(trainer.criterion.energy)
        if largest > LARGE_WEIGHT:
            warn(
                f"The weights explode: the largest is {largest:.3g}. Lower learning_rate, or set "
                "weight_decay.",
                ConvergenceWarning,
            )


def _weights(sample_weight, X):
    """Return the rows with a non-zero weight, and weights of mean one, or None if all are equal."""
    if sample_weight is None:
        return np.arange(X.shape[0]), None
    weights, _ = check_sample_weight(sample_weight, X)
    rows = np.flatnonzero(weights)
    is_equal = bool(np.all(weights[rows] == weights[rows[0]]))
    return rows, None if is_equal else with_mean_one(weights, rows)


def _particles(energy, start, stream, backend):
    """Return the hidden states of chains that start at given samples."""
    states = energy.visible.coordinates.states_of(start)
    return energy.inner().on(backend).conditionals.sample_hidden(states, stream.key())
