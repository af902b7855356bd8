"""Bad images, maps and parameters of convolutional models: error messages."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_ebm import FineTunedClassifier, LocalContrastNormalizer, Pooler
from tests.registries.image_models import kinds, make, unit_kernels

QUICK = {"max_iter": 1, "tol": 0}
SHAPE = (6, 12, 11, 2)
DOORS = {
    "fit": lambda model, X, bad: model.fit(bad),
    "partial_fit": lambda model, X, bad: model.partial_fit(bad),
    "later partial_fit": lambda model, X, bad: model.fit(X).partial_fit(bad),
    "transform": lambda model, X, bad: model.fit(X).transform(bad),
    "energy": lambda model, X, bad: model.fit(X).energy(bad),
    "score": lambda model, X, bad: model.fit(X).score(bad),
}
doors = pytest.mark.parametrize("door", DOORS)
FIRST = ["fit", "partial_fit"]


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).standard_normal(SHAPE)


@pytest.fixture(scope="module")
def grey(X):
    return X[..., 0]


def with_entry(X, value):
    X = X.copy()
    X[3, 2, 4, 1] = value
    return X


BAD_IMAGES = {
    "NaN": (lambda X: with_entry(X, np.nan), "Input X contains NaN"),
    "infinity": (lambda X: with_entry(X, np.inf), "Input X contains infinity"),
    "too large": (lambda X: 1e200 * X, "value too large for .*Rescale X"),
    "complex": (lambda X: X + 1j, "Complex data not supported"),
    "strings": (lambda X: np.full(X.shape, "a"), "could not convert string to float"),
    "no image": (lambda X: X[:0], r"Found array with 0 sample\(s\)"),
    "no channel": (lambda X: X[..., :0], "X has 0 channels, but .*is expecting"),
    "one number": (lambda X: X[0, 0, 0], "Expected 2D array, got 1D array instead"),
    "five dimensions": (lambda X: X[None], "Found array with dim 5, while dim <= 4 is required"),
    "smaller than a kernel": (lambda X: X[:, :2], "X has images of 2 x 11, but .* at least 3 x 3"),
    "channels first": (
        lambda X: X.transpose(0, 3, 1, 2),
        r"X has images of 2 x 12, .* looks like images with channels first. Images must",
    ),
    "mixed sizes": (
        lambda X: [X[0], X[1, :10], X[2]],
        "All images in X must have the same size, got 12 x 11 x 2, 10 x 11 x 2. Crop or pad them",
    ),
}


@pytest.mark.pairwise
@kinds
@doors
@pytest.mark.parametrize(("spoil", "words"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_images_that_cannot_be_used_are_refused(X, name, door, spoil, words):
    with pytest.raises(ValueError, match=words):
        DOORS[door](make(name, **QUICK), X, spoil(X))


@kinds
@pytest.mark.parametrize("door", sorted(DOORS.keys() - {*FIRST}))
def test_another_number_of_channels_than_in_fit_is_refused(X, name, door):
    kind = type(make(name)).__name__
    words = f"X has 1 channels, but {kind} is expecting 2 channels. Images must .*channels last"
    with pytest.raises(ValueError, match=words):
        DOORS[door](make(name, **QUICK), X, X[..., 0])


@kinds
def test_rows_of_another_width_than_in_fit_are_refused(X, name):
    model = make(name, image_shape=SHAPE[1:], **QUICK).fit(X.reshape(6, -1))
    words = f"X has 263 features, but {type(model).__name__} is expecting 264 features as input"
    with pytest.raises(ValueError, match=words):
        model.transform(X.reshape(6, -1)[:, 1:])


@kinds
@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        (
            (6, 2),
            {},
            r"X has images of 1 x 2 \(n_features = 2\), but .* is expecting at least 1 x 3",
        ),
        ((6, 9), {"kernel_size": (3, 3)}, r"X has images of 1 x 9 .* is expecting at least 3 x 3"),
        ((6, 100), {"image_shape": (9, 11)}, r"X has 100 features, but .*\(9, 11\) requires 9 x 1"),
        ((6, 9, 10), {"image_shape": (9, 11)}, r"X has images of 9 x 10 x 1 .*requires 9 x 11 x 1"),
        ((6, 99), {"image_shape": (99,)}, r"image_shape must be \(height, width\)"),
        ((6, 99), {"image_shape": (9, 11.5)}, "image_shape must be .*positive integers"),
    ],
)
def test_rows_must_agree_with_the_shape_of_images_and_kernels(name, shape, options, words):
    with pytest.raises(ValueError, match=words):
        make(name, **QUICK, **options).fit(np.ones(shape))


@kinds
def test_integers_become_float64(X, name):
    whole = np.round(10 * X).astype(np.int16)
    model = make(name, alpha=3.0, **QUICK).fit(whole)
    expected = make(name, alpha=3.0, **QUICK).fit(whole.astype(float))
    assert model.components_.dtype == np.float64
    assert_array_equal(model.components_, expected.components_)
    assert_array_equal(model.transform(whole), expected.transform(whole.astype(float)))


# Parameters


@kinds
@pytest.mark.parametrize("door", FIRST)
@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"kernel_size": 0}, "The 'kernel_size' parameter of .* must be an int in the range"),
        ({"kernel_size": 1.5}, "The 'kernel_size' parameter of .*an array-like. Got 1.5 instead"),
        ({"solver": "cd"}, "The 'solver' parameter of .* must be a str among .* Got 'cd' instead"),
        ({"border": "reflect"}, "The 'border' parameter of .* Got 'reflect' instead"),
        ({"alpha": 0.0}, "The 'alpha' parameter of .* must be a float in the range"),
        ({"crop_size": 0}, "The 'crop_size' parameter of .* Got 0 instead"),
        ({"crop_size": "all"}, "The 'crop_size' parameter of .* Got 'all' instead"),
        ({"connections": 0}, "The 'connections' parameter of .* Got 0 instead"),
        ({"image_shape": 5}, "The 'image_shape' parameter of .* Got 5 instead"),
    ],
)
def test_parameters_out_of_range_are_refused_in_the_words_of_scikit_learn(
    X, name, door, parameters, words
):
    with pytest.raises(InvalidParameterError, match=words):
        DOORS[door](make(name, **QUICK, **parameters), X, X)


KERNELS = unit_kernels(np.random.default_rng(0), 4, 3, 3, 2)
UNREAD = [[1, 0], [1, 0], [1, 0], [1, 0], [1, 0]]
WITHOUT = [[1, 1], [1, 0], [0, 0], [0, 1], [1, 1]]
REFUSED = {  # parameters, and parts of the error message
    "three lengths": (
        {"kernel_size": (3, 3, 2)},
        r"kernel_size must be a positive integer or a pair of positive integers, got \(3, 3, 2\)",
    ),
    "a length of zero": ({"kernel_size": (0, 3)}, r"kernel_size must be a positive .* \(0, 3\)"),
    "half a length": ({"kernel_size": [2.5, 3]}, r"kernel_size must be a positive .* \[2.5, 3\]"),
    "kernels too large": ({"kernel_size": (3, 12)}, "X has images of 12 x 11, but .* 3 x 12"),
    "crops too small": (
        {"crop_size": 2},
        r"crop_size must be at least the filter size \(3, 3\), got 2",
    ),
    "crops too narrow": ({"crop_size": (9, 2)}, r"crop_size must be at least .* got \(9, 2\)"),
    "crops of three lengths": (
        {"crop_size": (9, 9, 9)},
        r"crop_size must be None, 'auto', 'patch', a positive integer or a pair of positive "
        r"integers, got \(9, 9, 9\)",
    ),
    "a channel without components": (
        {"connections": UNREAD},
        "connect each channel to at least one component, got none for channel 1",
    ),
    "a component without channels": (
        {"connections": WITHOUT},
        "connections must connect each component to at least one channel, .* for component 2",
    ),
    "a table of another shape": (
        {"connections": WITHOUT[:2]},
        r"connections must have shape \(n_components, n_channels\) = \(5, 2\), got \(2, 2\)",
    ),
    "a flat table": (
        {"connections": [1, 0]},
        r"connections must have shape .*\(5, 2\), got \(2,\)",
    ),
    "more connections than channels": (
        {"connections": 3},
        "connections must be at most 2, the number of channels of X, got 3",
    ),
    "dictionary of other channels": (
        {"dictionary": KERNELS[..., :1], "n_components": None},
        r"dictionary must have shape \(n_components, height, width, 2\) .* got \(4, 3, 3, 1\)",
    ),
    "start of other channels": (
        {"dictionary_init": KERNELS[..., 0], "n_components": None},
        r"dictionary_init must have shape \(n_components, .* got \(4, 3, 3\)",
    ),
    "dictionary of vectors": (
        {"dictionary": KERNELS[:, 0, 0, 0], "n_components": None},
        r"dictionary must have shape .* got \(4,\)",
    ),
    "another number of kernels": (
        {"dictionary": KERNELS, "n_components": 5},
        "dictionary has 4 rows, but n_components=5",
    ),
    "a start of another number": (
        {"dictionary_init": KERNELS, "n_components": 3},
        "dictionary_init has 4 rows, but n_components=3",
    ),
    "an empty kernel": (
        {"dictionary": KERNELS * np.array([1, 0, 1, 1])[:, None, None, None], "n_components": None},
        "dictionary must not contain rows of norm zero, got zeros in rows 1[.]",
    ),
    "NaN in a kernel": (
        {"dictionary": np.full_like(KERNELS, np.nan), "n_components": None},
        "Input dictionary contains NaN",
    ),
    "given kernels too large": (
        {"dictionary": unit_kernels(np.random.default_rng(0), 2, 13, 3, 2), "n_components": None},
        "X has images of 12 x 11, but .* is expecting at least 13 x 3",
    ),
    "alpha too large": ({"alpha": 1e200}, "alpha=1e.200 is too large for dtype"),
}


@kinds
@pytest.mark.parametrize("door", FIRST)
@pytest.mark.parametrize(("parameters", "words"), REFUSED.values(), ids=REFUSED)
def test_parameters_that_do_not_suit_the_images_are_refused(X, name, door, parameters, words):
    with pytest.raises(ValueError, match=words):
        DOORS[door](make(name, **{**QUICK, **parameters}), X, X)


@kinds
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_what_cannot_change_on_the_way_is_refused(X, name, method):
    model = make(name, 4, warm_start=True, **QUICK).fit(X)
    before = model.components_.copy()
    with pytest.raises(
        ValueError, match="n_components=5, but learning continues with n_components=4"
    ):
        getattr(model.set_params(n_components=5), method)(X)
    if name == "ConvPSD":
        words = "encoder='tanh', but learning continues with encoder='shrinkage'"
        with pytest.raises(ValueError, match=words):
            getattr(model.set_params(n_components=4, encoder="tanh"), method)(X)
    assert_array_equal(model.components_, before)


# Masks


@kinds
@pytest.mark.parametrize("door", ["fit", "partial_fit", "transform", "energy", "score_samples"])
@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.ones((6, 12, 10)), r"mask has shape \(6, 12, 10\), but X has shape \(6, 12, 11, 2\)"),
        (np.ones((12, 11)), r"mask has shape \(12, 11\), but X has shape \(6, 12, 11, 2\)"),
        (
            np.ones((6, 12, 11, 1)),
            r"mask has shape \(6, 12, 11, 1\), but X has shape \(6, 12, 11, 2\)",
        ),
        (np.ones((6, 264)), r"mask has shape \(6, 264\), but X has shape \(6, 12, 11, 2\)"),
        (
            np.arange(6)[:, None, None] * np.ones(SHAPE[:3]),
            "mask must have .* got none for sample 0",
        ),
    ],
    ids=["smaller", "of one image", "one channel of two", "rows", "an image unseen"],
)
def test_masks_that_cannot_be_used_are_refused(X, name, door, mask, words):
    model = make(name, **QUICK)
    if door not in FIRST:
        model.fit(X)
    with pytest.raises(ValueError, match=words):
        getattr(model, door)(X, mask=mask)


@kinds
def test_a_mask_of_rows_has_their_shape(X, name):
    model = make(name, image_shape=SHAPE[1:], **QUICK)
    words = r"mask has shape \(6, 12, 11, 2\), but X has shape \(6, 264\)"
    with pytest.raises(ValueError, match=words):
        model.fit(X.reshape(6, -1), mask=np.ones(SHAPE))


@kinds
def test_an_image_without_any_observed_pixel_is_named(X, name):
    bad = X.copy()
    bad[4] = np.nan
    with pytest.raises(
        ValueError,
        match="Each sample must have at least one observed feature, got none in sample 4",
    ):
        make(name, missing_values=np.nan, **QUICK).fit(bad)
    half = X.copy()
    half[4, :6] = np.nan
    mask = np.ones(SHAPE)
    mask[4, 6:] = 0  # pixels that are not NaN
    with pytest.raises(ValueError, match=r"mask must have .* got none for sample 4"):
        make(name, missing_values=np.nan, **QUICK).fit(half, mask=mask)


@kinds
def test_nan_is_an_error_where_another_value_means_missing(X, name):
    with pytest.raises(ValueError, match="Input X contains NaN"):
        make(name, missing_values=-1, **QUICK).fit(with_entry(X, np.nan))


@kinds
@pytest.mark.parametrize("door", FIRST)
@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.zeros(6), "at least one non-zero"),
        (-np.ones(6), "Negative values"),
        (np.ones(3), "expected .6,."),
        (np.full(6, np.nan), "sample_weight contains NaN"),
    ],
    ids=["all zero", "negative", "too few", "NaN"],
)
def test_weights_that_cannot_be_used_are_refused(X, name, door, weights, words):
    with pytest.raises(ValueError, match=words):
        getattr(make(name, **QUICK), door)(X, sample_weight=weights)


# Maps


@kinds
@pytest.mark.parametrize(
    "shape", [(6, 14, 13, 4), (6, 14, 13), (6, 909), (5,)], ids=["components", "no", "rows", "one"]
)
def test_maps_of_another_shape_are_refused(X, name, shape):
    model = make(name, **QUICK).fit(X)
    words = (
        rf"X has shape .* but {type(model).__name__} is expecting maps of shape \(n_samples, "
        r"height, width, 5\), or rows of 910 entries for images of 12 x 11"
        if len(shape) > 1
        else "Expected 2D array, got 1D array instead"
    )
    with pytest.raises(ValueError, match=words):
        model.inverse_transform(np.ones(shape))


@kinds
def test_maps_too_small_for_any_image_are_refused(X, name):
    model = make(name, **QUICK).fit(X)
    with pytest.raises(
        ValueError, match=r"X must contain maps of at least 5 x 5, .* got .* 2 x 13"
    ):
        model.inverse_transform(np.ones((1, 2, 13, 5)))


@kinds
def test_a_gap_is_that_of_the_maps_of_these_images(X, name):
    model = make(name, **QUICK).fit(X)
    for maps in (np.ones((6, 13, 13, 5)), np.ones((5, 14, 13, 5))):
        with pytest.raises(
            ValueError, match=r"code must have .* entries for each of the 6 samples of X, got"
        ):
            model.duality_gap(X, maps)
    with pytest.raises(ValueError, match="rows of 910 entries for images of 12 x 11"):
        model.duality_gap(X, np.ones((6, 5)))


@kinds
@pytest.mark.parametrize(
    "method",
    ["transform", "inverse_transform", "energy", "score_samples", "score", "get_feature_names_out"],
)
def test_what_needs_a_fitted_model_says_so(X, name, method):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        getattr(make(name), method)(X)
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        make(name).duality_gap(X, X)


@kinds
def test_asking_for_cupy_where_it_is_absent_tells_how_to_install_it(X, name):
    pytest.importorskip("importlib.util")
    import importlib.util

    if importlib.util.find_spec("cupy") is not None:
        pytest.skip("CuPy is installed")
    with pytest.raises(ImportError, match=r'pip install "sklearn-ebm\[cuda12\]"'):
        make(name, backend="cupy", **QUICK).fit(X)


def test_local_descent_is_refused_if_the_backend_lacks_it(X, monkeypatch):
    from sklearn_ebm.backends import numpy

    monkeypatch.setattr(numpy, "local_descent", None)
    model = make("ConvSparseCoder", solver="local_cd", backend="numpy", **QUICK)
    with pytest.raises(ValueError, match="solver='local_cd' is not available with backend='numpy'"):
        model.fit(X)


READERS = {
    "ConvSparseCoder": lambda: make("ConvSparseCoder", **QUICK),
    "ConvPSD": lambda: make("ConvPSD", **QUICK),
    "LocalContrastNormalizer": lambda: LocalContrastNormalizer(3),
    "Pooler": Pooler,
}


def caught_in_fit(model, X, y=None):
    """Return the messages about signals that a fit issues."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    return [str(each.message) for each in caught if "image_shape" in str(each.message)]


@pytest.mark.parametrize("name", READERS)
def test_rows_that_may_be_images_are_mentioned_once_in_fit(name, grey):
    rows = grey.reshape(6, -1)
    (message,) = caught_in_fit(READERS[name](), rows)
    assert "rows of 132 features" in message
    assert "set image_shape=(height, width)" in message
    assert "set image_shape=(1, 132) to silence" in message
    declared = READERS[name]().set_params(image_shape=(1, 132))
    assert caught_in_fit(declared, rows) == []  # the remedy of the message
    assert caught_in_fit(READERS[name]().set_params(image_shape=(12, 11)), rows) == []
    assert caught_in_fit(READERS[name](), grey) == []
    assert caught_in_fit(READERS[name](), grey.reshape(6, 1, -1)) == []


def test_declared_signals_are_learned_like_rows_without_a_shape(grey):
    rows = grey.reshape(6, -1)
    with pytest.warns(UserWarning, match="1-D signal"):
        plain = make("ConvPSD", **QUICK).fit(rows)
    declared = make("ConvPSD", image_shape=(1, 132), **QUICK).fit(rows)
    assert_array_equal(declared.components_, plain.components_)


def test_a_pipeline_mentions_rows_once_although_its_shapes_are_checked_before(grey):
    pipeline = make_pipeline(make("ConvPSD", **QUICK), LogisticRegression(max_iter=2))
    classifier = FineTunedClassifier(pipeline, max_iter=1)
    assert len(caught_in_fit(classifier, grey.reshape(6, -1), np.arange(6) % 2)) == 1
