"""EnergyDisplay: energies at the points of the grid, colours and samples."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from sklearn_ebm.inspection import EnergyDisplay
from sklearn_ebm.metrics import energy_of

plt = pytest.importorskip("matplotlib.pyplot")

X = np.random.default_rng(0).standard_normal((50, 4))
PCA_2 = PCA(2).fit(X)


@pytest.mark.parametrize(("fill", "filled"), [(None, np.median(X, axis=0)), (0.5, np.full(4, 0.5))])
def test_the_grid_has_the_energies_of_the_estimator(fill, filled):
    display = EnergyDisplay.from_estimator(
        PCA_2, X, features=(2, 0), fill=fill, grid_resolution=7, plot_data=False
    )
    for place in [(0, 0), (2, 5)]:
        sample = filled.copy()
        sample[2], sample[0] = display.xx0[place], display.xx1[place]
        assert_allclose(display.response[place], energy_of(PCA_2, sample[None])[0], rtol=1e-12)
    assert display.xx0.min() < X[:, 2].min() < X[:, 2].max() < display.xx0.max()
    assert display.xx1.min() < X[:, 0].min() < X[:, 0].max() < display.xx1.max()
    assert display.points_ is None
    assert display.axes_[0].get_xlabel() == "Feature 2"


def test_colours_end_at_percentiles_of_the_energies():
    figure, axes = plt.subplots()
    display = EnergyDisplay.from_estimator(PCA_2, X, ax=axes)
    assert display.figure_ is figure
    assert_allclose(display.surface_.levels[[0, -1]], np.percentile(display.response, [2, 98]))
    assert_array_equal(display.points_.get_xydata(), X[:, :2])
    assert_array_equal(display.plot(levels=[0.1, 0.2]).surface_.levels, [0.1, 0.2])


def test_a_constant_energy_can_be_shown():
    display = EnergyDisplay(*np.meshgrid([0, 1], [0, 1]), np.zeros((2, 2))).plot()
    assert np.all(np.diff(display.surface_.levels) > 0)


def test_names_of_features_are_kept():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    display = EnergyDisplay.from_estimator(PCA(2).fit(frame), frame, grid_resolution=3)
    assert display.axes_[0].get_ylabel() == "b"
    assert_allclose(
        display.response,
        EnergyDisplay.from_estimator(PCA_2, X, grid_resolution=3).response,
    )


@pytest.mark.parametrize("features", [(0, 4), (1, 1), (0,), ("a", "b"), (-1, 0)])
def test_features_must_be_two_indices(features):
    with pytest.raises(ValueError, match="features must be two different indices from 0 to 3"):
        EnergyDisplay.from_estimator(PCA_2, X, features=features)


def test_an_estimator_must_be_fitted():
    with pytest.raises(NotFittedError):
        EnergyDisplay.from_estimator(PCA(2), X)
