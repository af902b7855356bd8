"""Losses, samplers and optimizers of `EnergyModel`, and what they require of the data."""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm._warnings import warn
from sklearn_ebm.backends import array_namespace, to_host
from sklearn_ebm.inputs._checks import check_weight, largest_value
from sklearn_ebm.inputs._moments import Selection, covariance
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
from sklearn_ebm.protocols import offers, require
from sklearn_ebm.solvers import FlipSampler, HamiltonianSampler

LARGEST_LINE_SEARCH = 50_000  # samples up to which optimizer="auto" is L-BFGS
LARGEST_RESPONSE = 30.0  # standard deviation of responses in score matching
SMALLEST_LIMIT = 3.0  # likewise if there are few samples
SAMPLES_PER_FILTER = 4.0  # samples per feature that a filter of unit response requires
ROWS_OF_START = 1000  # samples whose mean energy determines the first normalising constant
FLAT = 1e-8  # share of the mean variance below which a direction has no variance


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


def is_binary(energy):
    """Return whether the samples of an energy consist of zeros and ones."""
    return offers(energy, "is_binary") and bool(energy.is_binary)


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


def require_spread(base):
    """Refuse real samples whose inverse powers overflow, unless they are constant.

    For the center of an energy with a precision, the gradient of score matching is an inverse third
    power of the deviation, and optimizers square it.
    """
    deviation = base[1]
    spread = float(array_namespace(deviation).max(deviation))
    if 0 < spread < 1 / largest_value(deviation.dtype, 6):
        raise ValueError(
            f"Input X contains values too close to each other for {deviation.dtype!r}: inverse "
            f"powers of the largest standard deviation, {spread:.1e}, overflow. Rescale X, for "
            "instance with StandardScaler."
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
