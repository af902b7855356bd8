"""Bad input: an error in scikit-learn's words, a warning that names it, or the correct result.

Overflow and invalid operations inside the package are errors in every test (see pyproject.toml).
"""

import importlib.util
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_ebm import SparseCoder, sparse_encode
from sklearn_ebm.metrics import duality_gap
from tests.registries.row_models import fitted_attributes, kinds, learners, make
from tests.registries.solvers import LASSO_SOLVERS

N_SAMPLES, N_FEATURES, N_ATOMS = 60, 8, 12
ALPHA = 0.5
solvers = pytest.mark.parametrize("solver", LASSO_SOLVERS)


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).standard_normal((N_SAMPLES, N_FEATURES))


@pytest.fixture(scope="module")
def atoms():
    rows = np.random.default_rng(1).standard_normal((N_ATOMS, N_FEATURES))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def with_entry(X, value):
    X = X.copy()
    X[3, 2] = value
    return X


DOORS = {  # (model, good data, dictionary, bad data)
    "fit": lambda model, X, atoms, bad: model.fit(bad),
    "partial_fit": lambda model, X, atoms, bad: model.partial_fit(bad),
    "later partial_fit": lambda model, X, atoms, bad: model.partial_fit(X).partial_fit(bad),
    "transform": lambda model, X, atoms, bad: model.partial_fit(X).transform(bad),
    "energy": lambda model, X, atoms, bad: model.partial_fit(X).energy(bad),
    "score": lambda model, X, atoms, bad: model.partial_fit(X).score(bad),
    "sparse_encode": lambda model, X, atoms, bad: sparse_encode(bad, atoms, ALPHA),
}
doors = pytest.mark.parametrize("door", DOORS)


class Refusal(NamedTuple):
    """Bad data derived from good data, and the error message."""

    spoil: Any
    error: type
    words: str


REFUSED = {
    "NaN": Refusal(lambda X: with_entry(X, np.nan), ValueError, "Input X contains NaN"),
    "infinity": Refusal(lambda X: with_entry(X, np.inf), ValueError, "Input X contains infinity"),
    "minus infinity": Refusal(lambda X: with_entry(X, -np.inf), ValueError, "contains infinity"),
    "1e30 in float32": Refusal(lambda X: np.float32(1e30) * np.float32(X), ValueError, "too large"),
    "1e200": Refusal(lambda X: 1e200 * X, ValueError, "value too large for dtype.'float64'.*Resc"),
    "strings": Refusal(lambda X: np.full(X.shape, "a"), ValueError, "could not convert string"),
    "objects": Refusal(lambda X: np.full(X.shape, {}, dtype=object), TypeError, "real number"),
    "complex": Refusal(lambda X: X + 1j, ValueError, "Complex data not supported"),
    "no sample": Refusal(lambda X: X[:0], ValueError, r"Found array with 0 sample\(s\)"),
    "no feature": Refusal(lambda X: X[:, :0], ValueError, r"Found array with 0 feature\(s\)"),
    "one dimension": Refusal(lambda X: X[0], ValueError, "Expected 2D array, got 1D array"),
    "three dimensions": Refusal(lambda X: X[None], ValueError, "Found array with dim 3"),
}


@pytest.mark.pairwise
@kinds
@doors
@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_data_that_cannot_be_used_are_refused(X, atoms, name, door, case):
    with pytest.raises(case.error, match=case.words):
        DOORS[door](make(name), X, atoms, case.spoil(X))


@kinds
@pytest.mark.parametrize("door", sorted(DOORS.keys() - {"fit", "partial_fit", "sparse_encode"}))
def test_another_width_than_in_fit_is_refused(X, atoms, name, door):
    words = f"X has 5 features, but {type(make(name)).__name__} is expecting 8 features"
    with pytest.raises(ValueError, match=words):
        DOORS[door](make(name), X, atoms, X[:, :5])


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_outliers_whose_squared_gradients_overflow_are_refused_by_models_with_gradients(X, method):
    """The encoder's optimizer computes fourth powers of X, relative to most of its entries."""
    spoilt = with_entry(X.astype(np.float32), 1e12)
    with pytest.raises(ValueError, match=r"powers of .* overflow. Rescale X"):
        getattr(make("PSD-tanh-encoder"), method)(spoilt)
    for name, data in (("SparseCoder", spoilt), ("PSD-tanh-encoder", np.float32(1e12) * X)):
        model = make(name, tol=1e-2, alpha=1e11)
        assert_usable(getattr(model, method)(data), data)


def test_codes_of_another_width_are_refused(X):
    with pytest.raises(ValueError, match="X has 4 components, but SparseCoder is expecting 5"):
        make("SparseCoder").partial_fit(X).inverse_transform(np.zeros((2, 4)))


@kinds
@pytest.mark.parametrize(
    "method",
    ["transform", "inverse_transform", "energy", "score_samples", "score", "get_feature_names_out"],
)
def test_what_needs_a_fitted_model_says_so(X, name, method):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        getattr(make(name), method)(X)


ODD = {  # data that look wrong but have a correct result
    "one sample": lambda X: X[:1],
    "one feature": lambda X: X[:, :1],
    "a constant column": lambda X: np.hstack([X[:, 1:], np.ones((len(X), 1))]),
    "constant columns": lambda X: np.ones_like(X),
    "all zeros": lambda X: np.zeros_like(X),
    "a sample of zeros": lambda X: np.vstack([X, np.zeros((1, X.shape[1]))]),
    "integers": lambda X: np.round(3 * X).astype(int),
    "booleans": lambda X: X > 0,
    "1e-30": lambda X: 1e-30 * X,
    "1e-30 in float32": lambda X: (1e-30 * X).astype(np.float32),
    "1e-300": lambda X: 1e-300 * X,
    "1e30": lambda X: 1e30 * X,
    "fewer samples than atoms": lambda X: X[:3],
}
odd = pytest.mark.parametrize("odd", ODD)


def assert_usable(model, X):
    """Assert that all fitted attributes are finite, and that atoms have norm one."""
    for name, value in fitted_attributes(model).items():
        if name != "encoder_":
            assert np.all(np.isfinite(value)), name
    norm = np.linalg.norm(model.components_.astype(np.float64), axis=1)
    assert_allclose(norm, 1, rtol=1e-6)  # a few roundings in float32
    assert np.all(np.isfinite(model.transform(X)))
    assert np.all(np.isfinite(model.energy(X)))


@pytest.mark.pairwise
@kinds
@odd
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_odd_data_give_a_usable_model(X, name, odd, method):
    data = ODD[odd](X)
    assert_usable(getattr(make(name, max_iter=5), method)(data), data)


@odd
@solvers
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_odd_data_have_certified_codes(X, atoms, odd, solver):
    data = ODD[odd](X)
    code, gap = sparse_encode(
        data, atoms[:, : data.shape[1]], ALPHA, solver=solver, max_iter=10_000, return_gap=True
    )
    assert np.all(gap <= 1e-4)
    # In float32 correlations have rounding errors of 1e-7, which increase the gap.
    own = duality_gap(data, code, atoms[:, : data.shape[1]], ALPHA)
    assert np.all(own <= 1e-4 + 1e-6)


@solvers
@pytest.mark.parametrize("scale", [1e-15, 1e10])
def test_codes_scale_with_data_and_alpha(X, atoms, dtype, solver, scale):
    """z(s x, s alpha) = s z(x, alpha)."""
    options = {"solver": solver, "tol": 1e-5, "max_iter": 10_000}
    scaled = sparse_encode((scale * X).astype(dtype), atoms, scale * ALPHA, **options)
    assert scaled.dtype == dtype
    gap = duality_gap(X, scaled / dtype.type(scale), atoms, ALPHA)
    assert np.all(gap <= 2e-5)  # float32 rounds certified gaps


@solvers
def test_codes_are_optimal_where_squares_of_the_data_underflow(X, atoms, solver):
    """In float32 the energy of 1e-30 X is zero; the gap is then (1 - s)^2, s = alpha / max |q|."""
    tiny = np.float32(1e-30)
    options = {"solver": solver, "tol": 1e-6, "max_iter": 100_000}
    code = sparse_encode(tiny * np.float32(X), atoms, tiny * ALPHA, **options) / tiny
    assert code.dtype == np.float32
    assert np.any(code, axis=1).mean() > 0.9
    correlation = (X - code @ atoms) @ atoms.T
    assert np.all(np.abs(correlation) <= ALPHA * (1 + 2 * options["tol"] ** 0.5))


@solvers
@pytest.mark.parametrize("scale", [1e-8, 1e8, 1e12])
def test_atoms_of_any_norm_give_codes_of_the_inverse_size(X, atoms, dtype, solver, scale):
    options = {"solver": solver, "tol": 1e-5, "max_iter": 10_000}
    code = sparse_encode(X.astype(dtype), scale * atoms, scale * ALPHA, **options)
    gap = duality_gap(X, code.astype(float) * scale, atoms, ALPHA)
    assert np.all(gap <= 2e-5)  # float32 rounds certified gaps


@solvers
def test_numbers_beyond_single_precision_are_accepted_in_float64(X, atoms, solver):
    """The active set searches in single precision, with a maximum of 3e38."""
    code = sparse_encode(1e90 * X, atoms, 1e90 * ALPHA, solver=solver, max_iter=10_000)
    assert np.all(duality_gap(X, code / 1e90, atoms, ALPHA) <= 1.01e-4)


GIVEN = {
    "sparse_encode": lambda X, atoms: sparse_encode(X, atoms, ALPHA),
    "dictionary": lambda X, atoms: SparseCoder(dictionary=atoms).fit(X),
    "dictionary_init": lambda X, atoms: SparseCoder(dictionary_init=atoms).fit(X),
}


@pytest.mark.parametrize("door", GIVEN)
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda atoms: atoms[:, :5], "has 5 features, but X has 8 features"),
        (lambda atoms: with_entry(atoms, np.nan), "contains NaN"),
        (
            lambda atoms: atoms * (np.arange(N_ATOMS) != 3)[:, None],
            "must not contain rows of norm zero, got zeros in rows 3[.]",
        ),
        (lambda atoms: atoms * (np.arange(N_ATOMS) < 3)[:, None], "in rows 3, 4, 5, 6, 7, [.]{3}"),
        (lambda atoms: 1e200 * atoms, "squared norm is in the range of dtype.'float64'."),
        (lambda atoms: atoms + 1j, "Complex data not supported"),
        (lambda atoms: atoms[0], "Expected 2D array"),
    ],
    ids=["width", "NaN", "a zero row", "zero rows", "1e200", "complex", "one dimension"],
)
def test_dictionaries_that_cannot_be_used_are_refused(X, atoms, door, spoil, words):
    bad = spoil(atoms)
    with pytest.raises(ValueError, match=words):
        GIVEN[door](X, bad)


@pytest.mark.parametrize("door", ["dictionary", "dictionary_init"])
def test_another_number_of_rows_than_n_components_is_refused(X, atoms, door):
    with pytest.raises(ValueError, match=f"{door} has 12 rows, but n_components=5"):
        SparseCoder(5, **{door: atoms}).fit(X)


BAD_PARAMETERS = [
    {"alpha": 0},
    {"alpha": -1.0},
    {"alpha": np.nan},
    {"alpha": np.inf},
    {"solver": "lars"},
    {"backend": "torch"},
    {"n_components": 0},
    {"max_iter": 0},
    {"tol": -1.0},
    {"batch_size": 0},
    {"code_max_iter": 0},
    {"code_tol": -1.0},
    {"dictionary": "wavelets"},
    {"random_state": "zero"},
]


@kinds
@pytest.mark.parametrize("parameters", BAD_PARAMETERS, ids=str)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_parameters_out_of_range_are_refused_by_name(X, name, parameters, method):
    (parameter,) = parameters
    with pytest.raises(InvalidParameterError, match=f"The '{parameter}' parameter of"):
        getattr(make(name, **parameters), method)(X)


@pytest.mark.parametrize("parameters", [{"beta": 0}, {"encoder": "linear"}, {"inference": "both"}])
def test_parameters_of_the_encoder_are_refused_by_name(X, parameters):
    (parameter,) = parameters
    with pytest.raises(InvalidParameterError, match=f"The '{parameter}' parameter of PSD"):
        make("PSD-shrinkage-encoder", **parameters).fit(X)


@pytest.mark.parametrize(
    "options",
    [{"alpha": 0}, {"alpha": -1}, {"solver": "lars"}, {"backend": "torch"}, {"max_iter": 0}],
    ids=str,
)
def test_options_out_of_range_are_refused_by_name(X, atoms, options):
    (option,) = options
    with pytest.raises(InvalidParameterError, match=f"The '{option}' parameter of sparse_encode"):
        sparse_encode(X, atoms, **{"alpha": ALPHA, **options})


@pytest.mark.parametrize(
    ("parameter", "example"), [("penalty", "L0Penalty"), ("atom_constraint", "SparseAtoms")]
)
def test_names_of_objects_are_refused_with_examples_of_objects(X, parameter, example):
    with pytest.raises(InvalidParameterError, match=rf"such as {example}\("):
        SparseCoder(8, **{parameter: "unknown"}).fit(X)


@kinds
@pytest.mark.parametrize("weight", ["alpha", "beta"])
def test_a_weight_that_float32_cannot_represent_is_refused(X, atoms, name, weight):
    if weight not in make(name).get_params():
        pytest.skip(f"{name} has no beta")
    with pytest.raises(ValueError, match=f"{weight}=1e.60 is too large for dtype.'float32'"):
        make(name, **{weight: 1e60}).fit(X.astype(np.float32))
    with pytest.raises(ValueError, match=r"alpha=1e.60 is too large"):
        sparse_encode(X.astype(np.float32), atoms, 1e60)


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")
@kinds
def test_asking_for_cupy_where_it_is_absent_tells_how_to_install_it(X, atoms, name):
    for ask in (
        lambda: make(name, backend="cupy").fit(X),
        lambda: make(name, backend="cupy").partial_fit(X),
        lambda: make(name).fit(X).set_params(backend="cupy").transform(X),
        lambda: sparse_encode(X, atoms, ALPHA, backend="cupy"),
    ):
        with pytest.raises(ImportError, match=r'pip install "sklearn-ebm\[cuda12\]"'):
            ask()


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.zeros(N_SAMPLES), "at least one non-zero"),
        (-np.ones(N_SAMPLES), "Negative values"),
        (np.ones(3), "expected .60,."),
        (np.full(N_SAMPLES, np.nan), "sample_weight contains NaN"),
    ],
    ids=["all zero", "negative", "too few", "NaN"],
)
@kinds
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_weights_that_cannot_be_used_are_refused(X, name, method, weights, words):
    with pytest.raises(ValueError, match=words):
        getattr(make(name), method)(X, sample_weight=weights)


@pytest.mark.parametrize(
    ("init", "words"),
    [
        (
            np.zeros((3, N_ATOMS)),
            r"init must have the shape of the codes, \(60, 12\), got \(3, 12\)",
        ),
        (np.zeros((N_SAMPLES, 3)), r"init must have .* got \(60, 3\)"),
        (np.full((N_SAMPLES, N_ATOMS), np.nan), "Input init contains NaN"),
    ],
    ids=["samples", "components", "NaN"],
)
def test_starts_that_cannot_be_used_are_refused(X, atoms, init, words):
    with pytest.raises(ValueError, match=words):
        sparse_encode(X, atoms, ALPHA, init=init)


@kinds
def test_alpha_above_alpha_max_warns_that_nothing_was_learned(X, name):
    model = make(name, alpha=1e3)
    with pytest.warns(ConvergenceWarning, match="alpha=1000.0 is so large that every code is zero"):
        model.fit(X)
    assert_usable(model, X)
    assert_array_equal(model.usage_, 0)


@learners
def test_passes_that_end_before_the_change_is_small_warn_and_name_it(X, name):
    words = r"max_iter=2.* relative change of the objective is \d.*e-0\d > tol=1.0e-06"
    with pytest.warns(ConvergenceWarning, match=words):
        make(name, max_iter=2, tol=1e-6).fit(X)


@solvers
def test_inference_that_ends_early_warns_and_names_the_gap(X, atoms, solver):
    words = r"max_iter=1 iter.* up to (\S+) of .* above tol=1.0e-04. Increase code_max_iter"
    with pytest.warns(ConvergenceWarning, match=words) as record:
        _, gap = sparse_encode(X, atoms, 0.05, solver=solver, max_iter=1, return_gap=True)
    assert f"up to {gap.max():.1e} of" in str(record[0].message)
    assert str(record[0].message).startswith(f"{(gap > 1e-4).sum()} of {len(X)} codes")


def test_a_tolerance_below_rounding_warns_that_precision_ends_there(X, atoms):
    with pytest.warns(
        ConvergenceWarning, match="float32 cannot represent more accurate codes. Increase code_tol"
    ):
        sparse_encode(X.astype(np.float32), atoms, ALPHA, tol=1e-12)


@pytest.mark.parametrize("solver", ["active_set", "cd"])
def test_solvers_that_need_the_gram_matrix_say_so_where_values_are_missing(X, atoms, solver):
    words = f"solver='{solver}' requires a Hessian .*missing values.*Use solver='fista'"
    with pytest.raises(ValueError, match=words):
        sparse_encode(with_entry(X, np.nan), atoms, ALPHA, missing_values=np.nan, solver=solver)


@learners
def test_a_sample_without_any_observed_feature_is_named(X, atoms, name):
    bad = X.copy()
    bad[7] = np.nan
    with pytest.raises(
        ValueError,
        match="Each sample must have at least one observed feature, got none in sample 7",
    ):
        make(name, missing_values=np.nan).fit(bad)
    with pytest.raises(
        ValueError,
        match="Each sample must have at least one observed feature, got none in sample 7",
    ):
        sparse_encode(bad, atoms, ALPHA, missing_values=np.nan)


@learners
def test_nan_is_an_error_where_another_value_means_missing(X, atoms, name):
    bad = with_entry(X, np.nan)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        make(name, missing_values=-1).fit(bad)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        sparse_encode(bad, atoms, ALPHA, missing_values=-1)
