"""Parts of a fitted sparse model, and the fitted attributes that expose them.

Learning creates a `Fitted`, and the fitted attributes are read-only views of its arrays. If a user
replaces an attribute, a new `Fitted` is created from the attributes.
"""

from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np

from sklearn_ebm.backends import array_namespace, copied, in_type, read_only
from sklearn_ebm.factors import SparseEnergy, check_alpha, degree_of, resolve_penalty
from sklearn_ebm.factors.encoders import placed
from sklearn_ebm.inputs._checks import (
    check_weight,
    require_atoms,
    require_castable,
    require_magnitude,
)
from sklearn_ebm.layers._state import form_of, is_same
from sklearn_ebm.protocols import offers
from sklearn_ebm.solvers import refuse_underflow
from sklearn_ebm.solvers._inference import infer


@dataclass(eq=False)
class Fitted:
    """Parts of a fitted model.

    Attributes
    ----------
    decoder : LinearDecoder or ConvolutionalDecoder
        Contains the dictionary, and caches values derived from it.
    encoder : encoder factor or None, default=None
        None if the model has no encoder.
    table : array of bool or None, default=None
        Connections of the filters of a convolutional model. None if all filters read all channels.
    penalty : penalty factor
        Penalty on the codes, weighted by alpha.
    pools : Pools or None
        Pools of the penalty, if the model has pools.
    positive : bool
        Whether codes are constrained to be non-negative.
    alpha : float
        Weight of the penalty.
    beta : float, default=0.0
        Weight of the prediction term of the energy.
    inference : dict
        Solver, tolerance and number of iterations of `infer`.
    is_optimal : bool, default=True
        Whether features are optimal codes. If False, they are predictions of the encoder.
    refusal : str, default=""
        Reason why the encoder cannot be used with the current parameters. Empty if it can.
    """

    decoder: Any
    encoder: Any = None
    table: Any = None
    penalty: Any = None
    pools: Any = None
    positive: bool = False
    alpha: float = 1.0
    beta: float = 0.0
    inference: Any = None
    is_optimal: bool = True
    refusal: str = ""

    def decoder_of(self, shape, dtype, backend):
        """Return the decoder for samples of a given shape and type."""
        dtype = np.dtype(dtype)
        require_castable(self.decoder.dictionary, dtype)
        return self.decoder.for_samples(shape).astype(dtype).on(backend)

    def energy(self, data):
        """Return the energy of some samples."""
        decoder = self.decoder_of(data.shape, data.X.dtype, data.backend)
        return SparseEnergy.of(decoder, self.penalty, self.beta)

    def code(self, data, sparse_output=False):
        """Return the features: optimal codes, or predictions of the encoder."""
        return self.optimal(data, sparse_output) if self.is_optimal else self.encode(data)

    def encode(self, data):
        """Return f(X)."""
        if self.refusal:
            raise ValueError(self.refusal)
        return self._predictor(data)(data.rows)

    def _predictor(self, data):
        encoder = self.encoder.astype(data.X.dtype).for_samples(data.shape)
        return encoder.on(data.backend).forward

    def _prediction(self, data):
        """Return a function that predicts codes, or None if the energy has no prediction term."""
        return self._predictor(data) if self.beta else None

    def optimal(self, data, sparse_output=False):
        """Return argmin_z E(x, z) of each sample."""
        code, _ = infer(
            self.energy(data), data.rows, backend=data.backend, mask=data.observed,
            prediction=self._prediction(data), sparse_output=sparse_output, **self.inference,
        )  # fmt: skip
        return code

    def _predicted(self, data):
        """Return the predicted codes, or None if the energy has no prediction term."""
        prediction = self._prediction(data)
        return None if prediction is None else prediction(data.rows)

    def value(self, data, code):
        """Return E(x, z) of each sample and its code."""
        return self.energy(data).value(data.rows, code, self._predicted(data), data.observed)

    def duality_gap(self, data, code):
        """Return the duality gap of each code, in units of ||x||^2 / 2.

        It is infinite for codes that violate a constraint, and if it overflows in float64.
        """
        data = replace(data, X=_in_double(data.X), mask=_in_double(data.mask))
        problem = self.energy(data).problem(data.rows, self._predicted(data), data.observed)
        refuse_underflow(problem)
        code = _in_double(code)
        with np.errstate(over="ignore", invalid="ignore"):
            gap = problem.on(data.backend).relative_gap(code)
        xp = array_namespace(gap)
        refuted = xp.isnan(gap)
        if self.positive:
            refuted = refuted | xp.any(code < 0, axis=1)
        return xp.where(refuted, xp.inf, gap)


def _in_double(array):
    return None if array is None else in_type(array, np.float64)


# ------------------------------------------------------------------------------- fitted attributes
ENCODER_VIEWS = {  # fitted attributes that are parameters of the encoder
    "encoder_components_": lambda encoder: encoder.filters,
    "encoding_weights_": lambda encoder: encoder.parameters["weights"],
    "lateral_weights_": lambda encoder: encoder.parameters["lateral"],
    "thresholds_": lambda encoder: encoder.parameters["threshold"],
}
LEARNED_BY_PENALTIES = ("inhibition_", "what_components_")  # a model has at most one of them
VIEWS = {
    "components_": lambda fitted: fitted.decoder.dictionary,
    "encoder_": lambda fitted: fitted.encoder.read_only(),
    "connections_": lambda fitted: fitted.table,
    "pool_weights_": lambda fitted: np.array(fitted.pools.weights),
    "alpha_": lambda fitted: fitted.alpha,
    **dict.fromkeys(LEARNED_BY_PENALTIES, lambda fitted: fitted.penalty.learned),
}


def published(fitted, names):
    """Return the fitted attributes that define the model, by name."""
    if not offers(fitted.penalty, "learned"):
        names = [name for name in names if name not in LEARNED_BY_PENALTIES]
    return {
        name: VIEWS[name](fitted) if name in VIEWS else ENCODER_VIEWS[name](fitted.encoder)
        for name in names
    }


def compose(model, decoder, encoder=None, table=None, refusal="", learned=None):
    """Return the parts of a model for its current parameters.

    `learned` contains the parameters of the penalty that were learned; None uses initial values.
    """
    prediction = model._prediction()
    beta = 0.0 if prediction is None else prediction.beta
    penalty = new_penalty(model, decoder.dictionary.shape[0], learned)
    tol, max_iter = float(model.code_tol), int(model.code_max_iter)
    inference = {"solver": model.solver, "tol": tol, "max_iter": max_iter}
    is_optimal = encoder is None or model.inference == "optimal"
    return Fitted(
        decoder,
        encoder,
        table,
        penalty,
        model._pools,
        bool(model.positive),
        sparsity(model),
        beta,
        inference,
        is_optimal,
        refusal,
    )


def has_table(model):
    """Return whether a model has filters that read only some of the channels."""
    return "connections_" in model._model_attributes


def sparsity(model):
    """Return the weight of the penalty: the parameter, or its value in the last fit."""
    is_number = not (isinstance(model.alpha, str) or model.relative_alpha)
    is_live = model._alpha_is_live and is_number
    return float(model.alpha if is_live else model.alpha_)


def check_share(model):
    """Refuse values of alpha that are not a share of another alpha if they must be."""
    if model.relative_alpha and not (isinstance(model.alpha, Real) and model.alpha <= 1):
        raise ValueError(
            "alpha must be a number greater than 0 and at most 1 with relative_alpha=True, got "
            f"{model.alpha!r}. With a share of 1, all codes are zero for the initial atoms."
        )


def new_penalty(model, n_components, learned=None):
    """Return the penalty factor described by the parameters, with what was learned if possible."""
    kind, positive = model._penalty_kind(), bool(model.positive)
    check_alpha(kind, model.alpha)
    check_share(model)
    if isinstance(model.alpha, str):
        degree_of(kind)
    factor = resolve_penalty(kind, n_components, sparsity(model), positive)
    if learned is not None and offers(factor, "with_learned"):
        factor = factor.with_learned(learned)
    return model._atoms().penalty(factor, n_components)


def first_threshold(model, dictionary):
    """Return the threshold of an initial encoder: alpha, or the slope of a concave penalty.

    The alpha of a penalty that is not of degree one has another unit than the codes.
    """
    if getattr(model._penalty_kind(), "degree", 1) in (1, None):
        return sparsity(model)
    penalty = new_penalty(model, dictionary.shape[0])
    return penalty.first.alpha if offers(penalty, "first") else sparsity(model)


def learned_before(model):
    """Return the parameters of the penalty that earlier calls have learned, or None."""
    parts = model._last_state.parts
    return None if parts is None else getattr(parts.penalty, "learned", None)


def keep(model, trainer):
    """Set the fitted attributes from the state of learning."""
    vars(model).update(fitted_attributes(model, trainer))


def row_decoder(model):
    """Return the decoder for samples that are passed as rows."""
    shape = model._inputs().shape_of_rows(model._sample_shape)
    return model._state.parts.decoder.for_samples(shape)


def read(model, X, mask):
    """Check the samples of a method other than `fit` and `partial_fit`, and return them."""
    data, parts = model._inputs().read(model, X, mask), model._state.parts
    check_weight(parts.alpha, data.X.dtype, "alpha")
    if parts.beta:
        check_weight(parts.beta, data.X.dtype, "beta")
    return data


def fitted_attributes(model, trainer):
    """Return the fitted attributes by name, from the state of learning."""
    atoms, criterion = model._atoms(), trainer.criterion
    table = atoms.table_of(criterion) if has_table(model) else None
    decoder = atoms.decoder(copied(criterion.dictionary), model._sample_shape)
    encoder = criterion.encoder
    if encoder is not None:
        encoder = atoms.encoders.to_use(encoder.copy(), table)
    parts = compose(model, decoder, encoder, table, learned=criterion.learned)
    reports = model._learning.reports(trainer)
    return model._left(trainer, {**reports, **published(parts, model._model_attributes)}, parts)


def new_trainer(model, trainer, replaced):
    """Return a trainer that starts from the fitted attributes, and moments that remain valid."""
    parts, atoms = model._state.parts, model._atoms()
    encoder = parts.encoder
    if encoder is not None:
        encoder = encoder.copy()
        encoder.project()
    if trainer is None or not replaced.isdisjoint(atoms.needs_new_moments):
        dictionary = copied(parts.decoder.dictionary)
        dictionary = dictionary if atoms.is_fixed else atoms.normalized(dictionary, parts.table)
        return atoms.trainer(dictionary, encoder, parts.table)
    if encoder is not None:
        trainer.criterion.replace_encoder(encoder)
    return trainer


# ------------------------------------------------------- from attributes that users have replaced
def take_over(model, state, replaced):
    """Return the parts of a model from its attributes, some of which were replaced."""
    atoms = model._atoms()
    _check_alpha(model, state)
    decoder = _decoder_from(model, state, replaced, atoms)
    table, encoder, refusal = _table_from(model, state, replaced, atoms), None, ""
    if "encoder_" in model._model_attributes:
        encoder = atoms.encoders.to_use(_encoder_from(model, state, replaced), table)
        if model._prediction() is not None and model.inference == "encoder":
            refusal = _refusal(model, state)
    try:
        parts = compose(model, decoder, encoder, table, refusal, _learned_from(model, state))
    except ValueError as error:
        raise ValueError(f"{error} Call fit to learn a model for this penalty.") from error
    if replaced or state.parts is None:
        attributes = published(parts, model._model_attributes)
        attributes["alpha_"] = model.alpha_  # of the last fit, even if alpha has changed
        vars(model).update({name: read_only(value) for name, value in attributes.items()})
    return parts


def _check_alpha(model, state):
    if not (isinstance(model.alpha_, Real) and 0 < model.alpha_ < np.inf):
        raise ValueError(f"alpha_ must be a positive number, got {model.alpha_!r}.")
    names = "alpha", "relative_alpha"
    now = tuple(getattr(model, name) for name in names)
    before = tuple(state.fitted_with.get(name, getattr(model, name)) for name in names)
    is_fixed, was_fixed = (
        model._learning.fixed_alpha(model, *each) is not None for each in (now, before)
    )
    is_same_share = now == before or not (now[1] or before[1])  # "scale" and None are the same
    if not is_fixed and (was_fixed or not is_same_share):
        raise ValueError(
            f"{_alpha_in_words(*now)} depends on the training data, but this "
            f"{type(model).__name__} was fitted with {_alpha_in_words(*before)}. Call fit with "
            "warm_start=False to learn with the new value."
        )


def _alpha_in_words(alpha, is_relative):
    return f"alpha={alpha!r}" + (" and relative_alpha=True" if is_relative else "")


def _refusal(model, state):
    """Return why the encoder cannot be used with the current parameters. Empty if it can."""
    change = model._change_since_fit(model._needs_fit_to_encode, state.fitted_with)
    return change and f"{change} To compute optimal codes without a fit, set inference='optimal'."


def _decoder_from(model, state, replaced, atoms):
    """Return the decoder of the fitted attributes, or the last one if its atoms are the same."""
    if state.parts is None or "components_" in replaced:
        dictionary = copied(model._checked_attribute("components_", state))
        require_atoms(dictionary, "components_")
        return atoms.decoder(dictionary, model._sample_shape)
    decoder = state.parts.decoder
    if state.is_open or not atoms.suits(decoder):  # cached values may be out of date
        return atoms.decoder(decoder.dictionary, model._sample_shape)
    return decoder


def _table_from(model, state, replaced, atoms):
    """Return the table of connections, which the user may have replaced."""
    if not has_table(model):
        return None
    if state.parts is not None and "connections_" not in replaced:
        return state.parts.table
    return atoms.checked_table(model.connections_, model.components_)


def _learned_from(model, state):
    """Return learned parameters of the penalty, which the user may have replaced, or None."""
    for name in LEARNED_BY_PENALTIES:
        if name in model._model_of(vars(model)):
            return model._checked_attribute(name, state)
    return None


def _encoder_from(model, state, replaced):
    """Return the encoder, which the user may have replaced as a whole or in parts."""
    last = None if state.parts is None else state.parts.encoder
    if last is not None and not replaced - {"components_"}:
        return last
    encoder, form = model.encoder_, form_of(model.encoder_)
    kind, names = state.forms.get("encoder_", form or ("fitted encoder", ()))
    if form != (kind, names):
        raise ValueError(
            f"encoder_ must be a {kind} with the parameters {[*names]}, got {encoder!r}."
        )
    parameters = {
        name: placed(model._checked_attribute(f"encoder_.{name}", state)) for name in names
    }
    for name, value in parameters.items():
        require_magnitude(value, f"encoder_.{name}")
    encoder = type(encoder)(parameters, **encoder.settings)
    for name in replaced & ENCODER_VIEWS.keys():
        room = ENCODER_VIEWS[name](encoder)
        room[...] = model._checked_attribute(name, state)
        require_magnitude(room, name)
    _require_allowed(encoder)
    return encoder


def _require_allowed(encoder):
    """Refuse parameters that are out of range, such as negative thresholds."""
    projected = encoder.copy()
    projected.project()
    for name, value in encoder.parameters.items():
        if name != "weights" and not is_same(value, projected.parameters[name]):
            raise ValueError(
                f"encoder_.{name} contains values out of range. See encoder_.project() for the "
                "valid range."
            )
