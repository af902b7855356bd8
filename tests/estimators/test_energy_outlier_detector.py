"""EnergyOutlierDetector: scikit-learn's checks, thresholds, weights and pipelines."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import is_outlier_detector
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_ebm import EnergyOutlierDetector, EstimatorEnergy, SparseCoder
from sklearn_ebm.learning.criteria import Dictionary
from sklearn_ebm.metrics import energy_of
from tests.estimators.interruption import interrupt_after

X = np.random.default_rng(0).standard_normal((200, 4)) ** 2
pytestmark = pytest.mark.filterwarnings("ignore:divide by zero")  # KernelDensity, weights of zero


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:X has a root mean square")
@parametrize_with_checks(
    [
        EnergyOutlierDetector(PCA(1)),
        EnergyOutlierDetector(KernelDensity(), contamination=0.1),
        EnergyOutlierDetector(make_pipeline(StandardScaler(), KMeans(2, random_state=0))),
        EnergyOutlierDetector(SparseCoder(2, max_iter=2, random_state=0), contamination=0.2),
    ]
)
def test_detector_is_an_outlier_detector_of_scikit_learn(estimator, check):
    check(estimator)


def test_scores_are_negative_energies_and_offsets_are_their_thresholds():
    estimator = PCA(2)
    detector = EnergyOutlierDetector(estimator).fit(X)
    assert is_outlier_detector(detector)
    assert not hasattr(estimator, "components_")
    energies = energy_of(estimator.fit(X), X)
    assert_allclose(detector.energy(X), energies, rtol=1e-12)
    assert_array_equal(detector.score_samples(X), -detector.energy(X))
    decision = detector.decision_function(X)
    assert_array_equal(decision, detector.score_samples(X) - detector.offset_)
    assert_array_equal(detector.predict(X), np.where(decision < 0, -1, 1))
    assert_array_equal(detector.fit_predict(X), detector.predict(X))


def test_the_automatic_threshold_is_tukeys():
    """Q3 + 1.5 (Q3 - Q1); for normal energies, 0.35 % of the samples are above it."""
    energies = np.random.default_rng(0).standard_normal((100_000, 1))

    class Known(KernelDensity):
        def score_samples(self, X):
            return -X[:, 0]

    detector = EnergyOutlierDetector(Known()).fit(energies)
    first, third = np.quantile(energies, [0.25, 0.75])
    assert_allclose(-detector.offset_, third + 1.5 * (third - first), rtol=1e-4)
    assert_allclose(np.mean(detector.predict(energies) == -1), 0.0035, atol=0.001)


@pytest.mark.parametrize("contamination", [0.01, 0.1, 1 / 3, 0.5])
def test_the_share_of_outliers_in_training_is_the_contamination(contamination):
    found = EnergyOutlierDetector(PCA(1), contamination=contamination).fit_predict(X)
    assert np.sum(found == -1) == np.floor(contamination * len(X) + 1e-9)


@pytest.mark.parametrize("contamination", ["auto", 0.05, 0.3])
def test_weights_are_repetitions_in_fit_and_threshold(contamination):
    random = np.random.default_rng(1)
    weight = random.integers(0, 4, len(X))
    detector = EnergyOutlierDetector(KernelDensity(), contamination=contamination)
    expected = detector.fit(np.repeat(X, weight, axis=0)).offset_
    assert_allclose(detector.fit(X, sample_weight=weight).offset_, expected, rtol=1e-10)
    with config_context(enable_metadata_routing=True):
        density = KernelDensity().set_fit_request(sample_weight=True)
        routed = EnergyOutlierDetector(density, contamination=contamination)
        assert_allclose(routed.fit(X, sample_weight=weight).offset_, expected, rtol=1e-10)


@pytest.mark.parametrize("contamination", [0, 0.51, "scale", -1, None])
def test_other_contaminations_are_refused(contamination):
    with pytest.raises(ValueError, match="'contamination' parameter"):
        EnergyOutlierDetector(PCA(), contamination=contamination).fit(X)


def test_estimators_without_energy_are_refused_before_they_are_fitted():
    with pytest.raises(TypeError, match="LinearRegression has none of them"):
        EnergyOutlierDetector(LinearRegression()).fit(X, X[:, 0])


def test_a_frozen_estimator_has_a_threshold_of_other_samples():
    pca = PCA(2).fit(X[:100])
    detector = EnergyOutlierDetector(FrozenEstimator(pca), contamination=0.25).fit(X[100:])
    assert np.mean(detector.predict(X[100:]) == -1) == 0.25
    assert_array_equal(detector.energy(X), energy_of(pca, X))


def test_sparse_samples_are_accepted_by_estimators_that_accept_them():
    samples = sparse.csr_array(np.where(X > 1, X, 0))
    detector = EnergyOutlierDetector(TruncatedSVD(2, random_state=0)).fit(samples)
    assert_allclose(detector.energy(samples), detector.energy(samples.toarray()), rtol=1e-10)


def test_other_latent_variables_are_those_of_an_estimator_energy():
    mixture = GaussianMixture(2, random_state=0)
    detector = EnergyOutlierDetector(EstimatorEnergy(mixture, latent="min")).fit(X)
    assert_allclose(detector.energy(X), energy_of(mixture.fit(X), X, latent="min"))


@pytest.mark.parametrize(
    "estimator",
    [
        PCA(),
        make_pipeline(StandardScaler(), PCA(), "passthrough"),
        GridSearchCV(PCA(), {"svd_solver": ["full"]}, cv=2),
    ],
    ids=["pca", "pipeline", "search"],
)
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_a_warning_tells_that_all_energies_are_rounding_errors(estimator, scale, dtype):
    samples = (scale * (X + 100)).astype(dtype)
    with pytest.warns(UserWarning, match=r"PCA reconstructs every sample.*fewer"):
        EnergyOutlierDetector(estimator).fit(samples)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_energies_of_small_errors_issue_no_warning(scale, recwarn):
    """Errors of 1e-9 of the largest value are far above rounding errors."""
    plane = X.copy()
    plane[:, 3] = plane[:, 0] + 1e-8 * X[:, 3]
    for estimator in (PCA(3), make_pipeline(PCA(3)), KernelDensity(bandwidth=scale)):
        EnergyOutlierDetector(estimator).fit(scale * plane)
    assert not [each for each in recwarn if "reconstructs every sample" in str(each.message)]


def test_after_ctrl_c_the_last_whole_step_defines_energies_and_threshold(monkeypatch):
    coder = SparseCoder(3, alpha=0.5, batch_size=50, max_iter=3, tol=0, random_state=0)
    interrupt_after(monkeypatch, Dictionary, 6)
    detector, model = EnergyOutlierDetector(coder), EstimatorEnergy(coder)
    with pytest.raises(KeyboardInterrupt):
        detector.fit(X)
    monkeypatch.undo()
    interrupt_after(monkeypatch, Dictionary, 6)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    energies = energy_of(detector.estimator_, X)
    first, third = np.quantile(energies, [0.25, 0.75], method="median_unbiased")
    assert_allclose(-detector.offset_, third + 1.5 * (third - first), rtol=0.05)
    assert_array_equal(model.energy(X), energies)
    assert detector.predict(X).shape == (len(X),)


class Interrupted(KMeans):
    """An estimator whose fit is interrupted after it has set some attributes."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        raise KeyboardInterrupt


@pytest.mark.parametrize("wrapper", [EnergyOutlierDetector, EstimatorEnergy])
def test_after_ctrl_c_an_estimator_without_energy_is_not_kept(wrapper):
    model = wrapper(Interrupted())
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    with pytest.raises(NotFittedError):
        model.score_samples(X)


def test_parameters_of_the_estimator_are_searched():
    y = np.where(X.sum(axis=1) > np.quantile(X.sum(axis=1), 0.95), -1, 1)
    search = GridSearchCV(
        EnergyOutlierDetector(PCA(1)), {"estimator__n_components": [1, 3]}, scoring="roc_auc"
    )
    assert search.fit(X, y).best_params_["estimator__n_components"] in (1, 3)
    assert search.best_score_ > 0.7


def test_missing_digits_are_detected_better_than_by_local_outlier_factors():
    """With the digit 8 held out: GaussianMixture 0.98, KMeans 0.97, LocalOutlierFactor 0.92."""
    digits, y = load_digits(return_X_y=True)
    digits = digits / 16
    learned = digits[y != 8][::2]
    usual, unusual = digits[y != 8][1::2], digits[y == 8]
    is_unusual = np.r_[np.zeros(len(usual)), np.ones(len(unusual))]
    detectors = {
        "mixture": EnergyOutlierDetector(GaussianMixture(10, reg_covar=1e-2, random_state=0)),
        "clusters": EnergyOutlierDetector(KMeans(100, random_state=0)),
        "atoms": EnergyOutlierDetector(SparseCoder(64, alpha=0.5, tol=0, random_state=0)),
        "factors": LocalOutlierFactor(novelty=True),
        "forest": IsolationForest(random_state=0),
    }
    areas = {
        name: roc_auc_score(is_unusual, -each.fit(learned).decision_function(np.r_[usual, unusual]))
        for name, each in detectors.items()
    }
    assert min(areas["mixture"], areas["clusters"]) > areas["factors"] > 0.9
    assert areas["atoms"] > areas["forest"] + 0.3
