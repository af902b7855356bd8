"""Methods with one result for each sample: they are lazy for Dask arrays, and agree with arrays."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import NotFittedError

from sklearn_ebm import PSD, RBM, ConvPSD, SparseCoder
from sklearn_ebm.layers._state import SAMPLE_BY_SAMPLE
from tests.registries import machines
from tests.registries.estimators import CASES, IMAGES, ROWS, TYPICAL, fitted

da = pytest.importorskip("dask.array")

METHODS = sorted(SAMPLE_BY_SAMPLE - {"duality_gap", "inverse_transform"})
ROUNDING = {"float64": 1e-12, "float32": 1e-5}
EACH = [
    name
    for name in CASES
    if name in {*TYPICAL, "RBM-categorical", "RBM-gaussian"} and not name.startswith("WhatWhere")
]


def chunked(X, n_chunks=3):
    """Return a Dask array whose chunks are not all equal."""
    length = X.shape[0] // n_chunks + 1
    return da.from_array(X, chunks=(length, *X.shape[1:]))


def assert_same(lazy, expected):
    """Assert that a lazy result has the form of the expected one before it is computed."""
    assert isinstance(lazy, da.Array)
    assert lazy.shape == expected.shape
    assert lazy.dtype == expected.dtype
    result = lazy.compute()
    assert result.dtype == expected.dtype
    if expected.dtype.kind != "f":
        assert np.array_equal(result, expected)
        return
    tol = ROUNDING[expected.dtype.name]
    assert_allclose(result, expected, rtol=tol, atol=tol * abs(expected).max())


@pytest.mark.parametrize("name", EACH)
def test_methods_are_lazy_and_agree_with_those_of_arrays(name):
    model, X = fitted(name), CASES[name].X
    called = [method for method in METHODS if hasattr(model, method)]
    assert called
    for method in called:
        assert_same(getattr(model, method)(chunked(X)), getattr(model, method)(X))


def test_windows_of_frames_need_arrays_in_memory():
    """A window may extend over chunks."""
    name = "WhatWherePSD-gated-encoder"
    with pytest.raises(TypeError, match="X must be an array in memory for this call"):
        fitted(name).transform(chunked(CASES[name].X))


@pytest.mark.parametrize("name", [name for name in EACH if not name.startswith("GroupSparse")])
def test_codes_become_samples_chunk_by_chunk(name):
    model = fitted(name)
    if not hasattr(model, "inverse_transform"):
        return
    code = model.transform(CASES[name].X)
    assert_same(model.inverse_transform(chunked(code)), model.inverse_transform(code))


def test_masks_and_codes_are_divided_like_the_samples():
    model = fitted("SparseCoder")
    mask = np.random.default_rng(0).uniform(size=ROWS.shape) < 0.8
    code = model.transform(ROWS, mask)
    for divided in (mask, chunked(mask), chunked(mask, 5)):
        assert_same(model.transform(chunked(ROWS), divided), code)
    lazy = model.duality_gap(chunked(ROWS), model.transform(chunked(ROWS), mask), mask=mask)
    assert_same(lazy, model.duality_gap(ROWS, code, mask))
    with pytest.raises(ValueError, match="mask must have as many rows as X, 40, got 39 rows"):
        model.transform(chunked(ROWS), mask[1:])


def test_sparse_codes_are_sparse_in_each_chunk():
    model = SparseCoder(6, alpha=0.3, sparse_output=True, max_iter=2, tol=0).fit(ROWS)
    lazy = model.transform(chunked(ROWS))
    assert type(lazy._meta).__name__ == "csr_array"
    assert_allclose(lazy.compute().toarray(), model.transform(ROWS).toarray(), atol=1e-12)


def test_zeros_that_mark_missing_values_are_no_obstacle():
    model = SparseCoder(6, alpha=0.3, missing_values=0, max_iter=2, tol=0).fit(ROWS)
    assert_same(model.transform(chunked(ROWS)), model.transform(ROWS))


def test_chunks_of_unknown_length_are_encoded():
    model, lazy = fitted("SparseCoder"), chunked(ROWS)
    chosen = lazy[lazy[:, 0] > 0.5]  # some chunks may be empty, and lengths are unknown
    assert_allclose(model.transform(chosen).compute(), model.transform(ROWS[ROWS[:, 0] > 0.5]))
    nothing = lazy[lazy[:, 0] > 100]
    assert model.transform(nothing).compute().shape == (0, 6)


def test_images_become_maps():
    model = fitted("ConvPSD")
    assert_same(model.transform(chunked(IMAGES)), model.transform(IMAGES))
    with pytest.raises(ValueError, match=r"rechunk\(\{1: -1, 2: -1, 3: -1\}\)"):
        model.transform(da.from_array(IMAGES, chunks=(2, 5, 9, 2)))


@pytest.mark.parametrize("name", ["SparseCoder", "PSD-shrinkage-encoder", "AutoEncoder"])
def test_scores_are_means_over_all_chunks(name):
    model, X = fitted(name), CASES[name].X
    assert model.score(chunked(X)) == pytest.approx(model.score(X), rel=1e-12)


def test_the_score_of_a_density_is_weighted():
    model, X = fitted("RBM-gaussian"), machines.data_of("gaussian")[:100]
    weight = np.random.default_rng(0).uniform(size=100)
    for weights in (weight, chunked(weight)):
        assert model.score(chunked(X), sample_weight=weights) == pytest.approx(
            model.score(X, sample_weight=weight), rel=1e-5
        )


def test_the_accuracy_of_a_classifier_agrees():
    case = CASES["FineTunedClassifier"]
    model = fitted("FineTunedClassifier")
    assert model.score(chunked(case.X), chunked(case.y)) == model.score(case.X, case.y)


def test_results_are_those_of_the_model_at_the_time_of_the_call():
    model = SparseCoder(6, alpha=0.3, max_iter=1, tol=0, random_state=0).fit(ROWS)
    code, lazy = model.transform(ROWS), model.transform(chunked(ROWS))
    model.set_params(random_state=1).fit(2 * ROWS)
    assert_same(lazy, code)


def test_data_frames_are_not_wrapped_around_results():
    pytest.importorskip("pandas")
    model = SparseCoder(6, alpha=0.3, max_iter=1, tol=0).fit(ROWS).set_output(transform="pandas")
    assert isinstance(model.transform(chunked(ROWS)).compute(), np.ndarray)


def test_errors_name_what_to_do():
    model = fitted("SparseCoder")
    with pytest.raises(ValueError, match=r"Use X.rechunk\(\{1: -1\}\)"):
        model.transform(da.from_array(ROWS, chunks=(10, 6)))
    with pytest.raises(ValueError, match="X has 11 features, but SparseCoder is expecting 12"):
        model.transform(chunked(ROWS[:, 1:]))


def test_data_frames_are_refused_with_their_remedy():
    frames = pytest.importorskip("dask.dataframe")
    with pytest.raises(TypeError, match=r"to_dask_array\(lengths=True\)"):
        fitted("SparseCoder").transform(frames.from_array(ROWS, chunksize=10))


@pytest.mark.parametrize("model", [PSD(), RBM(), ConvPSD()])
def test_models_that_are_not_fitted_say_so_at_once(model):
    with pytest.raises(NotFittedError):
        model.energy(chunked(ROWS))
