"""Energy and chains of `EnergyModel`, its fitted attributes, and methods that depend on them."""

import copy
import operator
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state, check_scalar

from sklearn_ebm._sklearn import ExampleOf, HasMethods, StrOptions
from sklearn_ebm.backends import array_namespace, copied, read_only, resolve_backend, to_host
from sklearn_ebm.backends._random import Stream
from sklearn_ebm.estimators._energy_model_losses import (
    Setting,
    contrast_for,
    is_binary,
    loss_of,
    optimizer_of,
    require_spread,
    require_values,
    sampler_of,
    selection_of,
    warn_of_flat_directions,
    warn_of_free_directions,
)
from sklearn_ebm.estimators._gradient_learning import require_same, trainer_for
from sklearn_ebm.factors._flip_losses import FLIP_LOSSES
from sklearn_ebm.factors.energies import MODEL_ENERGIES
from sklearn_ebm.inputs._adapters import Rows
from sklearn_ebm.inputs._checks import require_magnitude
from sklearn_ebm.inputs._moments import moments
from sklearn_ebm.inputs._rows import dense_rows
from sklearn_ebm.learning.contrasts import NoiseContrastive
from sklearn_ebm.learning.criteria import Shaping
from sklearn_ebm.protocols import offers, require

ENERGY_FUNCTION = [  # constraint of the parameter `energy_function`
    StrOptions(set(MODEL_ENERGIES)),
    ExampleOf("first", "ExpertEnergy('l2', groups=4)"),
    HasMethods(["value", "parameter_gradients"]),
]
PIECE_ROWS = 512  # number of samples whose energies are computed at once


class Form(NamedTuple):
    """A fitted attribute that holds a parameter of an energy, in another form.

    Attributes
    ----------
    name : str
        Name of the attribute.
    outward, inward : callable or None, default=None
        Function that returns the attribute for the parameter, and its inverse. None is the
        identity.
    """

    name: str
    outward: Any = None
    inward: Any = None


def _transposed(values):
    return values.T


def _exp(values):
    return array_namespace(values).exp(values)


def _log(values):
    return array_namespace(values).log(values)


ATTRIBUTES = {  # by the names of the parameters
    "weights": Form("components_", _transposed, _transposed),  # filters are columns of W
    "bias": Form("intercept_"),
    "hidden_bias": Form("intercept_hidden_"),
    "visible_bias": Form("intercept_visible_"),
    "strengths": Form("strengths_"),
    "log_strengths": Form("strengths_", _exp, _log),
    "center": Form("center_"),
    "precision": Form("precision_"),
    "log_precision": Form("precision_", _exp, _log),
    "couplings": Form("couplings_"),
}
ATTRIBUTE_NAMES = (*dict.fromkeys(form.name for form in ATTRIBUTES.values()),)
POSITIVE = ("log_strengths", "log_precision")  # their attributes must be positive


def trainer_with(model, trainer, data, weight, random_state, schedule, is_whole):
    """Return a trainer with the current parameters of a model, which may continue another one.

    Parameters
    ----------
    model : EnergyModel
        Its parameters.
    trainer : Trainer or None
        Trainer of the previous fit, if learning continues.
    data : Data
        Samples.
    weight : array of shape (n_samples,) or None
        Weights of the samples.
    random_state : numpy.random.RandomState
        Generator of the initial parameters, of the noise and of the chains.
    schedule : callable
        Learning rate.
    is_whole : bool
        Whether all samples of the fit are given, and not only a chunk.
    """
    selection = selection_of(data.X, weight)
    if trainer is None:
        base = moments(selection, True)
        energy = first_energy(model, base, data.X, random_state)
        criterion, stream = Shaping(energy, base), Stream(random_state)
    else:
        require_same(model)
        criterion, stream = trainer.criterion, trainer.stream
    setting = Setting(model, criterion.energy, selection, criterion)
    contrast = contrast_for(setting)
    contrast.seed = stream.seed
    require_values(model, criterion.energy, data.X)
    if not is_binary(criterion.energy):
        require_spread(criterion.base)
    warn_of_flat_directions(contrast, setting)
    if contrast.takes_densities:
        warn_of_free_directions(criterion.energy, f"loss={loss_of(model, criterion.energy)!r}")
    optimizer = optimizer_of(model, contrast, data.n_samples, is_whole)
    decay, shard = float(model.weight_decay), None if trainer is None else trainer.shard
    criterion.follow(contrast, schedule, data.backend.name, optimizer, decay)
    trainer = trainer_for(criterion, stream, trainer)
    trainer.shard = first_shard(setting, contrast, shard, random_state)
    return trainer


# --------------------------------------------------------------------------------------- the energy
def first_energy(model, base, like, random_state):
    """Return the initial energy, in the dtype and on the device of an array.

    An object of the user is copied, in the type that it has.
    """
    function, (mean, deviation) = model.energy_function, base
    named = MODEL_ENERGIES.get(function) if isinstance(function, str) else None
    first = named or getattr(function, "first", None)
    if first is None:
        if model.n_components is not None:
            raise ValueError(
                f"n_components must be None if energy_function is an object with its own "
                f"parameters, got {model.n_components}."
            )
        return require_trainable(copy.deepcopy(function), like[:2])
    is_exact = model.loss == "maximum_likelihood"
    mean, scale = to_host(mean).astype(np.float64), _spread(deviation)
    energy = first(len(mean), model.n_components, mean, random_state, exact=is_exact, scale=scale)
    xp = array_namespace(like)
    arrays = {k: xp.asarray(v, dtype=like.dtype) for k, v in energy.parameters.items()}
    return energy.with_parameters(arrays).copy()


def require_trainable(energy, rows):
    """Return an energy of a user; refuse it if its parameters or results have another form."""
    start = f"energy_function {type(energy).__name__}"
    parameters = getattr(energy, "parameters", None)
    kinds = [
        getattr(each, "dtype", np.dtype(object)).kind for each in dict(parameters or {}).values()
    ]
    if not kinds or {*kinds} != {"f"}:
        raise ValueError(
            f"{start} must have an attribute `parameters`, a dictionary of arrays of floats."
        )
    value, weight = (
        energy.value(rows, None),
        array_namespace(rows).ones(len(rows), dtype=rows.dtype),
    )
    if np.shape(value) != (len(rows),):
        raise ValueError(
            f"{start} must return one energy for each row of x, got the shape {np.shape(value)} "
            f"for {len(rows)} rows."
        )
    gradients = energy.parameter_gradients(rows, None, weight)
    found = {name: np.shape(value) for name, value in gradients.items()}
    expected = {name: tuple(value.shape) for name, value in parameters.items()}
    if found != expected:
        raise ValueError(
            f"{start} must return gradients with the names and the shapes of its parameters, "
            f"{expected}, got {found}."
        )
    return energy


def copied_energy(energy):
    """Return an energy with copies of its parameters."""
    return energy.copy() if offers(energy, "copy") else copy.deepcopy(energy)


def frozen(energy):
    """Return a copy of an energy whose NumPy arrays are read-only."""
    energy = copied_energy(energy)
    for value in energy.parameters.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return energy


def usable(energy, dtype, backend):
    """Return an energy in a dtype, with the kernels of a backend."""
    if offers(energy, "astype"):
        energy = energy.astype(np.dtype(dtype))
    return energy.on(backend) if offers(energy, "on") else energy


def energy_from(model, state, replaced):
    """Return the energy of the fitted attributes, which the user may have replaced.

    Returns
    -------
    energy : Energy
        The energy.
    attributes : dict
        The attributes that define the model, and those derived from them.
    """
    if "energy_function_" in replaced:
        _require_energy(model)
    energy = copied_energy(model.energy_function_)
    forms = {} if "energy_function_" in replaced else ATTRIBUTES
    for name, form in forms.items():
        if form.name in vars(model) and name in energy.parameters:
            value = model._checked_attribute(form.name, state)
            require_magnitude(value, form.name)
            if name in POSITIVE and not bool((value > 0).all()):
                raise ValueError(f"{form.name} must be positive, got {float(value.min()):.4g}.")
            energy.parameters[name][...] = value if form.inward is None else form.inward(value)
    return energy, {name: read_only(value) for name, value in published(energy).items()}


def _require_energy(model):
    """Refuse a value of `energy_function_` that is not an energy of the samples."""
    energy, methods = model.energy_function_, ("value", "parameter_gradients")
    if isinstance(energy, type) or not all(callable(getattr(energy, m, None)) for m in methods):
        raise ValueError(
            "energy_function_ must be an energy with the methods 'value' and "
            f"'parameter_gradients', got {energy!r}. To learn another energy, set the parameter "
            "energy_function and call fit."
        )
    require_trainable(energy, model.mean_[None, :])


def published(energy):
    """Return the fitted attributes that define the model, by name."""
    kept = frozen(energy)
    attributes = {"energy_function_": kept}
    for name, value in kept.parameters.items():
        if name in ATTRIBUTES:
            form = ATTRIBUTES[name]
            attributes[form.name] = value if form.outward is None else form.outward(value)
    return attributes


def fitted_attributes(model, trainer):
    """Return the fitted attributes by name, from the state of learning."""
    criterion, curves = trainer.criterion, trainer.curves
    energy, (mean, scale) = copied_energy(criterion.energy), criterion.base
    attributes = {
        **published(energy),
        "mean_": copied(mean),
        "scale_": copied(scale),
        "loss_": loss_of(model, energy),
        **curves.attributes("objective", "seconds"),
    }
    if isinstance(criterion.contrast, NoiseContrastive):
        attributes["_log_normalizer"] = float(criterion.contrast.log_normalizer[0])
    attributes["_n_outputs"] = _n_outputs(energy, mean)
    return model._left(trainer, attributes, energy)


def _n_outputs(energy, mean):
    if not offers(energy, "responses"):
        return 0
    return energy.responses(array_namespace(mean).zeros_like(mean)[None, :]).shape[1]


# -------------------------------------------------------------------------- methods by the model
def for_each_piece(model, X, function):
    """Return the values of function(energy, rows) for all samples."""
    model._ready()
    data = Rows().read(model, X, degree=4)
    require_values(model, model._state.parts, data.X, is_learning=False)
    energy = usable(model._state.parts, data.X.dtype, data.backend)
    n_rows, parts = data.X.shape[0], {}

    def work(first, last):
        with np.errstate(over="ignore"):
            parts[first] = function(energy, data.X[first:last])

    data.backend.map_pieces(work, n_rows, PIECE_ROWS)
    result = array_namespace(data.X).concat([parts[first] for first in sorted(parts)])
    return result if result.dtype == data.X.dtype else result.astype(data.X.dtype)


def log_partition_of(model):
    """Return log Z, exact or the estimate of noise-contrastive estimation.

    Raises
    ------
    AttributeError
        If it is unknown.
    """
    energy = model._state.parts
    if offers(energy, "log_partition"):
        with np.errstate(all="ignore"):
            return float(energy.log_partition())
    if "_log_normalizer" in vars(model):
        return -model._log_normalizer
    raise AttributeError(
        "The normalising constant of the density is not known for this energy. "
        "loss='noise_contrastive' estimates it."
    )


def has_density(model):
    """Raise an AttributeError if log Z is unknown."""
    _ = model.log_partition_
    return True


def goodness(energy, rows):
    """Return how well the energy fits each sample, without the normalising constant."""
    xp = array_namespace(rows)
    if is_binary(energy) and offers(energy, "flips"):
        losses = FLIP_LOSSES["pseudo_likelihood"].value(-energy.flips(rows).changes())
        return -xp.mean(losses, axis=1)
    if offers(energy, "derivatives"):
        derivatives = energy.derivatives(rows)
        slope = derivatives.gradient()
        return derivatives.laplacian() - xp.sum(slope * slope, axis=1) / 2
    return -energy.value(rows, None)


# ---------------------------------------------------------------------------------------- chains
def first_shard(setting, contrast, shard, random_state):
    """Return the state of the chains of a contrast, or None if it has none.

    Parameters
    ----------
    setting : Setting
        The data, at which chains start.
    contrast : Contrast
        The contrast.
    shard : object or None
        State with which learning has begun. It is kept if the number of chains is the same.
    random_state : numpy.random.RandomState
        Generator that chooses the samples.
    """
    if not contrast.has_chains:
        return None
    model, (X, rows, dtype, weights, _) = setting.model, setting.selection
    n_chains = int(model.n_chains) if contrast.is_persistent else 0
    if shard is not None and shard.particles.shape[0] == n_chains:
        return shard
    shares = None if weights is None else weights[rows] / weights[rows].sum()
    starts = random_state.choice(rows, n_chains, p=shares)
    return contrast.sampler.start(dense_rows(X, starts, dtype), _spread(setting.criterion.base[1]))


def drawn_samples(model, n_samples, n_burn_in, random_state):
    """Return samples of a fitted model, from chains that start at independent features."""
    n_samples, n_burn_in = operator.index(n_samples), operator.index(n_burn_in)
    check_scalar(n_samples, "n_samples", Integral, min_val=1)
    check_scalar(n_burn_in, "n_burn_in", Integral, min_val=0)
    stream = Stream(check_random_state(random_state))
    mean, scale = model.mean_, model.scale_
    backend = resolve_backend(model.backend, mean)
    energy = usable(model._state.parts, mean.dtype, backend)
    start = _independent(energy, n_samples, (mean, scale), stream, backend)
    if n_burn_in == 0:
        return start
    sampler = sampler_of(model, energy)
    for capability in sampler.requires:
        require(energy, capability, "sample requires an energy", "Define it.")
    warn_of_free_directions(energy, "sample")
    state = sampler.move(energy, sampler.start(start, _spread(scale)), stream, n_burn_in)
    return state.particles


def _independent(energy, n_samples, base, stream, backend):
    """Return samples of independent features with the moments of the training data."""
    mean, scale = base
    xp = array_namespace(mean)
    start = xp.zeros((n_samples, mean.shape[0]), dtype=mean.dtype)
    if is_binary(energy):
        backend.uniform(start, stream.key())
        return xp.asarray(start < mean, dtype=mean.dtype)
    backend.add_normal(start, xp.asarray(scale, copy=True), stream.key())
    start += mean
    return start


def _spread(scale):
    """Return the root mean square of the deviations, one if all features are constant."""
    xp = array_namespace(scale)
    spread = float(xp.mean(scale * scale)) ** 0.5
    return spread if spread > 0 else 1.0
