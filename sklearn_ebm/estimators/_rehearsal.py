"""Checks of a pipeline before it is fitted: parameters of its steps, and shapes between them."""

import functools
import warnings

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.base import OneToOneFeatureMixin, clone
from sklearn.callback import AutoPropagatedCallback
from sklearn.utils import _safe_indexing, check_array

from sklearn_ebm._sklearn import HasMethods, callbacks_of, validate_parameter_constraints
from sklearn_ebm.backends import is_cupy, resolve_backend
from sklearn_ebm.backends._border import BORDERS
from sklearn_ebm.estimators._conv_psd import ConvPSD
from sklearn_ebm.estimators._conv_sparse_coder import ConvSparseCoder
from sklearn_ebm.estimators._filters import crop_shape
from sklearn_ebm.estimators._group_sparse_psd import GroupSparsePSD
from sklearn_ebm.estimators._local_psd import LocalPSD
from sklearn_ebm.estimators._rbm import RBM
from sklearn_ebm.estimators._sparse_model import SparseModel
from sklearn_ebm.inputs._checks import check_magnitude
from sklearn_ebm.inputs._images import window_shape
from sklearn_ebm.learning._labelled import as_input
from sklearn_ebm.learning._modules import is_passed_through
from sklearn_ebm.learning._stages import first_row, learns, map_batches, transformed

is_transformer = HasMethods(["fit", "transform"]).is_satisfied_by


def check_steps(owner, named_steps, X):
    """Raise an error if a step is not a transformer or has invalid parameters.

    Parameters
    ----------
    owner : estimator
        Estimator that fits the steps.
    named_steps : list of (str, estimator)
        Steps of a pipeline.
    X : array-like
        Data. Its device selects the backend of steps with backend="auto".

    Raises
    ------
    TypeError, ValueError, ImportError
        The errors that `fit` of the pipeline or of the step would raise.
    """
    for _, step in named_steps:
        if step is None or step == "passthrough":
            continue
        if not is_transformer(step):
            raise TypeError(
                "All intermediate steps should be transformers and implement fit and transform or "
                f"be the string 'passthrough' '{step}' (type {type(step)}) doesn't"
            )
        check_parameters(step)
        _check_callbacks(owner, step)
        if hasattr(step, "backend"):
            resolve_backend(step.backend, X)


def _check_callbacks(owner, step):
    """Raise the error that scikit-learn raises when it passes callbacks on to the step."""
    callbacks = [each for each in callbacks_of(step) if isinstance(each, AutoPropagatedCallback)]
    if callbacks:
        raise TypeError(
            f"The sub-estimator ({type(step).__name__}) of a meta-estimator "
            f"({type(owner).__name__}) can't have auto-propagated callbacks "
            f"({[type(each).__name__ for each in callbacks]}). Register them directly on the "
            "meta-estimator."
        )


def check_parameters(estimator):
    """Raise an error if parameters of an estimator are invalid."""
    if not get_config()["skip_parameter_validation"]:
        constraints = getattr(estimator, "_parameter_constraints", {})
        parameters = estimator.get_params(deep=False)
        validate_parameter_constraints(constraints, parameters, type(estimator).__name__)


def check_shapes(named_steps, classifier, X):
    """Raise an error if a step cannot process the output of the step before it.

    The first sample passes through the steps that do not learn. The output of a model is replaced
    by zeros of its shape. The check ends at the first step whose output has an unknown shape.

    Parameters
    ----------
    named_steps : list of (str, estimator)
        Steps before the classifier.
    classifier : estimator
        The last step, which processes rows.
    X : array-like
        Data.

    Raises
    ------
    ValueError
        The error of the first step that cannot process its input.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fit of each step issues them again
        _pass_through(named_steps, classifier, X)


def _pass_through(named_steps, classifier, X):
    row, is_sample = first_row(X), True
    for _, step in named_steps:
        if is_passed_through(step):
            continue
        if learns(step):
            row, is_sample = _output(step, row), False
        elif is_sample or type(step).__module__.startswith("sklearn_ebm."):
            row = clone(step).fit(row).transform(row)
        else:
            return
        if row is None:
            return
    _check_rows(classifier, row)


def check_values(steps, n_before, X):
    """Raise an error if fitted steps cannot process all samples, or training them cannot.

    Parameters
    ----------
    steps : list of fitted transformers
        Steps before the classifier.
    n_before : int
        Number of steps before the first one that is trained.
    X : array-like
        Data.

    Raises
    ------
    ValueError
        The error that the first trained step would raise. If no step is trained, scikit-learn's
        error for NaN or infinity in the input of the classifier.
    """
    before, first = steps[:n_before], steps[n_before : n_before + 1]
    encoder = getattr(first[0], "encoder_", None) if first else None
    limits = {} if encoder is None else {"degree": 4, "unit": encoder.scale.data}

    def check(rows):
        x = transformed(before, _safe_indexing(X, rows))
        features = transformed(first, x)
        if not is_cupy(features):
            check_array(features, accept_sparse=True, allow_nd=True, input_name="X")
        check_magnitude(as_input(x), **limits)

    map_batches(check, steps[: n_before + 1], X)


def _check_rows(estimator, row):
    if not is_cupy(row):
        check_array(
            row, accept_sparse=True, dtype=None, ensure_all_finite=False, estimator=estimator
        )


@functools.singledispatch
def _output(model, row):
    """Return zeros of the shape of a model's output for one sample, or None if it is not known."""
    return row if isinstance(model, OneToOneFeatureMixin) else None


@_output.register
def _(model: SparseModel, row):
    _check_rows(model, row)
    atoms = getattr(model.dictionary, "components_", model.dictionary)
    n_components = row.shape[1] if model.n_components is None else model.n_components
    return np.zeros((1, n_components if atoms is None else np.shape(atoms)[0]))


@_output.register
def _(model: GroupSparsePSD, row):
    _check_rows(model, row)  # the number of features depends on the groups or the map


@_output.register
def _(model: RBM, row):
    _check_rows(model, row)
    return np.zeros((1, model.n_components))


@_output.register
def _(model: LocalPSD, row):
    model = clone(model)
    model._sample_shape = model._inputs(is_first=True).read(model, row, reset=True).shape
    units = model._atoms()
    units.crop_shape(units.image_shape[:2])
    output = np.zeros((1, *units.places.map_shape(units.image_shape, units.filter_shape), 1))
    return output.reshape(1, -1) if np.ndim(row) == 2 else output


@_output.register(ConvPSD)
@_output.register(ConvSparseCoder)
def _(model, row):
    filters = model._atoms()
    shape = model._inputs(is_first=True).read(clone(model), row, reset=True).shape
    given, _ = filters.first
    if given is not None and np.ndim(given) != 4:
        return None
    filter_shape = window_shape(filters.smallest_image, shape[0])
    crop_shape(model.crop_size, shape[:2], filter_shape)
    n_components = model.n_components or filters.otherwise
    maps = BORDERS[model.border](filter_shape).map_shape(shape[:2], filter_shape)
    output = np.zeros((1, *maps, n_components if given is None else np.shape(given)[0]))
    return output.reshape(1, -1) if np.ndim(row) == 2 else output


def check_unlabelled(unlabelled, X):
    """Return unlabelled samples that match the type, shape, dtype and column order of X.

    Parameters
    ----------
    unlabelled : array-like or None
        Samples without labels.
    X : array-like
        Samples with labels.

    Returns
    -------
    array-like or None
        The samples, ready to be joined with X.

    Raises
    ------
    ValueError
        If they differ from X in type or shape.
    """
    if unlabelled is None:
        return None
    if _kind(unlabelled) != _kind(X):
        raise ValueError(
            f"unsupervised_X must be of the same kind as X, got {type(unlabelled).__name__} and "
            f"{type(X).__name__}."
        )
    found, expected = np.shape(unlabelled)[1:], np.shape(X)[1:]
    if found != expected:
        raise ValueError(
            f"unsupervised_X has samples of shape {found}, but X has samples of shape {expected}."
        )
    if hasattr(X, "columns"):
        if set(unlabelled.columns) != set(X.columns):
            raise ValueError("The feature names of unsupervised_X should match those of X.")
        return unlabelled[list(X.columns)]
    return _as_type_of(X, unlabelled)


def _kind(X):
    kinds = sparse.issparse(X), is_cupy(X), hasattr(X, "iloc")
    return next((number for number, holds in enumerate(kinds) if holds), None)


def _as_type_of(X, unlabelled):
    """Cast real numbers to the dtype of X, in which the network is trained."""
    types = [getattr(data, "dtype", None) for data in (X, unlabelled)]
    if types[0] == types[1] or any(dtype is None or dtype.kind != "f" for dtype in types):
        return unlabelled
    return unlabelled.astype(types[0])
