"""Displays: pixels of mosaics, points of curves, heights of bars, compared with direct counting."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sklearn_ebm import PSD, LISTAEncoder, SparseCoder
from sklearn_ebm.factors import LinearDecoder
from sklearn_ebm.inspection import (
    CodeDisplay,
    CodeErrorDisplay,
    DictionaryDisplay,
    ObjectiveDisplay,
)
from tests.papers import positive_ista_steps

plt = pytest.importorskip("matplotlib.pyplot")


class Fitted(BaseEstimator):
    """A fitted model with given attributes and codes."""

    def __init__(self, **attributes):
        vars(self).update(attributes)

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return self.code_

    def get_params(self, deep=True):
        return {}


@pytest.fixture
def model():
    """A model with seven atoms of 2 x 3 pixels, most used first: 4, 0, 6, 2, 1, 3, 5 (0 ties 6)."""
    generator = np.random.default_rng(0)
    return Fitted(
        components_=generator.standard_normal((7, 6)),
        encoder_components_=100 * generator.standard_normal((7, 6)),
        usage_=np.array([0.5, 0.1, 0.3, 0.05, 0.9, 0.0, 0.5]),
        objective_curve_=np.array([9.0, 5.0, 4.0]),
        seconds_curve_=np.array([0.5, 1.0, 2.0]),
    )


def tiles(mosaic, height, width):
    """Return the tiles of a mosaic with gaps of one pixel, row by row."""
    return [
        mosaic[top : top + height, left : left + width]
        for top in range(0, mosaic.shape[0], height + 1)
        for left in range(0, mosaic.shape[1], width + 1)
    ]


def drawn(display, panel=0):
    """Return the values of a mosaic, NaN where it is masked."""
    return np.ma.filled(display.images_[panel].get_array(), np.nan)


def colour_at(display, row, column):
    """Return the colour on the screen: red, green and blue from 0 to 1."""
    image = display.images_[0]
    return image.cmap(image.norm(image.get_array()))[row, column, :3]


def test_tiles_are_the_atoms_scaled_about_zero_most_used_first(model):
    display = DictionaryDisplay.from_estimator(model, image_shape=(2, 3), n_columns=3)
    order = [4, 0, 6, 2, 1, 3, 5]
    assert_array_equal(display.order_, order)
    assert drawn(display).shape == (3 * 2 + 2, 3 * 3 + 2)
    shown = tiles(drawn(display), 2, 3)
    for tile, atom in zip(shown[:7], model.components_[order], strict=True):
        assert_allclose(tile, (atom / abs(atom).max()).reshape(2, 3), rtol=1e-15)
    assert np.isnan(shown[7:]).all()  # positions without an atom
    assert np.isnan(drawn(display)).sum() == 8 * 11 - 7 * 6


def test_zero_is_mid_grey_also_where_no_value_is_negative():
    display = DictionaryDisplay([[0.5, 0.0, 0.25, 0.5], [0.0, 0.0, 0.0, 0.0]]).plot(sort=None)
    assert_allclose(colour_at(display, 0, 0), 1.0)
    assert_allclose(colour_at(display, 0, 1), 0.5, atol=1 / 255)  # 256 levels have no exact middle
    assert_allclose(colour_at(display, 1, 0), 0.75, atol=1 / 255)
    assert_allclose(colour_at(display, 0, 3), 0.5, atol=1 / 255)  # an atom of zeros is valid
    assert_allclose(colour_at(display, 0, 2), 0.0)  # the gap


def test_negative_values_are_as_dark_as_positive_ones_are_bright():
    display = DictionaryDisplay([[-0.5, 0.0, 0.25, 0.5]]).plot(sort=None)
    assert_allclose(colour_at(display, 0, 0), 0.0)
    assert_allclose(colour_at(display, 1, 1), 1.0)


def test_atoms_used_alike_keep_the_order_of_rows():
    usage = np.repeat([0.1, 0.2], 50)
    display = DictionaryDisplay(np.ones((100, 4)), usage=usage).plot()
    assert_array_equal(display.order_, [*range(50, 100), *range(50)])


def test_encoder_and_decoder_stand_side_by_side_in_one_order(model):
    display = DictionaryDisplay.from_estimator(model, image_shape=(2, 3), which="both", n_columns=7)
    assert len(display.axes_) == len(display.images_) == 2
    for panel, rows in enumerate([model.components_, model.encoder_components_]):
        scaled = rows / abs(rows).max(axis=1, keepdims=True)
        expected = scaled[[4, 0, 6, 2, 1, 3, 5]].reshape(7, 2, 3)
        assert_allclose(tiles(drawn(display, panel), 2, 3), expected, rtol=1e-15)
    assert [axes.get_title() for axes in display.axes_] == [
        "Dictionary: 7 atoms of 2x3, most used first",
        "Encoder: 7 filters of 2x3, most used first",
    ]


def test_the_encoder_alone_shows_its_filters(model):
    display = DictionaryDisplay.from_estimator(
        model, image_shape=(2, 3), which="encoder", sort=None, n_columns=7
    )
    first = model.encoder_components_[0]
    assert_allclose(drawn(display)[:2, :3], (first / abs(first).max()).reshape(2, 3), rtol=1e-15)


def test_without_sorting_atoms_stand_in_the_order_of_rows(model):
    display = DictionaryDisplay.from_estimator(model, image_shape=(2, 3), sort=None)
    assert_array_equal(display.order_, np.arange(7))


def test_square_images_are_guessed_and_mosaics_are_about_square():
    display = DictionaryDisplay(np.ones((10, 16))).plot(sort=None)
    assert drawn(display).shape == (3 * 4 + 2, 4 * 4 + 3)  # 4 columns, 3 rows
    wide = DictionaryDisplay(np.ones((16, 16)), image_shape=(2, 8)).plot(sort=None)
    assert drawn(wide).shape == (8 * 2 + 7, 2 * 8 + 1)  # 2 columns of wide tiles


def test_atoms_with_channels_are_shown_in_colour():
    atoms = np.random.default_rng(0).standard_normal((2, 27))
    display = DictionaryDisplay(atoms, image_shape=(3, 3, 3)).plot(sort=None, n_columns=2)
    mosaic = display.images_[0].get_array()
    scaled = atoms / abs(atoms).max(axis=1, keepdims=True)
    assert_allclose(mosaic[:, :3], (scaled[0].reshape(3, 3, 3) + 1) / 2, rtol=1e-15)
    assert_allclose(mosaic[:, 4:], (scaled[1].reshape(3, 3, 3) + 1) / 2, rtol=1e-15)
    assert_array_equal(mosaic[:, 3], 0)


def test_signs_can_be_told_apart_by_colour():
    display = DictionaryDisplay([[1.0, 0.0, 0.0, -1.0]]).plot(sort=None, cmap="RdBu_r")
    red, blue = colour_at(display, 0, 0), colour_at(display, 1, 1)
    assert red[0] > red[2]
    assert blue[2] > blue[0]


@pytest.mark.parametrize("n_features", [6, 63])
def test_a_shape_that_cannot_be_inferred_is_requested(n_features):
    with pytest.raises(ValueError, match=rf"n_features={n_features}\. Pass image_shape="):
        DictionaryDisplay(np.ones((2, n_features))).plot(sort=None)


@pytest.mark.parametrize("image_shape", [(2, 2), (6,), (1, 2, 3, 1), (3, 1, 2)])
def test_a_shape_that_does_not_fit_is_refused(image_shape):
    with pytest.raises(ValueError, match="image_shape must be"):
        DictionaryDisplay(np.ones((2, 6)), image_shape=image_shape).plot(sort=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"which": "middle"}, "which must be one of"),
        ({"sort": "size"}, "sort must be one of"),
        ({"sort": "usage"}, "usage must be given if .* Set sort=None"),
        ({"which": "encoder", "sort": None}, "encoder_components must be given"),
    ],
)
def test_what_cannot_be_shown_is_said(options, message):
    with pytest.raises(ValueError, match=message):
        DictionaryDisplay(np.ones((2, 4))).plot(**options)


def test_components_are_rows():
    with pytest.raises(ValueError, match="Expected 2D array of components, got 1D"):
        DictionaryDisplay(np.ones(4)).plot(sort=None)


def test_a_missing_attribute_is_named_with_its_owner(model):
    del model.encoder_components_
    with pytest.raises(
        AttributeError, match="with encoder_components_, which Fitted does not have"
    ):
        DictionaryDisplay.from_estimator(model, image_shape=(2, 3), which="both")


def test_curves_go_through_the_objective_of_every_pass_and_second(model):
    display = ObjectiveDisplay.from_estimator(model, x="both")
    (over_passes,), (over_seconds,) = display.lines_
    assert_array_equal(over_passes.get_xydata(), [[1, 9], [2, 5], [3, 4]])
    assert_array_equal(over_seconds.get_xydata(), [[0.5, 9], [1, 5], [2, 4]])
    assert [axes.get_xlabel() for axes in display.axes_] == [
        "Passes over the data",
        "Seconds since fit began",
    ]
    assert display.axes_[0].get_ylabel() == "Objective"
    assert display.axes_[0].get_title() == "Fitted"


def test_several_models_share_the_axes_and_are_told_apart_by_name(model):
    slow = Fitted(objective_curve_=np.array([7.0]))
    display = ObjectiveDisplay.from_estimators({"fast": model, "slow": slow})
    assert len(display.axes_) == 1
    assert [len(line.get_xdata()) for line in display.lines_[0]] == [3, 1]
    legend = display.axes_[0].get_legend().get_texts()
    assert [text.get_text() for text in legend] == ["fast", "slow"]
    assert display.lines_[0][1].get_marker() == "o"  # visible for a single pass


def test_curves_over_seconds_require_seconds(model):
    display = ObjectiveDisplay.from_estimator(model, x="seconds")
    assert_array_equal(display.lines_[0][0].get_xdata(), [0.5, 1, 2])
    display = ObjectiveDisplay.from_estimator(model).plot(x="seconds")  # kept for other plots
    assert_array_equal(display.lines_[0][0].get_xdata(), [0.5, 1, 2])
    with pytest.raises(
        ValueError, match=r"seconds must be given if x='both', got None. Set x='pass'"
    ):
        ObjectiveDisplay({"model": [1.0]}).plot(x="both")
    with pytest.raises(ValueError, match="x must be one of"):
        ObjectiveDisplay({"model": [1.0]}).plot(x="hours")


CODE = np.array([[0, 2, 0, 0.5], [1, -1, 0, 1], [0, -3, 0, 0], [0, 1, 0, 4]])


def bars(display):
    """Return centre and height of each bar of the histogram."""
    return [[bar.get_x() + bar.get_width() / 2, bar.get_height()] for bar in display.bars_]


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.csr_matrix])
def test_bars_count_atoms_per_sample_and_the_line_samples_per_atom(container):
    display = CodeDisplay.from_estimator(Fitted(code_=container(CODE)), np.ones((4, 2)))
    assert_allclose(bars(display), [[1, 25], [2, 50], [3, 25]], rtol=1e-12)
    assert_array_equal(display.line_.get_xydata(), [[1, 100], [2, 75], [3, 25], [4, 0]])
    assert display.axes_[0].get_title().startswith("2.0 of 4 atoms")
    assert display.axes_[1].get_title() == "1 of 4 atoms never used"


def test_codes_may_come_as_a_data_frame():
    pandas = pytest.importorskip("pandas")
    display = CodeDisplay.from_estimator(Fitted(code_=pandas.DataFrame(CODE)), np.ones((4, 2)))
    assert_array_equal(display.line_.get_ydata(), [100, 75, 25, 0])


def test_zeros_that_a_sparse_code_stores_are_not_active():
    code = sparse.csr_array(CODE)
    code.data[0] = 0.0
    display = CodeDisplay.from_estimator(Fitted(code_=code), np.ones((4, 2)))
    assert_array_equal(display.line_.get_ydata(), [75, 75, 25, 0])


def test_wide_histograms_have_bars_of_equal_numbers_of_counts():
    n_active = np.arange(130)
    display = CodeDisplay(n_active, np.ones(200)).plot()
    assert len(display.bars_) == 44  # of 3 counts each, the last one of 1
    assert_allclose([height for _, height in bars(display)][:-1], 300 / 130, rtol=1e-12)
    assert_allclose(sum(height for _, height in bars(display)), 100, rtol=1e-12)
    assert display.axes_[1].get_title() == "All atoms are used"


def test_codes_that_are_all_zero_are_shown_as_such():
    display = CodeDisplay.from_estimator(Fitted(code_=np.zeros((5, 3))), np.ones((5, 2)))
    assert_allclose(bars(display), [[0, 100]], rtol=1e-12)
    assert display.axes_[1].get_title() == "3 of 3 atoms never used"


ALPHA = 0.3


@pytest.fixture(scope="module")
def task():
    """Data, a dictionary of unit-norm atoms, and the optimal codes of its lasso."""
    generator = np.random.default_rng(0)
    dictionary = generator.standard_normal((24, 16))
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    X = generator.standard_normal((200, 16))
    coder = SparseCoder(dictionary=dictionary, alpha=ALPHA, code_tol=1e-10).fit(X)
    return SimpleNamespace(X=X, dictionary=dictionary, coder=coder, optimum=coder.transform(X))


def learned(task, n_steps, **parameters):
    """Return an encoder after one or two passes."""
    encoder = LISTAEncoder(
        dictionary=task.coder, n_steps=n_steps, code_tol=1e-10, max_iter=2, tol=0, random_state=0
    )
    return encoder.set_params(**parameters).fit(task.X)


def mean_squared(code, optimum):
    return sum(np.sum((z - best) ** 2) for z, best in zip(code, optimum, strict=True)) / len(code)


def shrink(value, threshold):
    return np.sign(value) * np.maximum(abs(value) - threshold, 0)


def iterates_of_ista(task, n_iter, accelerated=False):
    """Return the codes after 1, 2, ... steps from zero, by the textbook algorithm."""
    lipschitz = LinearDecoder(task.dictionary).lipschitz  # the same estimated step size
    code = ahead = np.zeros(task.optimum.shape)
    t, codes = 1.0, []
    for _ in range(n_iter):
        gradient = (ahead @ task.dictionary - task.X) @ task.dictionary.T
        updated = shrink(ahead - gradient / lipschitz, ALPHA / lipschitz)
        t_next = (1 + np.sqrt(1 + 4 * t * t)) / 2 if accelerated else 1.0
        ahead = updated + (t - 1) / t_next * (updated - code)
        code, t = updated, t_next
        codes.append(code)
    return codes


def greedy_code(task, n_steps):
    """Make coordinate descent steps on the entry that changes most, then a step for all."""
    gram, code = task.dictionary @ task.dictionary.T, np.zeros(task.optimum.shape)
    for step in range(n_steps + 1):
        best = shrink(code + (task.X - code @ task.dictionary) @ task.dictionary.T, ALPHA)
        assert_allclose(np.diag(gram), 1, rtol=1e-12)  # a step reaches the minimum of an entry
        if step == n_steps:
            return best
        rows, entries = np.arange(len(code)), abs(best - code).argmax(axis=1)
        code[rows, entries] = best[rows, entries]


@pytest.mark.parametrize(("solver", "name"), [("ista", "ISTA"), ("fista", "FISTA")])
def test_a_solver_stands_at_t_with_its_code_after_one_step_more(task, solver, name):
    display = CodeErrorDisplay.from_estimators(
        learned(task, 1), task.X, solvers=[solver], max_steps=12
    )
    codes = iterates_of_ista(task, 13, accelerated=solver == "fista")
    expected = [mean_squared(code, task.optimum) for code in codes]
    steps, error = display.errors[name]
    assert_array_equal(steps, np.arange(13))
    assert_allclose(error, expected, rtol=1e-6)
    assert np.all(np.diff(error) < 0)
    assert_array_equal(display.lines_[1].get_xydata(), np.c_[steps, error])


def test_coordinate_descent_stands_at_its_number_of_changes(task):
    display = CodeErrorDisplay.from_estimators(
        learned(task, 1), task.X, solvers="cd", max_steps=100
    )
    steps, error = display.errors["Coordinate descent"]
    assert (steps[0], steps[-1]) == (0, 100)
    for at in (0, 3, -1):
        expected = mean_squared(greedy_code(task, steps[at]), task.optimum)
        assert_allclose(error[at], expected, rtol=1e-6)


def test_encoders_stand_at_their_steps_with_the_error_of_their_codes(task):
    encoders = [learned(task, 2), learned(task, 0)]
    greedy = learned(task, 5, encoder="lcod", sparse_output=True, inference="optimal")
    display = CodeErrorDisplay.from_estimators(
        {"LISTA": encoders, "LCoD": greedy}, task.X, solvers=()
    )
    steps, error = display.errors["LISTA"]
    expected = [mean_squared(each.transform(task.X), task.optimum) for each in encoders[::-1]]
    assert_array_equal(steps, [0, 2])
    assert_allclose(error, expected, rtol=1e-6)
    code = greedy.encoder_.forward(task.X)
    assert_allclose(display.errors["LCoD"][1], [mean_squared(code, task.optimum)], rtol=1e-6)
    assert greedy.inference == "optimal"  # the user's model is unchanged
    legend = display.axes_[0].get_legend().get_texts()
    assert [text.get_text() for text in legend] == list(display.errors) == ["LISTA", "LCoD"]
    assert display.axes_[0].get_yscale() == "log"


def test_encoders_without_a_name_have_that_of_their_class(task):
    encoders = [learned(task, 1), learned(task, 2)]
    for given in (encoders[0], encoders):
        display = CodeErrorDisplay.from_estimators(given, task.X)
        assert list(display.errors) == ["LISTAEncoder", "ISTA", "FISTA"]
        assert_array_equal(display.errors["ISTA"][0], np.arange(31))
    assert_array_equal(display.errors["LISTAEncoder"][0], [1, 2])


def test_encoders_of_positive_codes_are_compared_with_positive_ista(task):
    encoder = learned(task, 1, encoder="drsae")
    display = CodeErrorDisplay.from_estimators(encoder, task.X)
    assert list(display.errors) == ["LISTAEncoder", "ISTA"]
    optimum = encoder.set_params(inference="optimal").transform(task.X)
    assert optimum.min() == 0
    steps, error = display.errors["ISTA"]
    code = positive_ista_steps(task.X, encoder.components_, encoder.alpha_, steps[3] + 1)
    assert_allclose(error[3], mean_squared(code, optimum), rtol=1e-6)
    with pytest.raises(ValueError, match="solvers must be one of"):
        CodeErrorDisplay.from_estimators(encoder, task.X, solvers="fista")
    with pytest.raises(ValueError, match="All encoders must have codes of the same signs"):
        CodeErrorDisplay.from_estimators([encoder, learned(task, 1)], task.X)


def test_solvers_go_on_beyond_a_deep_encoder(task):
    display = CodeErrorDisplay.from_estimators(learned(task, 10, learning_rate=1e-4), task.X)
    assert display.errors["FISTA"][0][-1] == 40


def test_more_samples_than_are_held_at_once_give_the_same_errors(task):
    encoder = learned(task, 1)
    few = CodeErrorDisplay.from_estimators(encoder, task.X)
    many = CodeErrorDisplay.from_estimators(encoder, np.tile(task.X, (11, 1)))
    for name, (_, error) in few.errors.items():
        assert_allclose(many.errors[name][1], error, rtol=1e-6)


def test_data_frames_and_float32_are_taken(task):
    pandas = pytest.importorskip("pandas")
    encoder = learned(task, 1, code_tol=1e-4).set_output(transform="pandas")
    display = CodeErrorDisplay.from_estimators(encoder, pandas.DataFrame(np.float32(task.X)))
    codes = iterates_of_ista(task, 31)
    expected = [mean_squared(code, task.optimum) for code in codes]
    assert_allclose(display.errors["ISTA"][1][:20], expected[:20], rtol=0.02)  # up to code_tol


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            {"alpha": 0.5},
            r"alpha=0.3 for 'flat' \(n_steps=1\) and alpha=0.5 for 'deep' \(n_steps=2\)",
        ),
        (
            {"dictionary": 2 * np.eye(16) + 1, "alpha": ALPHA},
            r"same dictionary, .* for 'flat' .* and 'deep' \(n_steps=2\)",
        ),
        (
            {"dictionary": np.ones((24, 16)), "alpha": ALPHA},
            "All encoders must have the same dictionary",
        ),
    ],
)
def test_encoders_of_other_codes_are_named(task, other, message):
    encoders = {"flat": learned(task, 1), "deep": [learned(task, 2, **other)]}
    with pytest.raises(ValueError, match=message):
        CodeErrorDisplay.from_estimators(encoders, task.X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solvers": ["lars"]}, "solvers must be one of .*got 'lars'"),
        ({"max_steps": -1}, "max_steps == -1, must be >= 0"),
    ],
)
def test_options_of_code_errors_are_checked(task, options, message):
    with pytest.raises(ValueError, match=message):
        CodeErrorDisplay.from_estimators(learned(task, 0), task.X, **options)


def test_lines_of_code_errors_require_an_encoder_and_a_unique_name(task):
    for none in ({}, [], {"LISTA": []}):
        with pytest.raises(ValueError, match="must contain at least one encoder"):
            CodeErrorDisplay.from_estimators(none, task.X)
    with pytest.raises(ValueError, match="differ from the labels of solvers, got 'ISTA'"):
        CodeErrorDisplay.from_estimators({"ISTA": learned(task, 0)}, task.X)


def test_code_errors_are_those_of_unrolled_encoders(task):
    psd = PSD(8, max_iter=1, tol=0).fit(task.X)
    with pytest.raises(AttributeError, match="with lateral_weights_, which PSD does not have"):
        CodeErrorDisplay.from_estimators(psd, task.X)


def test_given_axes_are_drawn_on_and_no_new_figure_is_made(model):
    figure, (left, right) = plt.subplots(1, 2)
    displays = [
        DictionaryDisplay.from_estimator(model, image_shape=(2, 3), ax=left),
        DictionaryDisplay.from_estimator(model, image_shape=(2, 3), which="both", ax=(left, right)),
        ObjectiveDisplay.from_estimator(model, ax=left),
        ObjectiveDisplay.from_estimator(model, x="both", ax=[left, right]),
        CodeDisplay([1], [1.0]).plot(ax=np.array([left, right])),
        CodeErrorDisplay({"LISTA": ([1, 3], [2.0, 1.0])}).plot(ax=left),
    ]
    assert plt.get_fignums() == [figure.number]
    for display in displays:
        assert display.figure_ is figure
        assert display.axes_[0] is left


def test_too_few_axes_are_counted(model):
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="Expected ax to have 2 axes, got 1"):
        ObjectiveDisplay.from_estimator(model, x="both", ax=ax)


class OnDevice:
    """A minimal CuPy array: NumPy cannot convert it, `get` copies it."""

    def __init__(self, values):
        self.values = values

    def get(self):
        return self.values

    def __array__(self, *arguments, **options):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")


def test_attributes_on_a_device_are_fetched(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(ndarray=OnDevice))
    away = Fitted(components_=OnDevice(model.components_), usage_=OnDevice(model.usage_))
    expected = DictionaryDisplay.from_estimator(model, image_shape=(2, 3))
    display = DictionaryDisplay.from_estimator(away, image_shape=(2, 3))
    assert_array_equal(drawn(display), drawn(expected))


@pytest.mark.parametrize(
    "draw",
    [
        DictionaryDisplay.from_estimator,
        ObjectiveDisplay.from_estimator,
        lambda estimator: CodeDisplay.from_estimator(estimator, np.ones((1, 2))),
        lambda estimator: ObjectiveDisplay.from_estimators({"model": estimator}),
        lambda estimator: CodeErrorDisplay.from_estimators(estimator, np.ones((1, 2))),
    ],
)
def test_models_must_be_fitted(draw):
    with pytest.raises(NotFittedError):
        draw(Fitted())


def test_without_matplotlib_the_error_is_the_command_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    displays = [
        (DictionaryDisplay(np.ones((1, 4))), {"sort": None}),
        (ObjectiveDisplay({"model": [1.0]}), {"x": "pass"}),
        (CodeDisplay([1], [1.0]), {}),
        (CodeErrorDisplay({"LISTA": ([1], [1.0])}), {}),
    ]
    for display, options in displays:
        with pytest.raises(
            ImportError, match=r'requires matplotlib. .*`pip install "sklearn-ebm\[plot\]"`'
        ):
            display.plot(**options)


def test_displays_that_are_not_plotted_load_no_matplotlib():
    script = (
        "import sys\nfrom sklearn_ebm.inspection import *\n"
        "SampleDisplay([[[1.0]]], [0])\nMapDisplay([[[1.0]]])\n"
        "ReconstructionDisplay([1.0], [1.0])\n"
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_atoms_of_a_model_without_usage_keep_their_order():
    model = Fitted(components_=np.eye(9))
    display = DictionaryDisplay.from_estimator(model)
    assert_array_equal(display.order_, np.arange(9))


def test_a_pipeline_is_refused_with_the_remedy():
    with pytest.raises(AttributeError, match=r"Pipeline does not have. Pass one of its steps"):
        DictionaryDisplay.from_estimator(make_pipeline(PCA(2)).fit(np.eye(4)))
