"""Bad input of an RBM: an informative error, a warning, or a usable model.

Overflow and invalid operations inside the package are errors in every test (see pyproject.toml).
"""

import importlib.util

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

from tests.registries.machines import FORMS, make
from tests.registries.row_models import fitted_attributes

N_SAMPLES, N_FEATURES = 60, 9
forms = pytest.mark.parametrize("form", FORMS)
numeric_forms = pytest.mark.parametrize("form", sorted(FORMS.keys() - {"categorical"}))
doors = pytest.mark.parametrize("method", ["fit", "partial_fit"])
backends = pytest.mark.parametrize("backend", ["numba", "numpy"])


@pytest.fixture(scope="module")
def X():
    """Zeros and ones."""
    return (np.random.default_rng(0).random((N_SAMPLES, N_FEATURES)) < 0.4).astype(float)


def with_entry(X, value):
    X = X.copy()
    X[3, 2] = value
    return X


def assert_usable(model, X):
    """Assert that all results of fit and of all methods are finite."""
    for name, value in fitted_attributes(model).items():
        assert np.all(np.isfinite(value)), name
    for method in ("transform", "energy", "score", "gibbs", "reconstruct"):
        assert np.all(np.isfinite(getattr(model, method)(X))), method
    assert np.all(np.isfinite(model.sample(2, 3)))


# Data


REFUSED = {
    "NaN": (lambda X: with_entry(X, np.nan), "Input X contains NaN"),
    "infinity": (lambda X: with_entry(X, np.inf), "Input X contains infinity"),
    "1e30 in float32": (lambda X: np.float32(1e30) * np.float32(X), "too large"),
    "1e200": (lambda X: 1e200 * X, "value too large for dtype.'float64'.*Rescale"),
    "strings": (lambda X: np.full(X.shape, "a"), "not compatible with arrays of bytes/strings"),
    "complex": (lambda X: X + 1j, "Complex data not supported"),
    "no sample": (lambda X: X[:0], r"Found array with 0 sample\(s\)"),
    "no feature": (lambda X: X[:, :0], r"Found array with 0 feature\(s\)"),
    "one dimension": (lambda X: X[0], "Expected 2D array, got 1D array"),
}
ASKED = ["transform", "energy", "score_samples", "score", "gibbs", "reconstruct", "log_likelihood"]


@numeric_forms
@doors
@pytest.mark.parametrize(("spoil", "words"), REFUSED.values(), ids=REFUSED)
def test_data_that_cannot_be_used_are_refused(X, form, method, spoil, words):
    model = make(form)
    with pytest.raises(ValueError, match=words):
        getattr(model, method)(spoil(X))
    assert fitted_attributes(model).keys() <= {"n_features_in_"}


@pytest.mark.parametrize("method", ASKED)
@pytest.mark.parametrize(("spoil", "words"), REFUSED.values(), ids=REFUSED)
def test_methods_of_a_fitted_model_refuse_invalid_data(X, method, spoil, words):
    model = make(n_components=2, max_iter=1).fit(X)
    with pytest.raises(ValueError, match=words):
        getattr(model, method)(spoil(X))


@forms
@pytest.mark.parametrize("method", ["partial_fit", *ASKED])
def test_another_width_than_in_fit_is_refused(X, form, method):
    model = make(form).fit(X)
    with pytest.raises(ValueError, match="X has 5 features, but RBM is expecting 9 features"):
        getattr(model, method)(X[:, :5])
    assert_usable(model, X)


def test_hidden_units_of_another_number_are_refused(X):
    with pytest.raises(ValueError, match="X has 4 components, but RBM is expecting 12"):
        make().fit(X).inverse_transform(np.zeros((2, 4)))


def test_sparse_data_are_refused_by_real_units_and_on_a_device(X):
    for model in (make("gaussian"), make(backend="cupy")):
        with pytest.raises(TypeError, match="Sparse data was passed"):
            model.fit(sparse.csr_array(X))
    assert_usable(make().fit(sparse.csr_array(X)), sparse.csr_array(X))


@doors
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
def test_values_other_than_probabilities_issue_a_warning_with_a_remedy(X, method, convert):
    words = r"X has values from -1 to 4, but visible='bernoulli' expects .*MinMaxScaler.*'gaussian'"
    with pytest.warns(UserWarning, match=words):
        getattr(make(), method)(convert(with_entry(4 * X, -1)))


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("form", ["pcd", "gaussian"])
def test_other_values_do_not_warn(X, form):
    make(form).fit(X if form == "pcd" else 3 * X - 1)
    make(form).fit(X == 1)


ODD = {  # data that look wrong but have a correct result
    "one sample": lambda X: X[:1],
    "one feature": lambda X: X[:, :1],
    "a constant column": lambda X: np.hstack([X[:, 1:], np.ones((len(X), 1))]),
    "ones": lambda X: np.ones_like(X),
    "zeros": lambda X: np.zeros_like(X),
    "1e-30": lambda X: 1e-30 * X,
    "1e-30 in float32": lambda X: (1e-30 * X).astype(np.float32),
    "negative zeros": lambda X: -0.0 * X,
    "integers": lambda X: X.astype(int),
    "fewer samples than a batch": lambda X: X[:7],
    "a last batch of one": lambda X: np.vstack([X, X])[:101],
    "an empty row of CSR": lambda X: sparse.csr_array(X * (np.arange(len(X)) != 3)[:, None]),
    "no entry of CSR": lambda X: sparse.csr_array(X.shape),
}


@numeric_forms
@doors
@pytest.mark.parametrize("name", ODD)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_odd_data_give_a_usable_model(X, form, method, name):
    data = ODD[name](X)
    if form == "gaussian" and name == "1e-30 in float32":
        pytest.skip("refused, see below")
    if form == "pseudo_likelihood" and name.startswith("1e-30"):
        pytest.skip("refused: not zeros and ones")
    if form == "gaussian" and sparse.issparse(data):
        data = data.toarray()
    assert_usable(getattr(make(form), method)(data), data)


@doors
def test_features_whose_variance_cannot_be_held_are_refused(X, method):
    """`variance_` would be zero; in double precision it is 1e-61."""
    model, data = make("gaussian"), 1e-30 * X
    with pytest.raises(
        ValueError, match=r"whose variance is too small for dtype\('float32'\).*Rescale X"
    ):
        getattr(model, method)(data.astype(np.float32))
    assert np.all(getattr(model, method)(data).variance_ > 0)


@pytest.mark.parametrize("method", ["partial_fit", *ASKED])
def test_values_too_far_from_those_of_fit_are_refused(X, method):
    """Squares in units of the data would overflow, although squares of the values do not."""
    data = (1e-9 * X).astype(np.float32)
    model = make("gaussian").fit(data)
    with pytest.raises(ValueError, match=r"value too large .* standard deviations away from the"):
        getattr(model, method)(with_entry(data, 1e10))
    assert_usable(model, data)
    assert np.all(np.isfinite(model.energy(with_entry(data, 1e3))))


@numeric_forms
def test_values_out_of_the_range_of_single_precision_are_refused(X, form):
    """A model in double precision may have parameters and data outside of its range."""
    random = np.random.default_rng(0)
    data = 1e40 * (X + random.random(X.shape)) if form == "gaussian" else X
    model = make(form).fit(data)
    if form != "gaussian":
        model._energy.weights[0, 0] = 1e40
    for method in ("transform", "energy", "gibbs", "score"):
        with pytest.raises(
            ValueError, match=r"outside the range of dtype\('float32'\)\. Convert X to"
        ):
            getattr(model, method)(X.astype(np.float32))
    single = make(form).fit(X.astype(np.float32))
    with pytest.raises(ValueError, match=r"too large for dtype\('float32'\)"):
        single.partial_fit(1e40 * X)
    assert_usable(single, X.astype(np.float32))


@pytest.mark.each_value("form", "types")
@forms
@pytest.mark.parametrize("types", [("f4", "f8"), ("f8", "f4")], ids="-".join)
def test_chunks_of_another_precision_are_learned_from_in_that_of_the_first(X, form, types):
    first, second = (X.astype(name) for name in types)
    ours = make(form).partial_fit(first).partial_fit(second)
    expected = make(form).partial_fit(first).partial_fit(X.astype(types[0]))
    assert ours.components_.dtype == first.dtype
    assert_array_equal(ours.components_, expected.components_)


@pytest.mark.each_value("form", "name")
@forms
@pytest.mark.parametrize("name", [">f4", ">f8", ">i2"])
def test_the_order_of_bytes_does_not_matter(X, form, name):
    pandas = pytest.importorskip("pandas")
    native, data = X.astype(np.dtype(name).newbyteorder("=")), X.astype(name)
    expected = make(form).fit(native)
    hidden = expected.transform(native)
    for given in (data, pandas.DataFrame(data)):
        ours = make(form).fit(given)
        assert ours.components_.dtype == expected.components_.dtype
        assert_array_equal(ours.transform(given), hidden)
    swapped = hidden.astype(hidden.dtype.newbyteorder(">"))
    result = expected.inverse_transform(swapped)
    assert result.dtype == hidden.dtype
    assert_array_equal(result, expected.inverse_transform(hidden))


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("scale", [2.0**-20, 2.0**20])
def test_the_unit_of_real_features_does_not_matter(X, scale):
    """W and b have this unit, and s^2 its square; hidden units and warnings are the same."""
    data = X + np.random.default_rng(0).standard_normal(X.shape)
    ours, expected = make("gaussian").fit(scale * data), make("gaussian").fit(data)
    assert_allclose(ours.components_, scale * expected.components_, rtol=1e-9, atol=1e-9 * scale)
    assert_allclose(ours.variance_, scale**2 * expected.variance_, rtol=1e-9)
    assert_allclose(ours.transform(scale * data), expected.transform(data), rtol=1e-9)


@pytest.mark.filterwarnings("ignore:.*hidden units are dead")
@pytest.mark.parametrize("scale", [2.0**-20, 2.0**20])
def test_weights_of_real_features_explode_in_any_unit(X, scale):
    data = scale * (X + np.random.default_rng(0).standard_normal(X.shape))
    with pytest.warns(ConvergenceWarning, match="The weights explode"):
        make("gaussian", learning_rate=30.0).fit(data)


@pytest.mark.parametrize("n_chains", [1, 7, 64, 333])
@pytest.mark.parametrize("form", ["pcd", "fpcd"])
def test_chains_need_not_be_as_many_as_samples(X, form, n_chains):
    model = make(form, n_chains=n_chains).fit(X)
    assert model._learner.shard.shape == (n_chains, 12)
    assert_usable(model, X)


# Parameters


BAD_PARAMETERS = [
    {"n_components": 0},
    {"n_components": 1.5},
    {"visible": "binary"},
    {"loss": "sml"},
    {"n_gibbs_steps": 0},
    {"n_chains": 0},
    {"learning_rate": 0},
    {"learning_rate": -0.1},
    {"learning_rate": np.nan},
    {"learning_rate": "fast"},
    {"momentum": 1.0},
    {"weight_decay": -1.0},
    {"sparsity_target": 0.0},
    {"sparsity_target": 1.0},
    {"sparsity_cost": -1.0},
    {"centered": "yes"},
    {"average": 1.5},
    {"binarize": "yes"},
    {"batch_size": 0},
    {"max_iter": 0},
    {"validation_fraction": 1.0},
    {"backend": "torch"},
    {"warm_start": "yes"},
    {"random_state": "zero"},
    {"verbose": -1},
]


@doors
@pytest.mark.parametrize("parameters", BAD_PARAMETERS, ids=str)
def test_parameters_out_of_range_are_refused_by_name(X, method, parameters):
    (parameter,) = parameters
    with pytest.raises(InvalidParameterError, match=f"The '{parameter}' parameter of RBM"):
        getattr(make(**parameters), method)(X)


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")
def test_asking_for_cupy_where_it_is_absent_tells_how_to_install_it(X):
    for ask in (
        lambda: make(backend="cupy").fit(X),
        lambda: make().fit(X).set_params(backend="cupy").transform(X),
        lambda: make().fit(X).set_params(backend="cupy").sample(2),
    ):
        with pytest.raises(ImportError, match=r'pip install "sklearn-ebm\[cuda12\]"'):
            ask()


@pytest.mark.parametrize("method", [*ASKED, "inverse_transform"])
def test_what_needs_a_fitted_model_says_so(X, method):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        getattr(make(), method)(X)


@pytest.mark.parametrize("method", ["sample", "log_partition", "get_feature_names_out"])
def test_methods_without_data_require_a_fitted_model(method):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        getattr(make(), method)()


def test_numbers_of_steps_and_samples_are_at_least_one(X):
    model = make().fit(X)
    with pytest.raises(ValueError, match="n_steps == 0, must be >= 1"):
        model.gibbs(X, 0)
    with pytest.raises(ValueError, match="n_samples == 0, must be >= 1"):
        model.sample(0)
    with pytest.raises(ValueError, match="n_burn_in == -1, must be >= 0"):
        model.sample(1, -1)
    with pytest.raises(ValueError, match="n_temperatures == 1, must be >= 2"):
        model.log_partition("ais", n_temperatures=1)
    with pytest.raises(ValueError, match="n_runs == 0, must be >= 1"):
        model.log_partition("ais", n_runs=0)


def test_methods_for_log_partitions_are_named(X):
    with pytest.raises(ValueError, match="method must be 'auto', 'exact' or 'ais', got 'sum'"):
        make().fit(X).log_partition("sum")


def test_sums_over_too_many_states_are_refused(X):
    wide = np.tile(X, 3)
    model = make(n_components=21, max_iter=1).fit(wide)
    with pytest.raises(ValueError, match=r"at most 20 binary units, got 21 and 27. Use .*'ais'"):
        model.log_partition("exact")
    real = make("gaussian", n_components=21, max_iter=1).fit(X)  # nine features do not help
    with pytest.raises(ValueError, match=r"at most 20 binary units, got 21. Use .*'ais'"):
        real.log_partition("exact")


# Continued learning


CHANGED = {
    "n_components": ({"n_components": 5}, "n_components=5, but learning continues with 12"),
    "loss": ({"loss": "cd"}, "loss='cd' differs"),
    "fast weights": ({"loss": "fpcd"}, "loss='fpcd' differs"),
    "visible": ({"visible": "gaussian"}, "visible='gaussian' differs"),
    "chains": ({"n_chains": 31}, "n_chains=31, but learning continues with n_chains=30"),
    "centring": ({"centered": False}, "centered=False, but learning continues with centered=True"),
}


@pytest.mark.parametrize(("parameters", "words"), CHANGED.values(), ids=CHANGED)
def test_another_machine_than_learning_began_with_is_refused(X, parameters, words):
    model = make(warm_start=True).fit(X)
    before = model.components_
    model.set_params(**parameters)
    for method in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=f"{words}.*call fit with warm_start=False"):
            method(X)
    assert model.components_ is before
    assert_usable(model.set_params(warm_start=False).fit(X), X)


@forms
def test_an_error_in_validation_leaves_the_fitted_model_as_it_was(X, form):
    model = make(form).fit(X)
    hidden = model.transform(X)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(with_entry(X, np.nan))
    assert_array_equal(model.transform(X), hidden)


# Rates


@forms
@backends
@pytest.mark.parametrize("rate", [1e30, 1e38])
def test_rates_that_leave_the_range_of_numbers_are_refused_by_name(X, form, backend, rate):
    """The model is the last finite one, which is the initial one here."""
    data = X.astype(np.float32)
    model = make(form, learning_rate=rate, backend=backend)
    with pytest.raises(ValueError, match="Lower learning_rate"):
        model.fit(data)
    assert_usable(model, data)
    with pytest.raises(ValueError, match="Lower learning_rate"):
        make(form, learning_rate=rate, backend=backend).partial_fit(data)


@forms
@backends
def test_the_last_finite_model_is_kept_and_can_go_on(X, form, backend):
    """Two steps are valid; the third one overflows."""
    rates = {0.0: 0.01, 0.25: 0.01, 0.5: 1e38, 0.75: 0.01}
    model = make(form, backend=backend, learning_rate=rates.get, max_iter=4, average=0.0)
    with pytest.raises(ValueError, match="Lower learning_rate"):
        model.fit(X.astype(np.float32))
    assert model.n_iter_ == 2
    expected = make(form, backend=backend, learning_rate=lambda done: 0.01, max_iter=2, average=0.0)
    assert_array_equal(model.components_, expected.fit(X.astype(np.float32)).components_)
    model.set_params(learning_rate=0.01).partial_fit(X.astype(np.float32))
    assert_usable(model, X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("form", ["pcd", "cd", "fpcd"])
def test_rates_that_numbers_can_hold_leave_a_finite_model(X, form, dtype):
    for rate in (1e3, 1e10):
        data = X.astype(dtype)
        assert_usable(make(form, learning_rate=rate).fit(data), data)


@pytest.mark.filterwarnings("ignore:The weights explode")
def test_uninformative_units_issue_a_warning_with_a_remedy():
    """Wide sparse data and a large rate saturate hidden units for all samples."""
    random = np.random.default_rng(0)
    X = sparse.csr_array((random.random((200, 300)) < 0.02).astype(np.float32))
    words = (
        r"(\d+) of 40 hidden units are dead \(off for every sample checked\) and (\d+) are "
        r"saturated .* Lower learning_rate"
    )
    model = make(n_components=40, learning_rate=100.0, max_iter=20)
    with pytest.warns(ConvergenceWarning, match=words):
        model.fit(X)
    hidden = model.transform(X)
    stuck = (hidden.max(axis=0) < 0.01) | (hidden.min(axis=0) > 0.99)
    assert stuck.mean() > 0.1


def test_weights_that_explode_issue_a_warning_with_a_remedy(X):
    model = make(learning_rate=1000.0, average=0.0)
    with pytest.warns(ConvergenceWarning) as record:
        model.fit(X)
    (message,) = [str(each.message) for each in record if "explode" in str(each.message)]
    largest = abs(model.components_).max()
    assert largest > 30
    expected = f"explode: the largest is {largest:.3g}. Lower learning_rate, or set weight_decay."
    assert expected in message
    assert_usable(model, X)


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
@forms
def test_a_healthy_fit_does_not_warn(X, form):
    make(form, max_iter=30).fit(X)


@pytest.mark.filterwarnings("error", "ignore::sklearn.exceptions.ConvergenceWarning")
@forms
@pytest.mark.parametrize("number", [np.float32, np.float64])
def test_numbers_of_numpy_are_numbers(X, form, number):
    """A grid passes np.float64, which must not promote float32, and small integers, which must not
    overflow.
    """
    names = ["learning_rate", "momentum", "weight_decay", "sparsity_target", "sparsity_cost"]
    values = dict.fromkeys([*names, "average", "validation_fraction"], 0.1)
    counts = {"n_components": 12, "n_gibbs_steps": 2, "n_chains": 20, "batch_size": 6}
    counts = {**counts, "max_iter": 5}
    data = np.vstack([X] * 3).astype(np.float32)  # more samples and steps than an int8 can hold
    ours = make(form, **{name: number(value) for name, value in values.items()},
                **{name: np.int8(value) for name, value in counts.items()})  # fmt: skip
    given = {name: float(number(value)) for name, value in values.items()}
    expected = make(form, **given, **counts)
    for model in (ours, expected):
        model.fit(data).partial_fit(data)
    assert ours.components_.dtype == np.float32
    assert_array_equal(ours.components_, expected.components_)
    assert_array_equal(
        ours.sample(np.int8(2), np.int8(3), random_state=0),
        expected.sample(2, 3, random_state=0),
    )


@pytest.mark.parametrize("rate", [np.nan, -0.1])
def test_rates_that_a_callable_must_not_return_are_refused(X, rate):
    model = make(learning_rate=lambda done: rate if done else 0.1)
    with pytest.raises(
        ValueError, match="learning_rate must return a finite non-negative number, got"
    ):
        model.fit(X)
    assert_usable(model, X)
    model = make(learning_rate=lambda done: rate)
    with pytest.raises(
        ValueError, match="learning_rate must return a finite non-negative number, got"
    ):
        model.partial_fit(X)
    model.set_params(learning_rate=0.1).partial_fit(X)


@pytest.mark.parametrize("parameters", [{"weight_decay": 1e300}, {"sparsity_cost": 1e300}], ids=str)
@forms
@doors
def test_other_parameters_that_leave_the_range_of_numbers_are_refused(X, form, method, parameters):
    data = X.astype(np.float32)
    model = make(form, sparsity_target=0.1, **parameters)
    with pytest.raises(ValueError, match="Lower learning_rate"):
        getattr(model, method)(data)
    assert_usable(model, data)
    assert_usable(model.set_params(weight_decay=0.0, sparsity_cost=0.1).partial_fit(data), data)
