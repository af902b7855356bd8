"""Steps of a pipeline as modules of a network (see `sklearn_ebm.protocols.Module`).

Only this module and `sklearn_ebm.learning._heads`, which turns the classifier or regressor at the
end of a pipeline into a module, inspect steps. Any other step becomes modules in one of these ways:

- scikit-learn's linear maps are listed in `FIXED_MAPS`;
- a model has a method `_as_network()`, whose result has `obstacle`, the reason why the model has no
  derivative (empty if it has one), `modules(dtype)`, its encoder and its output as modules, and
  `trained(modules)`, a copy of the model with the parameters of trained modules;
- any other estimator, such as a layer, is a module itself. If it has `random_state`, it is random
  in training and draws from a stream.

Between modules, rows remain rows and images remain images, (n_samples, height, width, channels).
"""

import copy

import numpy as np
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler
from sklearn.utils import check_random_state

from sklearn_ebm.backends import is_cupy, resolve_backend
from sklearn_ebm.factors import FixedMap


def _standard(scaler):
    scale = 1.0 if scaler.scale_ is None else 1 / np.asarray(scaler.scale_)
    mean = 0.0 if scaler.mean_ is None or not scaler.with_mean else scaler.mean_
    return FixedMap(np.asarray(scale), -np.asarray(mean) * scale)


def _principal(pca):
    spread = np.sqrt(pca.explained_variance_) if pca.whiten else np.ones(len(pca.components_))
    linear = pca.components_.T / spread
    return FixedMap(linear, -(pca.mean_ @ linear))


FIXED_MAPS = {
    StandardScaler: _standard,
    MinMaxScaler: lambda scaler: FixedMap(scaler.scale_, scaler.min_),
    MaxAbsScaler: lambda scaler: FixedMap(1 / scaler.scale_, np.zeros_like(scaler.scale_)),
    PCA: _principal,
    IncrementalPCA: _principal,
}
OF_MODULES = ("forward", "backward", "scales", "project", "on")  # `fit` may set `parameters`
WAYS_OUT = (
    "To keep this step as it is, set learning_rates to 0 for it and for all steps before it, so "
    "that they are not trained."
)


def is_passed_through(estimator):
    """Return whether scikit-learn skips this step."""
    return estimator is None or isinstance(estimator, str)


def is_trainable(estimator):
    """Return whether labels could train a step, fitted or not, at least after changes to it."""
    return hasattr(estimator, "_as_network") or bool(getattr(estimator, "parameters", None))


def require_derivative(name, estimator):
    """Refuse a step, fitted or not, through which gradients cannot be computed.

    Raises
    ------
    ValueError
        The message names the step and the remedy.
    """
    obstacle = obstacle_of(estimator)
    if obstacle:
        raise ValueError(
            f"Gradients cannot be computed through step {name!r}, {type(estimator).__name__}: "
            f"{obstacle} {WAYS_OUT}"
        )


def obstacle_of(estimator):
    """Return why a step has no modules, with a remedy. Empty if it has."""
    if is_passed_through(estimator):
        return ""
    if hasattr(estimator, "_as_network"):
        return estimator._as_network().obstacle
    if type(estimator) in FIXED_MAPS:
        return "it clips its output. Set clip=False." if getattr(estimator, "clip", False) else ""
    lacking = [name for name in OF_MODULES if not hasattr(estimator, name)]
    if not lacking:
        return ""
    if "forward" in lacking or "backward" in lacking:
        return "its derivative is not implemented."
    return f"it lacks {', '.join(lacking)}. Inherit from sklearn_ebm.protocols.ModuleMixin."


class Step:
    """A fitted step of a pipeline, and its modules.

    Parameters
    ----------
    name : str
        Name of the step.
    estimator : object
        The fitted step. It is not changed.
    dtype : dtype
        Dtype of the data, in which parameters are trained.
    """

    def __init__(self, name, estimator, dtype):
        require_derivative(name, estimator)
        self.name = name
        self.estimator = estimator
        self.modules = modules_of(estimator, dtype)
        self.seed = _seed_of(estimator)

    def trained(self):
        """Return a copy of the estimator with the current parameters of its modules."""
        if is_passed_through(self.estimator):
            return self.estimator
        if hasattr(self.estimator, "_as_network"):
            return self.estimator._as_network().trained(self.modules)
        is_itself = type(self.estimator) not in FIXED_MAPS
        return copy.deepcopy(self.modules[0] if is_itself else self.estimator)


def modules_of(estimator, dtype):
    """Return the modules of a fitted step, with trained parameters in a dtype."""
    if is_passed_through(estimator):
        return []
    if hasattr(estimator, "_as_network"):
        return estimator._as_network().modules(dtype)
    if type(estimator) in FIXED_MAPS:
        return [FIXED_MAPS[type(estimator)](estimator)]
    return [copy.deepcopy(estimator)]


def _seed_of(estimator):
    """Return the seed of a step that is random in training, else None."""
    is_model = hasattr(estimator, "_as_network")  # models are random in `fit` only
    if is_model or type(estimator) in FIXED_MAPS or not hasattr(estimator, "random_state"):
        return None
    return int(check_random_state(estimator.random_state).randint(np.iinfo(np.int32).max))


def backend_of(steps, row, wish):
    """Return the backend of the parameters of the steps, or of their input if they have none.

    Raises
    ------
    ValueError
        If `wish` requires a different device.
    """
    held = (value for step in steps for each in step.modules for value in each.parameters.values())
    like = next(held, row)
    backend = resolve_backend(wish, like)
    if is_cupy(like) != (backend.name == "cupy"):
        place = "a CUDA device" if is_cupy(like) else "the host"
        raise ValueError(
            f"backend={wish!r} cannot be used, because the parameters of the trained steps are on "
            f"{place}. Set the same backend for these steps, or set backend='auto'."
        )
    return backend
