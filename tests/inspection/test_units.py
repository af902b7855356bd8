"""UnitDisplay and PrototypeDisplay, compared with direct computation."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm import DrSAEClassifier
from sklearn_ebm.inspection import PrototypeDisplay, UnitDisplay
from sklearn_ebm.inspection._units import angles_of

plt = pytest.importorskip("matplotlib.pyplot")
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((40, 12))
X /= np.linalg.norm(X, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def model():
    fitted = DrSAEClassifier(8, n_steps=3, pretrain_max_iter=2, max_iter=2, random_state=0)
    return fitted.fit(X, np.arange(40) % 2)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_angles_are_those_of_filters_and_atoms():
    turned = SimpleNamespace(
        encoding_weights_=np.array([[2.0, 3.0, 0.0, 1.0], [0.0, 3.0, 5.0, 0.0]]),
        components_=np.array([[4.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]),
    )
    assert_allclose(angles_of(turned), np.pi * np.array([0, 1 / 4, 1 / 2, 1 / 2]), atol=1e-12)


def test_units_are_drawn_by_their_angles_and_coefficients(model):
    display = UnitDisplay.from_estimator(model)
    size = np.linalg.norm(model.class_weights_, axis=0)
    assert_allclose(display.points_.get_offsets(), np.stack([size, angles_of(model)], axis=1))
    assert_allclose(display.correlation_, np.corrcoef(size, angles_of(model))[0, 1])
    assert len(display.axes_) == 1
    assert display.lines_ == []


def test_activity_is_the_mean_of_each_kind_relative_to_the_last_step():
    activity = np.array([[1.0, 3.0, 1.0, 9.0], [4.0, 4.0, 5.0, 9.0]])
    display = UnitDisplay([0.1, 0.4, 0.9, 0.6], [1, 2, 3, 4], activity=activity).plot()
    parts, categories = display.lines_
    assert_allclose(parts.get_ydata(), [0.5, 1])
    assert_allclose(categories.get_ydata(), [0.2, 1])
    assert [line.get_label() for line in display.lines_] == ["2 parts", "1 categories"]


def test_activity_of_samples_is_that_of_all_steps(model):
    display = UnitDisplay.from_estimator(model, X)
    assert_allclose(display.activity, model.code_steps(X).mean(axis=1))
    assert display.activity.shape == (4, 8)


def test_kinds_without_units_or_activity_are_left_out():
    display = UnitDisplay([0.1, 0.9], [1, 1], activity=np.array([[1.0, 0.0], [2.0, 0.0]])).plot()
    assert [line.get_label() for line in display.lines_] == ["1 parts"]
    assert np.isnan(display.correlation_)


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"shape \(n_components,\), got shapes \(2,\) and \(3,\)"):
        UnitDisplay([1, 2], [1, 2, 3]).plot()


@pytest.mark.parametrize("shape", [(3,), (3, 2), (0, 3)])
def test_activity_of_other_units_is_refused(shape):
    with pytest.raises(ValueError, match=r"activity must be of shape .* with n_components=3, got"):
        UnitDisplay([0.1, 0.4, 0.9], [1, 2, 3], activity=np.ones(shape)).plot()


def test_the_title_has_no_correlation_that_is_not_defined():
    assert UnitDisplay([0.1], [1]).plot().axes_[0].get_title() == "1 unit"
    assert UnitDisplay([0.1, 0.9], [1, 2]).plot().axes_[0].get_title() == (
        "2 units, correlation 1.00"
    )


def test_both_limits_are_inside_the_plot():
    assert UnitDisplay([0.1, 0.2], [1, 2]).plot().axes_[0].get_ylim()[1] > 0.75


def test_axes_of_parts_that_do_not_contribute_remain_empty():
    contributions = np.diag([1.0, 2.0, 0.0, 0.0])
    _, axes = plt.subplots(3, 3)
    display = PrototypeDisplay(np.ones((2, 2)), contributions, [True, False, False, False])
    display.plot(ax=axes)
    assert [len(each.images) for each in axes.ravel()] == [1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert not any(each.axison for each in axes.ravel())
    assert len(display.plot().axes_) == 4  # a new figure has no empty axes
    with pytest.raises(ValueError, match="Expected ax to have 5 axes, got 9"):
        display.plot(n_parts=2, ax=axes)


def test_an_image_is_a_prototype_plus_parts(model):
    display = PrototypeDisplay.from_estimator(model, X[0], image_shape=(3, 4), n_parts=3)
    code, category = model.transform(X[:1])[0], angles_of(model) > 0.7
    contributions = code[:, None] * model.components_
    image, whole, prototype, *parts = (each.get_array() for each in display.images_)
    expected = [X[0], contributions.sum(axis=0), contributions[category].sum(axis=0)]
    largest = max(abs(each).max() for each in expected)
    for picture, row in zip((image, whole, prototype), expected, strict=True):
        assert_allclose(picture, row.reshape(3, 4) / largest, atol=1e-12)
    norms = np.where(category, 0, np.linalg.norm(contributions, axis=1))
    assert len(parts) == len(display.order_) == min(3, np.count_nonzero(norms))
    assert_array_equal(display.order_, np.argsort(-norms)[: len(parts)])
    for part, unit, axes in zip(parts, display.order_, display.axes_[3:], strict=True):
        row = contributions[unit].reshape(3, 4)
        assert_allclose(part, row / abs(row).max())
        assert axes.get_title() == f"{norms[unit]:.2f}"  # the image has norm one


def test_images_and_rows_are_the_same(model):
    row = PrototypeDisplay.from_estimator(model, X[1], image_shape=(3, 4))
    image = PrototypeDisplay.from_estimator(model, X[1].reshape(3, 4))
    for first, second in zip(row.images_, image.images_, strict=True):
        assert_array_equal(first.get_array(), second.get_array())


def test_contributions_of_another_image_are_refused():
    with pytest.raises(ValueError, match=r"contributions must be of shape .* = \(2, 4\), got"):
        PrototypeDisplay(np.ones((2, 2)), np.ones((2, 5)), [True, False]).plot()


@pytest.mark.parametrize("n_parts", [-1, 1.5])
def test_the_number_of_parts_is_an_integer_that_is_not_negative(model, n_parts):
    with pytest.raises((TypeError, ValueError), match="n_parts"):
        PrototypeDisplay.from_estimator(model, X[0].reshape(3, 4), n_parts=n_parts)


@pytest.mark.parametrize("kind", [UnitDisplay, PrototypeDisplay])
def test_other_models_are_refused_by_the_attribute_that_they_lack(kind):
    from sklearn.decomposition import PCA

    arguments = () if kind is UnitDisplay else (X[0].reshape(3, 4),)
    with pytest.raises(AttributeError, match="requires an estimator with"):
        kind.from_estimator(PCA(2).fit(X), *arguments)
