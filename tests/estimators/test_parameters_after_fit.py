"""Parameters that are set after fit: each call uses them, or raises an error that suggests `fit`.

A parameter of learning changes no result before the next fit. A live parameter changes results
immediately. A parameter that trained parameters depend on is refused until the next fit.
"""

import functools
import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_ebm import (
    PSD,
    RBM,
    AutoEncoder,
    ConvPSD,
    ConvSparseCoder,
    Dropout,
    DrSAEClassifier,
    EnergyModel,
    EnergyOutlierDetector,
    EstimatorEnergy,
    FineTunedClassifier,
    FineTunedRegressor,
    Flattener,
    GroupPenalty,
    GroupSparsePSD,
    LISTAEncoder,
    LocalContrastNormalizer,
    LocalPSD,
    Pooler,
    Rectifier,
    SparseAtoms,
    SparseCoder,
    WhatWherePSD,
    ZCAWhitener,
)

X = np.random.default_rng(0).standard_normal((24, 16))
IMAGES = X[:12].reshape(6, 4, 8)
QUICK = {"alpha": 0.3, "max_iter": 2, "tol": 0, "random_state": 0}
NETWORK = make_pipeline(PSD(4, **QUICK), LogisticRegression())
REGRESSION = make_pipeline(PSD(4, **QUICK), Ridge())
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
MODELS = {
    "SparseCoder": (SparseCoder(6, solver="cd", **QUICK), X),
    "PSD": (PSD(6, encoder="lista", n_steps=2, **QUICK), X),
    "PSD-optimal": (PSD(6, n_steps=2, inference="optimal", solver="cd", **QUICK), X),
    "GroupSparsePSD": (GroupSparsePSD(6, groups=2, **QUICK), X),
    "WhatWherePSD": (WhatWherePSD(6, n_what=2, n_frames=1, output="simple", **QUICK), X),
    "LISTAEncoder": (LISTAEncoder(6, **QUICK), X),
    "ConvSparseCoder": (ConvSparseCoder(3, kernel_size=3, **QUICK), IMAGES),
    "ConvPSD": (ConvPSD(3, kernel_size=3, image_shape=(4, 8), **QUICK), X[:6].repeat(2, axis=1)),
    "LocalPSD": (
        LocalPSD(kernel_size=3, tile_shape=(2, 4), output="simple", image_shape=(4, 8), **QUICK),
        X[:6].repeat(2, axis=1),
    ),
    "AutoEncoder": (AutoEncoder(6, max_iter=2, random_state=0), X),
    "DrSAEClassifier": (
        DrSAEClassifier(6, n_steps=2, pretrain_max_iter=1, max_iter=1, random_state=0),
        X / 4,
    ),
    "EnergyModel": (EnergyModel(6, max_iter=2, tol=0, random_state=0), X),
    "RBM": (RBM(6, max_iter=2, n_chains=10, random_state=0), X > 0),
    "FineTunedClassifier": (FineTunedClassifier(NETWORK, max_iter=1, random_state=0), X),
    "FineTunedRegressor": (FineTunedRegressor(REGRESSION, max_iter=1, random_state=0), X),
    "EstimatorEnergy": (EstimatorEnergy(PCA(6)), X),
    "EnergyOutlierDetector": (EnergyOutlierDetector(PCA(6)), X),
    "ZCAWhitener": (ZCAWhitener(), X),
    "Rectifier": (Rectifier(), X),
    "Dropout": (Dropout(), X),
    "Flattener": (Flattener(), IMAGES),
    "LocalContrastNormalizer": (LocalContrastNormalizer(3), IMAGES),
    "Pooler": (Pooler(), IMAGES),
}


class Halved:
    """1/2 ||z||_1, a user-defined penalty."""

    def value(self, code):
        return np.abs(code).sum(axis=1) / 2

    def prox(self, code, step_size):
        return code - np.clip(code, -step_size / 2, step_size / 2)


LEARNING = "learning"  # another value changes no result before the next fit
QUIETLY = "quiet"  # it is used, and results are the same up to rounding and tolerance

DICTIONARY = {  # of models with a dictionary: the kind, or a value that is used or refused
    "n_components": {"refused": 5},
    "dictionary": {"refused": X[:6]},
    "dictionary_init": LEARNING,
    "max_iter": LEARNING,
    "tol": LEARNING,
    "max_time": LEARNING,
    "batch_size": LEARNING,
    "warm_start": LEARNING,
    "random_state": LEARNING,
    "verbose": LEARNING,
    "backend": QUIETLY,
    "alpha": {"live": 0.6},
    "relative_alpha": {"refused": True},
    "penalty": {"live": GroupPenalty(2)},
    "positive": {"live": True},
    "solver": {"live": "block_cd"},  # requires groups, and says so
    "code_max_iter": {"live": 1},
    "code_tol": {"live": 0.5},
    "missing_values": {"live": float(X[0, 0])},
    "sparse_output": {"live": True},
}
ENCODER = {
    **DICTIONARY,
    "beta": {"live": 3.0},
    "encoder": {"refused": "tanh"},
    "inference": {"live": "optimal"},
    "learning_rate": LEARNING,
}
IMAGE = {
    "dictionary": {"refused": X[:3, :9].reshape(3, 3, 3)},
    "kernel_size": {"refused": 2},
    "connections": {"refused": 1},
    "crop_size": LEARNING,
    "border": {"live": "same"},
    "image_shape": {"live": (8, 4)},
    "solver": {"live": "ista"},
}
TRAINED_FOR = {  # an encoder; energies are of optimal codes, which change
    "alpha": {"refused by transform": 0.6},
    "beta": {"refused by transform": 3.0},
    "penalty": {"refused by transform": GroupPenalty(2)},
    "positive": {"refused by transform": True},
}
TRAINED_FOR_LOCAL = {
    **{name: kind for name, kind in TRAINED_FOR.items() if name != "penalty"},
    "pool_sigma": {"refused by transform": 1.0},
}
TABLE = {
    "SparseCoder": {
        **DICTIONARY,
        "optimizer": LEARNING,
        "positive_dictionary": LEARNING,
        "atom_constraint": LEARNING,
    },
    "PSD": {**ENCODER, "n_steps": {"refused": 3}, "atom_constraint": LEARNING, **TRAINED_FOR},
    "PSD-optimal": {
        **ENCODER,
        "n_steps": QUIETLY,
        "atom_constraint": LEARNING,
        "inference": {"live": "encoder"},
    },
    "GroupSparsePSD": {
        **{name: kind for name, kind in ENCODER.items() if name != "penalty"},
        **{name: kind for name, kind in TRAINED_FOR.items() if name != "penalty"},
        "solver": {"live": "cd"},  # does not support groups, and says so
        "n_steps": QUIETLY,  # a shrinkage encoder has no steps
        "output": {"live": "simple"},
        "groups": {"refused": 3},
        "map_shape": {"refused": (3, 2)},
        "pool_shape": {"refused": (2, 2)},
        "pool_stride": {"refused": 2},
        "pool_weights": {"refused": "uniform"},
        "torus": {"refused": False},
    },
    "WhatWherePSD": {
        **{name: kind for name, kind in ENCODER.items() if name in WhatWherePSD().get_params()},
        "alpha": {"refused by transform": 0.6},
        "beta": {"refused by transform": 3.0},
        "gamma": {"refused by transform": 0.1},
        "n_what": {"refused": 3},
        "coupling": {"refused": "product"},
        "n_frames": {"refused": 2},
        "output": {"live": "where"},
        "code_max_iter": {"live": 1},
        "code_tol": {"live": 0.9},
    },
    "LISTAEncoder": {
        **{name: kind for name, kind in DICTIONARY.items() if name in LISTAEncoder().get_params()},
        **dict.fromkeys(["solver", "code_max_iter", "code_tol"], QUIETLY),  # not used by an encoder
        "alpha": {"refused": 0.6},
        "penalty": {"refused": Halved()},
        "n_steps": {"refused": 1},
        "encoder": {"refused": "lfista"},
        "tied": {"refused": False},
        "loss": LEARNING,
        "inference": {"live": "optimal"},
        "n_iter_no_change": LEARNING,
        "validation_fraction": LEARNING,
        "learning_rate": LEARNING,
    },
    "ConvSparseCoder": {**DICTIONARY, **IMAGE, "rank_one": LEARNING},
    "ConvPSD": {**ENCODER, **IMAGE, **TRAINED_FOR},
    "LocalPSD": {
        **{name: kind for name, kind in ENCODER.items() if name in LocalPSD().get_params()},
        **TRAINED_FOR_LOCAL,
        "n_components": {"refused": 4},
        "kernel_size": {"refused": 2},
        "tile_shape": {"refused": None},
        "crop_size": LEARNING,
        "image_shape": {"live": (8, 4)},
        "output": {"live": "pooled"},
    },
    "AutoEncoder": {
        **dict.fromkeys(AutoEncoder().get_params(), LEARNING),
        "n_components": {"refused": 5},
        "activation": {"refused": "tanh"},
        "loss": {"refused": "cross_entropy"},
        "tied_weights": {"refused": False},
        "backend": QUIETLY,
    },
    "DrSAEClassifier": {
        **dict.fromkeys(DrSAEClassifier().get_params(), LEARNING),
        "n_components": {"refused": 5},
        "n_steps": {"refused": 3},
        "alpha": {"live": 0.5},
        "backend": QUIETLY,
    },
    "EnergyModel": {
        **dict.fromkeys(EnergyModel().get_params(), LEARNING),
        "n_components": {"refused": 5},
        "energy_function": {"refused": "logcosh"},
        "backend": QUIETLY,
    },
    "RBM": {
        "n_components": {"refused": 5},
        "visible": {"refused": "gaussian"},
        "missing_values": {"live": 1},
        "backend": QUIETLY,
        **dict.fromkeys(
            [
                "n_categories",  # this model is binary
                "loss",
                "n_gibbs_steps",
                "n_chains",
                "learning_rate",
                "momentum",
                "weight_decay",
                "sparsity_target",
                "sparsity_cost",
                "centered",
                "average",
                "binarize",
                "batch_size",
                "max_iter",
                "tol",
                "max_time",
                "validation_fraction",
                "warm_start",
                "random_state",
                "verbose",
            ],
            LEARNING,
        ),
    },
    "FineTunedClassifier": dict.fromkeys(
        FineTunedClassifier(NETWORK).get_params(deep=False), LEARNING
    ),
    "FineTunedRegressor": dict.fromkeys(
        FineTunedRegressor(REGRESSION).get_params(deep=False), LEARNING
    ),
    "ZCAWhitener": {"regularization": {"refused": 0.5}, "backend": QUIETLY},
    "Rectifier": {"mode": {"live": "split"}},
    "EstimatorEnergy": {"estimator": LEARNING, "latent": {"live": "sum"}},
    "EnergyOutlierDetector": {"estimator": LEARNING, "contamination": LEARNING},
    "Dropout": {"share": LEARNING, "random_state": LEARNING},
    "Flattener": {"image_shape": {"live": (8, 4)}},
    "LocalContrastNormalizer": {
        "window_size": {"live": 1},
        "divide": {"live": False},
        "image_shape": {"live": (8, 4)},
    },
    "Pooler": {
        "mode": {"live": "max"},
        "pool_shape": {"live": 3},
        "pool_stride": {"live": 1},
        "map_groups": {"live": 2},
        "image_shape": {"live": (8, 4)},
    },
}
OTHERS = {  # valid values that differ from those of the models
    "sampler": "langevin",
    "step_size": 0.3,
    "atom_constraint": SparseAtoms(),
    "dictionary_init": X[:6],
    "random_state": 1,
    "learning_rate": 0.25,
    "optimizer": "sgd",
    "contamination": 0.1,
    "noise": "gaussian",
    "regularizer": "contractive",
    "penalty": GroupPenalty(2),
    "early_stopping": True,
    "class_weight": "balanced",
    "learning_rates": {"psd": 0.0},
    "estimator": make_pipeline(PSD(3), LogisticRegression()),
    "crop_size": 4,
    "backend": "numpy",
    "sparsity_target": 0.5,
    "subsample": 5,
    "momentum": 0.5,
    "weight_decay": 0.1,
    "validation_fraction": 0.2,
    "tol": 0.5,
    "max_time": 9.0,
    "batch_size": 7,
    "n_steps": 5,
    "n_categories": 5,
}
CALLS = ["transform", "inverse_transform", "energy", "score_samples", "score"]
PREDICTIONS = ["decision_function", "predict", "predict_proba"]


def of_kind(kind):
    """Return the models and parameters of a kind."""
    chosen = [
        (name, parameter)
        for name, kinds in TABLE.items()
        for parameter, its in kinds.items()
        if its == kind or (isinstance(its, dict) and kind in its)
    ]
    return pytest.mark.parametrize(("name", "parameter"), chosen)


def labels(data):
    return np.arange(len(data)) % 2


@functools.cache
def stored(name):
    model, data = MODELS[name]
    return pickle.dumps(clone(model).fit(data, labels(data)))


def fitted(name):
    return pickle.loads(stored(name)), MODELS[name][1]


def codes_of(model, data):
    """Return numbers in the shape of the output of `transform` after any change."""
    if isinstance(model, ConvSparseCoder | ConvPSD):
        return np.ones((1, 6, 10, 3))
    if isinstance(model, LocalPSD):
        return np.ones((1, 2, 6, 1))
    return np.ones((1, 16 if isinstance(model, ZCAWhitener) else 6))


def asked(model, call, data):
    """Return the result of a public method, and the type of the array."""
    if call == "inverse_transform":
        data = codes_of(model, data)
    arguments = [data, labels(data)] if hasattr(model, "predict") and call == "score" else [data]
    result = getattr(model, call)(*arguments)
    return (result.toarray(), "sparse") if sparse.issparse(result) else (np.array(result), "dense")


def results(model, data):
    """Return the results of all public methods by name, or the error messages."""
    found = {}
    for call in (*CALLS, *PREDICTIONS):
        if hasattr(model, call):
            try:
                found[call] = asked(model, call, data)
            except ValueError as error:
                found[call] = str(error)
    return found


@functools.cache
def fitted_results(name):
    """Return the results of the fitted model before any change; read only."""
    return results(*fitted(name))


def is_same(first, second):
    if isinstance(first, str) or isinstance(second, str):
        return first == second
    return first[1] == second[1] and np.array_equal(first[0], second[0])


def differing(first, second):
    return [call for call in first if not is_same(first[call], second[call])]


def other_value(model, parameter):
    """Return another valid value."""
    value = getattr(model, parameter)
    if parameter == "optimizer" and isinstance(model, SparseCoder):
        return "ksvd"
    if parameter == "optimizer" and isinstance(model, DrSAEClassifier):
        return "adam"
    if parameter in OTHERS:
        return OTHERS[parameter]
    if parameter == "loss":
        return "cd" if isinstance(model, EnergyModel | RBM) else "energy"
    if parameter == "solver":
        return "fista"
    if isinstance(value, bool):
        return not value
    return value / 2 if isinstance(value, float) else value + 1


@pytest.mark.parametrize("name", TABLE)
def test_every_parameter_has_a_kind(name):
    assert TABLE[name].keys() == MODELS[name][0].get_params(deep=False).keys()


@of_kind(LEARNING)
def test_parameters_of_learning_change_no_result(name, parameter):
    model, data = fitted(name)
    before = fitted_results(name)
    model.set_params(**{parameter: other_value(model, parameter)})
    assert differing(before, results(model, data)) == []


@of_kind("live")
def test_live_parameters_change_results_at_once_and_back(name, parameter):
    model, data = fitted(name)
    before, value = fitted_results(name), getattr(model, parameter)
    model.set_params(**{parameter: TABLE[name][parameter]["live"]})
    assert differing(before, results(model, data))
    assert differing(before, results(model.set_params(**{parameter: value}), data)) == []


@of_kind(QUIETLY)
def test_parameters_that_change_no_result_are_accepted(name, parameter):
    model, data = fitted(name)
    before = fitted_results(name)
    after = results(model.set_params(**{parameter: other_value(model, parameter)}), data)
    for call, result in before.items():
        if isinstance(result, str):
            assert after[call] == result
            continue
        assert after[call][1] == result[1]
        # Backends sum in other orders, and codes differ by the root of twice the gap.
        np.testing.assert_allclose(after[call][0], result[0], rtol=1e-2, atol=0.1)


@of_kind("refused")
def test_parameters_that_the_model_depends_on_take_another_fit(name, parameter):
    model, data = fitted(name)
    before, value = fitted_results(name), getattr(model, parameter)
    model.set_params(**{parameter: TABLE[name][parameter]["refused"]})
    for call in before:
        with pytest.raises(ValueError, match=rf"{parameter}\b.* but this .*[.] Call fit"):
            asked(model, call, data)
    assert differing(before, results(model.set_params(**{parameter: value}), data)) == []


@of_kind("refused by transform")
def test_an_encoder_is_refused_for_other_parameters_than_those_of_its_fit(name, parameter):
    model, data = fitted(name)
    before = model.energy(data)
    model.set_params(**{parameter: TABLE[name][parameter]["refused by transform"]})
    with pytest.raises(ValueError, match=rf"{parameter}=.* Call fit .*inference='optimal'"):
        model.transform(data)
    assert np.any(model.energy(data) != before)  # energies of optimal codes need no training
    assert np.all(np.isfinite(model.set_params(inference="optimal").transform(data)))
    model.partial_fit(data).set_params(inference="encoder").transform(data)


@pytest.mark.parametrize("name", TABLE)
def test_parameters_that_are_invalid_are_refused_by_every_call(name):
    model, data = fitted(name)
    before = fitted_results(name)
    calls = [call for call in (*CALLS, *PREDICTIONS, "partial_fit") if hasattr(model, call)]
    for parameter in TABLE[name]:
        value = getattr(model, parameter)
        model.set_params(**{parameter: object()})
        is_checked = model._parameter_constraints[parameter] != "no_validation"
        for call in calls:
            if is_checked or call != "partial_fit":  # it need not use the parameter
                with pytest.raises(InvalidParameterError if is_checked else ValueError) as caught:
                    asked(model, call, data)
                assert parameter in str(caught.value)
        model.set_params(**{parameter: value})
    assert differing(before, results(model, data)) == []


def test_parameters_of_a_penalty_are_live():
    model = SparseCoder(6, penalty=GroupPenalty(2), **QUICK).fit(X)
    before = model.transform(X)
    after = model.set_params(penalty__groups=3).transform(X)
    expected = SparseCoder(dictionary=model.components_, penalty=GroupPenalty(3), alpha=0.3).fit(X)
    np.testing.assert_allclose(after, expected.transform(X), atol=1e-3)
    assert np.abs(after - before).max() > 0.1
    with pytest.raises(ValueError, match=r"groups must contain all n_components=.*Call fit"):
        model.set_params(penalty__groups=[[0, 1]]).transform(X)


@pytest.mark.parametrize(("parameter", "value"), [("kernel_size", 2), ("connections", 1)])
@pytest.mark.parametrize("warm_start", [False, True])
def test_kernels_that_learning_cannot_go_on_with_are_refused(parameter, value, warm_start):
    model = ConvSparseCoder(3, kernel_size=3, warm_start=True, **QUICK).fit(IMAGES)
    model.set_params(**{parameter: value})
    with pytest.raises(ValueError, match=rf"{parameter}=.*call fit with warm_start=False"):
        (model.fit if warm_start else model.partial_fit)(IMAGES)


def test_a_dictionary_that_learning_cannot_go_on_with_is_refused():
    model = SparseCoder(6, **QUICK).fit(X)
    with pytest.raises(ValueError, match="dictionary differs from the atoms"):
        model.set_params(dictionary=X[:6]).partial_fit(X)
    atoms = model.components_.copy()
    fixed = model.set_params(dictionary=atoms).partial_fit(X)
    np.testing.assert_array_equal(fixed.components_, atoms)
    assert np.any(model.set_params(dictionary=None).partial_fit(X).components_ != atoms)


def test_a_stored_model_still_knows_what_it_was_fitted_with():
    model, data = fitted("PSD")
    later = pickle.loads(pickle.dumps(model.set_params(encoder="tanh", n_components=None)))
    with pytest.raises(ValueError, match="encoder='tanh', but this PSD was fitted with"):
        later.transform(data)
    later.set_params(encoder="lista").transform(data)


@pytest.mark.parametrize("name", ["PSD", "GroupSparsePSD", "ConvPSD", "LISTAEncoder"])
def test_the_message_names_the_calls_that_learn_with_the_new_value(name):
    """A partial_fit uses the new alpha for all later steps, even with few samples."""
    model, data = MODELS[name]
    model = clone(model).fit(data).set_params(alpha=0.6)
    with pytest.raises(ValueError, match=r"alpha=0.6, .* Call fit or partial_fit to learn"):
        model.transform(data)
    model.partial_fit(data[:2]).transform(data)
    model.set_params(n_components=7)
    with pytest.raises(ValueError, match=r"n_components=7, .* Call fit to learn"):
        model.transform(data)
