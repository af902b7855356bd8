"""Learning from Dask arrays: one chunk gives the result of an array, to the bit; more give the same
result wherever and in whatever order their tasks run."""

import dask
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone

from sklearn_ebm import PSD, GroupPenalty, GroupSparsePSD, L0Penalty, SparseCoder

da = pytest.importorskip("dask.array")

FEW = {"max_iter": 3, "tol": 0, "random_state": 0, "alpha": 0.5}
MODELS = {
    "SparseCoder": SparseCoder(10, **FEW),
    "SparseCoder-groups": SparseCoder(10, penalty=GroupPenalty(groups=2), **FEW),
    "SparseCoder-fixed": SparseCoder(dictionary=np.eye(12), **FEW),
    "PSD": PSD(10, **FEW),
    "PSD-lista": PSD(10, encoder="lista", **FEW),
    "GroupSparsePSD": GroupSparsePSD(10, groups=2, **FEW),
}
X = np.random.default_rng(0).standard_normal((900, 12))
WEIGHT = np.random.default_rng(1).uniform(0, 8, size=900)
MASK = np.random.default_rng(2).uniform(size=X.shape) < 0.8
models = pytest.mark.parametrize("name", MODELS)


def chunked(array, length=900):
    return da.from_array(array, chunks=(length, *array.shape[1:]))


def arrays_of(model):
    """Return the fitted arrays and numbers, except durations."""
    names = [name for name in vars(model) if name.endswith("_") and "seconds" not in name]
    found = {name: vars(model)[name] for name in names if name not in ("encoder_",)}
    if hasattr(model, "encoder_"):
        found |= model.encoder_.parameters
    return found


def assert_same(first, second, rtol=0.0):
    first, second = arrays_of(first), arrays_of(second)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert np.asarray(second[name]).dtype == np.asarray(value).dtype
        assert_allclose(second[name], value, rtol=rtol, atol=rtol, err_msg=name)


@models
def test_one_chunk_gives_the_model_of_an_array(name):
    model = MODELS[name]
    expected, found = clone(model).fit(X), clone(model).fit(chunked(X))
    assert_same(found, expected)
    assert_same(found.partial_fit(chunked(X[:500], 500)), expected.partial_fit(X[:500]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("name", ["SparseCoder", "PSD"])
def test_weights_masks_and_dtypes_reach_the_chunks(name, dtype):
    model, data = clone(MODELS[name]).set_params(alpha=5.0), (10 * X).astype(dtype)
    passed = {"sample_weight": WEIGHT, "mask": MASK}
    expected = clone(model).fit(data, **passed)
    assert_same(clone(model).fit(chunked(data), **passed), expected)
    passed = {key: chunked(value) for key, value in passed.items()}
    assert_same(clone(model).fit(chunked(data), **passed), expected)


def test_missing_values_are_found_in_each_chunk():
    model = SparseCoder(10, missing_values=np.nan, **FEW)
    holes = np.where(MASK, X, np.nan)
    assert_same(clone(model).fit(chunked(holes)), clone(model).fit(holes))
    pieces = clone(model).fit(chunked(holes, 250))
    assert pieces.objective_curve_[-1] == pytest.approx(
        clone(model).fit(holes).objective_curve_[-1], rel=0.02
    )


def test_chunks_may_be_sparse():
    rows = np.where(abs(X) > 1, X, 0.0)
    blocks = chunked(rows, 300).map_blocks(sparse.csr_array)
    model = SparseCoder(10, **{**FEW, "batch_size": 1024})
    expected = clone(model).fit(chunked(rows, 300))
    assert_same(clone(model).fit(blocks), expected, rtol=1e-8)


@models
def test_every_scheduler_gives_the_same_model(name):
    model = clone(MODELS[name]).set_params(batch_size=1024)  # two chunks for each batch
    expected = clone(model).fit(chunked(X, 250))
    with dask.config.set(scheduler="threads", num_workers=3):
        assert_same(clone(model).fit(chunked(X, 250)), expected)


def test_sums_over_chunks_are_those_of_one_batch():
    """With all samples in one batch, chunks change only the order of sums."""
    model = SparseCoder(10, batch_size=1024, code_tol=1e-10, **FEW)
    expected = clone(model).fit(X)
    assert_same(clone(model).fit(chunked(X, 250)), expected, rtol=1e-7)


@pytest.mark.parametrize("name", [name for name in MODELS if "fixed" not in name])
def test_many_chunks_learn_as_well_as_one(name):
    model = clone(MODELS[name]).set_params(max_iter=10, batch_size=64)
    objective = clone(model).fit(X).objective_curve_[-1]
    assert clone(model).fit(chunked(X, 70)).objective_curve_[-1] == pytest.approx(
        objective, rel=0.03
    )


def test_arrays_and_chunks_may_alternate():
    model = SparseCoder(10, random_state=0, alpha=0.5)
    for part in (X[:300], chunked(X[300:600], 100), X[600:]):
        model.partial_fit(part)
    assert model.set_params(warm_start=True, max_iter=1, tol=0).fit(chunked(X, 300)).n_iter_ == 1
    assert type(model.components_) is np.ndarray


def test_chunk_after_chunk_equals_partial_fits_of_arrays():
    """In order, with batches within chunks, partial_fit takes the same steps."""
    model = PSD(10, random_state=0, alpha=0.5, batch_size=300)
    expected, found = clone(model).fit(X), clone(model).fit(X)
    assert_same(found.partial_fit(chunked(X, 300)), expected.partial_fit(X))


def test_what_needs_all_samples_refuses_chunks():
    ksvd = SparseCoder(10, penalty=L0Penalty(2), optimizer="ksvd", random_state=0)
    with pytest.raises(ValueError, match="optimizer='ksvd' does not support Dask arrays"):
        ksvd.fit(chunked(X))


def test_initial_values_come_from_a_sample_of_large_data(monkeypatch):
    """The rows in memory are drawn from all chunks, by the same share."""
    monkeypatch.setattr("sklearn_ebm.inputs._chunked.MOST_ROWS", 90)
    from sklearn_ebm.inputs._chunked import Chunks

    class Everything:
        def __call__(self, X):
            return self

        def __init__(self):
            self.X = X

    rows = Chunks(chunked(X, 300)).look(Everything()).rows["X"]
    numbers = [int(np.flatnonzero((X == row).all(axis=1))[0]) for row in rows]
    assert len(set(numbers)) == 90
    assert_array_equal(np.bincount(np.array(numbers) // 300), [30, 30, 30])
    model = SparseCoder(10, **{**FEW, "alpha": "scale"}).fit(chunked(X, 300))
    assert model.alpha_ == pytest.approx(1.0, abs=0.1)
