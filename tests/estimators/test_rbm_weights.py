"""Sample weights and the stopping rule of RBM."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from tests.registries.machines import FORMS, data_of, make

forms = pytest.mark.parametrize("form", FORMS)
COUNTS = np.random.default_rng(0).integers(0, 4, 600)
ATTRIBUTES = ("components_", "intercept_hidden_", "intercept_visible_", "usage_")


def assert_same_model(first, second):
    for name in ATTRIBUTES:
        assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)
    assert_array_equal(first.objective_curve_, second.objective_curve_)


@forms
def test_equal_weights_are_no_weights(form):
    X = data_of(form)
    weighted = make(form).fit(X, sample_weight=np.full(len(X), 3.0))
    assert_same_model(weighted, make(form).fit(X))


@forms
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_samples_without_weight_are_left_out(form, method):
    X, rows = data_of(form), COUNTS > 0
    model = getattr(make(form), method)(X, sample_weight=COUNTS)
    assert_same_model(model, getattr(make(form), method)(X[rows], sample_weight=COUNTS[rows]))


@forms
def test_held_out_samples_have_weights_too(form):
    """Curves are weighted means of the rows with weight."""
    X, rows = data_of(form), COUNTS > 0
    model = make(form, validation_fraction=0.3).fit(X, sample_weight=COUNTS)
    part = make(form, validation_fraction=0.3).fit(X[rows], sample_weight=COUNTS[rows])
    assert_same_model(model, part)
    assert_array_equal(model.free_energy_gap_curve_, part.free_energy_gap_curve_)


def test_the_objective_is_a_weighted_mean():
    """All 100 rows are used, without learning."""
    X, weight = data_of("gaussian")[:100], COUNTS[:100] + 1.0
    model = make("gaussian", learning_rate=lambda done: 0.0, average=0).fit(X, sample_weight=weight)
    error = np.mean((X - model.reconstruct(X)) ** 2, axis=1)
    expected = np.average(error, weights=weight)
    assert_allclose(model.objective_curve_[-1], expected, rtol=1e-5)  # in single precision


@pytest.mark.parametrize("form", ["pcd", "gaussian"])
def test_learning_begins_with_the_weighted_moments_of_the_data(form):
    """Without a step, biases and variances equal those of repeated samples."""
    X = data_of(form).astype(float)
    weighted, repeated = (make(form, learning_rate=lambda done: 0.0) for _ in range(2))
    weighted.fit(X, sample_weight=COUNTS)
    repeated.fit(X.repeat(COUNTS, axis=0))
    names = ["intercept_visible_", *(["variance_"] if form == "gaussian" else [])]
    for name in names:
        # Sums of 1,000 numbers in double precision, in another order.
        assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("loss", ["pcd", "cd"])
def test_weights_make_samples_more_likely(loss):
    """Each of two halves is more likely under the machine that was trained with its weights."""
    X, first = data_of("pcd"), load_digits().target[:600] < 5
    weights = [np.where(first, 5.0, 1.0), np.where(first, 1.0, 5.0)]
    machines = [make(loss, max_iter=20).fit(X, sample_weight=weight) for weight in weights]
    ours, theirs = (machine.log_likelihood(X) for machine in machines)
    for weight, gain in zip(weights, (ours - theirs, theirs - ours), strict=True):
        assert np.average(gain, weights=weight) > 0.2


@pytest.mark.parametrize("tol", [0.0, 0.5])
def test_learning_stops_at_a_small_relative_change_of_the_objective(tol):
    X = data_of("pcd")
    model = make("pcd", max_iter=5, tol=tol).fit(X)
    every = make("pcd", max_iter=5).fit(X)
    assert every.n_iter_ == 5
    change = np.abs(np.diff(every.objective_curve_)) / every.objective_curve_[:-1]
    assert np.all(change < 0.5)
    assert model.n_iter_ == (5 if tol == 0 else 2)


def test_passes_that_do_not_suffice_for_tol_warn():
    with pytest.warns(
        ConvergenceWarning,
        match=r"max_iter=3.* reached before convergence: .* tol=1.0e-12. Increase max_iter",
    ):
        make("pcd", tol=1e-12).fit(data_of("pcd"))
