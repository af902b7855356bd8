"""EstimatorEnergy: scikit-learn's checks, codes, and what the estimator does not have."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF, PCA, FactorAnalysis
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_ebm import EstimatorEnergy
from sklearn_ebm.metrics import energy_of

X = np.random.default_rng(0).standard_normal((60, 4)) ** 2


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        EstimatorEnergy(PCA(1), latent="sum"),
        EstimatorEnergy(KMeans(2, random_state=0)),
        EstimatorEnergy(GaussianMixture(1, random_state=0)),
        EstimatorEnergy(make_pipeline(StandardScaler(), PCA(1))),
    ]
)
def test_energy_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


def test_the_estimator_is_copied_and_fitted():
    pca = PCA(2)
    model = EstimatorEnergy(pca).fit(X)
    assert not hasattr(pca, "components_")
    assert_array_equal(model.energy(X), energy_of(pca.fit(X), X))
    assert_array_equal(model.score_samples(X), -model.energy(X))
    assert_allclose(model.score(X), -model.energy(X).mean(), rtol=1e-12)
    assert_array_equal(model.set_params(latent="sum").energy(X), -pca.score_samples(X))


def test_a_frozen_estimator_is_used_as_it_is():
    pca = PCA(2).fit(X)
    model = EstimatorEnergy(FrozenEstimator(pca)).fit(X[:5])
    assert_array_equal(model.energy(X), energy_of(pca, X))


@pytest.mark.parametrize(
    "estimator", [PCA(2), KMeans(3, random_state=0), GaussianMixture(2), FactorAnalysis(2)]
)
def test_codes_are_reconstructed(estimator):
    model = EstimatorEnergy(make_pipeline(StandardScaler(), estimator)).fit(X)
    code = model.transform(X)
    error = X - model.inverse_transform(code)
    assert (error**2).sum() < ((X - X.mean(axis=0)) ** 2).sum()
    assert len(model.get_feature_names_out()) == code.shape[1]


def test_the_code_of_clusters_has_a_single_one():
    model = EstimatorEnergy(KMeans(3, random_state=0)).fit(X)
    assert_array_equal(model.transform(X), np.eye(3)[model.estimator_.labels_])


def test_only_estimators_with_codes_have_transform():
    for method in ("transform", "fit_transform", "inverse_transform", "get_feature_names_out"):
        assert hasattr(EstimatorEnergy(PCA()), method)
        assert not hasattr(EstimatorEnergy(KernelDensity()), method)
        assert not hasattr(EstimatorEnergy(KernelDensity()).fit(X), method)
    assert hasattr(EstimatorEnergy(NMF()), "inverse_transform")


def test_codes_are_data_frames_on_request():
    pytest.importorskip("pandas")
    model = EstimatorEnergy(GaussianMixture(2)).set_output(transform="pandas").fit(X)
    assert [*model.transform(X).columns] == ["gaussianmixture0", "gaussianmixture1"]


def test_weights_reach_the_estimator():
    weight = np.arange(1.0, 61)
    expected = KernelDensity().fit(X, sample_weight=weight).score_samples(X)
    found = EstimatorEnergy(KernelDensity()).fit(X, sample_weight=weight).score_samples(X)
    assert_array_equal(found, expected)
    with config_context(enable_metadata_routing=True):
        density = KernelDensity().set_fit_request(sample_weight=True)
        found = EstimatorEnergy(density).fit(X, sample_weight=weight).score_samples(X)
    assert_array_equal(found, expected)


def test_an_estimator_without_energy_is_refused():
    with pytest.raises(TypeError, match="LinearRegression has none of them"):
        EstimatorEnergy(LinearRegression()).fit(X, X[:, 0])
    with pytest.raises(ValueError, match=r"latent must be one of \['auto', 'min'\] for KMeans"):
        EstimatorEnergy(KMeans(2), latent="sum").fit(X).energy(X)
