"""Resolution of the parameter `penalty` to the factor of an energy."""

from numbers import Real

from sklearn_ebm._sklearn import ExampleOf, HasMethods, StrOptions
from sklearn_ebm.factors.penalties._l1 import L1Penalty
from sklearn_ebm.factors.penalties._weighted import WeightedPenalty
from sklearn_ebm.protocols import offers

PENALTIES = {"l1": L1Penalty()}
PENALTY = [  # constraint of the parameter `penalty`, see `sklearn_ebm.protocols.Penalty`
    StrOptions(set(PENALTIES)),
    ExampleOf("resolve", "L0Penalty(5) or ElasticNetPenalty(0.5)"),
    HasMethods(["value", "prox"]),
    HasMethods(["value", "majorant"]),
]


LEARNED = "structure='learned'"
REMEDY = "Pass learned strengths, such as strength=model.inhibition_."


def resolve_penalty(penalty, n_components, alpha, positive=False, n_samples=None):
    """Return the factor of a penalty.

    Parameters
    ----------
    penalty : str or Penalty
        A name in `PENALTIES`, or an object with `resolve`, or with `value` and `prox`.
    n_components : int
        Number of components.
    alpha : float
        Weight of the penalty.
    positive : bool, default=False
        Whether codes are constrained to be non-negative.
    n_samples : int or None, default=None
        Number of samples, for a function. None is a model, which later encodes other samples.

    Returns
    -------
    PenaltyFactor
        alpha P(z).

    Raises
    ------
    ValueError
        If the penalty does not support the number of components or `positive`, or if it is for
        another number of samples.
    """
    penalty = _named(penalty)
    if isinstance(penalty, type):
        raise ValueError(f"penalty must be an instance, got the class {penalty.__name__}.")
    if offers(penalty, "resolve"):
        factor = penalty.resolve(n_components, alpha, positive)
        _require_samples(factor, n_samples)
        if n_samples is not None and offers(factor, "learned"):
            raise ValueError(f"{factor.name} with {LEARNED} requires a model. {REMEDY}")
        return factor
    return WeightedPenalty(penalty, alpha, positive)


def _require_samples(factor, n_samples):
    """Refuse weights for each sample if there are other samples."""
    n_rows = getattr(factor, "n_samples", None)
    if n_rows is None or n_rows == n_samples:
        return
    if n_samples is None:
        raise ValueError(
            "weights must have the shape (n_components,) in a model, whose later samples have no "
            f"weights, got an array of shape {factor.weights.shape}. Pass weights for each sample "
            "to sparse_encode."
        )
    raise ValueError(
        f"weights must have one row for each of the {n_samples} samples, got an array of shape "
        f"{factor.weights.shape}."
    )


def check_alpha(penalty, alpha):
    """Refuse the weight of a penalty that has none.

    Parameters
    ----------
    penalty : str or Penalty
        A name in `PENALTIES`, or an object.
    alpha : float, str or None
        Value of the parameter `alpha`. A string or None means that no number was given.

    Raises
    ------
    ValueError
        If `alpha` is a number and the penalty has no weight.
    """
    if isinstance(alpha, Real) and not takes_alpha(penalty):
        raise ValueError(
            f"alpha must not be set with {type(penalty).__name__}, which has no weight, got "
            f"alpha={alpha}. Use the default of alpha, and set the parameters of the penalty."
        )


def takes_alpha(penalty):
    """Return whether alpha is the weight of a penalty."""
    return bool(getattr(_named(penalty), "takes_alpha", True))


def degree_of(penalty):
    """Return the degree of a penalty, which determines the meaning of ``alpha="scale"``.

    Raises
    ------
    ValueError
        If the penalty has no degree.
    """
    degree = getattr(penalty, "degree", 1)
    if degree is None:
        raise ValueError(
            f"alpha must be a number for penalty={penalty!r}, got 'scale': the terms of this "
            "penalty depend on the scale of the data in different ways. Set alpha."
        )
    return degree


def same_penalty(first, second):
    """Return whether two values of the parameter `penalty` describe the same penalty."""
    first, second = (_named(penalty) for penalty in (first, second))
    return first is second or bool(first == second)


def _named(penalty):
    """Return the penalty with a given name; other values are returned unchanged."""
    return PENALTIES.get(penalty, penalty) if isinstance(penalty, str) else penalty


def renewing(name, model, params):
    """Return parameters to set, with a new part of a model in place of all ``part__name``.

    Parameters
    ----------
    name : str
        Name of the parameter that has the part, such as "penalty".
    model : estimator
        Has an attribute of this name. It is not changed.
    params : dict
        New values by name.

    Returns
    -------
    dict
        New values by name, without parameters of the part.

    Raises
    ------
    ValueError
        If the part has no parameter of the given name.
    """
    prefix = f"{name}__"
    inner = {key[len(prefix) :]: params[key] for key in params if key.startswith(prefix)}
    if not inner:
        return params
    outer = {key: value for key, value in params.items() if not key.startswith(prefix)}
    part = outer[name] if name in outer else getattr(model, name)
    known = part.get_params(deep=False) if offers(part, "get_params") else {}
    unknown = [key for key in inner if key not in known]
    if unknown:
        raise ValueError(
            f"Invalid parameter {unknown[0]!r} for {name} {part!r}. Valid parameters are: "
            f"{[*known]}. To use another {name}, set `{name}` to its instance first."
        )
    return {**outer, name: type(part)(**{**known, **inner})}
