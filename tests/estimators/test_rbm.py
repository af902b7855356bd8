"""RBM: learning, likelihoods compared with sums over all states, samples, and types of data."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.integrate import quad
from scipy.special import expit, logsumexp
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sklearn_ebm import RBM
from sklearn_ebm.learning._monitor import pseudo_likelihood
from sklearn_ebm.solvers import LogPartition
from tests.estimators.test_callbacks import Recorder
from tests.registries.machines import FORMS, data_of, make, scaled_digits, some_digits
from tests.registries.row_models import fitted_attributes

forms = pytest.mark.parametrize("form", FORMS)
losses = pytest.mark.parametrize("loss", ["pcd", "cd", "fpcd"])


@pytest.fixture(scope="module")
def digits():
    return some_digits()


@pytest.fixture(scope="module")
def scaled():
    return scaled_digits()


def all_states(n_units):
    return (np.arange(2**n_units)[:, None] >> np.arange(n_units) & 1).astype(float)


def bars_and_stripes():
    """Return the 16 images of 3x3 pixels with rows or columns on or off: 14, two of them twice."""
    states = all_states(3)
    return np.vstack([np.repeat(states, 3, axis=1), np.tile(states, (1, 3))])


@pytest.fixture(scope="module")
def small():
    """An RBM with nine visible and twelve hidden units, trained on bars and stripes."""
    X = np.tile(bars_and_stripes(), (200, 1))
    return RBM(12, learning_rate=0.3, batch_size=80, max_iter=30, random_state=0).fit(X)


# Learning


@pytest.mark.parametrize(
    "parameters",
    [{}, {"loss": "fpcd"}, {"loss": "cd", "n_gibbs_steps": 5}],
    ids=["pcd", "fpcd", "cd-5"],
)
def test_bars_and_stripes_are_learned_nearly_to_their_entropy(parameters):
    """The mean log-likelihood is at most minus the entropy of the 16 images, -2.6 nats; for
    independent pixels, each on with probability 1/2, it is 9 log(1/2) = -6.2.
    """
    images = bars_and_stripes()
    settings = {"learning_rate": 0.5, "batch_size": 80, "max_iter": 25, "random_state": 0}
    rbm = RBM(10, **settings, **parameters).fit(np.tile(images, (400, 1)))
    entropy = 12 / 16 * np.log(16) + 4 / 16 * np.log(8)
    reached = rbm.log_likelihood(images).mean()
    assert -entropy - 0.4 < reached < -entropy


@losses
def test_digits_become_more_likely_than_independent_pixels_make_them(digits, loss):
    share = np.clip(digits.mean(axis=0), 1e-3, 1 - 1e-3)
    independent = np.mean(digits @ np.log(share) + (1 - digits) @ np.log(1 - share))
    settings = {"n_components": 12, "max_iter": 25, "batch_size": 20, "learning_rate": 0.3}
    rbm = make(loss=loss, **settings).fit(digits)
    assert rbm.log_likelihood(digits).mean() > independent + 4  # of 25


def test_scaled_digits_become_more_likely_than_independent_features_make_them(scaled):
    """A varying feature has -1/2 log(2 pi e) nats; constant ones have their own variance."""
    varying = scaled[:, scaled.var(axis=0) > 0.5].astype(float)
    independent = -varying.shape[1] * np.log(2 * np.pi * np.e) / 2
    rbm = make("gaussian", max_iter=15, batch_size=50).fit(varying)
    assert rbm.log_likelihood(varying).mean() > independent + 3


def test_two_features_on_a_line_become_more_likely_than_a_correlated_gaussian():
    """The variance given the hidden units approaches that of the noise, 0.09."""
    random = np.random.default_rng(0)
    X = random.uniform(-1.7, 1.7, (1000, 1)) + 0.3 * random.standard_normal((1000, 2))
    rbm = RBM(12, visible="gaussian", max_iter=30, random_state=0).fit(X)
    assert np.all(rbm.variance_ < 0.2 * X.var(axis=0))
    _, volume = np.linalg.slogdet(2 * np.pi * np.e * np.cov(X.T))
    assert np.mean(rbm.log_likelihood(X)) > -volume / 2


def test_centred_learning_is_as_good_on_paper_as_on_ink(digits):
    """Melchior, Fischer & Wiskott 2016, section 6: without centring, it is not.

    Both sides draw differently, which changes likelihoods of -20 by a few tenths of a nat.
    """
    gap = {}
    for centered in (True, False):
        settings = {"n_components": 13, "max_iter": 30, "batch_size": 50, "centered": centered}
        settings["learning_rate"] = 0.3
        likelihoods = []
        for X in (digits, 1 - digits):
            rbm = make(**settings, loss="cd").fit(X)
            likelihoods.append(rbm.log_likelihood(X).mean())
        gap[centered] = likelihoods[0] - likelihoods[1]
    assert abs(gap[True]) < 0.5
    assert gap[False] > 2 * abs(gap[True])


def test_more_steps_of_the_chains_make_contrastive_divergence_better():
    """The larger k, the better CD-k approximates the gradient of the likelihood."""
    X = np.tile(bars_and_stripes(), (200, 1))
    settings = {"learning_rate": 0.3, "batch_size": 80, "max_iter": 50, "random_state": 0}
    reached = [
        RBM(10, loss="cd", n_gibbs_steps=k, **settings).fit(X).log_likelihood(X).mean()
        for k in (1, 10)
    ]
    assert reached[1] > reached[0] + 0.02


def test_hidden_units_are_drawn_to_the_wished_activity(digits):
    """For any initial value: with a target, learning starts with this activity."""
    settings = {"n_components": 40, "batch_size": 20, "learning_rate": 0.3, "warm_start": True}
    rbm = make(**settings, max_iter=10).fit(digits)
    for target in (0.4, 0.15):
        before = rbm.transform(digits).mean(axis=0)
        assert abs(before.mean() - target) > 0.1
        rbm.set_params(sparsity_target=target, sparsity_cost=1.0, max_iter=80).fit(digits)
        activity = rbm.transform(digits).mean(axis=0)
        # The likelihood has an influence as well, and learning ends before convergence.
        assert_allclose(activity.mean(), target, atol=abs(before.mean() - target) / 5)
        assert np.mean(abs(activity - target) < abs(before - target) / 2) > 0.9
        assert_allclose(rbm.usage_, activity, atol=0.05)  # a running mean of the activity


def test_weight_decay_makes_weights_smaller(digits):
    norms = [
        np.linalg.norm(make(max_iter=20, weight_decay=decay).fit(digits).components_)
        for decay in (0.0, 0.01, 0.1)
    ]
    assert norms[0] > norms[1] > norms[2]


def test_momentum_of_one_half_makes_steps_twice_as_large_in_the_end(digits):
    """For a constant gradient g, the velocity v = m v + g converges to g / (1 - m)."""
    settings = {
        "max_iter": 20,
        "average": 0.0,
        "loss": "cd",
        "random_state": 0,
        "n_components": 8,
    }
    rates = {0.0: 2e-3, 0.5: 1e-3}
    bias = [
        RBM(**settings, learning_rate=rate, momentum=momentum).fit(digits).intercept_visible_
        for momentum, rate in rates.items()
    ]
    before = RBM(**settings, learning_rate=1e-12).fit(digits).intercept_visible_
    moved = [np.linalg.norm(each - before) for each in bias]
    assert moved[1] == pytest.approx(moved[0], rel=0.1)


@pytest.mark.parametrize("average", [0.0, 0.5, 1.0])
def test_parameters_are_the_mean_over_the_last_share_of_the_steps(digits, average):
    """Parameters are recorded every twenty batches: at 20, 40, 60, and at the end of each pass."""
    seen = []
    recorder = Recorder(depth=2)
    recorder.on_fit_task_end = lambda estimator, context, **data: (
        seen.append(estimator._learner.criterion.energy.weights.T.copy())
        if context.task_name == "batches"
        else None
    )
    model = make(batch_size=10, max_iter=2, average=average).set_callbacks(recorder).fit(digits)
    assert len(seen) == 6  # sixty batches per pass
    n_averaged = {0.0: 1, 0.5: 3, 1.0: 6}[average]
    assert_allclose(model.components_, np.mean(seen[-n_averaged:], axis=0), rtol=0, atol=1e-6)


def test_a_schedule_is_asked_for_the_rate_of_each_share_of_the_steps(digits):
    asked = []

    def schedule(done):
        asked.append(done)
        return 0.1 * (1 - done)

    ours = make(learning_rate=schedule).fit(digits)
    steps = np.arange(18) / 18  # three passes of six batches
    assert_allclose([done for done in asked if done > 0], steps[1:], rtol=1e-12)
    assert_array_equal(ours.components_, make(learning_rate=0.1).fit(digits).components_)


def test_probabilities_that_are_drawn_are_learned_as_zeros_and_ones(small):
    """Pixels have probability 1/2 and are sampled anew, so that hidden units learn nothing. The
    constant 1/2 would be another sample, without any variance.
    """
    X = np.full((100, 9), 0.5)
    rbm = RBM(4, binarize=True, max_iter=50, random_state=0).fit(X)
    states = all_states(9)
    assert_allclose(rbm.log_likelihood(states), -9 * np.log(2), atol=0.5)


def test_the_gap_of_free_energies_tells_overfitting(digits):
    """A model that is trained often on few samples assigns them less energy than others."""
    few = digits[:60]
    settings = {"n_components": 60, "batch_size": 10, "learning_rate": 1.0}
    rbm = make(**settings, max_iter=100, validation_fraction=0.5).fit(few)
    assert len(rbm.free_energy_gap_curve_) == 100
    assert rbm.free_energy_gap_curve_[-1] > rbm.free_energy_gap_curve_[0] + 5
    assert make(**settings).fit(few).free_energy_gap_curve_.size == 0


def test_held_out_samples_are_not_learned_from():
    """Features that are on only in held-out samples stay off."""
    X = np.zeros((100, 6), np.float32)
    X[:, :3] = np.random.default_rng(0).random((100, 3)) < 0.5
    held_out = np.random.RandomState(0).permutation(100)[:30]
    X[held_out, 3:] = 1
    rbm = make(n_components=2, validation_fraction=0.3, max_iter=5).fit(X)
    means = expit(rbm.intercept_visible_)
    assert np.all(means[3:] < 0.05)


def test_curves_are_what_they_say(digits):
    """With fewer than a hundred samples, the monitor uses all of them."""
    X = digits[:80]
    rbm = make(average=0.0).fit(X)
    last = rbm.objective_curve_[-1], rbm.reconstruction_curve_[-1]
    squared = np.mean((X - rbm.reconstruct(X)) ** 2)
    assert last[1] == pytest.approx(squared, rel=1e-5)
    # It flips one pixel of each sample: 80 terms of about that size.
    assert last[0] == pytest.approx(-rbm.score(X), rel=0.5)
    assert rbm.n_iter_ == len(rbm.objective_curve_) == len(rbm.seconds_curve_) == 3
    assert np.all(np.diff(rbm.seconds_curve_) > 0)


# Likelihoods


def test_probabilities_of_all_states_sum_to_one(small):
    assert logsumexp(small.log_likelihood(all_states(9))) == pytest.approx(0, abs=1e-10)


def test_density_of_a_real_feature_integrates_to_one():
    X = np.random.default_rng(0).standard_normal((100, 1)) * 2 + 1
    rbm = make("gaussian", n_components=3).fit(X)
    log_partition = rbm.log_partition()

    def density(v):
        return float(np.exp(rbm.log_likelihood(np.array([[v]]), log_partition)[0]))

    assert quad(density, -200, 200, points=[-20, 0, 20])[0] == pytest.approx(1, abs=1e-6)


def test_energy_is_that_of_the_parameters(small):
    states = all_states(9)
    field = states @ small.components_.T + small.intercept_hidden_
    expected = -states @ small.intercept_visible_ - np.log1p(np.exp(field)).sum(axis=1)
    assert_allclose(small.energy(states), expected, rtol=1e-12)
    assert_allclose(small.score_samples(states), -expected, rtol=1e-12)
    assert_allclose(small.transform(states), expit(field), rtol=1e-12)
    hidden = all_states(12)[::50]
    expected = expit(hidden @ small.components_ + small.intercept_visible_)
    assert_allclose(small.inverse_transform(hidden), expected, rtol=1e-12)
    assert_allclose(
        small.reconstruct(states), small.inverse_transform(small.transform(states)), rtol=1e-12
    )


def test_energy_of_real_features_is_that_of_the_parameters(scaled):
    rbm = make("gaussian").fit(scaled.astype(float))
    X = scaled[:50].astype(float)
    precision = 1 / rbm.variance_
    field = (X * precision) @ rbm.components_.T + rbm.intercept_hidden_
    own = ((X - rbm.intercept_visible_) ** 2 @ precision) / 2
    assert_allclose(rbm.energy(X), own - np.log1p(np.exp(field)).sum(axis=1), rtol=1e-10)
    hidden = rbm.transform(X)
    assert_allclose(hidden, expit(field), rtol=1e-10)
    mean = hidden @ rbm.components_ + rbm.intercept_visible_
    assert_allclose(rbm.inverse_transform(hidden), mean, rtol=1e-10)
    assert rbm.score(X) == pytest.approx(-np.mean((X - mean) ** 2), rel=1e-10)


@pytest.mark.parametrize("n_components", [5, 12])
def test_the_exact_sum_is_that_over_all_pairs_of_states(n_components):
    """Sum over hidden states if there are fewer of them, else over visible states: 9 pixels."""
    X = np.tile(bars_and_stripes(), (100, 1))
    rbm = RBM(n_components, learning_rate=0.5, max_iter=20, random_state=0).fit(X)
    visible, hidden = all_states(9), all_states(n_components)
    energy = -(visible @ rbm.components_.T) @ hidden.T
    energy -= (visible @ rbm.intercept_visible_)[:, None] + hidden @ rbm.intercept_hidden_
    for method in ("auto", "exact"):
        result = rbm.log_partition(method)
        assert result.error == 0
        assert float(result) == pytest.approx(logsumexp(-energy), abs=1e-10)


@pytest.mark.parametrize(("form", "n_temperatures"), [("pcd", 500), ("gaussian", 1500)])
def test_annealing_agrees_with_the_exact_sum(form, n_temperatures):
    """To a tenth of a nat, and to four standard errors, which are small as well."""
    settings = {"max_iter": 30, "batch_size": 50}
    rbm = make(form, **settings).fit(data_of(form))
    exact = float(rbm.log_partition("exact"))
    assert float(rbm.log_partition()) == exact  # exact if possible
    result = rbm.log_partition("ais", n_temperatures=n_temperatures, random_state=0)
    assert abs(result.value - exact) < min(0.1, 4 * result.error)
    assert result.log_weights.shape == (100,)


def test_log_likelihood_takes_a_log_partition_and_estimates_it_where_it_must(digits, monkeypatch):
    rbm = make(n_components=21).fit(digits)
    estimate = rbm.log_partition(n_temperatures=200, random_state=3)
    assert estimate.error > 0  # 21 hidden and 64 visible units are too many to enumerate
    expected = rbm.score_samples(digits) - estimate.value
    assert_allclose(rbm.log_likelihood(digits, estimate), expected, rtol=1e-6)
    assert_allclose(rbm.log_likelihood(digits, estimate.value), expected, rtol=1e-6)
    assert_allclose(rbm.log_likelihood(digits, LogPartition(1.0)) + 1, -rbm.energy(digits))
    # The default number of temperatures, 5,000, takes seconds.
    monkeypatch.setitem(RBM.log_partition.__kwdefaults__, "n_temperatures", 100)
    ours = rbm.log_likelihood(digits[:5], random_state=0)
    again = rbm.log_partition(random_state=0)
    assert_array_equal(ours, rbm.log_likelihood(digits[:5], again))


def test_score_is_the_mean_log_probability_of_a_feature_given_the_others(small):
    """Each row occurs nine times, so that each feature is flipped once."""
    rows = all_states(9)[::13]
    scores = []
    for i in range(9):
        other = rows.copy()
        other[:, i] = 1 - other[:, i]
        both = np.stack([small.log_likelihood(rows), small.log_likelihood(other)])
        scores.append(both[0] - logsumexp(both, axis=0))
    assert small.score(np.repeat(rows, 9, axis=0)) == pytest.approx(np.mean(scores), rel=1e-10)


def test_score_compares_models(digits):
    """Unlike free energies: more passes are better, and the lowest value is log(1/2)."""
    settings = {"n_components": 32, "batch_size": 20, "learning_rate": 0.3}
    scores = [make(max_iter=n, **settings).fit(digits).score(digits) for n in (1, 30)]
    assert np.log(0.5) < scores[0] < scores[1] - 0.05 < 0


# Samples


def test_samples_have_the_probabilities_of_the_model(small):
    """Chains converge in a model with moderate weights."""
    model = clone(small).set_params(max_iter=30)
    model.fit(np.tile(bars_and_stripes(), (200, 1)))
    states, n_chains = all_states(9), 10_000
    probability = np.exp(model.log_likelihood(states))
    for samples in (
        model.sample(n_chains, 30, random_state=0),
        model.gibbs(np.zeros((n_chains, 9)), 30, random_state=0),
    ):
        numbers = samples.astype(int) @ (1 << np.arange(9))
        share = np.bincount(numbers, minlength=512) / n_chains
        # E |share - p| = sqrt(2 p / (pi n)) of each, summed; it varies by a few percent.
        expected = np.sqrt(2 * probability / (np.pi * n_chains)).sum()
        assert abs(share - probability).sum() < 1.3 * expected


def test_chains_begin_at_independent_features_with_the_frequencies_of_the_data(digits):
    model = make(learning_rate=0.5, max_iter=30).fit(digits)
    share = model.sample(4000, 0, random_state=0).mean(axis=0)
    expected = np.clip(digits.mean(axis=0), 1e-3, 1 - 1e-3)
    assert np.all(abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / 4000))


def test_samples_of_a_model_without_weights_are_independent_features(scaled):
    varying = scaled[:, scaled.var(axis=0) > 0.5].astype(float)
    rbm = make("gaussian", learning_rate=1e-12).fit(varying)
    rbm._energy.weights[...] = 0
    samples = rbm.sample(4000, 2, random_state=0)
    deviation = np.sqrt(rbm.variance_)
    off = (samples.mean(axis=0) - rbm.intercept_visible_) / deviation
    assert np.all(abs(off) < 5 / np.sqrt(4000))
    assert_allclose(samples.std(axis=0), deviation, rtol=5 / np.sqrt(2 * 4000))


# Types of data


TYPES = {
    "booleans": lambda X: X > 0,
    "uint8": lambda X: X.astype(np.uint8),
    "CSR": sparse.csr_array,
    "CSC": sparse.csc_array,
    "columns first": np.asfortranarray,
    "float16": lambda X: X.astype(np.float16),
    "lists": lambda X: X.astype(bool).tolist(),
}


@pytest.mark.parametrize("name", TYPES)
def test_zeros_and_ones_are_the_same_data_in_every_form(digits, name):
    data = TYPES[name](digits)
    ours, expected = make().fit(data), make().fit(digits)
    assert_array_equal(ours.components_, expected.components_)
    assert ours.components_.dtype == np.float32
    for method in ("transform", "energy", "gibbs"):
        options = {"random_state": 0} if method == "gibbs" else {}
        result = getattr(expected, method)(data, **options)
        assert result.dtype == np.float32
        assert_allclose(result, getattr(expected, method)(digits, **options), rtol=1e-5)
    assert expected.score(data) == pytest.approx(expected.score(digits), rel=1e-5)


@forms
def test_models_have_the_type_of_the_data_and_results_that_of_what_is_asked(form, dtype):
    X = data_of(form).astype(dtype)
    rbm = make(form, learning_rate=np.float64(0.01), momentum=np.float64(0.5)).fit(X)
    names = ["components_", "intercept_hidden_", "intercept_visible_", "usage_"]
    for name in [*names, *(["variance_"] if form == "gaussian" else [])]:
        assert getattr(rbm, name).dtype == dtype, name
    assert rbm.sample(2, 3, random_state=0).dtype == dtype
    for wanted in (np.float32, np.float64):
        given = X.astype(wanted)
        results = [rbm.transform(given), rbm.energy(given), rbm.gibbs(given, random_state=0)]
        results.append(rbm.inverse_transform(results[0]))
        assert {result.dtype for result in results} == {np.dtype(wanted)}


def test_single_and_double_precision_learn_the_same(digits):
    """With few steps, differences of draws due to rounding are rare."""
    ours, expected = (make().fit(digits.astype(t)) for t in (np.float32, np.float64))
    assert_allclose(ours.components_, expected.components_, rtol=0, atol=1e-5)


@forms
def test_backends_learn_the_same(form):
    X = data_of(form).astype(float)
    ours, expected = (make(form, backend=name).fit(X) for name in ("numba", "numpy"))
    for name, value in fitted_attributes(expected).items():
        if name != "seconds_curve_":
            assert_allclose(getattr(ours, name), value, rtol=1e-6, atol=1e-9, err_msg=name)
    assert_allclose(ours.transform(X), expected.transform(X), rtol=1e-6)


@forms
@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_the_number_of_threads_leaves_only_rounding(form, backend):
    from numba import get_num_threads, set_num_threads

    X, before, models = data_of(form).astype(float), get_num_threads(), []
    try:
        for threads in (1, min(2, before)):
            set_num_threads(threads)
            models.append(make(form, backend=backend).fit(X))
    finally:
        set_num_threads(before)
    assert_allclose(models[1].components_, models[0].components_, rtol=0, atol=1e-11)


# Compatibility with other estimators


def test_two_machines_and_a_classifier_tell_digits():
    X, y = load_digits(return_X_y=True)
    settings = {"learning_rate": 1.0, "batch_size": 20, "max_iter": 15, "random_state": 0}
    pipeline = make_pipeline(
        MinMaxScaler(),
        RBM(64, **settings),
        RBM(64, **settings),
        LogisticRegression(max_iter=200),
    ).fit(X[:600], y[:600])
    assert pipeline.score(X[600:1200], y[600:1200]) > 0.6  # one in ten by chance


def test_grid_search_over_the_learning_rate(digits):
    """With a learning rate of zero, all hidden units have probability 1/2."""
    y = load_digits().target[:600]
    machine = make(n_components=32, max_iter=5, batch_size=20)
    pipeline = make_pipeline(machine, LogisticRegression(max_iter=50))
    search = GridSearchCV(pipeline, {"rbm__learning_rate": [1e-9, 0.3]}, cv=2).fit(digits, y)
    assert search.best_params_ == {"rbm__learning_rate": 0.3}


def test_grid_search_by_its_own_score(digits):
    machine = make(learning_rate=1.0, batch_size=20)
    search = GridSearchCV(machine, {"max_iter": [1, 20]}, cv=2).fit(digits)
    assert search.best_params_ == {"max_iter": 20}


def test_score_goes_through_all_features_from_one_piece_of_the_rows_to_the_next():
    X = (np.random.default_rng(0).random((600, 590)) < 0.3).astype(np.float32)
    rbm = make(n_components=8, max_iter=2).fit(X)
    whole = pseudo_likelihood(rbm._energy, X)
    assert rbm.score(X) == pytest.approx(whole.mean(), rel=1e-5)
