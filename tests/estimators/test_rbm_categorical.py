"""RBM with categorical units: brute force over all codes, binary units, and input checks."""

import itertools
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, logsumexp, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_ebm import RBM, FineTunedClassifier
from tests.differences import finite_differences
from tests.registries.machines import graded_digits, make

SIZES = (3, 2, 4)
STATES = np.array(list(itertools.product(*map(range, SIZES))), dtype=float)
ONE_HOT = np.concatenate([np.eye(k)[STATES[:, i].astype(int)] for i, k in enumerate(SIZES)], axis=1)


def small(n_components=3, **parameters):
    """A model of three features with strong weights."""
    settings = {"visible": "categorical", "max_iter": 1, "n_chains": 10, "random_state": 0}
    random = np.random.default_rng(0)
    model = RBM(n_components, **{**settings, **parameters}).fit(STATES)
    model.components_ = random.normal(0, 1.5, (n_components, sum(SIZES)))
    model.intercept_hidden_ = random.normal(0, 1, n_components)
    model.intercept_visible_ = random.normal(0, 1, sum(SIZES))
    return model


def log_weights(model):
    """Return -F of all states, as a sum over hidden states."""
    hidden = np.array(list(itertools.product([0, 1], repeat=len(model.components_))))
    minus = ONE_HOT @ model.components_.T @ hidden.T
    minus += (ONE_HOT @ model.intercept_visible_)[:, None] + hidden @ model.intercept_hidden_
    return logsumexp(minus, axis=1)


def test_energies_and_likelihoods_are_sums_over_all_states():
    model = small()
    expected = log_weights(model)
    assert_allclose(model.score_samples(STATES), expected, rtol=1e-10)
    log_partition = model.log_partition("exact")
    assert float(log_partition) == pytest.approx(logsumexp(expected), rel=1e-12)
    assert_allclose(model.log_likelihood(STATES, log_partition), expected - logsumexp(expected))
    field = ONE_HOT @ model.components_.T + model.intercept_hidden_
    assert_allclose(model.transform(STATES), expit(field), rtol=1e-10)


def test_annealing_estimates_the_sum_over_all_states():
    model = small()
    estimate = model.log_partition("ais", n_temperatures=1000, random_state=0)
    exact = logsumexp(log_weights(model))
    assert abs(float(estimate) - exact) < max(4 * estimate.error, 0.02)


def test_samples_have_the_frequencies_of_the_model():
    """5,000 chains: standard errors of at most 0.007."""
    model = small()
    drawn = model.sample(5_000, n_burn_in=20, random_state=0)
    number = np.ravel_multi_index(drawn.astype(int).T, SIZES)
    frequency = np.bincount(number, minlength=len(STATES)) / len(drawn)
    assert_allclose(frequency, softmax(log_weights(model)), atol=0.025)


def test_the_score_is_the_log_probability_of_a_code_given_the_other_codes():
    model = small()
    table = log_weights(model).reshape(SIZES)
    each = [(table - logsumexp(table, axis=i, keepdims=True)).ravel() for i in range(len(SIZES))]
    for row in (0, 7, 22):
        repeated = np.repeat(STATES[row : row + 1], len(SIZES), axis=0)  # each feature has a turn
        expected = np.mean([values[row] for values in each])
        assert model.score(repeated) == pytest.approx(expected, rel=1e-10)


def test_learning_follows_the_gradient_of_the_likelihood():
    """A step with many chains that have mixed, compared with finite differences.

    The standard error of means over 4,000 chains is at most 0.008.
    """
    rate, X = 1e-3, STATES[[0, 1, 1, 5, 9, 13, 20, 22]]
    rows = np.ravel_multi_index(X.astype(int).T, SIZES)
    model = small(centered=False, average=0, n_chains=4_000, n_gibbs_steps=20, learning_rate=rate)
    names = "components_", "intercept_hidden_", "intercept_visible_"
    parameters = {name: getattr(model, name).copy() for name in names}

    def likelihood():
        values = log_weights(SimpleNamespace(**parameters))
        return np.mean(values[rows]) - logsumexp(values)

    slopes = {name: finite_differences(likelihood, value) for name, value in parameters.items()}
    model.partial_fit(X)
    for name, slope in slopes.items():
        change = (getattr(model, name) - parameters[name]) / rate
        assert_allclose(change, slope, atol=0.03, err_msg=name)


def test_two_categories_are_binary_units():
    """Of which the parameters are differences; the first categories shift the other biases."""
    X = (graded_digits() > 1)[:, 20:30].astype(float)
    model = RBM(4, visible="categorical", n_categories=2, max_iter=2, random_state=0).fit(X)
    binary = RBM(4, max_iter=1, random_state=0).fit(X)
    weights, bias = model.components_, model.intercept_visible_
    binary.components_ = weights[:, 1::2] - weights[:, ::2]
    binary.intercept_hidden_ = model.intercept_hidden_ + weights[:, ::2].sum(axis=1)
    binary.intercept_visible_ = bias[1::2] - bias[::2]
    assert_allclose(model.transform(X), binary.transform(X), rtol=1e-8)
    constant = bias[::2].sum()
    assert_allclose(model.score_samples(X), binary.score_samples(X) + constant, rtol=1e-8)
    assert model.score(X) == pytest.approx(binary.score(X), rel=1e-8)
    ours = model.log_likelihood(X[:9])
    assert_allclose(ours, binary.log_likelihood(X[:9]), rtol=1e-8)
    assert_allclose(model.reconstruct_proba(X)[:, 1::2], binary.reconstruct(X), rtol=1e-8)


def test_reconstructions_are_the_most_probable_codes():
    X = graded_digits()
    model = make("categorical", n_categories="auto").fit(X)
    assert_array_equal(model.n_categories_, X.max(axis=0) + 1)
    assert model.components_.shape == (12, model.n_categories_.sum())
    proba = np.split(model.reconstruct_proba(X), np.cumsum(model.n_categories_)[:-1], axis=1)
    for feature, own in enumerate(proba):
        assert_allclose(own.sum(axis=1), 1, rtol=1e-5)
        assert_array_equal(model.reconstruct(X)[:, feature], own.argmax(axis=1))
    for codes in (model.gibbs(X, random_state=0), model.sample(5, random_state=0)):
        assert_array_equal(codes, np.clip(codes.round(), 0, model.n_categories_ - 1))


def test_missing_codes_are_filled_better_than_by_the_most_frequent_codes():
    X = graded_digits().astype(float)
    missing = np.random.default_rng(0).random(X.shape) < 0.3
    holey = np.where(missing, np.nan, X)
    settings = {"loss": "cd", "n_components": 32, "max_iter": 20, "batch_size": 10}
    model = make("categorical", missing_values=np.nan, **settings)
    filled = model.fit(holey).reconstruct(holey)
    mode = [np.bincount(X[~hole, i].astype(int)).argmax() for i, hole in enumerate(missing.T)]
    accuracy, of_mode = ((each == X)[missing].mean() for each in (filled, np.tile(mode, (600, 1))))
    assert accuracy > of_mode + 0.05


def test_a_sample_with_holes_is_a_machine_of_its_observed_features():
    """Columns of other features have their frequencies in the data as constants."""
    holey = np.tile(STATES, (4, 1))
    holey[::5, 1] = np.nan
    model = RBM(3, visible="categorical", missing_values=np.nan, max_iter=3, random_state=0)
    model.fit(holey)
    share = np.nanmean(holey[:, 1])
    states = np.array([[0, 1, 0, 1 - share, share, 0, 0, 1, 0]])
    sample = np.array([[1, np.nan, 2]])
    field = states @ model.components_.T + model.intercept_hidden_
    assert_allclose(model.transform(sample), expit(field), rtol=1e-10)
    expected = model.intercept_visible_[[1, 7]].sum() + np.log1p(np.exp(field)).sum()
    assert model.score_samples(sample)[0] == pytest.approx(expected, rel=1e-10)


def test_codes_may_be_integers_and_numbers_of_categories_may_be_given():
    X = graded_digits()
    expected = make("categorical", n_categories="auto").fit(X)
    ours = make("categorical", n_categories=expected.n_categories_).fit(X.astype(np.uint8))
    assert_array_equal(ours.components_, expected.components_)
    of_booleans, of_ones = (
        make("categorical", n_categories="auto").fit((X > 1).astype(dtype))
        for dtype in (bool, np.float32)
    )
    assert_array_equal(of_booleans.components_, of_ones.components_)
    wider = make("categorical", n_categories=5).fit(X)
    assert_array_equal(wider.n_categories_, np.full(64, 5))
    assert np.all(np.isfinite(wider.components_))


def test_models_are_part_of_scikit_learn():
    X = graded_digits()
    labels = (X[:, 20] > 1).astype(int)
    model = make("categorical").fit(X)
    copied = pickle.loads(pickle.dumps(model))
    assert_array_equal(copied.transform(X), model.transform(X))
    assert_array_equal(copied.partial_fit(X).components_, model.partial_fit(X).components_)
    search = GridSearchCV(make("categorical"), {"n_components": [2, 8]}, cv=2).fit(X[:200])
    assert np.all(np.isfinite(search.cv_results_["mean_test_score"]))
    network = make_pipeline(make("categorical"), LogisticRegression())
    tuned = FineTunedClassifier(network, max_iter=3, random_state=0).fit(X, labels)
    assert tuned.score(X, labels) > max(labels.mean(), 1 - labels.mean()) + 0.1


# Bad input


def test_values_that_are_no_codes_are_refused_with_the_remedy():
    model = make("categorical")
    X = graded_digits()[:50]
    with pytest.raises(ValueError, match="Negative values in data passed to RBM"):
        model.fit(X - 1)
    with pytest.raises(ValueError, match=r"codes up to 65535, got 1e\+06"):
        model.fit(np.where(X > 2, 1e6, X))
    with pytest.raises(ValueError, match=r"X must contain integers, got 1\.5.*OrdinalEncoder"):
        model.fit(X * 0.5)
    model = make("categorical").fit(graded_digits())
    for call in (model.transform, model.partial_fit, model.score):
        with pytest.raises(ValueError, match="got the code 9 for feature 3 with 4 categories"):
            call(np.where(np.arange(64) == 3, 9.0, X))


@pytest.mark.parametrize("value", [[2, 3], 0, [[2]], [2.5] * 64, 10**9])
def test_wrong_numbers_of_categories_are_refused(value):
    with pytest.raises(ValueError, match=r"n_categories.* must be"):
        make("categorical", n_categories=value).fit(graded_digits())


def test_other_numbers_of_categories_need_another_fit():
    model = make("categorical").fit(graded_digits())
    with pytest.raises(ValueError, match=r"n_categories=9, but .* Call fit"):
        model.set_params(n_categories=9).transform(graded_digits())


def test_probabilities_of_categories_need_categories():
    assert not hasattr(make("pcd"), "reconstruct_proba")
    assert hasattr(make("categorical"), "reconstruct_proba")
    model = make("categorical").fit(graded_digits())
    assert not hasattr(
        model.set_params(visible="bernoulli").fit(graded_digits() / 3), "n_categories_"
    )
