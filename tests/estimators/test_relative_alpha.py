"""With relative_alpha=True, alpha is a share of the smallest alpha for which all codes are zero."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from sklearn_ebm import (
    PSD,
    ConvPSD,
    ConvSparseCoder,
    ElasticNetPenalty,
    GroupPenalty,
    GroupSparsePSD,
    InhibitionPenalty,
    L0Penalty,
    L1Penalty,
    LISTAEncoder,
    SparseCoder,
    alpha_max,
)

random = np.random.default_rng(0)
X = random.standard_normal((60, 16))
ATOMS = random.standard_normal((6, 16))
FILTERS = random.standard_normal((3, 3, 3))
IMAGES = random.standard_normal((10, 6, 7))
QUICK = {"alpha": 0.25, "relative_alpha": True, "max_iter": 1, "tol": 0, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore:No pass improved on the initial loss")
MODELS = {
    "SparseCoder": SparseCoder(6, **QUICK),
    "PSD": PSD(6, **QUICK),
    "GroupSparsePSD": GroupSparsePSD(6, groups=2, **QUICK),
    "LISTAEncoder": LISTAEncoder(6, **QUICK),
    "ConvSparseCoder": ConvSparseCoder(3, kernel_size=3, **QUICK),
    "ConvPSD": ConvPSD(3, kernel_size=3, **QUICK),
}
every_model = pytest.mark.parametrize("name", MODELS)


def data_of(name):
    return IMAGES if name.startswith("Conv") else X


@pytest.mark.parametrize(
    "penalty",
    ["l1", L1Penalty([1, 2, 3, 4, 5, 6]), ElasticNetPenalty(0.3), GroupPenalty(2)],
    ids=lambda penalty: str(penalty)[:12],
)
@pytest.mark.parametrize("positive", [False, True])
def test_it_is_a_share_of_alpha_max_of_a_fixed_dictionary(penalty, positive):
    settings = {"penalty": penalty, "positive": positive}
    coder = SparseCoder(dictionary=ATOMS, **settings, **QUICK).fit(X)
    assert_allclose(coder.alpha_, alpha_max(X, ATOMS, **settings) / 4, rtol=1e-12)
    absolute = SparseCoder(dictionary=ATOMS, alpha=coder.alpha_, **settings).fit(X)
    np.testing.assert_array_equal(coder.transform(X), absolute.transform(X))


def test_it_is_a_share_of_alpha_max_of_the_initial_atoms():
    coder = SparseCoder(dictionary_init=ATOMS, **QUICK).fit(X)
    unit = ATOMS / np.linalg.norm(ATOMS, axis=1, keepdims=True)
    assert_allclose(coder.alpha_, alpha_max(X, unit) / 4, rtol=1e-12)
    encoder = LISTAEncoder(dictionary=ATOMS, **QUICK).fit(X)
    assert_allclose(encoder.alpha_, alpha_max(X, ATOMS) / 4, rtol=1e-12)


@pytest.mark.parametrize("kind", [ConvSparseCoder, ConvPSD])
@pytest.mark.parametrize("border", ["full", "circular"])
def test_codes_of_images_are_zero_at_alpha_and_not_below(kind, border):
    share = kind(dictionary=FILTERS, border=border, **QUICK).fit(IMAGES)
    largest = 4 * share.alpha_
    for factor, is_zero in ((1.0, True), (0.999, False)):
        coder = ConvSparseCoder(dictionary=FILTERS, border=border, alpha=factor * largest)
        coder.set_params(code_tol=1e-9)  # 0.1 % below, the gap of a code of zeros is about 1e-8
        assert np.any(coder.fit(IMAGES).transform(IMAGES)) != is_zero


@every_model
def test_alpha_follows_the_scale_of_the_data_and_codes_too(name):
    """The initial atoms have norm one, so that correlations are proportional to the data."""
    data = data_of(name)
    first, second = (clone(MODELS[name]).fit(factor * data) for factor in (1, 8))
    assert_allclose(second.alpha_, 8 * first.alpha_, rtol=1e-12)
    assert 0 < first.sparsity_curve_[-1]


def test_only_observed_values_of_samples_with_a_weight_count():
    mask = random.uniform(size=X.shape) < 0.7
    expected = SparseCoder(dictionary=ATOMS, **QUICK).fit(X, mask=mask).alpha_
    assert_allclose(expected, alpha_max(X * mask, ATOMS) / 4, rtol=1e-12)
    padded, weight = np.vstack([X, 9 * X]), np.repeat([2.0, 0.0], 60)
    coder = SparseCoder(dictionary=ATOMS, **QUICK)
    coder.fit(padded, sample_weight=weight, mask=np.vstack([mask, mask]))
    assert_allclose(coder.alpha_, expected, rtol=1e-12)


@every_model
def test_a_continued_fit_keeps_the_weight(name):
    data = data_of(name)
    model = clone(MODELS[name]).set_params(warm_start=True).fit(data)
    first = model.alpha_
    assert model.partial_fit(3 * data).alpha_ == first
    assert pickle.loads(pickle.dumps(model)).fit(3 * data).alpha_ == first


def test_the_first_batch_of_partial_fit_determines_the_weight():
    coder = SparseCoder(dictionary=ATOMS, batch_size=20, **QUICK).partial_fit(X)
    assert_allclose(coder.alpha_, alpha_max(X[:20], ATOMS) / 4, rtol=1e-12)


@every_model
def test_another_share_requires_another_fit(name):
    model, data = clone(MODELS[name]).fit(data_of(name)), data_of(name)
    model.set_params(alpha=0.5)
    for method in (model.transform, model.partial_fit):
        with pytest.raises(ValueError, match=r"alpha=0.5.*was fitted with alpha=0.25.* Call fit"):
            method(data)
    model.set_params(alpha=0.25).transform(data)


def test_a_number_replaces_a_share_at_once():
    coder = SparseCoder(6, **QUICK).fit(X)
    expected = coder.transform(X)
    coder.set_params(relative_alpha=False, alpha=coder.alpha_)
    np.testing.assert_array_equal(coder.transform(X), expected)


def test_data_of_zeros_have_a_share_of_one():
    assert SparseCoder(dictionary=ATOMS, **QUICK).fit(0 * X).alpha_ == 0.25


@pytest.mark.parametrize("alpha", ["scale", 1.5])
@every_model
def test_alpha_must_be_a_share(name, alpha):
    model = clone(MODELS[name]).set_params(alpha=alpha)
    for method in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=r"alpha must be a number .* at most 1"):
            method(data_of(name))


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (InhibitionPenalty(1 - np.eye(6)), "requires a penalty with `dual_norm`"),
        (L0Penalty(2), "alpha must not be set with L0Penalty"),
    ],
)
def test_a_penalty_without_a_dual_norm_is_refused(penalty, message):
    with pytest.raises(ValueError, match=message):
        SparseCoder(6, penalty=penalty, **QUICK).fit(X)


def test_single_precision_has_the_same_weight():
    single = SparseCoder(dictionary=ATOMS, **QUICK).fit(X.astype(np.float32))
    assert_allclose(single.alpha_, alpha_max(X, ATOMS) / 4, rtol=1e-5)
    assert single.transform(X.astype(np.float32)).dtype == np.float32
