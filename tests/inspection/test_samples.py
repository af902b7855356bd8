"""Displays of chains: each row is one chain, and each column one time."""

import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

from sklearn_ebm import RBM
from sklearn_ebm.inspection import SampleDisplay

plt = pytest.importorskip("matplotlib.pyplot")

STEPS = (0, 1, 10, 100, 1000)


@pytest.fixture(scope="module")
def X():
    return load_digits().data / 16


@pytest.fixture(scope="module")
def rbm(X):
    return RBM(32, max_iter=10, random_state=0).fit(X)


class Counter(BaseEstimator):
    """A chain that counts its steps: each step adds one to all features, and draws a number."""

    def __init__(self):
        self.components_ = np.ones((1, 4))

    def fit(self, X, y=None):
        return self

    def gibbs(self, X, n_steps, *, random_state):
        random_state.uniform()
        return X + n_steps

    def sample(self, n_samples, n_burn_in, *, random_state):
        return self.gibbs(
            100.0 * np.arange(n_samples)[:, None] * np.ones(4), n_burn_in, random_state=random_state
        )


def tiles(display, height, width):
    """Return the displayed images as an array (rows, columns, height, width)."""
    values = np.ma.filled(display.image_.get_array(), np.nan)
    n_rows = (values.shape[0] + 1) // (height + 1)
    n_columns = (values.shape[1] + 1) // (width + 1)
    return np.array(
        [
            [
                values[top : top + height, left : left + width]
                for left in np.arange(n_columns) * (width + 1)
            ]
            for top in np.arange(n_rows) * (height + 1)
        ]
    )


def colours(display):
    """Return red, green and blue on the screen."""
    image = display.image_
    return image.cmap(image.norm(image.get_array()))[..., :3]


def test_a_chain_goes_on_from_column_to_column():
    X = np.array([[0.0, 0, 0, 0], [50, 50, 50, 50]])
    display = SampleDisplay.from_estimator(Counter(), X, steps=(0, 1, 10, 1000))
    assert_array_equal(display.samples[0, :, 0], [0, 1, 10, 1000])
    assert_array_equal(display.samples[1, :, 0], [50, 51, 60, 1050])
    assert display.steps == [0, 1, 10, 1000]


def test_columns_are_what_gibbs_gives_with_the_same_random_state(rbm, X):
    display = SampleDisplay.from_estimator(rbm, X, n_chains=5, random_state=3)
    random_state, state = np.random.RandomState(3), X[:5]
    assert_array_equal(display.samples[:, 0], state)
    for column, n_steps in enumerate(np.diff(STEPS), 1):
        state = rbm.gibbs(state, n_steps, random_state=random_state)
        assert_array_equal(display.samples[:, column], state)


def test_without_samples_chains_begin_where_those_of_sample_do(rbm):
    display = SampleDisplay.from_estimator(rbm, n_chains=3, steps=(0, 7), random_state=3)
    random_state = np.random.RandomState(3)
    start = rbm.sample(3, 0, random_state=random_state)
    assert_array_equal(display.samples[:, 0], start)
    assert_array_equal(display.samples[:, 1], rbm.gibbs(start, 7, random_state=random_state))
    later = SampleDisplay.from_estimator(rbm, n_chains=3, steps=[7], random_state=3)
    assert_array_equal(later.samples[:, 0], rbm.sample(3, 7, random_state=3))


def test_the_first_column_need_not_be_the_start(rbm, X):
    display = SampleDisplay.from_estimator(rbm, X, n_chains=2, steps=[4], random_state=0)
    assert_array_equal(display.samples[:, 0], rbm.gibbs(X[:2], 4, random_state=0))


def test_rows_of_the_picture_are_chains_and_columns_are_times():
    samples = np.arange(2 * 3 * 6).reshape(2, 3, 6) / 36
    display = SampleDisplay(samples, [0, 5, 50], image_shape=(2, 3)).plot()
    assert_allclose(tiles(display, 2, 3), 2 * samples.reshape(2, 3, 2, 3) - 1, atol=1e-15)
    axes = display.axes_[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "5", "50"]
    assert_array_equal(axes.get_xticks(), [1, 5, 9])  # the centres of the columns
    assert axes.get_xlabel() == "Steps of Gibbs sampling"
    assert len(axes.get_yticks()) == 0


def test_shares_are_drawn_from_black_to_white_with_grey_between_pictures():
    drawn = colours(SampleDisplay([[[0, 0.5, 0.25, 1], [0.1, 0.1, 0.1, 0.1]]], [0, 1]).plot())
    assert_allclose(drawn[:, :2, 0], [[0, 0.5], [0.25, 1]], atol=1 / 255)
    assert_allclose(drawn[:, 3:, 0], 0.1, atol=1 / 255)  # one scale for all
    assert_allclose(drawn[:, 2], 0.5, atol=1 / 255)


def test_zero_is_mid_grey_where_values_have_signs():
    drawn = colours(SampleDisplay([[[-2.0, 0, 1, 2], [0, 0, 0, 5.0]]], [0, 1]).plot())
    assert_allclose(drawn[:, :2, 0], [[0, 0.5], [0.75, 1]], atol=1 / 255)
    assert_allclose(drawn[:, 3:, 0], [[0.5, 0.5], [0.5, 1]], atol=1 / 255)  # each scaled separately
    assert_allclose(drawn[:, 2], 0)


def test_pictures_may_have_channels():
    samples = np.linspace(0, 1, 24).reshape(1, 2, 12)
    display = SampleDisplay(samples, [0, 1], image_shape=(2, 2, 3)).plot()
    drawn = display.image_.get_array()
    assert drawn.shape == (2, 5, 3)
    assert_allclose(drawn[:, :2], samples[0, 0].reshape(2, 2, 3), atol=1e-15)


def test_colours_can_be_chosen(rbm, X):
    display = SampleDisplay.from_estimator(rbm, X, n_chains=1, steps=[0], cmap="gray_r")
    assert_allclose(colours(display)[..., 0], 1 - X[0].reshape(8, 8), atol=1 / 255)


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix, "frame"])
def test_chains_begin_at_the_first_rows_of_any_container(rbm, X, container):
    if container == "frame":
        container = pytest.importorskip("pandas").DataFrame
    given = SampleDisplay.from_estimator(
        rbm, container(X), n_chains=3, steps=(0, 2), random_state=0
    )
    dense = SampleDisplay.from_estimator(rbm, X, n_chains=3, steps=(0, 2), random_state=0)
    assert_array_equal(given.samples, dense.samples)


@pytest.mark.parametrize("has_start", [True, False])
def test_models_that_know_features_by_name_raise_no_warning(X, has_start):
    frame = pytest.importorskip("pandas").DataFrame(X[:200])
    frame.columns = [f"pixel{number}" for number in range(64)]
    rbm = RBM(8, max_iter=1, random_state=0).fit(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        start = frame if has_start else None
        display = SampleDisplay.from_estimator(rbm, start, steps=(0, 1, 2), random_state=0)
    assert display.samples.shape == (8, 3, 64)


def test_chains_are_no_more_than_there_are_samples(rbm, X):
    display = SampleDisplay.from_estimator(rbm, X[:2], n_chains=5, steps=(0, 1))
    assert display.samples.shape == (2, 2, 64)


def test_given_axes_are_drawn_on(rbm, X):
    figure, ax = plt.subplots()
    display = SampleDisplay.from_estimator(rbm, X, steps=(0, 1), ax=ax)
    assert display.figure_ is figure
    assert display.axes_[0] is ax
    assert plt.get_fignums() == [figure.number]


class OnDevice:
    """A minimal CuPy array: NumPy cannot convert it, `get` copies it."""

    def __init__(self, values):
        self.values = values

    def __add__(self, number):
        return OnDevice(self.values + number)

    def get(self):
        return self.values

    def __array__(self, *arguments, **options):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")


def test_chains_run_on_the_device_and_are_fetched_to_be_drawn(monkeypatch):
    class Away(Counter):
        def sample(self, n_samples, n_burn_in, *, random_state):
            return OnDevice(np.zeros((n_samples, 4)) + n_burn_in)

    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(ndarray=OnDevice))
    display = SampleDisplay.from_estimator(Away(), n_chains=1, steps=(1, 3))
    assert_array_equal(display.samples, [[[1] * 4, [3] * 4]])


@pytest.mark.parametrize("steps", [(), (1, 1), (10, 1)])
def test_steps_must_increase(rbm, X, steps):
    with pytest.raises(ValueError, match="steps must be non-empty and strictly increasing, got"):
        SampleDisplay.from_estimator(rbm, X, steps=steps)


def test_steps_and_chains_are_counted(rbm, X):
    with pytest.raises(ValueError, match="steps == -1, must be >= 0"):
        SampleDisplay.from_estimator(rbm, X, steps=(-1, 1))
    with pytest.raises(TypeError, match="steps must be an instance of int"):
        SampleDisplay.from_estimator(rbm, X, steps=(0, 0.5))
    with pytest.raises(ValueError, match="n_chains == 0, must be >= 1"):
        SampleDisplay.from_estimator(rbm, X, n_chains=0)


@pytest.mark.parametrize(
    ("shape", "steps", "image_shape", "message"),
    [
        (
            (2, 4),
            [0, 1],
            None,
            r"\(n_chains, n_times, n_features\), got an array of shape \(2, 4\)",
        ),
        ((2, 3, 4), [0, 1], None, "each of the 3 times in samples, got 2"),
        ((2, 2, 6), [0, 1], None, "not a square number, got n_features=6"),
        ((2, 2, 6), [0, 1], (2, 2), "a product of n_features=6"),
    ],
)
def test_shapes_that_cannot_be_drawn_are_refused(shape, steps, image_shape, message):
    with pytest.raises(ValueError, match=message):
        SampleDisplay(np.ones(shape), steps, image_shape=image_shape).plot()


def test_models_must_be_fitted():
    with pytest.raises(NotFittedError):
        SampleDisplay.from_estimator(RBM())


def test_without_matplotlib_the_error_is_the_command_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(
        ImportError, match=r'requires matplotlib. .*`pip install "sklearn-ebm\[plot\]"`'
    ):
        SampleDisplay(np.ones((1, 1, 4)), [0]).plot()
