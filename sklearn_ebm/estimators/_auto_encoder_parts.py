"""Checks of samples and parameters of auto-encoders, and their energy as fitted attributes."""

import numpy as np

from sklearn_ebm._warnings import warn
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors import OUTPUTS, ReconstructionEnergy
from sklearn_ebm.factors.energies._reconstruction import random_values
from sklearn_ebm.factors.regularizers import Contraction, Saturation, Sparsity
from sklearn_ebm.inputs._checks import check_weight, require_magnitude
from sklearn_ebm.inputs._sizes import data_size
from sklearn_ebm.learning.criteria import Noise
from sklearn_ebm.protocols import offers

LARGEST_SIZE = 5.0  # root mean square of X above which a warning is issued
SMALLEST_SIZE = 1e-2  # root mean square of X below which a warning is issued, unless it is zero
ATTRIBUTES = {  # parameters of the energy; filters are columns of the weights
    "weights": "components_",
    "bias": "intercept_hidden_",
    "output_bias": "intercept_visible_",
    "gain": "gain_",
    "threshold": "threshold_",
    "dictionary": "decoder_components_",
}


# ------------------------------------------------------------------------------------------ inputs
def extremes_of(data, weight):
    """Return the smallest and the largest value of the samples with a non-zero weight.

    If the samples are in chunks, those with a weight of zero count as well.
    """
    if data.source is not None:
        return tuple(map(float, data.source.extremes))
    X = data.X
    seen = X if weight is None or bool((weight > 0).all()) else X[weight > 0]
    return float(seen.min()), float(seen.max())


def is_between_zero_and_one(extremes, dtype):
    """Return whether values are between 0 and 1, up to rounding errors of a scaler."""
    rounding = 4 * float(np.finfo(dtype).eps)
    return extremes[0] >= -rounding and extremes[1] <= 1 + rounding


def require_range(output, extremes, dtype):
    if output.is_bounded and not is_between_zero_and_one(extremes, dtype):
        raise ValueError(
            "X must contain values between 0 and 1 with loss='cross_entropy', got values from "
            f"{extremes[0]:.4g} to {extremes[1]:.4g}. Scale X, for instance with MinMaxScaler, or "
            "fit with loss='squared_error'."
        )


def warn_of_scale(output, X, weight):
    """Warn of samples of another size than the steps of the optimizer are made for.

    If samples are large, the first steps hardly change the reconstructions. If they are small, all
    steps are too large, and reconstructions are about constant.
    """
    if output.is_bounded:
        return
    size = data_size(X, weight, slice(None), 1.0)
    if size > LARGEST_SIZE or 0 < size < SMALLEST_SIZE:
        warn(
            f"X has a root mean square of {size:.3g}, but AutoEncoder expects features of unit "
            "variance or between 0 and 1. Scale X, for instance with StandardScaler.",
            UserWarning,
        )


# -------------------------------------------------------------------------------- the regulariser
def checked_noise(model, extremes, dtype):
    """Return the corruption of the samples, or None if there is none."""
    if model.regularizer != "denoising":
        return None
    level = float(model.noise_level)
    if model.noise != "gaussian" and level > 1:
        raise ValueError(f"noise_level must be at most 1 with noise={model.noise!r}, got {level}.")
    if level:
        check_weight(level, dtype, "noise_level")
    return Noise(model.noise, level, extremes)


def checked_regularizer(model, energy):
    """Return the term that is added to the loss, or None if there is none."""
    make = METHODS[model.regularizer]
    if make is None:
        return None
    if model.alpha:
        check_weight(float(model.alpha), energy.output.bias.dtype, "alpha")
    return make(model, energy)


def _saturation(model, energy):
    if not offers(energy.encoder.activation, "saturation"):
        raise ValueError(
            "regularizer='saturating' requires an activation that is constant in an interval, got "
            f"activation={model.activation!r}. Use activation='relu', 'saturated_linear' or "
            "'shrinkage'."
        )
    return Saturation(float(model.alpha))


def _sparsity(model, energy):
    n_components = energy.encoder.parameters["bias"].shape[0]
    return Sparsity.of(model.penalty, n_components, float(model.alpha))


METHODS = {  # functions of the estimator and the energy; denoising changes the samples instead
    "denoising": None,
    "contractive": lambda model, energy: Contraction(float(model.alpha)),
    "saturating": _saturation,
    "sparse": _sparsity,
}


# ---------------------------------------------------------------------------------------- learning
def require_deterministic(model):
    """Refuse L-BFGS for an objective that changes from one pass to the next."""
    if model.optimizer != "lbfgs":
        return
    if model.regularizer == "denoising" and model.noise_level > 0:
        raise ValueError(
            "optimizer='lbfgs' requires an objective without noise, got regularizer='denoising' "
            f"with noise_level={model.noise_level}. Use optimizer='adam'."
        )
    if model.weight_decay > 0:
        raise ValueError(
            f"optimizer='lbfgs' requires weight_decay=0, got {model.weight_decay}. Use "
            "optimizer='adam'."
        )


# ------------------------------------------------------------------------------------ the energy
def first_energy(model, X, extremes, random_state):
    """Return the initial energy, in the dtype and on the device of X."""
    loss = model.loss
    if loss == "auto":
        is_bounded = is_between_zero_and_one(extremes, X.dtype)
        loss = "cross_entropy" if is_bounded else "squared_error"
    shape = X.shape[1], int(model.n_components)
    values = random_values(shape, model.activation, bool(model.tied_weights), random_state)
    xp = array_namespace(X)
    values = {name: xp.asarray(value, dtype=X.dtype) for name, value in values.items()}
    return ReconstructionEnergy.of(values, model.activation, loss)


def energy_from(model, state):
    """Return the energy of the fitted attributes, which the user may have replaced."""
    values = {}
    for name, attribute in ATTRIBUTES.items():
        if attribute in vars(model):
            value = model._checked_attribute(attribute, state)
            require_magnitude(value, attribute)
            values[name] = value.T if name == "weights" else value
    activation = state.fitted_with.get("activation", model.activation)
    if not (isinstance(model.loss_, str) and model.loss_ in OUTPUTS):
        raise ValueError(f"loss_ must be one of {[*OUTPUTS]}, got {model.loss_!r}.")
    return ReconstructionEnergy.of(values, activation, model.loss_)


def published(energy):
    """Return the fitted attributes that define the model, by name."""
    return {
        ATTRIBUTES[name]: value.T if name == "weights" else value
        for name, value in energy.parameters.items()
    }


def fitted_attributes(model, trainer):
    """Return the fitted attributes by name, from the state of learning."""
    energy, curves = trainer.criterion.energy.copy(), trainer.curves
    (loss,) = (name for name, kind in OUTPUTS.items() if type(energy.output) is kind)
    attributes = {
        **published(energy),
        "loss_": loss,
        **curves.attributes("objective", "seconds"),
    }
    return model._left(trainer, attributes, energy)
