"""An RBM learns the same for any offset and unit of the features, and for exchanged bits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm import RBM
from tests.registries.machines import make

pytestmark = pytest.mark.no_cover  # other tests run the same lines in less time

N_SAMPLES, N_FEATURES = 300, 16
WAYS = {
    "pcd": {},
    "cd": {"loss": "cd", "n_gibbs_steps": 2},
    "fpcd": {"loss": "fpcd"},
    "uncentred": {"centered": False},
    "all": {"momentum": 0.5, "weight_decay": 0.01, "sparsity_target": 0.3, "average": 0.5},
}
ways = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(scope="module")
def X():
    """Real-valued features of mean zero and deviation one with a few common causes."""
    random = np.random.default_rng(0)
    causes = random.integers(0, 2, (N_SAMPLES, 4)) @ random.standard_normal((4, N_FEATURES))
    X = causes + 0.3 * random.standard_normal((N_SAMPLES, N_FEATURES))
    return (X - X.mean(axis=0)) / X.std(axis=0)


def machine(**parameters):
    settings = {"n_components": 6, "visible": "gaussian", "max_iter": 3, "batch_size": 10}
    return RBM(**{**settings, "random_state": 0, **parameters})


@pytest.fixture(scope="module")
def fitted(X):
    model = machine().fit(X)
    assert np.all(np.ptp(model.transform(X), axis=0) > 0.5)  # not trivially the same
    return model


def assert_same_machine(ours, expected, X, offset, scale, atol):
    """Assert that features, reconstructions and samples of scale (X + offset) equal those of X.

    The log-density decreases by log(scale), summed over features; free energies are equal.
    """
    data = (scale * (X + offset)).astype(X.dtype)
    assert_allclose(ours.transform(data), expected.transform(X), rtol=0, atol=atol)
    back = ours.reconstruct(data) / scale - offset
    assert_allclose(back, expected.reconstruct(X), rtol=0, atol=2 * atol)
    assert_allclose(ours.energy(data), expected.energy(X), rtol=atol, atol=atol)
    volume = np.sum(np.log(scale * np.ones(X.shape[1])))
    likelihood = ours.log_likelihood(data) + volume
    assert_allclose(likelihood, expected.log_likelihood(X), rtol=atol, atol=10 * atol)
    samples = ours.sample(5, 3, random_state=0) / scale - offset
    assert_allclose(samples, expected.sample(5, 3, random_state=0), rtol=0, atol=10 * atol)


# Rounding of offset + v and of its sums, in deviations; some errors add up.
EACH = np.logspace(-6, 6, N_FEATURES)
CHANGES = [
    pytest.param(0, 1e-6, marks=pytest.mark.exhaustive),
    (0, 1e6),
    pytest.param(1, 1, marks=pytest.mark.exhaustive),
    (3, 1e-6),
    (10, 1e6),
    (100, 1),
    (-30, EACH),
]


@pytest.mark.parametrize(("offset", "scale"), CHANGES, ids=str)
def test_offsets_and_units_of_real_features_do_not_matter(X, fitted, offset, scale):
    ours, expected = machine().fit(scale * (X + offset)), fitted
    atol = 256 * np.finfo(float).eps * (1 + abs(offset))
    assert_same_machine(ours, expected, X, offset, scale, atol)
    assert_allclose(ours.variance_, scale**2 * expected.variance_, rtol=1e-12)
    atol = 1e-13 * abs(expected.components_).max() * scale
    assert np.all(abs(ours.components_ - scale * expected.components_) <= atol)


@pytest.mark.parametrize(("offset", "scale"), CHANGES[:5], ids=str)
def test_nor_do_they_in_single_precision_as_far_as_it_holds_them(X, offset, scale):
    X = X.astype(np.float32)
    data = (scale * (X + np.float32(offset))).astype(np.float32)
    ours, expected = machine().fit(data), machine().fit(X)
    assert ours.components_.dtype == np.float32
    atol = 256 * np.finfo(np.float32).eps * (1 + abs(offset))
    assert_same_machine(ours, expected, X, np.float32(offset), np.float32(scale), atol)


def test_offsets_that_single_precision_hardly_holds_cost_no_likelihood(X):
    """At a hundred deviations, values have a grid of 1e-5: draws differ, quality does not."""
    scores = [
        np.mean([
            machine(random_state=seed).fit(data).log_likelihood(data).mean() for seed in range(3)
        ])
        for data in (X.astype(np.float32), (X + 100).astype(np.float32))
    ]  # fmt: skip
    assert abs(scores[1] - scores[0]) < 0.03 * abs(scores[0])


@pytest.mark.filterwarnings("ignore:.*hidden units are dead")
@ways
def test_all_that_learning_does_is_done_in_units_of_the_data(X, way):
    scale, offset = EACH, np.linspace(-30, 30, N_FEATURES)
    ours, expected = (machine(max_iter=2, warm_start=True, **WAYS[way]) for _ in range(2))
    data = scale * (X + offset)
    for model, rows in ((ours, data), (expected, X)):
        model.fit(rows[:150]).partial_fit(rows[150:]).fit(rows)  # coordinates of the first rows
    assert_same_machine(ours, expected, X, offset, scale, atol=1e-11)
    assert_allclose(ours.usage_, expected.usage_, rtol=1e-12)


@ways
def test_learning_from_chunks_goes_on_in_the_units_of_the_first(X, way):
    ours, expected = (machine(**WAYS[way]) for _ in range(2))
    for rows in (X[:100], 2 * X[100:]):
        expected.partial_fit(rows)
        ours.partial_fit(1e6 * (rows + 10))
    assert_same_machine(ours, expected, X, 10, 1e6, atol=1e-11)


def test_estimated_likelihoods_change_by_the_scale_too(X):
    """Particles move in standardized coordinates, so that the estimates use the same draws."""
    ours, expected = (machine(max_iter=1).fit(data) for data in (EACH * (X + 10), X))
    settings = {"n_temperatures": 50, "n_runs": 10, "random_state": 0}
    values = [model.log_partition("ais", **settings).value for model in (ours, expected)]
    assert values[0] - values[1] == pytest.approx(np.sum(np.log(EACH)), abs=1e-10)


def test_attributes_are_the_model_at_any_offset(X):
    """The documented energy, computed only from the fitted attributes."""
    data = EACH * (X + 10)
    rbm = machine().fit(data)
    precision = 1 / rbm.variance_
    field = (data * precision) @ rbm.components_.T + rbm.intercept_hidden_
    own = (data - rbm.intercept_visible_) ** 2 @ precision / 2
    expected = own - np.logaddexp(0, field).sum(axis=1)
    assert_allclose(rbm.energy(data), expected, rtol=1e-10)
    mean = rbm.transform(data) @ rbm.components_ + rbm.intercept_visible_
    assert_allclose(rbm.reconstruct(data), mean, rtol=1e-10)


@pytest.mark.parametrize("value", [0.0, 5e-6, -3e7])
def test_constant_features_are_left_out_and_come_back_as_they_were(X, value):
    data = np.insert(X, 3, value, axis=1)
    rbm = machine().fit(data)
    assert_array_equal(rbm.components_[:, 3], 0)
    assert_array_equal(rbm.reconstruct(data)[:, 3], value)
    other = data.copy()
    other[:, 3] += 1000
    assert_array_equal(rbm.transform(other), rbm.transform(data))
    scale = np.r_[EACH[:3], 1e-6, EACH[3:]]
    ours = machine().fit(scale * data)
    assert_allclose(ours.transform(scale * data), rbm.transform(data), rtol=0, atol=1e-12)


def test_features_that_vary_by_rounding_only_are_constant(X):
    """A sum in another order must not become a feature of unit variance."""
    random = np.random.default_rng(0)
    data = np.hstack([X, np.nextafter(0.1, random.choice([0.0, 1.0], (N_SAMPLES, 1)))])
    assert np.unique(data[:, -1]).size == 2
    rbm = machine().fit(data)
    assert_array_equal(rbm.components_[:, -1], 0)
    assert rbm.variance_[-1] > 1e-6


def test_a_first_chunk_of_one_sample_is_no_obstacle(X):
    """Units then have the size of the sample, and learning still works."""
    rbm = machine(learning_rate=0.01)
    for n in range(N_SAMPLES):
        rbm.partial_fit(X[n : n + 1])
    before = machine(learning_rate=0.01).partial_fit(X[:1])
    assert np.all(np.ptp(rbm.transform(X), axis=0) > 0)
    assert rbm.log_likelihood(X).mean() > before.log_likelihood(X).mean()


def test_pixels_of_a_machine_may_be_ink_or_paper_one_by_one():
    """Initial weights and draws differ, so that means over several machines are compared."""
    random = np.random.default_rng(0)
    causes = random.random((300, 2)) < 0.5
    X = (causes[:, random.integers(0, 2, 10)] ^ (random.random((300, 10)) < 0.1)).astype(float)
    flips = random.random(10) < 0.5
    settings = {"n_components": 4, "batch_size": 20, "max_iter": 60, "learning_rate": 0.5}
    scores = np.array([
        [make(**settings, random_state=seed).fit(data).log_likelihood(data).mean()
         for seed in range(3)]
        for data in (X, np.abs(flips - X))
    ])  # fmt: skip
    assert abs(scores[0].mean() - scores[1].mean()) < 5 * scores.std() / np.sqrt(3)
    assert scores.min() > -10 * np.log(2) + 1  # of independent pixels
