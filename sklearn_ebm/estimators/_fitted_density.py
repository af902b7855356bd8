"""Energy of a fitted density model, and the fitted attributes that expose it.

Learning uses an energy in standardized coordinates; the fitted attributes are its parameters in the
units of the data. If a user replaces an attribute, a new energy is created from the attributes.
"""

import numpy as np

from sklearn_ebm.backends import copied, read_only
from sklearn_ebm.factors import BilinearEnergy, in_data_units
from sklearn_ebm.inputs._checks import require_magnitude

ATTRIBUTES = {  # parameters of the energy
    "weights": "components_",
    "hidden_bias": "intercept_hidden_",
    "visible_bias": "intercept_visible_",
    "visible_log_variance": "variance_",
}


def fitted_attributes(model, trainer):
    """Return the fitted attributes by name, from the state of learning."""
    energy, base = energy_of(trainer), trainer.criterion.base
    attributes = {"_base": base, **published(energy), **_reports(trainer)}
    if base.categories is not None:
        attributes["n_categories_"] = np.asarray(base.categories.sizes)
    return model._left(trainer, attributes, energy)


def _reports(trainer):
    """Return the fitted attributes that record the progress of learning."""
    curves = trainer.curves
    return {
        **curves.attributes("objective", "reconstruction", "seconds"),
        "free_energy_gap_curve_": np.asarray(curves["gap"]),
        "usage_": copied(trainer.criterion.activity),
    }


def energy_of(trainer):
    """Return a copy of the learned energy, with averaged parameters if there are any."""
    energy = trainer.criterion.energy.copy()
    if trainer.average is not None:
        for name, value in energy.parameters.items():
            value[...] = trainer.average.parameters[name]
    return energy


def published(energy):
    """Return the fitted attributes that define the model, by name."""
    own = in_data_units(energy)
    variance = {"variance_": own["visible_variance"]} if "visible_variance" in own else {}
    return {
        "components_": own["weights"].T,
        "intercept_hidden_": own["hidden_bias"],
        "intercept_visible_": own["visible_bias"],
        **variance,
    }


# ------------------------------------------------------- from attributes that users have replaced
def take_over(model, state, replaced):
    """Return the energy of the fitted attributes.

    It is the last energy or that of the trainer, which the attributes may define only up to
    rounding, unless an attribute was replaced. A copy of a model has no last energy, and its
    trainer no averages.
    """
    trainer, energy = vars(model).get("_learner"), state.parts
    if energy is None and trainer is not None and trainer.n_steps == state.n_steps:
        energy = energy_of(trainer)
    is_certain = energy is state.parts and not state.is_open  # host arrays are read-only
    is_replaced = replaced | state.replaced if state.parts is None else replaced
    if energy is None or is_replaced or not (is_certain or _is_published(model, energy)):
        energy = _energy_from(model, state)
    if energy is not state.parts:
        attributes = published(energy)
        vars(model).update({name: read_only(value) for name, value in attributes.items()})
    return energy


def _is_published(model, energy):
    """Return whether the attributes match an energy."""
    attributes = published(energy)
    return all(bool((getattr(model, name) == value).all()) for name, value in attributes.items())


def _energy_from(model, state):
    """Return the energy of the fitted attributes after a user has replaced some of them."""
    weights, *others = (
        model._checked_attribute(name, state) for name in model._model_of(vars(model))
    )
    if len(others) > 2 and not bool((others[2] > 0).all()):
        raise ValueError("variance_ must contain only positive values.")
    units = model._base.astype(weights.dtype)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        energy = BilinearEnergy(*units.from_data_units(weights.T, *others)).copy()
        for name, value in energy.parameters.items():
            require_magnitude(value, ATTRIBUTES[name])
    return energy
