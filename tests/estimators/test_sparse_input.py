"""Sparse X gives the results of dense X, without a dense copy."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_ebm import (
    PSD,
    AutoEncoder,
    ConvSparseCoder,
    DrSAEClassifier,
    EnergyModel,
    FineTunedClassifier,
    L0Penalty,
    LISTAEncoder,
    SparseCoder,
    alpha_max,
    alpha_path,
    sparse_encode,
)
from sklearn_ebm.learning._online_dictionary import PATIENCE
from sklearn_ebm.metrics import duality_gap
from tests.registries.row_models import kinds, make, models, with_codes

# Sums of single precision are rounded in another order, and encoders learn from their results.
ROUNDING = {"float64": 1e-9, "float32": 1e-3}
FORMS = {
    "csr_array": sparse.csr_array,
    "csr_matrix": sparse.csr_matrix,
    "csc_array": sparse.csc_array,
    "coo_matrix": sparse.coo_matrix,
    "lil_array": sparse.lil_array,
}
dtypes = pytest.mark.parametrize("dtype", ROUNDING)
QUICK = {"alpha": 0.2, "max_iter": 3, "tol": 0, "batch_size": 30}


def rows(dtype="float64", n_samples=90, n_features=30):
    """Return counts of words, two thirds of them zero, and one sample without any."""
    random = np.random.default_rng(0)
    counts = random.poisson(random.gamma(0.3, 2.0, (n_samples, n_features)))
    counts[3] = 0
    return counts.astype(dtype)


def assert_close(sparse_result, dense_result, dtype):
    assert sparse_result.dtype == dense_result.dtype
    tol = ROUNDING[dtype]
    assert_allclose(sparse_result, dense_result, rtol=tol, atol=tol * abs(dense_result).max())


@pytest.fixture(scope="module")
def fitted():
    """Return a function that fits a model to sparse or to dense rows, once."""
    held = {}

    def fit(name, dtype, is_sparse):
        key = name, dtype, is_sparse
        if key not in held:
            X = rows(dtype)
            held[key] = make(name, 6, **QUICK).fit(sparse.csr_array(X) if is_sparse else X)
        return held[key]

    return fit


# the same model
@models
@dtypes
def test_fit_gives_the_same_model(fitted, name, dtype):
    dense, model = (fitted(name, dtype, is_sparse) for is_sparse in (False, True))
    for attribute in ("components_", "objective_curve_", "usage_"):
        assert_close(getattr(model, attribute), getattr(dense, attribute), dtype)
    assert_close(model.transform(rows(dtype)), dense.transform(rows(dtype)), dtype)
    assert model.alpha_ == dense.alpha_


@models
@dtypes
def test_every_method_gives_the_same_result(fitted, name, dtype):
    model, X = with_codes(clone(fitted(name, dtype, False)).fit(rows(dtype))), rows(dtype)
    S = sparse.csr_array(X)
    code = model.transform(X)
    assert_close(model.transform(S), code, dtype)
    for method in ("energy", "score_samples"):
        assert_close(getattr(model, method)(S), getattr(model, method)(X), dtype)
    assert model.score(S) == pytest.approx(model.score(X), rel=ROUNDING[dtype])
    given = code if dtype == "float64" else code.astype("float64")
    assert_allclose(model.duality_gap(S, given), model.duality_gap(X, given), rtol=1e-9, atol=1e-12)
    model.set_params(sparse_output=True)
    assert_close(model.transform(S).toarray(), code, dtype)


@kinds
@dtypes
def test_partial_fit_gives_the_same_model(name, dtype):
    X, dense, model = rows(dtype), make(name, 6, **QUICK), make(name, 6, **QUICK)
    for begin in (0, 45):
        dense.partial_fit(X[begin : begin + 45])
        model.partial_fit(sparse.csr_array(X[begin : begin + 45]))
    assert_close(model.components_, dense.components_, dtype)
    assert_close(model.transform(X), dense.transform(X), dtype)


@kinds
def test_sample_weights_and_scale_are_those_of_dense_rows(name):
    X, weight = rows(), np.arange(90) % 4
    dense = make(name, 6, **QUICK).set_params(alpha="scale").fit(X, sample_weight=weight)
    model = make(name, 6, **QUICK).set_params(alpha="scale")
    model.fit(sparse.csr_array(X), sample_weight=weight)
    assert model.alpha_ == pytest.approx(dense.alpha_)
    assert_close(model.transform(X), dense.transform(X), "float64")


@pytest.mark.parametrize("solver", ["active_set", "cd", "fista", "ista"])
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_every_solver_and_backend_on_the_host_accepts_sparse_rows(solver, backend):
    model = SparseCoder(6, solver=solver, backend=backend, random_state=0, **QUICK)
    if backend == "numpy" and solver == "active_set":
        model.set_params(solver="cd")
    X = rows()
    dense = clone(model).fit(X)
    assert_close(model.fit(sparse.csr_array(X)).components_, dense.components_, "float64")


def test_positive_models_are_the_same():
    X = rows()
    coder = SparseCoder(6, positive=True, positive_dictionary=True, random_state=0, **QUICK)
    dense = clone(coder).fit(X)
    assert_close(coder.fit(sparse.csr_array(X)).components_, dense.components_, "float64")


def test_unused_atoms_are_replaced_by_the_same_samples():
    """Atoms along features that are zero in every sample are never used."""
    X = rows(n_samples=20)
    X[:, :4] = 0
    init = np.eye(30)[:6]
    settings = {"dictionary_init": init, "alpha": 0.5, "tol": 0, "batch_size": 20}
    coder = SparseCoder(6, max_iter=PATIENCE + 2, random_state=0, **settings)
    dense = clone(coder).fit(X)
    coder.fit(sparse.csr_array(X))
    assert coder.n_replaced_ == dense.n_replaced_ >= 4
    assert_close(coder.components_, dense.components_, "float64")


# forms of the rows
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_sparse_rows_gives_the_same_codes(fitted, form):
    model, X = fitted("SparseCoder", "float64", False), rows()
    assert_close(model.transform(FORMS[form](X)), model.transform(X), "float64")


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_other_types_are_converted_as_dense_rows_are(fitted, dtype):
    model, X = fitted("PSD-shrinkage-encoder", "float64", False), rows().astype(dtype)
    assert_close(model.transform(sparse.csr_array(X)), model.transform(X), "float64")


def test_duplicate_unsorted_and_zero_entries_mean_their_sum(fitted):
    X = rows()
    entries = sparse.coo_array(X)
    row, column = (np.r_[each, each[:50], 3] for each in (entries.row, entries.col))
    data = np.r_[entries.data, -entries.data[:50], 0]  # the first 50 entries become zero
    order = np.argsort(row, kind="stable")[::-1]
    order = order[np.argsort(row[order], kind="stable")]  # rows in order, columns not
    pointers = np.r_[0, np.cumsum(np.bincount(row, minlength=len(X)))]
    messy = sparse.csr_array((data[order], column[order].astype(np.int64), pointers), X.shape)
    assert not messy.has_canonical_format
    before = messy.data.copy(), messy.indices.copy()
    model, summed = clone(fitted("SparseCoder", "float64", False)), messy.toarray()
    assert_close(clone(model).fit(messy).components_, model.fit(summed).components_, "float64")
    assert_close(model.transform(messy), model.transform(summed), "float64")
    assert_array_equal(messy.data, before[0])
    assert_array_equal(messy.indices, before[1])


@models
def test_codes_of_an_empty_row_are_those_of_zeros(fitted, name):
    model = fitted(name, "float64", True)
    empty = sparse.csr_array((2, 30))
    assert_close(model.transform(empty), model.transform(np.zeros((2, 30))), "float64")


def test_the_first_atoms_are_distinct_samples():
    X = sparse.csr_array(np.repeat(rows(n_samples=12), 5, axis=0))
    with pytest.warns(ConvergenceWarning, match="every code is zero"):
        coder = SparseCoder(12, max_iter=1, alpha=1e9, random_state=0).fit(X)
    gram = coder.components_ @ coder.components_.T
    assert np.all(gram - np.eye(12) < 1 - 1e-6)


# functions
@dtypes
@pytest.mark.parametrize("solver", ["auto", "cd", "fista"])
def test_sparse_encode_gives_the_codes_of_dense_rows(dtype, solver):
    X = rows(dtype)
    dictionary = rows(dtype)[:10][[0, 1, 2, 4, 5, 6]] + 1
    tol = 1e-10 if dtype == "float64" else 1e-5  # single precision cannot represent better codes
    options = {"solver": solver, "tol": tol, "max_iter": 10_000, "return_gap": True}
    code, gap = sparse_encode(sparse.csr_array(X), dictionary, 0.5, **options)
    expected, _ = sparse_encode(X, dictionary, 0.5, **options)
    assert_allclose(code, expected, rtol=0, atol=tol**0.5)  # a gap bounds squares of distances
    assert code.dtype == expected.dtype == dtype
    assert gap.max() <= tol
    own = duality_gap(sparse.csr_array(X), code, dictionary, 0.5)
    assert_allclose(own, duality_gap(X, code, dictionary, 0.5), rtol=1e-9, atol=1e-14)
    assert_allclose(own, gap, rtol=1e-4, atol=1e-12)


def test_orthogonal_matching_pursuit_accepts_sparse_rows():
    X, dictionary = rows(), rows()[:6][[0, 1, 2, 4, 5]] + 1
    options = {"penalty": L0Penalty(n_nonzero_coefs=2)}
    code = sparse_encode(sparse.csr_array(X), dictionary, **options)
    assert_close(code, sparse_encode(X, dictionary, **options), "float64")


@pytest.mark.parametrize("sparse_output", [False, True])
def test_paths_and_largest_alphas_are_those_of_dense_rows(sparse_output):
    X, dictionary = rows(), rows()[:6][[0, 1, 2, 4, 5]] + 1
    S = sparse.csr_array(X)
    assert_allclose(alpha_max(S, dictionary), alpha_max(X, dictionary))
    each = {"per_sample": True}
    assert_allclose(alpha_max(S, dictionary, **each), alpha_max(X, dictionary, **each))
    options = {"n_alphas": 4, "sparse_output": sparse_output}
    for got, expected in zip(
        alpha_path(S, dictionary, **options), alpha_path(X, dictionary, **options), strict=True
    ):
        if isinstance(got, list):
            got, expected = ([part.toarray() for part in parts] for parts in (got, expected))
        assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


# with pipelines
def documents(n_samples=150):
    """Return documents about three topics, and their topics."""
    random = np.random.default_rng(0)
    words = ["cat dog pet vet".split(), "cpu gpu disk bus".split(), "sun rain wind snow".split()]
    topics = random.integers(0, 3, n_samples)
    return [" ".join(random.choice([*words[k], "the", "and"], 12)) for k in topics], topics


def test_topics_of_documents_are_classified_from_their_codes():
    texts, topics = documents()
    psd = PSD(6, alpha=0.1, max_iter=5, tol=0, random_state=0)
    pipeline = make_pipeline(TfidfVectorizer(dtype=np.float32), psd, LogisticRegression())
    search = GridSearchCV(pipeline, {"psd__alpha": [0.05, 0.1]}, cv=2).fit(texts, topics)
    assert search.best_score_ > 0.95
    assert search.best_estimator_[:-1].transform(texts).dtype == np.float32


def test_a_fine_tuned_network_accepts_documents():
    texts, topics = documents()
    X = TfidfVectorizer().fit_transform(texts)
    psd = PSD(6, alpha=0.1, max_iter=5, tol=0, random_state=0)
    network = make_pipeline(psd, LogisticRegression())
    tuned = FineTunedClassifier(network, max_iter=3, random_state=0)
    dense = clone(tuned).fit(X.toarray(), topics)
    tuned.fit(X, topics)
    assert_close(tuned.decision_function(X), dense.decision_function(X.toarray()), "float64")
    whole = make_pipeline(TfidfVectorizer(), psd, LogisticRegression())
    assert clone(tuned).set_params(estimator=whole).fit(texts, topics).score(texts, topics) > 0.95


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_a_discriminative_auto_encoder_accepts_documents(backend):
    texts, topics = documents()
    X = TfidfVectorizer().fit_transform(texts)
    model = DrSAEClassifier(12, n_steps=3, max_iter=5, backend=backend, random_state=0)
    dense = clone(model).fit(X.toarray(), topics, unsupervised_X=X.toarray()[:50])
    model.fit(X, topics, unsupervised_X=X[:50])
    for call in ("transform", "code_steps", "energy", "decision_function"):
        assert_close(getattr(model, call)(X), getattr(dense, call)(X.toarray()), "float64")


def test_a_fitted_coder_teaches_an_encoder_with_sparse_rows():
    X = rows()
    coder = SparseCoder(6, random_state=0, **QUICK).fit(sparse.csr_array(X))
    dense, encoder = (
        LISTAEncoder(dictionary=coder, random_state=0, max_iter=2).fit(data)
        for data in (X, sparse.csr_array(X))
    )
    assert_close(encoder.transform(X), dense.transform(X), "float64")
    sparser, expected = (encoder.to_sparse_lateral(0.5, data) for data in (sparse.csr_array(X), X))
    assert_close(sparser.transform(X), expected.transform(X), "float64")


# refusals
@pytest.mark.parametrize("missing_values", [np.nan, 0, -1.0])
def test_missing_values_of_sparse_rows_are_refused(missing_values):
    S = sparse.csr_array(rows())
    coder = SparseCoder(3, missing_values=missing_values)
    assert not coder.__sklearn_tags__().input_tags.sparse
    atoms = np.eye(30)
    for call in (
        lambda: coder.fit(S),
        lambda: sparse_encode(S, atoms, 1.0, missing_values=missing_values),
        lambda: alpha_max(S, atoms, missing_values=missing_values),
        lambda: duality_gap(S, rows(), atoms, 1.0, missing_values=missing_values),
    ):
        with pytest.raises(ValueError, match="missing_values must be None if X is sparse"):
            call()


@kinds
def test_masks_of_sparse_rows_are_refused(name):
    S = sparse.csr_array(rows())
    with pytest.raises(ValueError, match="mask must be None if X is sparse"):
        make(name).fit(S, mask=np.ones(S.shape))


@kinds
def test_nan_and_infinity_in_sparse_rows_are_refused_without_a_remedy_that_does_not_apply(name):
    S = sparse.csr_array(rows())
    for value, text in ((np.nan, "contains NaN"), (np.inf, "contains infinity")):
        S.data[5] = value
        with pytest.raises(ValueError, match=text) as error:
            make(name).fit(S)
        assert "missing_values=np.nan" not in str(error.value)


@kinds
def test_values_whose_squares_overflow_are_refused(name):
    S = sparse.csr_array(rows("float32"))
    S.data[5] = 1e25
    with pytest.raises(ValueError, match="powers of"):
        make(name).fit(S)


@pytest.mark.parametrize(
    "model",
    [
        SparseCoder(3, backend="cupy"),
        SparseCoder(3, optimizer="ksvd", penalty=L0Penalty(1)),
        ConvSparseCoder(3, kernel_size=3),
        AutoEncoder(3),
        EnergyModel(3),
    ],
    ids=["cupy", "ksvd", "convolutional", "auto-encoder", "energy"],
)
def test_models_that_require_dense_rows_say_so(model):
    assert not model.__sklearn_tags__().input_tags.sparse
    with pytest.raises((TypeError, ValueError), match=r"dense data is required|support sparse X"):
        model.fit(sparse.csr_array(rows()))


def test_sparse_arrays_of_a_device_are_refused():
    kind = type("csr_matrix", (), {"__module__": "cupyx.scipy.sparse._csr", "shape": (90, 30)})
    for call in (SparseCoder(3).fit, lambda X: sparse_encode(X, np.eye(30), 1.0)):
        with pytest.raises(TypeError, match="Sparse arrays on a CUDA device are not supported"):
            call(kind())


# memory
@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
@pytest.mark.parametrize("name", ["SparseCoder", "PSD-shrinkage-encoder", "LISTAEncoder-lista"])
def test_memory_does_not_hold_a_dense_copy(name):
    """A dense copy takes 320 MB, arrays of the size of the dictionary 0.5 MB each."""
    n_samples, n_features = 4000, 20_000
    X = sparse.random_array(
        (n_samples, n_features), density=2e-3, format="csr", dtype="float32",
        rng=np.random.default_rng(0),
    )  # fmt: skip
    model = make(name, 6, alpha=0.1, max_iter=1, batch_size=500)
    small = X[:500, :50]
    clone(model).fit(small).score(small)  # loads the kernels
    tracemalloc.start()
    try:
        model.fit(X).score(X)
        model.duality_gap(X, model.transform(X))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40e6
