"""Energies of scikit-learn's estimators: identities, densities by integration, and pipelines."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize
from sklearn.base import BaseEstimator
from sklearn.cluster import BisectingKMeans, KMeans, MiniBatchKMeans
from sklearn.decomposition import (
    NMF,
    PCA,
    FactorAnalysis,
    FastICA,
    IncrementalPCA,
    TruncatedSVD,
)
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ebm import SparseCoder
from sklearn_ebm.metrics import energy_of

generator = np.random.default_rng(0)
X = generator.laplace(size=(200, 4)) @ generator.standard_normal((4, 4)) + 1


@pytest.mark.parametrize("whiten", [False, True])
def test_pca_is_half_the_squared_distance_from_its_plane(whiten):
    pca = PCA(2, whiten=whiten).fit(X)
    outside = (X - X.mean(axis=0)) @ np.linalg.svd(pca.components_)[2][2:].T
    assert_allclose(energy_of(pca, X), (outside**2).sum(axis=1) / 2, rtol=1e-10, atol=1e-12)
    assert_array_equal(energy_of(pca, X, latent="min"), energy_of(pca, X))
    assert_array_equal(energy_of(pca, X, latent="sum"), -pca.score_samples(X))


@pytest.mark.parametrize("kind", [KMeans, MiniBatchKMeans, BisectingKMeans])
def test_clusters_have_the_distance_from_the_closest_centre(kind):
    model = kind(3, random_state=0).fit(X)
    distances = ((X[:, None] - model.cluster_centers_) ** 2).sum(axis=2)
    assert_allclose(energy_of(model, X), distances.min(axis=1) / 2, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", [GaussianMixture, BayesianGaussianMixture])
def test_the_minimum_of_a_mixture_is_at_most_log_k_above_the_sum(kind):
    model = kind(n_components=3, random_state=0, max_iter=300).fit(X)
    difference = energy_of(model, X, latent="min") - energy_of(model, X, latent="sum")
    assert difference.min() >= 0
    assert difference.max() <= np.log(3)
    assert_array_equal(energy_of(model, X), energy_of(model, X, latent="sum"))


def test_the_minimum_of_a_mixture_is_that_of_its_components():
    model = GaussianMixture(3, random_state=0, max_iter=300).fit(X)
    distances = [
        np.einsum("ij,jk,ik->i", X - mean, precision, X - mean)
        for mean, precision in zip(model.means_, model.precisions_, strict=True)
    ]
    _, volumes = np.linalg.slogdet(2 * np.pi * model.covariances_)
    energies = np.stack(distances, axis=1) / 2 + volumes / 2 - np.log(model.weights_)
    assert_allclose(energy_of(model, X, latent="min"), energies.min(axis=1), rtol=1e-10)


def test_the_sum_of_factors_is_a_constant_above_the_minimum():
    model = FactorAnalysis(2).fit(X)
    difference = energy_of(model, X, latent="sum") - energy_of(model, X, latent="min")
    constant = np.linalg.slogdet(2 * np.pi * model.get_covariance())[1] / 2
    assert_allclose(difference, constant, atol=1e-10)


def test_no_code_of_factors_has_a_lower_energy():
    model = FactorAnalysis(2).fit(X)

    def energy(code):
        error = X[0] - model.mean_ - code @ model.components_
        return (error**2 / model.noise_variance_).sum() / 2 + (code**2).sum() / 2

    found = minimize(energy, np.zeros(2)).fun
    assert_allclose(energy_of(model, X[:1], latent="min"), found, rtol=1e-8)


@pytest.mark.parametrize("whiten", ["unit-variance", "arbitrary-variance"])
def test_the_density_of_square_ica_has_the_integral_one(whiten):
    data = X[:, :2]
    model = FastICA(whiten=whiten, random_state=0, tol=1e-2).fit(data)
    sources = np.linspace(-20, 20, 300)  # the density falls as exp(-|s|)
    grid = np.stack(np.meshgrid(sources, sources), axis=-1).reshape(-1, 2)
    points = model.inverse_transform(grid)
    cell = (sources[1] - sources[0]) ** 2 * abs(np.linalg.det(model.mixing_))
    assert_allclose(np.exp(-energy_of(model, points)).sum() * cell, 1, rtol=1e-3)
    assert_array_equal(energy_of(model, data, latent="min"), energy_of(model, data, latent="sum"))
    assert np.isfinite(energy_of(model, 1e4 * data)).all()  # cosh would overflow


@pytest.mark.parametrize(
    "model", [NMF(2, max_iter=500, tol=1e-2), TruncatedSVD(2), FastICA(2), IncrementalPCA(2)]
)
def test_other_models_have_the_squared_error_of_the_reconstruction(model):
    data = abs(X)
    error = data - model.fit(data).inverse_transform(model.transform(data))
    assert_allclose(energy_of(model, data), (error**2).sum(axis=1) / 2, rtol=1e-10)


def test_sparse_samples_are_the_same_numbers():
    model = TruncatedSVD(2).fit(X)
    assert_allclose(energy_of(model, sparse.csr_array(X)), energy_of(model, X), rtol=1e-10)


@pytest.mark.parametrize("model", [KernelDensity(), IsolationForest(n_estimators=5)])
def test_scores_become_energies(model):
    assert_array_equal(energy_of(model.fit(X), X), -model.score_samples(X))


def test_an_own_energy_comes_first():
    coder = SparseCoder(6, alpha=0.5, tol=0.1, random_state=0).fit(X)
    assert_array_equal(energy_of(coder, X), coder.energy(X))

    class Own(BaseEstimator):
        """An estimator with a method `energy`, of a class that is not known."""

        def energy(self, X):
            return X[:, 0]

        def score_samples(self, X):
            raise AssertionError

        def __sklearn_is_fitted__(self):
            return True

        def fit(self, X):
            return self

    assert_array_equal(energy_of(Own(), X), X[:, 0])


def test_wrapped_models_have_the_energy_of_the_model():
    pca = PCA(2).fit(X)
    search = GridSearchCV(PCA(), {"n_components": [2]}, cv=2).fit(X)
    for wrapped in (FrozenEstimator(pca), search, make_pipeline(pca, "passthrough")):
        assert_allclose(energy_of(wrapped, X), energy_of(pca, X), atol=1e-12)


def test_a_pipeline_has_the_energy_of_its_last_step():
    scaler = StandardScaler()
    pipeline = make_pipeline(scaler, PCA(2)).fit(X)
    for latent in ("min", "sum"):
        expected = energy_of(pipeline[-1], scaler.transform(X), latent=latent)
        assert_array_equal(energy_of(pipeline, X, latent=latent), expected)


def test_single_precision_is_preserved():
    for model in (PCA(2), KMeans(3), FastICA(random_state=0, tol=1e-2)):
        assert energy_of(model.fit(X.astype("f4")), X.astype("f4")).dtype == np.float32


def test_what_is_not_defined_is_refused():
    with pytest.raises(ValueError, match=r"one of \['auto', 'min'\] for KMeans, got 'sum'"):
        energy_of(KMeans(2).fit(X), X, latent="sum")
    with pytest.raises(ValueError, match=r"one of \['auto'\] for NMF"):
        energy_of(NMF(1, tol=1e-2).fit(abs(X)), abs(X), latent="min")
    with pytest.raises(ValueError, match=r"latent must be one of .*, got 'mean'"):
        energy_of(PCA().fit(X), X, latent="mean")
    with pytest.raises(TypeError, match="LinearRegression has none of them"):
        energy_of(LinearRegression().fit(X, X[:, 0]), X)
    with pytest.raises(NotFittedError):
        energy_of(PCA(), X)
