"""ZCA: covariance, symmetry, inverse, and moments of all batches."""

import pickle
import tracemalloc
from importlib.util import find_spec

import array_api_strict
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_ebm import ZCAWhitener
from sklearn_ebm.layers import _whitening

FITTED = ("mean_", "whitening_", "dewhitening_")


@pytest.fixture
def X(dtype):
    """400 rows of 6 correlated features with means of a hundred standard deviations."""
    generator = np.random.default_rng(0)
    mixing = generator.standard_normal((6, 6))
    return (generator.standard_normal((400, 6)) @ mixing + 100).astype(dtype)


def covariance(X):
    centred = X.astype(np.float64) - X.mean(axis=0, dtype=np.float64)
    return centred.T @ centred / len(X)


def rounding(dtype):
    """A hundred roundings: sums of 400 terms, and a condition number of about 30."""
    return 100 * np.finfo(dtype).eps


@parametrize_with_checks([ZCAWhitener(), ZCAWhitener(regularization=0.0)])
def test_whitener_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


def test_without_regularization_features_become_uncorrelated_with_unit_variance(X):
    whitened = ZCAWhitener(regularization=0).fit_transform(X)
    assert whitened.dtype == X.dtype
    # X - mean loses the digits of the mean of 100
    assert_allclose(covariance(whitened), np.eye(6), atol=100 * rounding(X.dtype))
    assert_allclose(whitened.mean(axis=0, dtype=np.float64), 0, atol=100 * rounding(X.dtype))


@pytest.mark.parametrize("dtype", [np.float64])
def test_regularization_is_in_units_of_the_mean_variance(X):
    """Each principal variance s becomes s / (s + 0.3 mean(s)), in any unit of X."""
    variance, directions = np.linalg.eigh(covariance(X))
    expected = directions * (variance / (variance + 0.3 * variance.mean())) @ directions.T
    for unit in (1.0, 1e-30, 1e30):
        whitened = ZCAWhitener(regularization=0.3).fit_transform(unit * X)
        # with an offset of 100 and a smallest deviation of 0.3, three digits are lost
        assert_allclose(covariance(whitened), expected, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float64])
def test_whitening_is_the_symmetric_one_among_all_that_whiten(X):
    """W is symmetric and positive; W'W agrees with PCA's, which differs by a rotation."""
    whitener = ZCAWhitener(regularization=0).fit(X)
    pca = PCA(whiten=True).fit(X)
    rows = pca.components_.T / np.sqrt(pca.explained_variance_ * (len(X) - 1) / len(X))
    assert_allclose(whitener.whitening_, whitener.whitening_.T, atol=1e-12)
    assert np.linalg.eigvalsh(whitener.whitening_).min() > 0
    assert_allclose(whitener.whitening_ @ whitener.whitening_, rows @ rows.T, rtol=1e-9)


def test_inverse_transform_undoes_transform(X):
    whitener = ZCAWhitener().fit(X)
    restored = whitener.inverse_transform(whitener.transform(X))
    assert restored.dtype == X.dtype
    assert_allclose(restored, X, rtol=rounding(X.dtype))


def test_float32_data_are_as_good_as_double_precision_would_be():
    """One-pass sums of squares in float32 would lose all digits of the variance here."""
    X = 1000 + np.random.default_rng(0).standard_normal((5000, 3)).astype(np.float32)
    single = ZCAWhitener().fit(X)
    double = ZCAWhitener().fit(X.astype(np.float64))
    for name in FITTED:
        assert getattr(single, name).dtype == np.float32
        assert_allclose(getattr(single, name), getattr(double, name), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64])
@pytest.mark.parametrize("sizes", [[1, 2, 397], [150, 150, 100], [399, 1]])
def test_batches_leave_the_moments_of_all_rows(X, sizes):
    whole, parts = ZCAWhitener().fit(X), ZCAWhitener()
    for batch in np.split(X, np.cumsum(sizes)[:-1]):
        parts.partial_fit(batch)
    assert parts.n_samples_seen_ == whole.n_samples_seen_ == 400
    for name in FITTED:
        assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64])
def test_many_blocks_are_one(X, monkeypatch):
    """fit, transform and inverse_transform in blocks of 7 rows agree with a single block."""
    whole = ZCAWhitener().fit(X)
    whitened = whole.transform(X)
    monkeypatch.setattr(_whitening, "BLOCK_ENTRIES", 7 * X.shape[1])
    blocks = ZCAWhitener().fit(X)
    for name in FITTED:
        assert_allclose(getattr(blocks, name), getattr(whole, name), rtol=1e-9, atol=1e-9)
    assert_allclose(blocks.transform(X), whitened, atol=1e-9)
    assert_allclose(blocks.inverse_transform(whitened), X, atol=1e-9)


def test_fit_forgets_what_was_seen_before(X):
    whitener = ZCAWhitener().fit(1 - 3 * X[:, :4]).fit(X)
    fresh = ZCAWhitener().fit(X)
    assert whitener.n_samples_seen_ == len(X)
    for name in FITTED:
        assert_array_equal(getattr(whitener, name), getattr(fresh, name))


def test_a_constant_column_stays_put_and_is_not_blown_up(X):
    """0.1 is not a binary fraction: the rounding error of its mean is not variance."""
    X[:, 2] = 0.1
    for regularization in (0.0, 0.01):
        whitened = ZCAWhitener(regularization=regularization).fit_transform(X)
        # a gain of at most 10 times the roundings of the mean
        assert_allclose(whitened[:, 2], 0, atol=rounding(X.dtype))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e30, 1e-30])
@pytest.mark.parametrize("regularization", [0.0, 0.01])
def test_data_without_variance_become_zero_and_come_back_as_they_were(dtype, value, regularization):
    X = np.full((9, 4), value, dtype=dtype)
    whitener = ZCAWhitener(regularization=regularization)
    whitened = whitener.fit_transform(X)
    assert_array_equal(whitened, np.zeros((9, 4)))
    assert_array_equal(whitener.inverse_transform(whitened), X)


def test_one_sample_becomes_zero_and_comes_back(dtype):
    X = np.array([[3.0, 0.1, -7.0]], dtype=dtype)
    whitener = ZCAWhitener()
    assert_array_equal(whitener.fit_transform(X), np.zeros((1, 3)))
    assert_array_equal(whitener.inverse_transform(np.ones((1, 3), dtype=dtype)), X)


def test_one_feature_is_divided_by_its_standard_deviation():
    X = np.array([[1.0], [3.0], [8.0]])
    whitened = ZCAWhitener(regularization=0).fit_transform(X)
    assert_allclose(whitened, (X - X.mean()) / X.std(), rtol=1e-14)  # a few roundings


@pytest.mark.parametrize("dtype", [np.float64])
def test_fewer_samples_than_features_are_whitened_where_they_vary(X):
    """4 rows span 3 directions: the covariance after whitening is the projection onto them."""
    whitener = ZCAWhitener(regularization=0)
    whitened = whitener.fit_transform(X[:4])
    after = covariance(whitened)
    assert_allclose(after @ after, after, atol=1e-9)
    assert_allclose(np.trace(after), 3, rtol=1e-9)
    assert_allclose(whitener.inverse_transform(whitened), X[:4], rtol=1e-9)


def test_directions_that_only_rounding_fills_are_not_amplified():
    """Subtracting row means of 4 in float32 leaves a variance of about 1e-12 instead of 0."""
    X = np.random.default_rng(0).standard_normal((500, 20)).astype(np.float32) + np.float32(4)
    centred = X - X.mean(axis=1, keepdims=True)
    whitened = ZCAWhitener(regularization=0).fit_transform(centred)
    assert_allclose(np.trace(covariance(whitened)), 19, rtol=1e-3)  # without amplification


def test_strict_arrays_give_strict_arrays_of_the_same_numbers(X, monkeypatch):
    monkeypatch.setattr(_whitening, "BLOCK_ENTRIES", 100 * X.shape[1])  # blocks are strict as well
    strict = array_api_strict.asarray(X)
    expected, whitener = ZCAWhitener().fit(X), ZCAWhitener().fit(strict)
    whitened = expected.transform(X)
    outputs = [
        (whitener.transform(strict), whitened),
        (whitener.inverse_transform(array_api_strict.asarray(whitened)), X),
        *((getattr(whitener, name), getattr(expected, name)) for name in FITTED),
    ]
    for output, wanted in outputs:
        assert output.__array_namespace__() is strict.__array_namespace__()
        assert np.asarray(output).dtype == X.dtype
        assert_allclose(np.asarray(output), wanted, rtol=rounding(X.dtype), atol=1e-6)


def test_a_memory_map_is_read_in_blocks(tmp_path):
    """16 MB of integers on disk (128 MB as float64) are whitened within 35 MB."""
    path = tmp_path / "X.npy"
    np.save(path, np.random.default_rng(0).integers(0, 255, (1_000_000, 16), dtype=np.uint8))
    X = np.load(path, mmap_mode="r")
    tracemalloc.start()
    whitener = ZCAWhitener().fit(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 35 * 2**20  # three to four blocks of 8 MB
    assert whitener.n_samples_seen_ == 1_000_000
    assert_allclose(whitener.mean_, 127, atol=0.5)  # 73.6 / sqrt(1e6) is 0.07
    assert not np.shares_memory(whitener._moments.origin, X)


def test_fitted_attributes_do_not_keep_the_data_alive(X):
    whitener = ZCAWhitener().fit(X)
    assert not np.shares_memory(whitener._moments.origin, X)


@pytest.mark.skipif(find_spec("cupy") is not None, reason="CuPy is installed")
def test_the_error_for_missing_cupy_contains_the_command_to_install_it(X):
    with pytest.raises(ImportError, match=r'pip install "sklearn-ebm\[cuda12\]"'):
        ZCAWhitener(backend="cupy").fit(X)
    fitted = ZCAWhitener().fit(X).set_params(backend="cupy")
    with pytest.raises(ImportError, match=r'pip install "sklearn-ebm\[cuda12\]"'):
        fitted.transform(X)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_host_backends_bring_other_arrays_to_the_host(X, backend):
    whitener = ZCAWhitener(backend=backend).fit(array_api_strict.asarray(X))
    expected = ZCAWhitener().fit(X)
    for name in FITTED:
        assert type(getattr(whitener, name)) is np.ndarray
        assert_array_equal(getattr(whitener, name), getattr(expected, name))
    assert type(whitener.transform(array_api_strict.asarray(X))) is np.ndarray


@pytest.mark.gpu
@pytest.mark.parametrize("backend", ["auto", "cupy"])
def test_a_device_whitens_as_the_host_does_and_keeps_what_it_has(cupy, X, backend):
    away, expected = cupy.asarray(X), ZCAWhitener().fit(X)
    whitener = ZCAWhitener(backend=backend).fit(away)
    whitened = whitener.transform(away)
    assert isinstance(whitened, cupy.ndarray)
    assert whitened.dtype == X.dtype
    assert_allclose(whitened.get(), expected.transform(X), atol=100 * rounding(X.dtype))
    restored = whitener.inverse_transform(whitened)
    assert_allclose(restored.get(), X, rtol=rounding(X.dtype))
    assert isinstance(whitener.whitening_, cupy.ndarray)
    assert isinstance(ZCAWhitener(backend="cupy").fit_transform(X), cupy.ndarray)


def test_a_variance_beyond_double_precision_is_refused():
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(ValueError, match=r"variance of X is too large for .*float64"),
    ):
        ZCAWhitener().fit(np.array([[1e200, 0.0], [-1e200, 1.0]]))


def test_a_pickled_whitener_gives_the_same_and_can_go_on_learning(X):
    whitener = ZCAWhitener().fit(X[:200])
    again = pickle.loads(pickle.dumps(whitener))
    assert_array_equal(again.transform(X), whitener.transform(X))
    assert_array_equal(
        again.partial_fit(X[200:]).whitening_, whitener.partial_fit(X[200:]).whitening_
    )
