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
    model = SparseCoder(10, **{**FEW, "batch_size": 1024})
    expected = clone(model).fit(chunked(rows, 300))
    for form in (sparse.csr_array, sparse.coo_array):
        blocks = chunked(rows, 300).map_blocks(form)
        assert_same(clone(model).fit(blocks), expected, rtol=1e-8)


def test_weights_are_checked_in_all_chunks():
    model = SparseCoder(10, **FEW)
    assert_same(
        clone(model).fit(chunked(X, 300), sample_weight=2.0),
        clone(model).fit(chunked(X, 300), sample_weight=np.full(900, 2.0)),
    )
    for value, message in ((-1.0, "Negative values"), (np.nan, "contains NaN")):
        weight = np.ones(900)
        weight[700] = value
        with pytest.raises(ValueError, match=message):
            clone(model).fit(chunked(X, 300), sample_weight=weight)


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


def test_few_of_many_samples_travel_to_replace_atoms(monkeypatch):
    """Atoms without use are replaced by the samples with the largest errors, of all chunks."""
    from sklearn_ebm.learning.criteria import _dictionary

    atoms = np.eye(12)[:3]
    rows = np.zeros((6000, 12))
    rows[:, 0] = 5.0  # the other two atoms are never used
    rows[1234, 5], rows[4321, 7] = 70.0, 80.0
    model = SparseCoder(3, alpha=1.0, dictionary_init=atoms, batch_size=6000, max_iter=51, tol=0)
    monkeypatch.setattr(_dictionary, "MOST_CANDIDATES", 20)
    found = clone(model).set_params(random_state=0).fit(chunked(rows, 1000))
    assert found.n_replaced_ == 2
    assert np.argmax(abs(found.components_), axis=1).tolist() == [0, 7, 5]


def test_candidates_keep_the_largest_errors(monkeypatch):
    from sklearn_ebm.learning.criteria import _dictionary

    monkeypatch.setattr(_dictionary, "MOST_CANDIDATES", 5)
    misfit, pieces = np.random.default_rng(0).permutation(40.0 * np.arange(1, 41)), []
    for part in np.split(misfit, 8):
        pieces.append(_dictionary.Candidates(part[:, None], part[:, None], None, part))
    first, *others = pieces
    for other in others:
        first += other
        assert first.n_rows <= 10
    assert set(np.sort(misfit)[-5:]) <= {*first.arrays[3]}


def test_threads_may_share_a_model():
    model = PSD(10, **FEW).fit(X)
    expected = model.transform(X)
    with dask.config.set(scheduler="threads", num_workers=8):
        for _ in range(5):
            lazy = clone(model).fit(X).transform(chunked(X, 20))
            assert_allclose(lazy.compute(), expected, rtol=1e-12, atol=1e-14)


class Recorder:
    """Records the names of tasks at their end, and the models at the end of each pass."""

    def __init__(self):
        self.names, self.models = [], []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, *, X=None, **data):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, **data):
        self.names.append(context.task_name)
        self.models.append(fitted_estimator)
        return context.task_name.startswith("pass 2")


def test_callbacks_see_passes_and_may_end_them():
    recorder = Recorder()
    model = SparseCoder(10, **{**FEW, "max_iter": 9}).set_callbacks(recorder)
    model.fit(chunked(X, 250))
    assert model.n_iter_ == 3  # the third pass has the label of the second
    passes = [m for n, m in zip(recorder.names, recorder.models, strict=True) if "pass" in n]
    assert [np.isfinite(each.transform(X)).all() for each in passes] == [True, True, True]


def test_limits_of_time_hold():
    model = SparseCoder(10, **{**FEW, "max_iter": 10**6}, max_time=0.3).fit(chunked(X, 250))
    assert model.seconds_curve_[-1] >= 0.3
    assert model.n_iter_ < 10**6
