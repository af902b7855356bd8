"""`fit` and `partial_fit` of an encoder that predicts the codes of a fixed dictionary."""

import functools
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm.backends import copied, resolve_backend, to_host
from sklearn_ebm.estimators._atoms import Atoms
from sklearn_ebm.estimators._dictionary_learning import (
    DictionaryLearning,
    curves_of,
)
from sklearn_ebm.estimators._fitted import keep, new_penalty, sparsity
from sklearn_ebm.estimators._learning_warnings import complaint, warn_of
from sklearn_ebm.estimators._sparse_coder import SparseCoder
from sklearn_ebm.factors import (
    ENCODERS,
    LOSSES,
    UNROLLED_ENCODERS,
    LinearDecoder,
    SparseEnergy,
)
from sklearn_ebm.factors.encoders import Scale
from sklearn_ebm.inputs._checks import check_dictionary
from sklearn_ebm.inputs._chunked import all_weights
from sklearn_ebm.inputs._sizes import data_size
from sklearn_ebm.layers._state import Attempt, is_same, require_equal
from sklearn_ebm.learning._distributed import samples_of
from sklearn_ebm.learning._policies import (
    BackOff,
    ConfirmLastStep,
    HeldOut,
    KeepBest,
    Patience,
    SlowDown,
    least_objective,
)
from sklearn_ebm.learning._rates import learning_rate_schedule
from sklearn_ebm.learning._samples import Samples
from sklearn_ebm.learning._trainer import Plan, Trainer
from sklearn_ebm.learning.criteria import Imitation
from sklearn_ebm.learning.criteria._imitation import loss_of_zero
from sklearn_ebm.protocols import offers
from sklearn_ebm.solvers._inference import infer

FEWEST_HELD_OUT = 50  # with fewer samples, the loss is computed on training samples instead
MOST_HELD_OUT = 10_000  # more samples add little precision, and learning can use them
AUTOMATIC_RATE = 3e-3  # initial rate of learning_rate="auto"
ROUNDING = 1e-6  # initial loss, relative to zero codes, below which no warning is issued


class _QuietLearning(DictionaryLearning):
    """Learning of a dictionary if none is given, without warnings about its passes."""

    is_quiet = True


def is_coder(dictionary):
    """Return whether a dictionary is an estimator."""
    return hasattr(dictionary, "fit")


def _alpha_of(coder):
    """Return the weight of the penalty on the codes of a coder, or None if it has none."""
    alpha = getattr(coder, "alpha", None)
    is_number = isinstance(alpha, Real) and not getattr(coder, "relative_alpha", False)
    is_live = getattr(coder, "_alpha_is_live", True) and is_number
    return alpha if is_live else getattr(coder, "alpha_", None)


def wanted_penalty(model, penalty):
    """Return the penalty, or the penalty of the coder; refuse penalties that are not separable."""
    if penalty is None:
        kind = getattr(model.dictionary, "_penalty_kind", None)  # other coders have an L1 norm
        penalty = "l1" if kind is None else kind()
    if getattr(penalty, "separable", None) is False:
        raise ValueError(
            "LISTAEncoder requires a separable penalty, because its steps shrink each component "
            f"separately; {type(penalty).__name__} is not separable. Set penalty='l1', which is "
            "compatible with any dictionary."
        )
    return penalty


class TaughtAtoms(Atoms):
    """Atoms that are not trained: an array, or the atoms of a fitted coder."""

    needs_new_moments = ("components_",)

    def __init__(self, n_components, dictionary, positive=False):
        super().__init__(n_components, dictionary)
        self.positive = positive

    def checked(self, given, n_components, like, name="dictionary"):
        if is_coder(given):
            given = _atoms_of(given, self.positive)
        return check_dictionary(given, n_components, like.shape[1], like.dtype, name)

    def normalized(self, dictionary, table=None):
        return dictionary

    def trainer(self, dictionary, encoder, table=None):
        return Trainer(Imitation(dictionary, encoder))


def _atoms_of(coder, positive):
    check_is_fitted(
        coder,
        msg="dictionary must be a fitted coder or an array of atoms, got an unfitted %(name)s. "
        "Call 'fit' on it first.",
    )
    if not hasattr(coder, "components_"):
        raise ValueError(
            "dictionary must be a coder with components_ or an array of atoms, got "
            f"{type(coder).__name__}."
        )
    if getattr(coder, "positive", False) and not positive:
        raise ValueError(
            "dictionary must be a coder with positive=False, got positive=True: the encoder "
            "predicts codes of both signs. Set encoder='drsae' for non-negative codes, or pass its "
            "components_ to learn codes of both signs."
        )
    return coder.components_


def _merit(entries):
    """Return the negative loss on held-out samples."""
    return -entries["validation"]


@dataclass(frozen=True)
class Optimum:
    """Optimal codes as targets.

    Attributes
    ----------
    energy : SparseEnergy
        Energy that the codes minimise.
    backend : str
        Name of the backend.
    how : dict
        Solver, tolerance and maximum number of iterations.
    """

    energy: Any
    backend: str
    how: dict

    def __call__(self, samples):
        """Return the samples with their optimal codes as a sparse array."""
        backend = resolve_backend(self.backend, samples.X)
        codes, _ = infer(
            self.energy, samples.X, backend=backend, mask=samples.mask, sparse_output=True,
            **self.how,
        )  # fmt: skip
        return replace(samples, target=codes, backend=backend)


class ImitationLearning(DictionaryLearning):
    """One call of `fit` or `partial_fit` of a `LISTAEncoder`."""

    @staticmethod
    def fixed_alpha(model, alpha, is_relative):
        """Return the weight that a value of alpha specifies; None if it depends on the data."""
        if is_relative:
            return None
        if alpha is None and is_coder(model.dictionary):
            alpha = _alpha_of(model.dictionary)
        return float(alpha) if isinstance(alpha, Real) else None

    def _alpha(self, trainer, data, weights, rows):
        model, last = self.model, self.model._last_state.fitted_with
        names = "alpha", "relative_alpha", "dictionary"
        is_kept = trainer is not None and all(  # users may have set `alpha_`
            is_same(getattr(model, name), last[name]) for name in names
        )
        return sparsity(model) if is_kept else super()._alpha(trainer, data, weights, rows)

    @functools.cached_property
    def schedule(self):
        """Learning rate for each completed fraction of training."""
        return learning_rate_schedule(self.model.learning_rate, AUTOMATIC_RATE)

    # --------------------------------------------------------------------------------- the trainer
    def _first_trainer(self, data, weights, first):
        model, alpha = self.model, self.model.alpha_
        size = data_size(data.X, weights, first, alpha)
        if self.atoms.is_fixed:
            return self._untrained(self.first.initial(data, weights)[0], size)
        drawn, _ = self.first.drawn or (None, None)  # alpha was computed with these atoms
        coder = SparseCoder(
            model.n_components, alpha=alpha, penalty=model._penalty_kind(), solver=model.solver,
            dictionary_init=drawn, max_time=model.max_time, code_max_iter=model.code_max_iter,
            code_tol=model.code_tol, backend=model.backend, random_state=self.first.random_state,
            verbose=model.verbose, missing_values=model.missing_values, positive=model.positive,
        )  # fmt: skip
        passed = data.X, weights, data.mask
        if data.source is not None:
            arrays = data.source.chunks.arrays
            passed = arrays["X"], arrays.get("sample_weight"), arrays.get("mask")
        try:
            _QuietLearning(coder, Attempt()).fit(*passed)
        except KeyboardInterrupt:
            if hasattr(coder, "components_"):
                keep(model, self._untrained(copied(coder.components_), size))
            raise
        return self._untrained(copied(coder.components_), size)

    def _untrained(self, dictionary, size):
        model = self.model
        encoder = ENCODERS[model.encoder].from_dictionary(
            dictionary, LinearDecoder(dictionary).lipschitz, self._thresholds(dictionary.shape[0]),
            scale=Scale.of(dictionary, size), n_steps=int(model.n_steps), tied=bool(model.tied),
        )  # fmt: skip
        return Trainer(Imitation(dictionary, encoder))

    def _thresholds(self, n_components):
        """Return the weight of the penalty of each component."""
        penalty = new_penalty(self.model, n_components)
        return self.model.alpha_ * (penalty.weights if offers(penalty, "weights") else 1.0)

    def _follow(self, trainer, data):
        model = self.model
        self._require_same(trainer)
        penalty = new_penalty(model, trainer.criterion.dictionary.shape[0])
        criterion, is_auto = trainer.criterion, isinstance(model.learning_rate, str)
        loss = LOSSES[model.loss](SparseEnergy(LinearDecoder(criterion.dictionary), penalty))
        criterion.follow(loss, self.schedule, data.backend.name, keeps_damping=is_auto)

    def _require_same(self, trainer):
        super()._require_same(trainer)
        encoder = trainer.criterion.encoder
        (held,) = (name for name in UNROLLED_ENCODERS if type(encoder) is ENCODERS[name])
        for name, value in (
            ("encoder", held), ("n_steps", encoder.n_steps), ("tied", encoder.is_tied)
        ):  # fmt: skip
            require_equal(self.model, name, value)

    # -------------------------------------------------------------------------------------- passes
    @staticmethod
    def reports(trainer):
        """Return the fitted attributes that record the progress of learning."""
        return {**curves_of(trainer), **trainer.curves.attributes("validation")}

    def _has_work(self):
        return True

    def _samples(self, trainer, data, weights):
        """Return the samples, with optimal codes as a sparse array if the loss requires them."""
        samples = samples_of(data, weights, Samples(None, dtype=trainer.dtype))
        if not trainer.criterion.loss.needs_optimum:
            return samples
        model = self.model
        decoder = LinearDecoder(trainer.criterion.dictionary).astype(data.X.dtype)
        penalty = new_penalty(model, trainer.criterion.dictionary.shape[0])
        how = {
            "solver": model.solver, "tol": float(model.code_tol),
            "max_iter": int(model.code_max_iter),
        }  # fmt: skip
        return samples.with_targets(Optimum(SparseEnergy(decoder, penalty), data.backend.name, how))

    def _make_passes(self, trainer, data, weights, random_state, context):
        trainer.begin()
        model = self.model
        samples = self._samples(trainer, data, weights)
        rows, index = self._split(data.n_samples, all_weights(data, weights), random_state)
        held_out = samples.fetch(rows)
        batch_size = model._batch_sizes.of_pass(model.batch_size, data.n_samples)
        plan = Plan(int(model.max_iter), batch_size, random_state, model.max_time)
        try:
            outcome = trainer.run(
                samples.part(index), self._policies([held_out]), plan, model, context
            )
        finally:
            keep(model, trainer)
        of_zero = loss_of_zero(trainer.criterion.loss, held_out)
        warn_of(complaint(self, trainer, outcome) or self._no_gain(of_zero))

    def _policies(self, held_out):
        """Return policies that keep the best parameters on held-out samples and reduce the rate."""
        model, best = self.model, KeepBest(lambda trainer: watch.merit)
        retry = [BackOff(best)] if isinstance(model.learning_rate, str) else []
        watch = HeldOut(held_out, _merit, is_guarded=True, recovering=retry)
        policies = [watch, best, *retry]
        if model.tol > 0:
            then = SlowDown(best).is_exhausted
            patience = int(model.n_iter_no_change)
            policies.append(Patience(watch, patience, float(model.tol), then))
        return policies

    def _policies_once(self):
        best = KeepBest(least_objective, always=False)
        retry = [SlowDown(best)] if isinstance(self.model.learning_rate, str) else []
        return [ConfirmLastStep(retry), best, *retry]

    def _split(self, n_samples, weights, random_state):
        """Return rows for evaluation and rows for training, among the rows with a weight."""
        weighs = np.ones(n_samples) if weights is None else to_host(weights)
        order = random_state.permutation(np.flatnonzero(weighs) if weighs.any() else n_samples)
        n_held_out = min(int(float(self.model.validation_fraction) * len(order)), MOST_HELD_OUT)
        if n_held_out < FEWEST_HELD_OUT:
            return np.sort(order[:MOST_HELD_OUT]), None
        return np.sort(order[:n_held_out]), np.sort(order[n_held_out:])

    def _no_gain(self, of_zero):
        """Return a warning if no pass improved on the initial parameters. Empty otherwise."""
        curve = self.model.validation_curve_
        if curve.argmin() == 0 and curve[0] > ROUNDING * of_zero:
            limits = "max_iter" if self.model.max_time is None else "max_iter and max_time"
            return (
                f"No pass improved on the initial loss of {curve[0]:.3g}; the initial parameters "
                f"are kept. Train on more samples, increase {limits}, or set learning_rate='auto'."
            )
        return ""
