"""Strengths of lateral inhibition that models learn, as the fitted attribute `inhibition_`."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from sklearn_ebm import (
    PSD,
    ConvSparseCoder,
    InhibitionPenalty,
    L1Penalty,
    LISTAEncoder,
    SparseCoder,
    sparse_encode,
)

N_COMPONENTS, ALPHA = 12, 0.3
LEARNED = InhibitionPenalty(structure="learned")
SETTINGS = {"alpha": ALPHA, "max_iter": 3, "tol": 0, "random_state": 0}


@pytest.fixture(scope="module")
def X(patches):
    return patches[:, :16]


@pytest.fixture(scope="module")
def coder(X):
    return SparseCoder(N_COMPONENTS, penalty=LEARNED, **SETTINGS).fit(X)


def coder_with(**parameters):
    return SparseCoder(N_COMPONENTS, **{**SETTINGS, "penalty": LEARNED, **parameters})


@pytest.mark.parametrize("kind", [SparseCoder, PSD])
def test_learned_strengths_are_within_their_limits(kind, X):
    penalty = InhibitionPenalty(structure="learned", total=10.0, largest=2.0)
    strength = kind(N_COMPONENTS, penalty=penalty, **SETTINGS).fit(X).inhibition_
    assert_array_equal(strength, strength.T)
    assert_allclose(strength.sum(axis=1), 10.0, rtol=1e-9)
    assert np.all((strength >= 0) & (strength <= 2))
    assert np.ptp(strength[~np.eye(N_COMPONENTS, dtype=bool)]) > 0.1  # equal at the start


def test_the_energy_is_lower_than_with_equal_strengths_of_the_same_sum(X):
    """Learning is alternate minimisation, over strengths as well."""
    settings = {"max_iter": 20, "batch_size": 50}
    strength = LEARNED.strengths(N_COMPONENTS)
    equal = coder_with(penalty=InhibitionPenalty(strength), **settings).fit(X)
    learned = coder_with(**settings).fit(X)
    assert learned.objective_curve_[-1] < 0.98 * equal.objective_curve_[-1]


def test_codes_are_those_of_the_learned_strengths(coder, X):
    penalty = InhibitionPenalty(coder.inhibition_)
    code = sparse_encode(X[:20], coder.components_, ALPHA, penalty=penalty)
    assert_allclose(coder.transform(X[:20]), code, atol=1e-12)


def test_learning_goes_on_where_it_ended(coder, X):
    """In the model, in a stored copy, and with a warm start; a cold fit starts anew."""
    first, second = copy.deepcopy(coder), pickle.loads(pickle.dumps(coder))
    assert_allclose(first.partial_fit(X).inhibition_, second.partial_fit(X).inhibition_)
    assert not np.array_equal(first.inhibition_, coder.inhibition_)
    assert_array_equal(clone(coder).fit(X).inhibition_, coder.inhibition_)
    assert_array_equal(first.fit(X).inhibition_, coder.inhibition_)
    warm = second.set_params(warm_start=True, max_iter=1).fit(X)
    assert not np.array_equal(warm.inhibition_, coder.inhibition_)


def test_strengths_may_be_replaced(coder, X):
    model, strength = copy.deepcopy(coder), 1 - np.eye(N_COMPONENTS)
    model.inhibition_ = strength
    code = sparse_encode(X[:9], model.components_, ALPHA, penalty=InhibitionPenalty(strength))
    assert_allclose(model.transform(X[:9]), code, atol=1e-12)
    assert not model.inhibition_.flags.writeable
    learned = model.partial_fit(X).inhibition_  # from the new strengths, within the limits
    assert_allclose(learned.sum(axis=1), 0.9 * (N_COMPONENTS - 1), rtol=1e-9)


@pytest.mark.parametrize(
    ("strength", "words"),
    [
        (-np.ones((N_COMPONENTS, N_COMPONENTS)), "inhibition_ must be non-negative"),
        (np.eye(N_COMPONENTS), "inhibition_ must have zeros on the diagonal"),
        (np.triu(np.ones((N_COMPONENTS, N_COMPONENTS)), 1), "inhibition_ must be symmetric"),
        (np.zeros((2, 2)), r"inhibition_ has shape \(2, 2\)"),
        (np.full((N_COMPONENTS, N_COMPONENTS), np.nan), "inhibition_ contains NaN"),
    ],
)
def test_invalid_strengths_are_refused_by_name(coder, X, strength, words):
    model = copy.deepcopy(coder)
    model.inhibition_ = strength
    with pytest.raises(ValueError, match=words):
        model.transform(X[:3])


def test_strengths_are_learned_for_fixed_atoms(coder, X):
    model = SparseCoder(dictionary=coder.components_, penalty=LEARNED, **SETTINGS).fit(X)
    assert_array_equal(model.components_, coder.components_)
    assert np.ptp(model.inhibition_[~np.eye(N_COMPONENTS, dtype=bool)]) > 0.1


def test_a_fit_with_another_penalty_has_no_strengths(coder, X):
    model = copy.deepcopy(coder).set_params(penalty=L1Penalty())
    assert np.any(model.transform(X[:3]))
    assert not hasattr(model.fit(X), "inhibition_")


def test_samples_of_weight_zero_teach_nothing(X):
    settings = {"dictionary_init": X[:N_COMPONENTS], "batch_size": len(X), "max_iter": 1}
    weight = np.repeat([1.0, 0.0], [200, len(X) - 200])
    some = coder_with(**settings).fit(X[:200]).inhibition_
    weighted = coder_with(**settings).fit(X, sample_weight=weight).inhibition_
    assert_allclose(weighted, some, rtol=1e-9)


@pytest.mark.parametrize("scale", [2.0**-20, 2.0**20])  # codes are the same, to the last bit
def test_strengths_do_not_depend_on_the_scale_of_the_data(coder, X, scale):
    scaled = coder_with().fit(scale * X)
    assert_allclose(scaled.inhibition_, coder.inhibition_, atol=1e-9)


def test_backends_learn_the_same_strengths(X):
    settings = {"max_iter": 1}
    learned = coder_with(**settings).fit(X[:100]).inhibition_
    plain = coder_with(backend="numpy", **settings).fit(X[:100]).inhibition_
    assert_allclose(plain, learned, atol=1e-3)  # the tolerance of codes during learning


def test_models_without_rows_or_with_separable_codes_refuse_to_learn_strengths(X):
    images = X[:5].reshape(-1, 4, 4)
    with pytest.raises(ValueError, match="structure='learned' requires a model whose samples are"):
        ConvSparseCoder(3, kernel_size=2, penalty=LEARNED).fit(images)
    with pytest.raises(ValueError, match="separable"):
        LISTAEncoder(N_COMPONENTS, penalty=LEARNED).fit(X)
