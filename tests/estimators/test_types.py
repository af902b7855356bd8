"""Input of any type is equivalent to float32 or float64, and parameters to plain numbers."""

import functools
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from sklearn_ebm import (
    PSD,
    RBM,
    AutoEncoder,
    ConvPSD,
    ConvSparseCoder,
    Dropout,
    DrSAEClassifier,
    EnergyModel,
    EstimatorEnergy,
    FineTunedClassifier,
    FineTunedRegressor,
    GroupPenalty,
    GroupSparsePSD,
    LISTAEncoder,
    LocalContrastNormalizer,
    LocalPSD,
    Pooler,
    Rectifier,
    SparseCoder,
    WhatWherePSD,
    ZCAWhitener,
    alpha_max,
    alpha_path,
    fista,
    ista,
    sparse_encode,
)
from sklearn_ebm.metrics import duality_gap

X = np.round(64 * np.random.default_rng(0).standard_normal((30, 8))) / 64  # exact in float16
IMAGES = X.reshape(3, 8, 10)
ATOMS = np.round(64 * np.random.default_rng(1).standard_normal((6, 8))) / 64
QUICK = {"alpha": 0.5, "max_iter": 2, "tol": 0, "random_state": 0}
MACHINE = {"max_iter": 2, "n_chains": 10, "random_state": 0}
MODELS = {
    "SparseCoder": (SparseCoder(5, **QUICK), X),
    "SparseCoder-groups": (SparseCoder(6, penalty=GroupPenalty(2), **QUICK), X),
    "PSD": (PSD(5, encoder="lista", n_steps=2, **QUICK), X),
    "GroupSparsePSD": (GroupSparsePSD(6, groups=2, output="simple", **QUICK), X),
    "WhatWherePSD": (WhatWherePSD(6, n_what=2, n_frames=1, output="both", **QUICK), X),
    "LISTAEncoder": (LISTAEncoder(5, **QUICK), X),
    "ConvSparseCoder": (ConvSparseCoder(3, kernel_size=3, **QUICK), IMAGES),
    "ConvPSD": (ConvPSD(3, kernel_size=3, **QUICK), IMAGES),
    "LocalPSD": (LocalPSD(kernel_size=3, tile_shape=2, output="simple", **QUICK), IMAGES),
    "AutoEncoder": (AutoEncoder(5, max_iter=2, random_state=0), X),
    "EnergyModel": (EnergyModel(5, max_iter=2, tol=0, random_state=0), X),
    "RBM": (RBM(5, sparsity_target=0.25, **MACHINE), X),
    "RBM-gaussian": (RBM(5, visible="gaussian", **MACHINE), X),
    "EstimatorEnergy": (EstimatorEnergy(PCA(3)), X),
    "ZCAWhitener": (ZCAWhitener(), X),
    "Rectifier": (Rectifier("split"), X),
    "LocalContrastNormalizer": (LocalContrastNormalizer(3), IMAGES),
    "Pooler": (Pooler(), IMAGES),
}
LEARNERS = [name for name, (model, _) in MODELS.items() if hasattr(model, "partial_fit")]
models = pytest.mark.parametrize("name", MODELS)
pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:X has values"),
    pytest.mark.filterwarnings("ignore:X has only zeros and ones"),  # true of booleans
]


def flipped(values):
    return np.flip(np.ascontiguousarray(np.flip(values, -1)), -1)


def every_second(values):
    wide = np.zeros((2 * len(values), *values.shape[1:]))
    wide[::2] = values
    return wide[::2]


def unwritable(values):
    copied = values.copy()
    copied.flags.writeable = False
    return copied


def unchanged(values):
    return values


def single(values):
    return values.astype(np.float32)


def integers(values):
    return np.round(3 * values)


def signs(values):
    return 1.0 * (values > 0)


# The same numbers in another form, and in a plain array.
FORMS = {
    "float32, swapped": (lambda A: A.astype(">f4"), single),
    "float64, swapped": (lambda A: A.astype(">f8"), unchanged),
    "float16": (lambda A: A.astype(np.float16), lambda A: A.astype(np.float16).astype(float)),
    "longdouble": (lambda A: A.astype(np.longdouble), unchanged),
    "int8": (lambda A: integers(A).astype(np.int8), integers),
    "int32, swapped": (lambda A: integers(A).astype(">i4"), integers),
    "uint64": (lambda A: integers(abs(A)).astype(np.uint64), lambda A: integers(abs(A))),
    "booleans": (lambda A: A > 0, signs),
    "objects": (lambda A: A.astype(object), unchanged),
    "lists": (lambda A: A.tolist(), unchanged),
    "Fortran order": (np.asfortranarray, unchanged),
    "negative strides": (flipped, unchanged),
    "strides": (every_second, unchanged),
    "read-only": (unwritable, unchanged),
}


def frame(dtype, change=unchanged):
    def make(values):
        pandas = pytest.importorskip("pandas")
        values = pandas.DataFrame(change(values))
        return values.rename(columns=str).astype(dtype)

    return make


FRAMES = {
    "frame": (frame("float32"), single),
    "swapped frame": (frame(">f4"), single),
    "swapped frame of float64": (frame(">f8"), unchanged),
    "Float32": (frame("Float32"), single),
    "Float64": (frame("Float64"), unchanged),
    "Int16": (frame("Int16", integers), integers),
    "boolean": (frame("boolean", lambda A: A > 0), signs),
    "mixed frame": (frame({"0": "Int8", "1": ">f4", "2": "Float64"}, integers), integers),
}
SINGLE = ["float16", "int8", "booleans"]  # forms that an RBM uses in single precision


def dense(value):
    return value.toarray() if sparse.issparse(value) else np.asarray(value)


def results(model, data):
    found = {"transform": dense(model.transform(data))}
    for call in ("energy", "score_samples"):
        if hasattr(model, call):
            found[call] = getattr(model, call)(data)
    return found


def assert_same(first, second):
    """Assert equal types, and values that differ at most by the rounding of sums."""
    assert first.dtype == second.dtype
    tolerance = 1e-4 if first.dtype == np.float32 else 1e-9
    assert_allclose(first, second, rtol=tolerance, atol=tolerance)


def forms_of(name):
    return {**FORMS, **FRAMES} if MODELS[name][1].ndim == 2 else FORMS


EVERY_FORM = ["SparseCoder", "ConvSparseCoder", "RBM"]  # one model for each way of data input
CASES = [
    (name, form)
    for k, name in enumerate(MODELS)
    for n, form in enumerate(forms_of(name))
    if name in EVERY_FORM or (k + n) % 6 == 0
]


@functools.cache
def results_of_plain_data(name, plainly):
    """Return the fitted model, its results, and those of `partial_fit`; read only."""
    model, data = MODELS[name]
    data = plainly(data)
    fitted = clone(model).fit(data)
    continued = clone(model).partial_fit(data) if hasattr(model, "partial_fit") else None
    return fitted, results(fitted, data), continued and continued.transform(data)


@pytest.mark.parametrize(("name", "form"), CASES)
def test_data_of_any_type_are_the_same_numbers(name, form):
    model, data = MODELS[name]
    if "RBM" in name and form in SINGLE:
        pytest.skip("an RBM learns from these in single precision")
    convert, plainly = forms_of(name)[form]
    given, first = convert(data), clone(model).fit(convert(data))
    second, expected, continued = results_of_plain_data(name, plainly)
    for call, result in results(first, given).items():
        assert_same(result, expected[call])
    if hasattr(model, "inverse_transform"):
        codes = expected["transform"]
        convert, plainly = {**FORMS, **FRAMES}[form] if codes.ndim == 2 else FORMS[form]
        assert_same(
            first.inverse_transform(convert(codes)), second.inverse_transform(plainly(codes))
        )
    if hasattr(model, "partial_fit"):
        assert_same(clone(model).partial_fit(given).transform(given), continued)


@models
def test_a_memory_map_is_the_same_numbers(name, tmp_path):
    model, data = MODELS[name]
    np.save(tmp_path / "data.npy", data)
    mapped = np.load(tmp_path / "data.npy", mmap_mode="r")
    _, expected, _ = results_of_plain_data(name, unchanged)
    for call, result in results(clone(model).fit(mapped), mapped).items():
        assert_same(result, expected[call])


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize(("first", "second"), [("f4", "f8"), ("f8", "f4")])
def test_a_batch_of_other_precision_is_cast_to_the_type_of_the_model(name, first, second):
    model, data = MODELS[name]
    fitted = clone(model).fit(data.astype(first))
    before = pickle.dumps(fitted)
    for warm_start in [False, True] if "warm_start" in model.get_params() else [False]:
        models = [pickle.loads(before) for _ in range(2)]
        for each, dtype in zip(models, (second, first), strict=True):
            if warm_start:
                each.set_params(warm_start=True).fit(data.astype(dtype))
            else:
                each.partial_fit(data.astype(dtype))
        for attribute, value in vars(models[0]).items():
            if attribute in model._model_attributes and attribute.endswith(("nents_", "ing_")):
                assert value.dtype == first
                # Codes of a LISTAEncoder are inferred to a tolerance in the dtype of the batch.
                tolerance = {"rtol": 1e-3, "atol": 1e-3} if name == "LISTAEncoder" else {}
                assert_allclose(
                    value,
                    getattr(models[1], attribute),
                    **{"rtol": 1e-5, "atol": 1e-6, **tolerance},
                )
        assert models[0].transform(data.astype(second)).dtype == second


@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "ZCAWhitener"])
def test_a_batch_that_the_type_of_the_model_cannot_hold_is_refused(name):
    model, data = MODELS[name]
    fitted = clone(model).fit(data.astype(np.float32))
    with pytest.raises(ValueError, match=r"too large for dtype.'float32'"):
        fitted.partial_fit(1e35 * data)
    assert_array_equal(fitted.components_, clone(model).fit(data.astype(np.float32)).components_)


@pytest.mark.parametrize(  # a third of the forms for each function, or all of them
    ("encode", "form"),
    [
        pytest.param(encode, form, marks=() if (n + k) % 3 == 0 else pytest.mark.exhaustive)
        for n, encode in enumerate([sparse_encode, fista, ista])
        for k, form in enumerate([*FORMS, *FRAMES])
    ],
)
def test_arguments_of_functions_are_the_same_numbers(encode, form):
    convert, plainly = {**FORMS, **FRAMES}[form]
    assert_same(encode(convert(X), ATOMS, 0.5), encode(plainly(X), ATOMS, 0.5))
    atoms = abs(ATOMS) + 0.5  # none is zero as an integer
    for dtype in (np.float32, np.float64):
        data = X.astype(dtype)
        expected = encode(data, plainly(atoms).astype(dtype), 0.5)
        assert_same(encode(data, convert(atoms), 0.5), expected)
    start = np.zeros((30, 6))
    assert_same(encode(X, ATOMS, 0.5, init=convert(start)), encode(X, ATOMS, 0.5, init=start))
    code = encode(X, ATOMS, 0.5)
    for position, value in enumerate((X, code, ATOMS)):
        arguments, others = [X, code, ATOMS], [X, code, ATOMS]
        arguments[position], others[position] = convert(value), plainly(value)
        assert_allclose(
            duality_gap(*arguments, 0.5), duality_gap(*others, 0.5), rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("parameter", ["dictionary", "dictionary_init"])
@pytest.mark.parametrize("form", [*FORMS, *FRAMES])
def test_given_atoms_are_the_same_numbers(parameter, form):
    convert, plainly = {**FORMS, **FRAMES}[form]
    atoms = abs(ATOMS) + 0.5
    first, second = (
        SparseCoder(**{parameter: each(atoms)}, **QUICK).fit(X) for each in (convert, plainly)
    )
    assert_same(first.components_, second.components_)
    assert_same(first.transform(X), second.transform(X))


def weights_of(form):
    values = 1 + np.arange(30) % 3
    pandas = pytest.importorskip("pandas")
    return {
        "float16": values.astype(np.float16), "swapped": values.astype(">f8"),
        "longdouble": values.astype(np.longdouble), "lists": values.tolist(),
        "series": pandas.Series(values), "Float32": pandas.Series(values).astype("Float32"),
        "Int64": pandas.Series(values).astype("Int64"), "reversed": values[::-1][::-1],
        "objects": values.astype(object),
    }[form], values.astype(float)  # fmt: skip


@pytest.mark.each_value
@pytest.mark.parametrize("name", ["SparseCoder", "PSD", "LISTAEncoder", "ConvSparseCoder"])
@pytest.mark.parametrize(
    "form",
    ["float16", "swapped", "longdouble", "lists", "series", "Float32", "Int64", "objects"],
)
def test_weights_of_any_type_are_the_same_numbers(name, form):
    model, data = MODELS[name]
    given, plain = (weights[: len(data)] for weights in weights_of(form))
    first = clone(model).fit(data, sample_weight=given)
    assert_same(first.components_, clone(model).fit(data, sample_weight=plain).components_)


@pytest.mark.parametrize("number", [2, np.float32(2), np.int8(2)])
def test_one_weight_counts_for_all_samples(number):
    model, data = MODELS["SparseCoder"]
    weighted = clone(model).fit(data, sample_weight=number)
    assert_allclose(weighted.components_, clone(model).fit(data).components_, atol=1e-9)


@pytest.mark.parametrize("form", ["Float64", "Float32", "Int64", "boolean"])
def test_missing_values_of_pandas_are_missing(form):
    pandas = pytest.importorskip("pandas")
    values = pandas.DataFrame(X > 0 if form == "boolean" else integers(X)).astype(form)
    values.iloc[3, 2] = pandas.NA
    plain = values.to_numpy(dtype=np.float32 if form == "Float32" else float, na_value=np.nan)
    model = SparseCoder(5, missing_values=np.nan, **QUICK)
    assert_same(clone(model).fit(values).components_, clone(model).fit(plain).components_)
    with pytest.raises(ValueError, match=r"(?s)Input X contains NaN\..*missing_values=np.nan"):
        model.set_params(missing_values=None).fit(values)


NAN = np.where(np.arange(240).reshape(30, 8) == 7, np.nan, X)
REFUSALS = {
    "SparseCoder": lambda: SparseCoder(4).fit(NAN),
    "PSD": lambda: PSD(4).partial_fit(NAN),
    "GroupSparsePSD": lambda: GroupSparsePSD(4).fit(NAN),
    "ConvSparseCoder": lambda: ConvSparseCoder(2, kernel_size=3, missing_values=-1).fit(NAN[None]),
    "ConvPSD": lambda: ConvPSD(2, kernel_size=3).fit(NAN),
    "RBM": lambda: RBM(4).fit(NAN),
    "transform": lambda: SparseCoder(4, **QUICK).fit(X).transform(NAN),
    "sparse_encode": lambda: sparse_encode(NAN, ATOMS, 0.5),
    "fista": lambda: fista(NAN, ATOMS, 0.5),
    "ista": lambda: ista(NAN, ATOMS, 0.5, missing_values=0.5),
    "alpha_path": lambda: alpha_path(NAN, ATOMS),
    "alpha_max": lambda: alpha_max(NAN, ATOMS),
}


@pytest.mark.parametrize("refuse", REFUSALS.values(), ids=REFUSALS)
def test_nan_is_refused_with_the_parameter_that_admits_it(refuse):
    with pytest.raises(ValueError, match=r"(?s)Input X contains NaN\..*if missing_values=np.nan"):
        refuse()


@pytest.mark.parametrize("model", [LISTAEncoder(4), ZCAWhitener(), Rectifier()])
def test_nan_is_refused_in_the_words_of_scikit_learn_where_no_parameter_admits_it(model):
    words = f"{type(model).__name__} does not accept missing values encoded as NaN natively"
    with pytest.raises(ValueError, match=words):
        model.fit(np.full((9, 8), np.nan))


# Parameters

NETWORK = make_pipeline(
    PSD(4, **{**QUICK, "max_iter": 1}), Dropout(0.25, random_state=0), LogisticRegression()
)
REGRESSION = make_pipeline(*NETWORK[:-1], Ridge())
ESTIMATORS = {
    **MODELS,
    "DrSAEClassifier": (
        DrSAEClassifier(5, n_steps=2, pretrain_max_iter=1, max_iter=1, random_state=0),
        X / 4,
    ),
    "FineTunedClassifier": (FineTunedClassifier(NETWORK, max_iter=1, random_state=0), X),
    "FineTunedRegressor": (FineTunedRegressor(REGRESSION, max_iter=1, random_state=0), X),
}
FRACTIONS = {  # powers of two, exact in all dtypes
    "alpha": 0.5, "beta": 0.5, "learning_rate": 2**-6, "tol": 2**-6, "code_tol": 2**-6,
    "missing_values": 0.5, "momentum": 0.5, "weight_decay": 2**-6, "sparsity_target": 0.25,
    "sparsity_cost": 0.125, "average": 0.25, "validation_fraction": 0.25, "regularization": 0.5,
    "noise_level": 0.25, "contamination": 0.25, "label_weight": 0.25, "gamma": 0.5,
    "pool_sigma": 0.5,
}  # fmt: skip
NUMBERS = {
    "n_components": 9, "n_steps": 1, "max_iter": 3, "batch_size": 100, "code_max_iter": 100,
    "n_iter_no_change": 3, "kernel_size": 2, "crop_size": 5, "connections": 1, "n_gibbs_steps": 2,
    "n_chains": 20, "subsample": 50, "window_size": 5, "pool_shape": 3, "pool_stride": 1,
    "map_groups": 1, "n_sampling_steps": 2, "n_leapfrog_steps": 5, "noise_ratio": 3,
    "pretrain_max_iter": 2, "n_what": 3, "n_frames": 1, "groups": 3, "random_state": 5,
    "verbose": 0, "tile_shape": 3,
}  # fmt: skip
SWITCHES = [
    "positive", "sparse_output", "warm_start", "tied", "centered", "binarize", "divide",
    "early_stopping", "tied_weights", "positive_dictionary", "relative_alpha", "rank_one",
]  # fmt: skip
SCALARS = {
    **{parameter: np.longdouble if parameter == "alpha" else np.float16 for parameter in FRACTIONS},
    **{parameter: np.uint64 if parameter == "max_iter" else np.int8 for parameter in NUMBERS},
    **{parameter: np.bool_ for parameter in SWITCHES},
}


def test_every_numeric_parameter_is_here():
    found = set()
    for model, _ in ESTIMATORS.values():
        for parameter, value in model.get_params(deep=False).items():
            if isinstance(value, int | float):
                found.add(parameter)
    assert found - {"torus", "prefit"} <= SCALARS.keys()


def results_with(name, parameters):
    """Return all results of fit, partial_fit and transform in float32 for given parameters."""
    model, data = ESTIMATORS[name]
    model, data = clone(model).set_params(**parameters), data.astype(np.float32)
    labels = [np.arange(len(data)) % 2] if hasattr(model, "predict") else []
    found = {}
    for method in ("fit", "partial_fit"):
        if hasattr(model, method):
            getattr(model, method)(data, *labels)
            methods = "transform", "decision_function", "predict"
            call = next(getattr(model, name) for name in methods if hasattr(model, name))
            found[method] = dense(call(data))
            arrays = {key: each for key, each in vars(model).items() if key[-1] == "_" != key[0]}
            found.update(
                {f"{method} {key}": each for key, each in arrays.items()
                 if isinstance(each, np.ndarray) and each.dtype.kind == "f" and "second" not in key}
            )  # fmt: skip
    return found


VALUES = {**FRACTIONS, **NUMBERS, **dict.fromkeys(SWITCHES, True)}


def scalar_parameters(name):
    return [each for each in SCALARS if each in ESTIMATORS[name][0].get_params(deep=False)]


def assert_same_results_with_numbers_of_numpy(name, parameters):
    values = {each: VALUES[each] for each in parameters}
    expected = results_with(name, values)
    found = results_with(name, {each: SCALARS[each](value) for each, value in values.items()})
    for key, result in found.items():
        assert result.dtype == expected[key].dtype, key
        assert_array_equal(result, expected[key], err_msg=key)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_numbers_of_numpy_are_numbers(name):
    """Results are bit-identical to those with Python's numbers, and float32 is preserved."""
    assert_same_results_with_numbers_of_numpy(name, scalar_parameters(name))


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "parameter"),
    [(name, parameter) for name in ESTIMATORS for parameter in scalar_parameters(name)],
)
def test_each_number_of_numpy_is_a_number(name, parameter):
    assert_same_results_with_numbers_of_numpy(name, [parameter])


@pytest.mark.parametrize("encode", [sparse_encode, fista, ista])
def test_numbers_of_numpy_are_numbers_for_functions(encode):
    data = X.astype(np.float32)
    expected = encode(data, ATOMS, 0.5, tol=2**-6, max_iter=100, positive=True, missing_values=0.5)
    for real in (np.float16, np.float32, np.float64, np.longdouble):
        for whole in (np.int8, np.uint64):
            code = encode(
                data, ATOMS, real(0.5), tol=real(2**-6), max_iter=whole(100),
                positive=np.True_, missing_values=real(0.5),
            )  # fmt: skip
            assert code.dtype == np.float32
            assert_array_equal(code, expected)


def test_numbers_of_numpy_are_numbers_for_samples():
    model, data = MODELS["RBM"]
    model = clone(model).fit(data)
    for whole in (np.int8, np.uint8, np.uint64):
        for kind, plain in (
            (model.gibbs(data, whole(2), random_state=0), model.gibbs(data, 2, random_state=0)),
            (
                model.sample(whole(9), whole(100), random_state=0),
                model.sample(9, 100, random_state=0),
            ),
            (
                model.log_partition(
                    "ais", n_temperatures=whole(100), n_runs=whole(90), random_state=0
                ).log_weights,
                model.log_partition(
                    "ais", n_temperatures=100, n_runs=90, random_state=0
                ).log_weights,
            ),
        ):
            assert_array_equal(kind, plain)
