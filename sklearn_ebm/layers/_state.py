"""State of estimators: checked parameters, and fitted attributes that define the model.

Fitted arrays are read-only, and assigning another array to a fitted attribute updates the model.
Public methods first call `_ready`, which compares parameters and fitted attributes with those of
the last call by identity. If all of them are the same objects, everything that was derived from
them is still valid, because read-only arrays do not change. Otherwise, the parameters are
validated, and the model is derived from the attributes again.

Models compute with private arrays and expose read-only views of them. Compiled kernels therefore
get one kind of array, and no array is stored twice.
"""

import copy
import functools
import inspect
import operator
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm import __version__
from sklearn_ebm._storage import from_plain, to_plain
from sklearn_ebm.backends import array_namespace, is_cupy, read_only, to_host
from sklearn_ebm.factors import renewing
from sklearn_ebm.factors.encoders import Encoder
from sklearn_ebm.inputs._chunks import blockwise
from sklearn_ebm.inputs._rows import FLOATS, check_values_elsewhere, checked_array

DOCUMENTATION = "https://sklearn-ebm.readthedocs.io/en/stable"
LONGEST = 40  # characters of a parameter in an error message
SAMPLE_BY_SAMPLE = {  # methods whose result has one row for each sample and depends on it alone
    "decision_function",
    "duality_gap",
    "energy",
    "inverse_transform",
    "predict",
    "predict_log_proba",
    "predict_proba",
    "reconstruct",
    "reconstruct_proba",
    "score_samples",
    "transform",
}
NEW_FIT = "To change it, call fit with warm_start=False."  # remedy while learning continues
VERSION = "_sklearn_ebm_version"  # entry of stored estimators


@dataclass(frozen=True, eq=False)
class State:
    """Parameters and fitted attributes at the last public call, and objects derived from them.

    Attributes
    ----------
    parameters : tuple
        Values of the parameters.
    attributes : dict
        Fitted attributes that define the model, by name.
    forms : dict
        Shape and dtype of each floating-point array after the last fit, by name.
    watched : tuple
        All objects that the next call compares by identity.
    parts : object
        Object that the estimator computes with. None if it has not been derived yet.
    fitted_with : dict
        Parameters that cannot change without another fit, with their values at the last fit.
    replaced : frozenset of str
        Attributes that were replaced since the last fit.
    pending : frozenset of str
        Replaced attributes that were stored in a file before the model was derived from them.
    n_steps : int or None
        Number of steps of the learner at the end of the last fit.
    is_loaded : bool
        Whether the learner was loaded or copied, so that it may be shared or read-only.
    is_open : bool
        Whether an array is on a device, where users can modify it, so that nothing can be cached.
    """

    parameters: tuple = ()
    attributes: dict = field(default_factory=dict)
    forms: dict = field(default_factory=dict)
    watched: tuple = ()
    parts: Any = None
    fitted_with: dict = field(default_factory=dict)
    replaced: frozenset = frozenset()
    pending: frozenset = frozenset()
    n_steps: int | None = None
    is_loaded: bool = False
    is_open: bool = False


def is_same(first, second):
    """Return whether two values of a parameter are equal."""
    if first is second:
        return True
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(is_same, first, second))
    if first is None or second is None or isinstance(first, str) or isinstance(second, str):
        return type(first) is type(second) and first == second
    return bool(np.array_equal(to_host(first), to_host(second)))


@functools.cache
def _getter(kind):
    """Return a function that maps the attributes of an estimator to the tuple of its parameters."""
    names = kind._get_param_names()
    if len(names) > 1:
        return operator.itemgetter(*names)
    return lambda attributes: tuple(attributes[name] for name in names)


def _same_objects(first, second):
    return len(first) == len(second) and all(map(operator.is_, first, second))


class Stateful:
    """Base class of estimators whose parameters and fitted attributes may be set at any time.

    A subclass lists the fitted attributes that define its model, and the parameters that cannot
    change without another fit. Its method `_take_over` derives the parts of the model from the
    attributes.
    """

    _doc_link_module = "sklearn_ebm"
    _doc_link_template = DOCUMENTATION + "/api/generated/sklearn_ebm.{estimator_name}.html"

    _has_independent_samples = True  # whether the result for a sample depends on it alone
    _reads_any_library = False  # whether X may be an array of any library with the array API
    _model_attributes: tuple = ()
    _needs_fit: tuple = ()
    _needs_fit_to_encode: tuple = ()  # likewise, but only for the codes of an encoder
    _fit_derives: tuple = ()  # parameters with values, such as "scale", that fit replaces
    _specifications: tuple = ()  # parameters with parameters of their own, which are immutable
    _free_to_change: tuple = ()  # those among them that may change before `partial_fit`
    _needs_new_learner: tuple[str, ...] = ()  # must not change while learning continues

    def __init_subclass__(cls, **options):
        """Let methods with one result for each sample take Dask arrays, chunk by chunk."""
        super().__init_subclass__(**options)
        for name in SAMPLE_BY_SAMPLE & vars(cls).keys():
            if cls._has_independent_samples and inspect.isfunction(vars(cls)[name]):
                setattr(cls, name, blockwise(vars(cls)[name]))

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the model and of its parts, such as ``penalty__name``.

        Parameters
        ----------
        **params : dict
            New values by name. Parts such as penalties are immutable, so that a new part replaces
            the old one.

        Returns
        -------
        object
            The estimator itself.
        """
        for name in self._specifications:
            params = renewing(name, self, params)
        return super().set_params(**params)  # type: ignore[misc]

    def _ready(self, learning=False):
        """Check parameters and fitted attributes that were set since the last call.

        Parameters
        ----------
        learning : bool, default=False
            Whether the model is about to learn with the current parameters.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If a parameter is invalid or needs another fit, or if an attribute does not match the
            model.
        """
        state = vars(self).get("_state")
        if state is None or state.is_open or not _same_objects(self._watched(), state.watched):
            self._refresh(State() if state is None else state, learning)

    @property
    def _last_state(self):
        """The state at the last public call. Empty before the first fit."""
        return vars(self).get("_state", State())

    def _watched(self):
        """Return all objects that users may replace."""
        return (*self._parameters(), *self._model_of(vars(self)).values())

    def _parameters(self):
        return _getter(type(self))(vars(self))

    def _model_of(self, attributes):
        """Select the attributes that define the model, and parameters of an encoder, by name."""
        model = {name: attributes[name] for name in self._model_attributes if name in attributes}
        if "encoder_" in model:
            parameters = getattr(model["encoder_"], "parameters", {})
            model.update({f"encoder_.{name}": value for name, value in parameters.items()})
        return model

    def _refresh(self, state, learning):
        if not vars(self).keys() >= {*self._model_attributes[:1]}:
            check_is_fitted(self)
        if not _same_objects(self._parameters(), state.parameters):
            self._validate_params()
        replaced = self._replaced_since(state) | state.pending
        if "components_" in replaced & state.forms.keys():  # parameters are compared with it
            self.components_ = self._checked_attribute("components_", state)
        if learning:
            self._require_fitted_with(state.fitted_with, self._needs_new_learner, NEW_FIT)
        else:
            self._require_fitted_with(state.fitted_with, self._needs_fit)
        parts = self._take_over(state, replaced)
        replaced = state.replaced | replaced
        state = replace(state, parts=parts, replaced=replaced, pending=frozenset())
        self._state = self._new_state(self._model_of(vars(self)), state)

    def _replaced_since(self, state):
        """Return the names of the attributes that differ from those of a state."""
        now, before = self._model_of(vars(self)), state.attributes
        return frozenset(name for name in now if now[name] is not before.get(name))

    def _new_state(self, attributes, state):
        """Return a state with these attributes and the current parameters of the estimator."""
        parameters = self._parameters()
        return replace(
            state,
            parameters=parameters,
            attributes=attributes,
            watched=(*parameters, *attributes.values()),
            is_open=any(map(is_cupy, attributes.values())),
        )

    def _take_over(self, state, replaced):
        """Derive the parts of a model from its attributes, some of which were replaced."""

    def _checked_attribute(self, name, state):
        """Return a fitted array of finite numbers, with its shape and dtype after fit."""
        value = self._model_of(vars(self))[name]
        own = getattr(value, "dtype", None)
        shape, dtype = state.forms.get(name, (None, own if _is_float(own) else "float64"))
        if shape is not None and _shape_of(value, name) != shape:
            raise ValueError(
                f"{name} has shape {np.shape(value)}, but this {type(self).__name__} was fitted "
                f"with {shape}."
            )
        return check_finite(value, dtype, name)

    # ----------------------------------------------------------------- parameters that need a fit
    def _fitted_with(self):
        """Return the current values of the parameters on which trained arrays depend."""
        names = (*self._needs_fit, *self._needs_fit_to_encode, *self._fit_derives)
        return {name: getattr(self, name) for name in names}

    def _require_fitted_with(self, fitted_with, names, remedy=None):
        """Refuse parameters that have changed since the last fit and require another fit."""
        change = self._change_since_fit(names, fitted_with, remedy)
        if change:
            raise ValueError(change)

    def _change_since_fit(self, names, fitted_with, remedy=None):
        """Return an error message if a parameter has changed since the last fit, otherwise "".

        The message ends with a remedy, which is to fit again if None is given.
        """
        for name in names:
            value, fitted = getattr(self, name), fitted_with.get(name, getattr(self, name))
            if not is_same(value, fitted) and not self._has_anyway(name, value):
                methods = "fit or partial_fit" if name in self._free_to_change else "fit"
                return (
                    f"{_shown(name, value)}, but this {type(self).__name__} was fitted with "
                    f"{_shown(name, fitted)}. "
                    + (remedy or f"Call {methods} to learn with the new value.")
                )
        return ""

    def _has_anyway(self, name, value):
        """Return whether the fitted model already agrees with a new value of a parameter."""
        return False

    # ------------------------------------------------------------------------------------ learning
    def _left(self, learner, attributes, parts):
        """Return all attributes to set after learning, by name. Their arrays are read-only."""
        attributes = {name: read_only(value) for name, value in attributes.items()}
        attributes = {**self._frozen("feature_names_in_"), **attributes}
        n_steps = None if learner is None else learner.n_steps
        model = self._model_of(attributes)
        state = State(
            forms=_forms_of(model),
            parts=parts,
            fitted_with=self._fitted_with(),
            n_steps=n_steps,
        )
        state = self._new_state(model, state)
        kept = {} if learner is None else {"_learner": learner}
        return {**attributes, **kept, "_state": state}

    def _learner_to_go_on(self):
        """Return the learner of the last fit, or one that starts from replaced attributes."""
        self._ready(learning=True)
        state, learner = self._state, vars(self).get("_learner")
        replaced = state.replaced
        if learner is None or learner.n_steps != state.n_steps:
            replaced = frozenset(state.attributes)  # another copy of the model has changed it
        if state.is_loaded or replaced:
            learner = copy.deepcopy(learner)
        return self._new_learner(learner, replaced) if replaced else learner

    # --------------------------------------------------------------------------- copies and files
    def __getstate__(self):
        """Return the attributes, with dictionaries in place of objects of private classes."""
        return {**to_plain(self._to_keep()), VERSION: __version__}

    def __setstate__(self, state):
        state = dict(state)
        version = state.pop(VERSION, "unknown")
        if version != __version__:
            _warn_of_version(type(self).__name__, version)
        self._restore(from_plain(state))

    def __copy__(self):
        """Return a shallow copy, which shares all arrays and the learner."""
        copied = object.__new__(type(self))
        copied._restore(self._to_keep())
        return copied

    def _to_keep(self):
        """Return the attributes to store; objects derived from them are left out."""
        kept = dict(super().__getstate__())
        state = kept.pop("_state", None)
        if state is None:
            return kept
        before = {name: old for name, old in state.fitted_with.items() if old is not kept.get(name)}
        pending = state.pending | self._replaced_since(state)
        since_fit = {
            "fitted_with": before,
            "forms": state.forms,
            "n_steps": state.n_steps,
            "pending": sorted(pending),
            "replaced": sorted(state.replaced | pending),
        }
        return {**kept, "_since_fit": since_fit}

    def _restore(self, kept):
        """Set the attributes returned by `_to_keep`."""
        kept = dict(kept)
        since_fit = kept.pop("_since_fit", None)
        super().__setstate__(kept)
        vars(self).update(self._frozen())
        if since_fit is None:
            return
        self._state = State(
            attributes=self._model_of(vars(self)),
            forms=since_fit["forms"],
            fitted_with={**self._fitted_with(), **since_fit["fitted_with"]},
            replaced=frozenset(since_fit["replaced"]),
            pending=frozenset(since_fit["pending"]),
            n_steps=since_fit["n_steps"],
            is_loaded=True,
        )

    def _frozen(self, *names):
        """Return fitted attributes, all or those with the given names, with read-only arrays."""
        names = names or [name for name in vars(self) if name.endswith("_") and name[0] != "_"]
        frozen = {name: read_only(vars(self)[name]) for name in names if name in vars(self)}
        if isinstance(frozen.get("encoder_"), Encoder):
            frozen["encoder_"] = frozen["encoder_"].read_only()
        return frozen


def _warn_of_version(name, version):
    """Warn that an estimator was stored by another version of the package."""
    warnings.warn(
        InconsistentVersionWarning(
            estimator_name=name,
            current_sklearn_version=__version__,
            original_sklearn_version=version,
        ),
        stacklevel=3,
    )


def form_of(encoder):
    """Return the names of an encoder's class and of its parameters; None for other objects."""
    if not isinstance(encoder, Encoder):
        return None
    return type(encoder).__name__, (*encoder.parameters,)


def _forms_of(attributes):
    """Return shape and dtype of floating-point arrays, and the form of an encoder, by name.

    The values can be stored in any file format.
    """
    forms = {
        name: (tuple(value.shape), np.dtype(value.dtype).name)
        for name, value in attributes.items()
        if _is_float(getattr(value, "dtype", None)) and getattr(value, "shape", None) is not None
    }
    if "encoder_" in attributes:
        forms["encoder_"] = form_of(attributes["encoder_"])
    return forms


def _is_float(dtype):
    """Return whether compiled kernels compute with this dtype, in any byte order."""
    return isinstance(dtype, np.dtype) and dtype.newbyteorder("=") in FLOATS


@contextmanager
def _naming(name):
    """Add the name of an attribute to conversion errors that do not contain it."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if name in str(error):
            raise
        raise ValueError(f"{name} must be an array of real numbers. {error}") from error


def _shape_of(value, name):
    with _naming(name):  # nested lists may be ragged
        return tuple(np.shape(value))


def check_finite(value, dtype, name):
    """Return a contiguous array of finite numbers. It may share the memory of `value`."""
    if not is_cupy(value):
        dtype = np.dtype(dtype).newbyteorder("=")
        with _naming(name):
            found = np.asarray(value).dtype
            if found.kind in "USMm":  # scikit-learn would convert them
                raise ValueError(f"Got an array of dtype {found}.")
            return checked_array(
                value, dtype=dtype, order="C", ensure_2d=False, allow_nd=True, input_name=name
            )
    xp = array_namespace(value)
    return xp.ascontiguousarray(check_values_elsewhere(value, name=name), dtype=dtype)


def _shown(name, value):
    text = f"{name}={value!r}"
    return text if len(text) <= LONGEST else f"another {name}"


def require_equal(estimator, name, held, is_free=False):
    """Refuse a parameter that differs from the value with which learning continues."""
    value = getattr(estimator, name)
    if not is_free and value != held:
        raise ValueError(
            f"{name}={value!r}, but learning continues with {name}={held!r}. To change it, "
            "call fit with warm_start=False."
        )


class Attempt:
    """Fit that may still be refused, because its learner has not made a step."""

    def __init__(self):
        self.learner = None
        self.n_steps = 0

    def begin(self, learner):
        """Begin learning. After the first step, the results of the learner are kept."""
        self.learner = learner
        self.n_steps = learner.n_steps

    @property
    def has_learned(self):
        """Whether the learner has made a step."""
        return self.learner is not None and self.learner.n_steps != self.n_steps


@contextmanager
def refusable(estimator, *keeping):
    """Restore the estimator if an error ends a fit before the first step of learning.

    After Ctrl-C, and after errors of the types `keeping`, an initialised model is kept even if it
    has not made a step.
    """
    before, attempt = dict(vars(estimator)), Attempt()
    try:
        yield attempt
    except BaseException as error:
        is_initialised = vars(estimator).get("_state") not in (None, before.get("_state"))
        is_kept = is_initialised and isinstance(error, (KeyboardInterrupt, *keeping))
        if not attempt.has_learned and not is_kept:
            vars(estimator).clear()
            vars(estimator).update(before)
        raise
