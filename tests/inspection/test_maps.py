"""Maps and reconstructions of images: pixels and points compared with direct sums."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_ebm import ConvPSD, ConvSparseCoder, LocalPSD, SparseCoder
from sklearn_ebm.inspection import MapDisplay, ReconstructionDisplay

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).standard_normal((6, 12, 16))


@pytest.fixture(scope="module")
def coder(images):
    return ConvSparseCoder(5, kernel_size=3, alpha=0.5, max_iter=1, tol=0, random_state=0).fit(
        images
    )


@pytest.fixture(scope="module")
def signals():
    return np.random.default_rng(0).standard_normal((2, 60))


@pytest.fixture(scope="module")
def signal_coder(signals):
    return ConvSparseCoder(4, kernel_size=7, alpha=0.5, max_iter=1, tol=0, random_state=0).fit(
        signals
    )


def values(image):
    return np.ma.filled(image.get_array(), np.nan)


def texts(display):
    return [text.get_text() for text in display.axes_[0].texts]


# Maps


def test_maps_stand_in_the_order_of_their_sums_of_absolute_values(coder, images):
    code = coder.transform(images[:1])[0]
    total = abs(code).sum(axis=(0, 1))
    display = MapDisplay.from_estimator(coder, images[0], n_maps=3)
    assert_array_equal(display.order_, np.argsort(-total)[:3])
    assert_allclose(display.share_, total / total.sum(), rtol=1e-12)
    for shown, index in zip(display.maps_, display.order_, strict=True):
        assert_allclose(values(shown), code[..., index] / abs(code[..., index]).max(), rtol=1e-12)
    for shown, index in zip(display.kernels_, display.order_, strict=True):
        kernel = coder.components_[index, ..., 0]
        assert_allclose(values(shown), kernel / abs(kernel).max(), rtol=1e-12)
    assert texts(display) == [f"{k}: {100 * display.share_[k]:.0f} %" for k in display.order_]
    assert display.axes_[0].get_title() == "3 of 5 maps, most used first"


def test_zero_is_mid_grey_in_maps_and_kernels(coder, images):
    display = MapDisplay.from_estimator(coder, images[0], cmap="RdBu_r")
    for shown in (*display.maps_, *display.kernels_):
        assert shown.get_clim() == (-1, 1)
        assert shown.get_cmap().name == "RdBu_r"
    assert display.image_.get_cmap().name == "gray"
    assert display.image_.get_clim() == (images[0].min(), images[0].max())


def test_no_map_is_shown_twice_and_all_fit_in_the_picture(coder, images):
    display = MapDisplay.from_estimator(coder, images[0], n_maps=50, n_columns=2)
    assert sorted(display.order_) == list(range(5))
    boxes = [shown.get_extent() for shown in (display.image_, *display.maps_)]
    assert len({(left, top) for left, _, _, top in boxes}) == 6
    assert len({left for left, *_ in boxes[1:]}) == 2  # columns
    axes = display.axes_[0]
    for left, right, bottom, top in boxes:
        assert 0 <= left < right <= axes.get_xlim()[1] + 1e-9
        assert 0 <= top < bottom <= axes.get_ylim()[0] + 1e-9


def test_a_code_stands_where_the_middle_of_its_kernel_does():
    code = np.zeros((1, 14, 18, 1))  # "full": maps of 12 x 16 pixels with kernels of 3 x 3
    code[0, 5, 9] = 1.0
    kernel = np.ones((1, 3, 3, 1))
    model = ConvSparseCoder(dictionary=kernel).fit(np.ones((1, 12, 16)))
    image = model.inverse_transform(code)[0]
    rows, columns = np.nonzero(image)
    display = MapDisplay(code[0], components=kernel, image=image).plot(n_columns=2)
    left, _, _, top = display.maps_[0].get_extent()
    image_left, _, _, image_top = display.image_.get_extent()
    cell = left - image_left + 1  # the image is two pixels narrower, and centred
    assert_allclose((image_left, image_top), (left - cell + 1, top + 1))
    assert_allclose(image_top + rows.mean(), top + 5)
    assert_allclose(image_left + columns.mean() + cell, left + 9)


def test_one_position_of_a_large_map_stays_visible_with_its_sign():
    code = np.zeros((700, 500, 1))
    code[699, 3] = -2.0
    code[8, 499] = 1.0
    display = MapDisplay(code).plot()
    shown = values(display.maps_[0])
    assert max(shown.shape) <= 160
    assert shown[-1, 0] == -1.0
    assert shown[1, -1] == 0.5
    assert np.count_nonzero(shown) == 2
    assert display.kernels_ == []
    assert display.image_ is None


def test_colours_are_drawn_and_other_numbers_of_channels_are_left_out():
    for n_channels in (3, 4):
        images = np.random.default_rng(0).random((2, 9, 10, n_channels))
        coder = ConvSparseCoder(2, kernel_size=3, alpha=0.1, max_iter=1, tol=0).fit(images)
        display = MapDisplay.from_estimator(coder, images[0])
        if n_channels == 3:
            low, high = images[0].min(), images[0].max()
            assert_allclose(values(display.image_), (images[0] - low) / (high - low), atol=1e-12)
        else:
            assert display.image_ is None
        assert len(display.kernels_) == 2


def test_maps_of_signals_are_lines_below_the_signal(signal_coder, signals):
    display = MapDisplay.from_estimator(signal_coder, signals[0], n_maps=3)
    code = signal_coder.transform(signals[:1]).reshape(66, 4)
    (line,) = display.image_
    assert_allclose(line.get_ydata(), 0.45 * signals[0] / abs(signals[0]).max(), rtol=1e-12)
    assert_allclose(line.get_xdata(), np.arange(60) + 0.5)
    for row, index in enumerate(display.order_, 1):
        points = display.maps_[row - 1].get_xydata()
        scaled = code[:, index] / (abs(code[:, index]).max() or 1)
        assert_allclose(points[:, 1] + row, 0.45 * scaled, atol=1e-12)
        assert_allclose(points[:, 0], np.arange(66) - 2.5)  # three positions before the signal
        kernel = display.kernels_[row - 1]
        assert len(kernel.get_xdata()) == 7
        assert kernel.get_xdata().max() < points[0, 0]
    assert display.axes_[0].get_xlabel() == "Position"


def test_rows_of_a_shape_are_images(coder, images):
    flat = ConvSparseCoder(dictionary=coder.components_, alpha=0.5, image_shape=(12, 16))
    flat.fit(images.reshape(6, -1))
    display = MapDisplay.from_estimator(flat, images[0].ravel())
    expected = MapDisplay.from_estimator(coder, images[0])
    for shown, other in zip(display.maps_, expected.maps_, strict=True):
        assert_allclose(values(shown), values(other), rtol=1e-9)


def test_sparse_output_is_drawn_and_the_model_stays_as_it_is(coder, images):
    sparse = ConvSparseCoder(dictionary=coder.components_, alpha=0.5, sparse_output=True)
    sparse.fit(images)
    cut = images[0, :10, :11]  # the size may differ from that in fit
    display = MapDisplay.from_estimator(sparse, cut)
    expected = MapDisplay.from_estimator(coder, cut)
    assert_allclose(values(display.maps_[0]), values(expected.maps_[0]), rtol=1e-9)
    assert ReconstructionDisplay.from_estimator(sparse, cut).relative_error_ < 1
    assert sparse.sparse_output


@pytest.mark.parametrize("with_channels", [False, True])
def test_maps_are_those_under_the_mask(coder, images, with_channels):
    mask = np.random.default_rng(1).random((12, 16)) < 0.5
    code = coder.transform(images[:1], mask=mask[None])[0]
    given = mask[..., None] if with_channels else mask
    display = MapDisplay.from_estimator(coder, images[0], mask=given)
    total = abs(code).sum(axis=(0, 1))
    assert_allclose(display.share_, total / total.sum(), rtol=1e-9)


def test_a_code_of_zeros_is_drawn():
    display = MapDisplay(np.zeros((4, 4, 2)), components=np.ones((2, 2, 2, 1))).plot()
    assert_array_equal(display.share_, [0, 0])
    assert_array_equal(values(display.maps_[0]), np.zeros((4, 4)))


def test_estimators_without_maps_are_named():
    X = np.random.default_rng(0).standard_normal((20, 16))
    with pytest.raises(
        ValueError, match=r"estimator must have components_ of shape .* got PCA with shape \(2, 16"
    ):
        MapDisplay.from_estimator(PCA(2).fit(X), X[0])


@pytest.mark.parametrize(
    ("maps", "components", "message"),
    [
        ((3, 4), None, r"maps must have shape \(map_height.*got an array of shape \(3, 4\)"),
        ((3, 4, 2), (2, 3, 3), "components must have shape"),
        ((3, 4, 2), (3, 3, 3, 1), "one filter per map, got 3 filters for 2 maps"),
    ],
)
def test_inconsistent_shapes_are_refused(maps, components, message):
    components = None if components is None else np.ones(components)
    with pytest.raises(ValueError, match=message):
        MapDisplay(np.ones(maps), components=components).plot()


def test_maps_are_counted():
    with pytest.raises(ValueError, match="n_maps == 0, must be >= 1"):
        MapDisplay(np.ones((3, 3, 2))).plot(n_maps=0)


# Reconstructions


def test_image_reconstruction_and_error_stand_side_by_side(coder, images):
    display = ReconstructionDisplay.from_estimator(coder, images[0])
    expected = coder.inverse_transform(coder.transform(images[:1]))[0]
    image, reconstruction, error = (values(shown) for shown in display.images_)
    assert_allclose(image, images[0], rtol=1e-12)
    assert_allclose(reconstruction, expected, rtol=1e-9)
    assert_allclose(error, images[0] - expected, rtol=1e-9)
    relative = np.linalg.norm(images[0] - expected) / np.linalg.norm(images[0])
    assert_allclose(display.relative_error_, relative, rtol=1e-9)
    assert [axes.get_title() for axes in display.axes_] == [
        "Image",
        "Reconstruction",
        f"Relative error {relative:#.2g}",
    ]


def test_a_step_of_grey_is_the_same_difference_in_all_three_and_no_error_is_mid_grey():
    image = np.array([[10.0, 14.0], [12.0, 12.0]])
    display = ReconstructionDisplay(image, image - 1).plot()
    limits = [shown.get_clim() for shown in display.images_]
    assert limits == [(10, 14), (10, 14), (-2, 2)]


def test_colours_share_one_scale():
    image = np.random.default_rng(0).uniform(-1, 3, (4, 5, 3))
    display = ReconstructionDisplay(image, image / 2).plot()
    low, high = image.min(), image.max()
    first, second, third = (values(shown) for shown in display.images_)
    assert_allclose(first, (image - low) / (high - low), atol=1e-12)
    assert_allclose(second, (image / 2 - low) / (high - low), atol=1e-12)
    assert_allclose(third, 0.5 + image / 2 / (high - low), atol=1e-12)


def test_channels_that_are_no_colours_stand_side_by_side():
    image = np.random.default_rng(0).random((4, 5, 2))
    shown = values(ReconstructionDisplay(image, image).plot().images_[0])
    assert_allclose(shown[:, :5], image[..., 0], rtol=1e-12)
    assert_allclose(shown[:, 6:], image[..., 1], rtol=1e-12)


@pytest.mark.parametrize("told_by", ["mask", "nan", "number"])
def test_missing_pixels_are_black_and_do_not_count(coder, images, told_by):
    image = images[0].copy()
    mask = np.random.default_rng(1).random(image.shape) < 0.7
    number = {"mask": None, "nan": np.nan, "number": 99.0}[told_by]
    model = ConvSparseCoder(dictionary=coder.components_, alpha=0.5, missing_values=number)
    model.fit(images)
    if told_by != "mask":
        image[~mask] = number
    given = mask if told_by == "mask" else None
    display = ReconstructionDisplay.from_estimator(model, image, mask=given)
    expected = coder.inverse_transform(coder.transform(images[:1], mask=mask[None]))[0]
    error = (images[0] - expected)[mask]
    relative = np.linalg.norm(error) / np.linalg.norm(images[0][mask])
    assert_allclose(display.relative_error_, relative, rtol=1e-6)
    assert_array_equal(np.isnan(values(display.images_[0])), ~mask)
    assert_allclose(values(display.images_[1]), expected, atol=1e-9)  # with missing pixels
    black = display.images_[0].get_cmap()(np.ma.masked_invalid([np.nan]))
    assert_array_equal(black[0, :3], 0)


def test_signals_are_lines_on_one_scale_above_each_other(signal_coder, signals):
    display = ReconstructionDisplay.from_estimator(signal_coder, signals[0])
    expected = signal_coder.inverse_transform(signal_coder.transform(signals[:1]))[0]
    ((first,), (second,), (third,)) = display.lines_
    assert_allclose(first.get_ydata(), signals[0], rtol=1e-12)
    assert_allclose(second.get_ydata(), expected, rtol=1e-9)
    assert_allclose(third.get_ydata(), signals[0] - expected, rtol=1e-9)
    spans = [np.ptp(axes.get_ylim()) for axes in display.axes_]
    assert_allclose(spans, spans[0])
    assert_allclose(sum(display.axes_[2].get_ylim()), 0, atol=1e-12)
    assert display.axes_[0].get_title() == "Signal"
    heights = [axes.get_position().y0 for axes in display.axes_]
    assert heights == sorted(heights, reverse=True)
    assert display.images_ == []


def test_any_model_that_turns_codes_back_is_taken():
    X = np.random.default_rng(0).standard_normal((40, 12))
    coder = SparseCoder(6, max_iter=1, tol=0, random_state=0).fit(X)
    display = ReconstructionDisplay.from_estimator(coder, X[0], image_shape=(3, 4))
    expected = coder.inverse_transform(coder.transform(X[:1])).reshape(3, 4)
    assert_allclose(values(display.images_[1]), expected, rtol=1e-9)
    assert len(ReconstructionDisplay.from_estimator(PCA(2).fit(X), X[0]).lines_) == 3


@pytest.mark.parametrize("shape", [(3, 4), (2, 2, 3)])
def test_an_image_is_flattened_for_models_of_rows(shape):
    X = np.random.default_rng(0).standard_normal((40, 12))
    coder = SparseCoder(6, alpha=0.1, max_iter=1, tol=0, random_state=0).fit(X)
    mask = np.random.default_rng(1).random(shape[:2]) < 0.7
    image = X[0].reshape(shape)
    rows = X[:1], np.broadcast_to(mask.reshape(*shape[:2], -1), (*shape[:2], 12 // mask.size))
    for given, options in ((None, {}), (mask, {"mask": rows[1].reshape(1, 12)})):
        display = ReconstructionDisplay.from_estimator(coder, image, mask=given)
        expected = coder.inverse_transform(coder.transform(X[:1], **options)).reshape(shape)
        assert_allclose(np.squeeze(display.reconstruction), expected, rtol=1e-9)
    pipeline = make_pipeline(StandardScaler(), PCA(2)).fit(X)
    display = ReconstructionDisplay.from_estimator(pipeline, image)
    expected = pipeline.inverse_transform(pipeline.transform(X[:1])).reshape(shape)
    assert_allclose(np.squeeze(display.reconstruction), expected, rtol=1e-9)


def test_an_image_stays_an_image_for_pipelines_of_images(images):
    coder = ConvSparseCoder(3, kernel_size=3, alpha=0.5, max_iter=1, tol=0, random_state=0)
    pipeline = make_pipeline(FunctionTransformer(), coder).fit(images)
    display = ReconstructionDisplay.from_estimator(pipeline, images[0])
    assert_allclose(display.image[..., 0], images[0])


def test_the_encoders_codes_are_those_that_are_drawn(images):
    psd = ConvPSD(3, kernel_size=3, max_iter=1, tol=0, random_state=0).fit(images)
    display = ReconstructionDisplay.from_estimator(psd, images[0])
    expected = psd.inverse_transform(psd.transform(images[:1]))[0]
    assert_allclose(values(display.images_[1]), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.ones((1, 3, 4, 1)), r"image must have shape .* got \(1, 3, 4, 1\)"),
        (np.ones((3, 4)), r"must have the same shape, got \(3, 4, 1\) and \(4, 4, 1\)"),
    ],
)
def test_images_of_another_shape_are_refused(image, message):
    with pytest.raises(ValueError, match=message):
        ReconstructionDisplay(image, np.ones((4, 4))).plot()


def test_a_row_of_another_shape_is_refused(signals):
    coder = SparseCoder(2, max_iter=1, tol=0).fit(signals)
    with pytest.raises(
        ValueError, match=r"image has 60 features, but image_shape=\(8, 8\) requires 64"
    ):
        ReconstructionDisplay.from_estimator(coder, signals[0], image_shape=(8, 8))


# Both


def test_given_axes_are_drawn_on_and_no_new_figure_is_made(coder, images):
    figure, axes = plt.subplots(1, 3)
    maps = MapDisplay.from_estimator(coder, images[0], ax=axes[0])
    reconstruction = ReconstructionDisplay.from_estimator(coder, images[0], ax=axes)
    assert plt.get_fignums() == [figure.number]
    assert maps.axes_[0] is axes[0]
    assert_array_equal(reconstruction.axes_, axes)


@pytest.mark.parametrize("display", [MapDisplay, ReconstructionDisplay])
def test_models_must_be_fitted(display):
    with pytest.raises(NotFittedError):
        display.from_estimator(ConvSparseCoder(), np.ones((9, 9)))


class OnDevice:
    """A minimal CuPy array: NumPy cannot convert it, `get` copies it."""

    def __init__(self, values):
        self.values = values

    def get(self):
        return self.values

    def __array__(self, *arguments, **options):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")


def test_arrays_on_a_device_are_fetched(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(ndarray=OnDevice))
    away = OnDevice(np.ones((3, 4, 2)))
    display = MapDisplay(away, components=OnDevice(np.ones((2, 2, 2, 1)))).plot()
    assert_array_equal(values(display.maps_[0]), np.ones((3, 4)))
    display = ReconstructionDisplay(OnDevice(np.eye(3)), OnDevice(np.eye(3))).plot()
    assert display.relative_error_ == 0


@pytest.mark.parametrize(
    "display", [MapDisplay(np.ones((3, 3, 2))), ReconstructionDisplay(np.eye(3), np.eye(3))]
)
def test_without_matplotlib_the_error_is_the_command_to_install_it(display, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(
        ImportError, match=r'requires matplotlib. .*`pip install "sklearn-ebm\[plot\]"`'
    ):
        display.plot()


@pytest.mark.filterwarnings("ignore")
def test_a_map_of_units_with_different_filters_is_drawn_without_them():
    images = np.random.default_rng(0).standard_normal((2, 12, 12))
    model = LocalPSD(kernel_size=3, tile_shape=2, max_iter=1, random_state=0).fit(images)
    display = MapDisplay.from_estimator(model, images[0])
    assert display.kernels_ == []
    (shown,) = display.maps_
    expected = model.transform(images[:1])[0, ..., 0]
    assert_allclose(shown.get_array(), expected / abs(expected).max(), rtol=1e-6)
