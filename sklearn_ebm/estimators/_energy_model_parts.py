"""Energies, losses and samplers of `EnergyModel`, chosen by its parameters and the data."""

import copy
import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm._sklearn import ExampleOf, HasMethods, StrOptions
from sklearn_ebm._warnings import warn
from sklearn_ebm.backends import array_namespace, copied, read_only, to_host
from sklearn_ebm.backends._random import Stream
from sklearn_ebm.estimators._gradient_learning import require_same, trainer_for
from sklearn_ebm.factors._flip_losses import FLIP_LOSSES
from sklearn_ebm.factors.energies import MODEL_ENERGIES
from sklearn_ebm.inputs._checks import check_weight, require_magnitude
from sklearn_ebm.inputs._moments import Selection, covariance, moments
from sklearn_ebm.inputs._rows import dense_rows
from sklearn_ebm.learning.contrasts import (
    BinaryNoise,
    Chains,
    DenoisingScoreMatching,
    GaussianNoise,
    Likelihood,
    Neighbours,
    NoiseContrastive,
    ScoreMatching,
)
from sklearn_ebm.learning.criteria import Shaping
from sklearn_ebm.protocols import offers, require
from sklearn_ebm.solvers import FlipSampler, HamiltonianSampler

ENERGY_FUNCTION = [  # constraint of the parameter `energy_function`
    StrOptions(set(MODEL_ENERGIES)),
    ExampleOf("first", "ExpertEnergy('l2', groups=4)"),
    HasMethods(["value", "parameter_gradients"]),
]
LARGEST_LINE_SEARCH = 50_000  # samples up to which optimizer="auto" is L-BFGS
LARGEST_RESPONSE = 30.0  # standard deviation of responses in score matching
SMALLEST_LIMIT = 3.0  # likewise if there are few samples
SAMPLES_PER_FILTER = 4.0  # samples per feature that a filter of unit response requires
ROWS_OF_START = 1000  # samples whose mean energy determines the first normalising constant
FLAT = 1e-8  # share of the mean variance below which a direction has no variance


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


@dataclass(frozen=True)
class Setting:
    """What the construction of a contrast depends on.

    Attributes
    ----------
    model : EnergyModel
        Its parameters.
    energy : Energy
        The energy.
    selection : Selection
        The data.
    criterion : Shaping
        Holds the moments of the first data, and the contrast with which learning has begun.
    """

    model: Any
    energy: Any
    selection: Any
    criterion: Any

    @functools.cached_property
    def covariance(self):
        """Covariance of the data, in double precision on the host."""
        return covariance(self.selection, self.criterion.base[0])


class Loss(NamedTuple):
    """A loss by name.

    Attributes
    ----------
    kind : type
        Class of the contrast.
    make : callable
        Returns the contrast for a `Setting`.
    """

    kind: Any
    make: Any


def _score_matching(setting):
    criterion, previous = setting.criterion, setting.criterion.contrast
    if isinstance(previous, ScoreMatching):
        return previous
    matrix = setting.covariance
    n_features = len(matrix)
    matrix = matrix + FLAT * np.trace(matrix) / n_features * np.eye(n_features)
    most = len(setting.selection.rows) / (SAMPLES_PER_FILTER * n_features)
    xp = array_namespace(criterion.base[0])
    matrix = xp.asarray(matrix, dtype=criterion.dtype)
    return ScoreMatching(matrix, min(LARGEST_RESPONSE, max(SMALLEST_LIMIT, most)))


def _denoising(setting):
    level = float(setting.model.noise_level)
    check_weight(level, setting.criterion.dtype, "noise_level")
    return DenoisingScoreMatching(level)


def _noise_contrastive(setting):
    ratio, previous = int(setting.model.noise_ratio), setting.criterion.contrast
    if isinstance(previous, NoiseContrastive):
        return NoiseContrastive(previous.noise, ratio, previous.log_normalizer)
    mean, _ = setting.criterion.base
    if is_binary(setting.energy):
        noise = BinaryNoise.of(to_host(mean).astype(np.float64))
    else:
        noise = GaussianNoise.of(to_host(mean).astype(np.float64), setting.covariance)
    X, rows, dtype, *_ = setting.selection
    sample = dense_rows(X, rows[:: max(1, len(rows) // ROWS_OF_START)], dtype)
    noise = noise.like(sample)
    return NoiseContrastive(noise, ratio, noise.normalizer_of(setting.energy, sample))


def _neighbours(name):
    return lambda setting: Neighbours(name)


def _chains(is_persistent):
    def make(setting):
        n_steps = int(setting.model.n_sampling_steps)
        return Chains(sampler_of(setting.model, setting.energy), n_steps, is_persistent)

    return make


LOSSES = {
    "maximum_likelihood": Loss(Likelihood, lambda setting: Likelihood()),
    "score_matching": Loss(ScoreMatching, _score_matching),
    "denoising_score_matching": Loss(DenoisingScoreMatching, _denoising),
    "ratio_matching": Loss(Neighbours, _neighbours("ratio_matching")),
    "minimum_probability_flow": Loss(Neighbours, _neighbours("minimum_probability_flow")),
    "pseudo_likelihood": Loss(Neighbours, _neighbours("pseudo_likelihood")),
    "noise_contrastive": Loss(NoiseContrastive, _noise_contrastive),
    "cd": Loss(Chains, _chains(False)),
    "pcd": Loss(Chains, _chains(True)),
}
AUTOMATIC = ("score_matching", "minimum_probability_flow", "maximum_likelihood")


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
def is_binary(energy):
    """Return whether the samples of an energy consist of zeros and ones."""
    return offers(energy, "is_binary") and bool(energy.is_binary)


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
    return hasattr(model, "log_partition_")


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


# ----------------------------------------------------------------------------------------- the loss
def loss_of(model, energy):
    """Return the name of the loss: the parameter, or the choice of "auto"."""
    if model.loss != "auto":
        return model.loss
    fitting = fitting_losses(energy)
    return next(name for name in (*AUTOMATIC, "noise_contrastive") if name in fitting)


def fitting_losses(energy):
    """Return the names of the losses that an energy can serve, in the order of `LOSSES`."""
    return [
        name
        for name, (kind, _) in LOSSES.items()
        if _suits(kind, energy) and all(offers(energy, each) for each in _needs(kind, energy))
    ]


def _suits(kind, energy):
    return kind.takes_binary if is_binary(energy) else kind.takes_real


def _needs(kind, energy):
    """Return the capabilities that a loss requires of an energy."""
    if kind is Chains:
        return (FlipSampler if is_binary(energy) else HamiltonianSampler).requires
    return kind.requires


def contrast_for(setting):
    """Return the contrast of a loss; refuse energies that cannot serve it."""
    model, energy = setting.model, setting.energy
    name = loss_of(model, energy)
    kind, make = LOSSES[name]
    remedy = f"Use loss={' or '.join(map(repr, fitting_losses(energy)))}."
    user = f"loss={name!r} requires an energy"
    if not _suits(kind, energy):
        samples, wanted = "real numbers", "zeros and ones"
        if is_binary(energy):
            samples, wanted = wanted, samples
        raise ValueError(f"{user} of {wanted}; {shown(model)} is one of {samples}. {remedy}")
    for capability in _needs(kind, energy):
        require(energy, capability, user, remedy)
    return make(setting)


def shown(model):
    """Return the parameter `energy_function` as the user set it."""
    return f"energy_function={model.energy_function!r}"


def sampler_of(model, energy):
    """Return the sampler for an energy."""
    if is_binary(energy):
        return FlipSampler()
    n_leapfrog = 1 if model.sampler == "langevin" else int(model.n_leapfrog_steps)
    step_size = None if model.step_size == "auto" else float(model.step_size)
    return HamiltonianSampler(n_leapfrog, step_size)


def optimizer_of(model, contrast, n_samples, is_whole):
    """Return the name of the optimizer: the parameter, or the choice of "auto"."""
    name = model.optimizer
    if name == "auto":
        is_small = is_whole and n_samples <= LARGEST_LINE_SEARCH and model.weight_decay == 0
        return "lbfgs" if contrast.is_deterministic and is_small else "adam"
    if name != "lbfgs":
        return name
    if contrast.has_chains:
        raise ValueError(
            f"optimizer='lbfgs' requires an objective, got loss={model.loss!r}, whose gradient is "
            "estimated by chains. Use optimizer='adam'."
        )
    if model.weight_decay > 0:
        raise ValueError(
            f"optimizer='lbfgs' requires weight_decay=0, got {model.weight_decay}. Use "
            "optimizer='adam'."
        )
    return name


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


def drawn_samples(model, energy, n_samples, n_burn_in, stream, backend):
    """Return samples of an energy, from chains that start at independent features."""
    mean, scale = model.mean_, model.scale_
    xp = array_namespace(mean)
    start = xp.zeros((n_samples, mean.shape[0]), dtype=mean.dtype)
    if is_binary(energy):
        backend.uniform(start, stream.key())
        start = xp.asarray(start < mean, dtype=mean.dtype)
    else:
        backend.add_normal(start, xp.asarray(scale, copy=True), stream.key())
        start += mean
    if n_burn_in == 0:
        return start
    sampler = sampler_of(model, energy)
    for capability in sampler.requires:
        require(energy, capability, "sample requires an energy", "Define it.")
    warn_of_free_directions(energy, "sample")
    state = sampler.move(energy, sampler.start(start, _spread(scale)), stream, n_burn_in)
    return state.particles


def _spread(scale):
    """Return the root mean square of the deviations, one if all features are constant."""
    xp = array_namespace(scale)
    spread = float(xp.mean(scale * scale)) ** 0.5
    return spread if spread > 0 else 1.0


# ----------------------------------------------------------------------------------------- the data
def selection_of(X, weight):
    """Return the rows of the data with a non-zero weight."""
    weights = None if weight is None else to_host(weight).astype(np.float64)
    rows = np.arange(X.shape[0]) if weights is None else np.flatnonzero(weights)
    return Selection(X, rows, X.dtype, weights)


def require_values(model, energy, X, is_learning=True):
    """Refuse real samples for a binary energy, and warn of binary samples for another one."""
    xp = array_namespace(X)
    bits = (X == 0) | (X == 1)
    has_bits = bool(xp.all(bits))
    if is_binary(energy) and not has_bits:
        raise ValueError(
            f"{shown(model)} requires X of zeros and ones, got {float(X[~bits][0]):.4g}. Binarize "
            "X, or use an energy of real numbers, such as energy_function='student_t'."
        )
    if is_learning and not is_binary(energy) and has_bits:
        warn(
            f"X has only zeros and ones, but {shown(model)} describes real numbers. Set "
            "energy_function='ising' or 'rbm'.",
            UserWarning,
        )


def warn_of_flat_directions(contrast, setting):
    """Warn of data in which a loss of a density has no minimum."""
    if not isinstance(contrast, ScoreMatching | Likelihood) or is_binary(setting.energy):
        return
    loss = loss_of(setting.model, setting.energy)
    values = np.linalg.eigvalsh(setting.covariance)
    if values[0] <= FLAT * max(values.mean(), np.finfo(float).tiny):
        warn(
            f"X has directions (almost) without variance, in which loss={loss!r} has "
            "no minimum: the energy becomes steeper and steeper. Scale features of different units "
            "with StandardScaler, remove such directions with PCA(n_components=0.99, whiten=True), "
            "or set loss='denoising_score_matching'.",
            UserWarning,
        )


def warn_of_free_directions(energy, user):
    """Warn that exp(-E) has no integral, if whatever uses it requires a density."""
    n_free = energy.n_free_directions if offers(energy, "n_free_directions") else 0
    if n_free:
        warn(
            f"{user} requires a density, but the energy is constant in {n_free} of the directions "
            "of X, since there are fewer components than features. Set n_components=None, or "
            "energy_function=ExpertEnergy(..., precision=1).",
            UserWarning,
        )
