"""`fit` and `partial_fit` of models that learn a dictionary."""

import functools
from dataclasses import dataclass, field
from typing import Any

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.estimators._first_atoms import FirstAtoms
from sklearn_ebm.estimators._fitted import (
    LEARNED_BY_PENALTIES,
    check_share,
    first_threshold,
    keep,
    learned_before,
    new_penalty,
    sparsity,
)
from sklearn_ebm.estimators._learning_warnings import complaint, warn_of, warn_of_share
from sklearn_ebm.factors import check_alpha, degree_of, takes_alpha
from sklearn_ebm.factors.encoders import Scale
from sklearn_ebm.inputs._checks import check_magnitude, check_weight
from sklearn_ebm.inputs._chunked import read_samples
from sklearn_ebm.inputs._sizes import data_size, observed_share
from sklearn_ebm.layers._state import is_same, require_equal
from sklearn_ebm.learning._divergence import warn_of_divergence
from sklearn_ebm.learning._policies import RelativeChange, undoing_divergence
from sklearn_ebm.learning._rates import LinearDecay
from sklearn_ebm.learning._trainer import Plan

ALL_ROWS = slice(None)
BEGINNING = 512  # samples that a criterion sees before it learns from chunks


@dataclass
class Prediction:
    """Term beta/2 ||z - f(x)||^2 of an energy, with the encoder f.

    Attributes
    ----------
    encoder : str
        Name of the kind of encoder.
    beta : float
        Weight of the term.
    schedule : callable
        Learning rate of the encoder for each completed fraction of training.
    settings : dict
        Further settings of the encoder, by name.
    """

    encoder: str
    beta: float
    schedule: Any
    settings: dict = field(default_factory=dict)


class DictionaryLearning:
    """One call of `fit` or `partial_fit`.

    Parameters
    ----------
    model : SparseModel
        Receives the fitted attributes.
    attempt : Attempt
        Notified when learning begins.
    """

    degree = 2  # highest power of X that learning computes
    is_quiet = False  # whether passes end without warnings

    def __init__(self, model, attempt):
        self.model = model
        self.attempt = attempt
        self.first = FirstAtoms(self)

    # Parameters are read on first use, because a fitted model checks them in `_learner_to_go_on`.
    @functools.cached_property
    def atoms(self):
        """The dictionary, as described by the parameters."""
        return self.model._atoms()

    @functools.cached_property
    def prediction(self):
        """The prediction term and its encoder, or None."""
        return self.model._prediction()

    @property
    def schedule(self):
        """Learning rate for each completed fraction of training; dictionaries need none."""
        return LinearDecay(0.0) if self.prediction is None else self.prediction.schedule

    def fit(self, X, sample_weight, mask):
        """Make passes over shuffled batches of X."""
        model = self.model
        goes_on = model.warm_start and model.__sklearn_is_fitted__()
        trainer = model._learner_to_go_on() if goes_on else None
        if trainer is None:
            for name in ("_state", *LEARNED_BY_PENALTIES):  # what earlier fits have learned
                vars(model).pop(name, None)
        data, weights, exponent = self._read(X, sample_weight, mask, trainer)
        self._set_alpha(trainer, data, weights, ALL_ROWS)
        context = model._init_callback_context(max_subtasks=int(model.max_iter))
        context.call_on_fit_task_begin(estimator=model, X=data.passed)
        if trainer is None:
            trainer = self._first_trainer(data, weights, ALL_ROWS)
        self._begin(trainer, data, exponent)
        self._make_passes(trainer, data, weights, self.first.random_state, context)
        context.call_on_fit_task_end(
            estimator=model, X=data.passed, reconstruction_attributes=model._snapshot
        )
        return model

    def partial_fit(self, X, sample_weight, mask):
        """Make one step for each batch of X, without shuffling."""
        model = self.model
        trainer = model._learner_to_go_on() if model.__sklearn_is_fitted__() else None
        data, weights, exponent = self._read(X, sample_weight, mask, trainer)
        batch_size = model._batch_sizes.of_chunk(model.batch_size)
        first = slice(batch_size)
        self._set_alpha(trainer, data, weights, first)
        if trainer is None:
            trainer = self._first_trainer(data, weights, first)
        self._begin(trainer, data, exponent)
        if self._has_work():
            try:
                samples = self._samples(trainer, data, weights)
                outcome = trainer.run_once(samples, self._policies_once(), batch_size)
            finally:
                keep(model, trainer)
            warn_of_divergence(outcome, model)
        return model

    # -------------------------------------------------------------------------------------- inputs
    def _read(self, X, sample_weight, mask, trainer):
        """Return samples, weights and their exponent. A first fit also sets `n_features_in_`."""
        model, is_first = self.model, trainer is None
        dtype = None if is_first else trainer.dtype
        data, *weights = read_samples(
            model._inputs(is_first), model, X, mask, sample_weight,
            reset=is_first, degree=self.degree, dtype=dtype,
        )  # fmt: skip
        if is_first:
            model._form, model._sample_shape = data.form, data.shape
        return data, *weights

    def _set_alpha(self, trainer, data, weights, rows):
        """Set the weights of the energy's terms; refuse weights out of the range of the dtype."""
        model, dtype = self.model, data.X.dtype if trainer is None else trainer.dtype
        check_share(model)
        alpha = self._alpha(trainer, data, weights, rows)
        check_weight(alpha, dtype, "alpha")
        if self.prediction is not None:
            check_weight(self.prediction.beta, dtype, "beta")
        self.atoms.check_samples(data.X, alpha)
        self.atoms.check_updates(model, data)
        model.alpha_ = alpha

    def _alpha(self, trainer, data, weights, rows):
        """Return the weight of the penalty. The scale of the data is measured on `rows`."""
        model, penalty = self.model, self._kind()
        check_alpha(penalty, model.alpha)
        alpha = self.fixed_alpha(model, model.alpha, model.relative_alpha)
        if alpha is not None:
            return alpha
        if trainer is not None:
            return sparsity(model)
        if model.relative_alpha:
            return float(model.alpha) * self.first.largest_alpha(data, weights, rows, penalty)
        degree = degree_of(penalty) if takes_alpha(penalty) else 1
        return float(typical_size(data, weights, rows) ** (2 - degree))

    @staticmethod
    def fixed_alpha(model, alpha, is_relative):
        """Return the weight that a value of alpha specifies; None if it depends on the data."""
        return None if is_relative or isinstance(alpha, str) else float(alpha)

    def _kind(self):
        """Return the penalty as specified by the user."""
        return self.model._penalty_kind()

    # --------------------------------------------------------------------------------- the trainer
    def _first_trainer(self, data, weights, first):
        """Return the initial trainer. The scale of the data is measured on the rows `first`."""
        dictionary, table = self.first.initial(data, weights)
        encoder, prediction = None, self.prediction
        if prediction is not None:
            alpha = sparsity(self.model)
            scale = Scale.of(dictionary, data_size(data.X, weights, first, alpha))
            decoder = self.atoms.learning_decoder(dictionary)
            encoder = self.atoms.encoders.first(
                prediction.encoder, decoder, first_threshold(self.model, dictionary), scale, table,
                **prediction.settings,
            )  # fmt: skip
        return self.atoms.trainer(dictionary, encoder, table)

    def _begin(self, trainer, data, exponent):
        """Pass the parameters to the trainer, and keep its results in the model from now on."""
        encoder = trainer.criterion.encoder
        if encoder is not None:  # Adam squares gradients, which are products of X and codes
            unit = encoder.scale.data
            check_magnitude(data.values, degree=4, dtype=trainer.dtype, unit=unit)
        self._follow(trainer, data)
        trainer.criterion.weigh(exponent)
        self.attempt.begin(trainer)
        keep(self.model, trainer)

    def _follow(self, trainer, data):
        """Pass the current parameters to the criterion."""
        model, atoms = self.model, self.atoms
        self._require_same(trainer)
        n_components = trainer.criterion.dictionary.shape[0]
        settings = {
            "solver": model.solver,
            "tol": max(float(model.code_tol), atoms.learning_tol),
            "max_iter": int(model.code_max_iter),
        }
        beta = 0.0 if self.prediction is None else self.prediction.beta
        penalty = new_penalty(model, n_components, learned_before(model))
        trainer.criterion.follow(
            penalty, settings, data.backend.name, beta, self.schedule, **atoms.to_follow()
        )

    def _require_same(self, trainer):
        """Refuse parameters that differ from those of the model with which learning continues."""
        model, n_components = self.model, trainer.criterion.dictionary.shape[0]
        require_equal(model, "n_components", n_components, model.n_components is None)
        _require_dictionary(model, self.atoms, trainer.criterion.dictionary)
        if self.prediction is not None:
            require_same_encoder(self, trainer)
            for name in self.prediction.settings.keys() & trainer.criterion.encoder.settings.keys():
                require_equal(model, name, trainer.criterion.encoder.settings[name])

    # -------------------------------------------------------------------------------------- passes
    @staticmethod
    def reports(trainer):
        """Return the fitted attributes that record the progress of learning."""
        return {
            **curves_of(trainer),
            "unconverged_": trainer.curves.latest.get("unconverged", 0.0),
            "n_replaced_": trainer.criterion.online.n_replaced,
        }

    def _has_work(self):
        """Return whether there is anything to learn: an encoder, atoms, or a penalty."""
        learns_atoms = not self.atoms.is_fixed
        return learns_atoms or self.prediction is not None or learned_before(self.model) is not None

    def _samples(self, trainer, data, weights):
        """Return the samples from which the trainer draws its batches."""
        samples = self.atoms.samples(data, weights, trainer)
        if data.source is not None:
            trainer.criterion.prepare(samples.some.beginning(BEGINNING))  # sets the usual size
        return samples

    def _make_passes(self, trainer, data, weights, random_state, context):
        trainer.begin()
        if not self._has_work():
            return
        model = self.model
        batch_size = model._batch_sizes.of_pass(model.batch_size, data.n_samples)
        plan = Plan(int(model.max_iter), batch_size, random_state, model.max_time)
        change = RelativeChange(float(model.tol))
        policies = [*undoing_divergence(), change]
        samples = self._samples(trainer, data, weights)
        try:
            outcome = trainer.run(samples, policies, plan, model, context)
        finally:
            keep(model, trainer)
        converged = outcome.is_stopped or float(model.tol) == 0
        if self.is_quiet:
            return
        unfinished = "" if converged else change.message(plan)
        warn_of(complaint(self, trainer, outcome, unfinished))
        if not outcome.has_diverged:
            warn_of_share(self, trainer)

    def _policies_once(self):
        """Return the policies of `partial_fit`, which undo all steps if one of them diverges."""
        return undoing_divergence()


def require_same_encoder(learning, trainer):
    """Refuse another kind of encoder than that of the model with which learning continues."""
    held = {kind: name for name, kind in learning.atoms.encoders.kinds.items()}
    require_equal(learning.model, "encoder", held[type(trainer.criterion.encoder)])


def _require_dictionary(model, atoms, dictionary):
    """Refuse fixed atoms that differ from those of the model with which learning continues."""
    if not atoms.is_fixed or atoms.is_given(dictionary):
        return
    if not is_same(model.dictionary, model._state.fitted_with["dictionary"]):
        raise ValueError(
            "dictionary differs from the atoms that learning continues with. To change it, "
            "call fit with warm_start=False."
        )


def typical_size(data, weights, rows):
    """Return the root mean square of the observed values, or one if all of them are zero."""
    size = data_size(data.X, weights, rows, 1.0)
    return size / observed_share(data.X, data.mask, weights, rows) ** 0.5


def curves_of(trainer):
    """Return the fitted attributes that record the progress of learning."""
    curves, dictionary = trainer.curves, trainer.criterion.dictionary
    usage = array_namespace(dictionary).zeros(dictionary.shape[0])
    if "usage" in curves.latest:
        usage += curves.latest["usage"]
    return {
        **curves.attributes("objective", "seconds", "sparsity"),
        "usage_": usage,
    }
