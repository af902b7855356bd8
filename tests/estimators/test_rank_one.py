"""ConvSparseCoder with filters of rank one."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from sklearn_ebm import ConvSparseCoder
from sklearn_ebm.backends.numpy._rank_one import of_rank_one
from tests.registries.image_models import dense_dictionary, similarity, spikes

N_CHANNELS, LENGTH = 4, 9
SETTINGS = {
    "kernel_size": LENGTH, "alpha": 0.2, "border": "valid", "crop_size": None, "max_iter": 10,
    "tol": 0, "batch_size": 2, "rank_one": True, "random_state": 0,
}  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")


def planted(seed=0, n_samples=6, n_times=120):
    """Return signals of two sources, their waveforms and their patterns."""
    random = np.random.default_rng(seed)
    waveforms = random.standard_normal((2, LENGTH))
    waveforms /= np.linalg.norm(waveforms, axis=1, keepdims=True)
    patterns = np.array([[1.0, 2.0, -1.0, 0.0], [2.0, 0.0, 1.0, -1.0]])
    patterns /= np.linalg.norm(patterns, axis=1, keepdims=True)
    kernels = (waveforms[:, :, None] * patterns[:, None, :])[:, None]
    atoms = dense_dictionary(kernels, (1, n_times), "valid")
    X = spikes(random, (n_samples, len(atoms)), 0.03) @ atoms
    X += 0.01 * random.standard_normal(X.shape)
    return X.reshape(n_samples, 1, n_times, N_CHANNELS), waveforms, patterns


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_planted_waveforms_and_patterns_are_found(dtype):
    X, waveforms, patterns = planted()
    model = ConvSparseCoder(6, **{**SETTINGS, "kernel_size": LENGTH + 4}).fit(X.astype(dtype))
    assert model.waveforms_.dtype == model.channel_patterns_.dtype == dtype
    kernels = waveforms[:, None, :, None] * patterns[:, None, None, :]
    likeness = similarity(kernels, model.components_)
    assert np.all(likeness.max(axis=1) > 0.95)
    for pattern, k in zip(patterns, likeness.argmax(axis=1), strict=True):
        assert abs(model.channel_patterns_[k] @ pattern) > 0.99
    outer = model.waveforms_[..., None] * model.channel_patterns_[:, None, None, :]
    assert_allclose(model.components_, outer, atol=10 * np.finfo(dtype).eps)


def test_one_channel_learns_as_without_the_constraint():
    X = planted()[0][..., :1]
    free = ConvSparseCoder(3, **{**SETTINGS, "rank_one": False}).fit(X)
    model = ConvSparseCoder(3, **SETTINGS).fit(X)
    assert_allclose(model.objective_curve_, free.objective_curve_, rtol=1e-6)
    assert_allclose(model.components_, free.components_, atol=1e-4)
    assert_allclose(model.channel_patterns_, 1)


def test_filters_keep_to_their_connections():
    X = planted()[0]
    table = np.array([[1, 1, 0, 0], [0, 1, 1, 1], [1, 0, 0, 0]])
    model = ConvSparseCoder(3, connections=table, **SETTINGS).fit(X)
    assert_array_equal(model.channel_patterns_ != 0, table != 0)
    assert np.all(np.any(model.components_ != 0, axis=(1, 2)) == (table != 0))


def test_the_constraint_may_begin_when_learning_continues():
    X = planted()[0]
    model = ConvSparseCoder(3, **{**SETTINGS, "rank_one": False}).fit(X)
    assert np.linalg.svd(model.components_[:, 0], compute_uv=False)[:, 1].max() > 1e-3
    model.set_params(rank_one=True).partial_fit(X)
    assert np.linalg.svd(model.components_[:, 0], compute_uv=False)[:, 1].max() < 1e-14
    model.components_ = np.random.default_rng(0).standard_normal(model.components_.shape)
    model.partial_fit(X)
    assert np.linalg.svd(model.components_[:, 0], compute_uv=False)[:, 1].max() < 1e-14


def test_a_loaded_model_continues_with_filters_of_rank_one():
    X = planted()[0]
    model = ConvSparseCoder(3, **SETTINGS).fit(X)
    loaded = pickle.loads(pickle.dumps(model))
    assert_array_equal(loaded.partial_fit(X).components_, model.partial_fit(X).components_)
    assert np.linalg.svd(loaded.components_[:, 0], compute_uv=False)[:, 1].max() < 1e-14


def test_a_given_dictionary_is_not_projected():
    X = planted()[0]
    filters = np.random.default_rng(0).standard_normal((3, 1, LENGTH, N_CHANNELS))
    model = ConvSparseCoder(dictionary=filters, **SETTINGS).fit(X)
    assert_array_equal(model.components_, filters)
    nearest = model.waveforms_[..., None] * model.channel_patterns_[:, None, None, :]
    assert_allclose(nearest, of_rank_one(filters), atol=1e-14)


def test_factors_require_a_fit():
    model = ConvSparseCoder(3, **SETTINGS)
    for name in ("waveforms_", "channel_patterns_"):
        with pytest.raises(NotFittedError):
            getattr(model, name)
        assert not hasattr(model, name)
