"""RBM with missing values: the machine of the observed units, and learning in spite of holes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, logsumexp

from sklearn_ebm import RBM
from tests.registries.machines import FORMS, data_of, make

forms = pytest.mark.parametrize("form", FORMS)
bernoulli = pytest.mark.parametrize("loss", ["cd", "pcd", "fpcd"])


def with_holes(X, share=0.3, value=np.nan):
    """Return X with missing values, and the mask of observed values; each row has some."""
    missing = np.random.default_rng(1).random(X.shape) < share
    missing[missing.all(axis=1), 0] = False
    return np.where(missing, np.asarray(value, X.dtype), X), ~missing


def bars_and_stripes(n=3):
    stripes = (np.arange(2**n)[:, None] >> np.arange(n) & 1).repeat(n, axis=0).reshape(-1, n, n)
    both = np.concatenate([stripes, stripes.transpose(0, 2, 1)]).reshape(-1, n * n)
    return both.astype(np.float64)


def all_states(n_units):
    return (np.arange(2**n_units)[:, None] >> np.arange(n_units) & 1).astype(float)


def fitted_attributes(model):
    return {name: value for name, value in vars(model).items() if name[-1] == "_" != name[0]}


@forms
def test_without_holes_the_parameter_changes_nothing(form):
    X = data_of(form)
    ours, expected = make(form, missing_values=np.nan).fit(X), make(form).fit(X)
    for name, value in fitted_attributes(expected).items():
        if name != "seconds_curve_":
            assert_array_equal(getattr(ours, name), value, err_msg=name)
    assert_array_equal(ours.transform(X), expected.transform(X))
    assert ours.score(X) == expected.score(X)


@forms
@pytest.mark.parametrize("value", [-99.0, 1e25])
def test_a_number_marks_missing_values_as_nan_does(form, value):
    X = data_of(form).astype(float)
    models = [
        make(form, missing_values=each).fit(with_holes(X, value=each)[0])
        for each in (np.nan, value)
    ]
    for name in ("components_", "intercept_visible_", "objective_curve_", "usage_"):
        assert_array_equal(*(getattr(model, name) for model in models), err_msg=name)
    results = [
        [getattr(model, method)(with_holes(X, value=model.missing_values)[0])
         for method in ("transform", "energy", "score")]
        for model in models
    ]  # fmt: skip
    for ours, expected in zip(*results, strict=True):
        assert_array_equal(ours, expected)


@pytest.mark.parametrize("form", ["pcd", "gaussian"])
def test_a_sample_with_holes_is_a_machine_of_its_observed_units(form):
    """Its hidden biases include the other units, whose values are their means in the data."""
    X = data_of(form).astype(float)
    holey, observed = with_holes(X)
    model = make(form, missing_values=np.nan).fit(holey)
    mean = np.nanmean(holey, axis=0)
    if form == "pcd":
        mean = np.clip(mean, 1e-3, 1 - 1e-3)
    gain = 1 / model.variance_ if form == "gaussian" else np.ones(X.shape[1])
    weights, bias = model.components_, model.intercept_visible_
    for row in (0, 17, 42):
        seen = observed[row]
        hidden_bias = model.intercept_hidden_ + (gain * mean * ~seen) @ weights.T
        field = (gain * X[row])[seen] @ weights[:, seen].T + hidden_bias
        own = -X[row, seen] @ bias[seen]
        if form == "gaussian":
            own = ((X[row] - bias)[seen] ** 2 @ gain[seen]) / 2
        sample = holey[row : row + 1]
        assert_allclose(model.transform(sample)[0], expit(field), rtol=1e-9)
        energy = own - np.log1p(np.exp(field)).sum()
        assert_allclose(model.energy(sample)[0], energy, rtol=1e-9)
        assert_allclose(model.score_samples(sample)[0], -energy, rtol=1e-9)


def test_the_score_is_the_log_probability_of_an_observed_feature_given_the_other_ones():
    """By brute force: rows repeat as often as there are features, so that each feature is chosen.

    A missing feature passes its turn to the next observed one.
    """
    X = np.tile(bars_and_stripes(), (20, 1))
    model = RBM(5, max_iter=20, missing_values=np.nan, random_state=0).fit(with_holes(X)[0])
    row = X[5].copy()
    missing = np.isin(np.arange(9), [1, 4, 5])
    log_probability = {}
    for i in np.flatnonzero(~missing):
        both = np.where(missing, np.nan, row) + np.zeros((2, 1))
        both[1, i] = 1 - row[i]
        scores = model.score_samples(both)
        log_probability[i] = scores[0] - logsumexp(scores)
    turns = [next(j % 9 for j in range(i, i + 9) if not missing[j % 9]) for i in range(9)]
    expected = np.mean([log_probability[i] for i in turns])
    holey = np.tile(np.where(missing, np.nan, row), (9, 1))
    assert model.score(holey) == pytest.approx(expected, rel=1e-10)


@bernoulli
def test_learning_with_holes_recovers_most_of_the_likelihood(loss):
    """Of the gain over independent features, with 30 % of the values missing."""
    X = np.tile(bars_and_stripes(), (60, 1))
    settings = {"n_components": 16, "loss": loss, "batch_size": 20, "random_state": 0}
    settings |= {"max_iter": 150, "n_gibbs_steps": 3, "learning_rate": 0.3}
    complete = RBM(**settings).fit(X).log_likelihood(X).mean()
    holey = RBM(**settings, missing_values=np.nan).fit(with_holes(X)[0])
    independent = -9 * np.log(2)
    recovered = (holey.log_likelihood(X).mean() - independent) / (complete - independent)
    assert recovered > 0.6


@forms
def test_learning_from_holes_beats_means_in_their_place(form):
    """Reconstructions of missing values are closer to the truth than the means of the features."""
    X = data_of(form).astype(float)
    holey, observed = with_holes(X)
    settings = {"n_components": 64, "max_iter": 30, "batch_size": 20, "missing_values": np.nan}
    settings["learning_rate"] = 0.03 if form == "gaussian" else 0.5
    model = make(form, **settings).fit(holey)
    error = ((model.reconstruct(holey) - X)[~observed] ** 2).mean()
    of_means = ((np.nanmean(holey, axis=0) - X)[~observed] ** 2).mean()
    assert error < 0.9 * of_means


@forms
def test_backends_learn_the_same_from_holes(form):
    holey, _ = with_holes(data_of(form).astype(float))
    ours, expected = (
        make(form, backend=name, missing_values=np.nan, validation_fraction=0.2).fit(holey)
        for name in ("numba", "numpy")
    )
    for name, value in fitted_attributes(expected).items():
        if name != "seconds_curve_":
            assert_allclose(getattr(ours, name), value, rtol=1e-6, atol=1e-9, err_msg=name)
    assert ours.score(holey) == pytest.approx(expected.score(holey), rel=1e-9)


@forms
def test_results_keep_the_type_of_the_data(form):
    holey, _ = with_holes(data_of(form))
    model = make(form, missing_values=np.nan).fit(holey)
    assert model.components_.dtype == np.float32
    assert model.transform(holey).dtype == model.energy(holey).dtype == np.float32
    assert model.gibbs(holey, random_state=0).dtype == np.float32


def test_integers_may_mark_missing_values():
    """Small integers are kept; 9 marks a missing one."""
    holey, observed = with_holes(data_of("pcd"))
    of_integers = np.where(observed, holey, 9).astype(np.uint8)
    ours = make(missing_values=9).fit(of_integers)
    expected = make(missing_values=np.nan).fit(holey)
    assert_array_equal(ours.components_, expected.components_)
    assert_array_equal(ours.transform(of_integers), expected.transform(holey))


def test_gaussian_units_standardize_by_the_observed_values():
    """Features without any observed value get no weights, as constant features do."""
    X = data_of("gaussian").astype(float) + 3
    holey, _ = with_holes(X)
    holey[:, 10] = np.nan
    model = make("gaussian", missing_values=np.nan, learning_rate=lambda done: 0.0).fit(holey)
    seen = np.nanstd(holey[:, 20:30], axis=0) > 0
    mean, deviation = np.nanmean(holey[:, 20:30], axis=0), np.nanstd(holey[:, 20:30], axis=0)
    assert_allclose(model.intercept_visible_[20:30], mean, rtol=1e-10)
    units = model._base.coordinates.unit[20:30]
    assert_allclose(units[seen], deviation[seen], rtol=1e-10)
    assert np.all(model.components_[:, 10] == 0)


@forms
def test_partial_fit_learns_from_chunks_with_holes(form):
    holey, _ = with_holes(data_of(form))
    model = make(form, missing_values=np.nan)
    before = model.partial_fit(holey[:300]).components_.copy()
    after = model.partial_fit(holey[300:]).components_
    assert np.all(np.isfinite(after))
    assert np.any(before != after)


@forms
def test_weights_of_zero_leave_samples_with_holes_out(form):
    holey, _ = with_holes(data_of(form))
    weight = (np.arange(len(holey)) % 3).astype(float)
    ours = make(form, missing_values=np.nan).fit(holey, sample_weight=weight)
    rows = weight > 0
    expected = make(form, missing_values=np.nan).fit(holey[rows], sample_weight=weight[rows])
    assert_array_equal(ours.components_, expected.components_)


def test_a_weighted_score_is_a_weighted_mean():
    holey, _ = with_holes(data_of("gaussian").astype(float))
    model = make("gaussian", missing_values=np.nan).fit(holey)
    weight = np.arange(len(holey)) + 0.5
    each = [model.score(holey[i : i + 1]) for i in range(len(holey))]
    score = model.score(holey, sample_weight=weight)
    assert score == pytest.approx(np.average(each, weights=weight), rel=1e-10)


# Refusals


def test_nan_without_the_parameter_is_refused_with_the_remedy():
    holey, _ = with_holes(data_of("pcd"))
    words = "RBM accepts missing values encoded as NaN if missing_values=np.nan"
    for call in (make().fit, make().partial_fit, make().fit(data_of("pcd")).transform):
        with pytest.raises(ValueError, match=words):
            call(holey)


def test_a_sample_without_observed_features_is_refused():
    holey, _ = with_holes(data_of("pcd"))
    holey[3] = np.nan
    model = make(missing_values=np.nan)
    for call in (
        model.fit,
        model.partial_fit,
        make(missing_values=np.nan).fit(data_of("pcd")).score,
    ):
        with pytest.raises(ValueError, match="at least one observed feature, got none in sample 3"):
            call(holey)


@pytest.mark.parametrize("value", [np.nan, -1.0, 0.0])
def test_sparse_data_have_no_missing_values(value):
    X = sparse.csr_array(data_of("pcd")[:50])
    with pytest.raises(ValueError, match="missing_values must be None if X is sparse"):
        make(missing_values=value).fit(X)
    model = make(missing_values=value).fit(data_of("pcd"))
    with pytest.raises(ValueError, match="missing_values must be None if X is sparse"):
        model.transform(X)


def test_the_likelihood_of_a_sample_with_holes_is_refused():
    """The energy of such a sample is that of another machine, with another normalising constant."""
    holey, _ = with_holes(data_of("pcd"))
    model = make(missing_values=np.nan).fit(holey)
    with pytest.raises(ValueError, match="log_likelihood requires samples without missing values"):
        model.log_likelihood(holey, 0.0)
    assert model.log_likelihood(data_of("pcd"), 0.0).shape == (600,)
