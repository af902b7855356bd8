"""LocalPSD: codes, learning, forms of images, and refusals."""

import functools
import pickle
from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from sklearn_ebm import FineTunedClassifier, Flattener, LocalPSD, make_feature_hierarchy
from sklearn_ebm.estimators import _local_units
from sklearn_ebm.factors.penalties._pools import pools_around
from tests.factors.test_local import dense
from tests.registries.image_models import photograph_parts

QUICK = {"kernel_size": 5, "pool_sigma": 1.0, "alpha": 0.5, "max_iter": 2, "tol": 0,
         "batch_size": 16, "random_state": 0}  # fmt: skip
TILES = {
    "tile": {"tile_shape": (4, 3)},
    "finer": {"tile_shape": (4, 3), "n_components": 4},
    "nothing shared": {"tile_shape": None},
}
tiles = pytest.mark.parametrize("tile", TILES)
pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")


@pytest.fixture(scope="module")
def images():
    return photograph_parts()


@functools.cache
def fitted(tile):
    """Return a model that is fitted once; tests must not change it."""
    return LocalPSD(**QUICK, **TILES[tile]).fit(photograph_parts())


def copy_of(tile, **parameters):
    return pickle.loads(pickle.dumps(fitted(tile))).set_params(**parameters)


def decoder_of(model):
    model._ready()
    return model._state.parts.decoder


# Codes


@tiles
def test_predictions_are_thresholded_products_with_the_filters_of_each_unit(tile, images):
    model = copy_of(tile, output="simple")
    encoder, decoder = model.encoder_, decoder_of(model)
    matrix = dense(decoder.with_filters(encoder.parameters["weights"]))
    bias, threshold = (
        decoder.at_places(encoder.parameters[name]) for name in ("bias", "threshold")
    )
    product = images.reshape(len(images), -1) @ matrix.T + bias
    expected = np.sign(product) * np.maximum(abs(product) - threshold, 0)
    maps = model.transform(images)
    assert maps.shape == (len(images), *decoder.map_shape)
    assert_allclose(maps.reshape(len(images), -1), expected, atol=1e-10)


@tiles
def test_pooled_features_are_norms_of_windows(tile, images):
    code = copy_of(tile, output="simple").transform(images)
    weights = pools_around(code.shape[1:3], 1.0).weights
    expected = np.sqrt(code.reshape(len(code), -1) ** 2 @ weights.T)
    assert_allclose(fitted(tile).transform(images).reshape(expected.shape), expected, rtol=1e-10)


@tiles
def test_optimal_codes_have_a_small_gap_and_no_other_code_has_less_energy(tile, images):
    model = copy_of(tile, output="simple", inference="optimal", code_tol=1e-6, code_max_iter=5000)
    X = images[:3]
    code = model.transform(X)
    assert model.duality_gap(X, code).max() <= 1.01e-6
    random, decoder = np.random.default_rng(0), decoder_of(model)
    weights, matrix = pools_around(decoder.map_shape[:2], 1.0).weights, dense(decoder)
    predicted = model.encoder_.forward(X[..., None]).reshape(3, -1)

    def energy(code):
        residual = X.reshape(3, -1) - code @ matrix
        norms = np.sqrt(code**2 @ weights.T)
        return (
            (residual**2).sum(axis=1) / 2
            + model.alpha_ * norms.sum(axis=1)
            + model.beta / 2 * ((code - predicted) ** 2).sum(axis=1)
        )

    rows = code.reshape(3, -1)
    assert_allclose(model.energy(X), energy(rows), rtol=1e-8)
    for size in (1e-4, 1e-2, 1.0):
        other = rows + size * random.standard_normal(rows.shape)
        half_norm = (X.reshape(3, -1) ** 2).sum(axis=1) / 2
        assert np.all(energy(other) >= energy(rows) - 2e-6 * half_norm)


def test_maps_move_with_images_by_whole_tiles(images):
    """Images that are moved by a tile have the same maps, moved by the units of a tile."""
    for tile in ("tile", "finer"):
        model = copy_of(tile, output="simple")
        rows, columns = model.map_shape_
        whole, moved = model.transform(images), model.transform(images[:, 4:, 3:])
        assert_allclose(moved, whole[:, rows:, columns:], atol=1e-12)


@tiles
def test_reconstructions_are_sums_of_filters(tile, images):
    model = copy_of(tile, output="simple")
    code = model.transform(images)
    expected = code.reshape(len(code), -1) @ dense(decoder_of(model))
    assert_allclose(model.inverse_transform(code), expected.reshape(images.shape), atol=1e-10)


def test_unobserved_pixels_have_no_effect(images):
    random = np.random.default_rng(0)
    seen = random.random(images.shape) < 0.8
    other = np.where(seen, images, 1e3)
    model = LocalPSD(**QUICK, **TILES["tile"], missing_values=np.nan)
    first = clone(model).fit(np.where(seen, images, np.nan))
    second = clone(model).fit(other, mask=seen)
    assert_array_equal(first.components_, second.components_)
    assert_array_equal(first.energy(other, mask=seen), first.energy(images, mask=seen))


# Learning


@tiles
@pytest.mark.parametrize("encoder", ["shrinkage", "smooth_shrinkage", "tanh"])
def test_learning_lowers_the_energy(tile, encoder, images):
    parameters = {**QUICK, "max_iter": 8, "crop_size": None, **TILES[tile]}
    model = LocalPSD(**parameters, encoder=encoder).fit(images)
    assert model.objective_curve_[-1] < 0.97 * model.objective_curve_[0]
    assert_allclose(np.sum(model.components_**2, axis=(1, 2, 3)), 1, rtol=1e-6)


def test_every_phase_of_the_tile_occurs_about_equally_often():
    criterion = copy_of("finer")._learner.criterion
    phases = []
    for criterion.online.n_steps in range(240):
        phases.append(criterion.phase())
    counts = Counter(phases)
    assert counts.keys() == {(2 * i, 2 * j) for i in range(4) for j in range(3)}
    assert max(counts.values()) <= 1.5 * min(counts.values())
    criterion.repeats = False
    assert criterion.phase() == (0, 0)


def test_units_that_are_not_in_the_tile_of_a_crop_do_not_learn(images):
    """A crop of 6 x 6 contains two by two units; the others keep their filters in one step."""
    model = LocalPSD(**{**QUICK, "batch_size": 1000, "max_iter": 1}, tile_shape=4, crop_size=6)
    before, after = (
        clone(model).set_params(learning_rate=rate).fit(images).components_
        for rate in (lambda done: 0.0, lambda done: 1e-2)
    )
    changed = np.any(after != before, axis=(1, 2, 3))
    assert 0 < changed.sum() <= 4


def test_results_depend_neither_on_threads_nor_on_the_backend(images):
    X = np.concatenate([images, images[:, ::-1], images[:, :, ::-1]])  # more than one piece
    parameters = {**QUICK, "batch_size": 40, "max_iter": 1, **TILES["finer"]}
    model = LocalPSD(**parameters).fit(X)
    with threadpool_limits(1):
        alone = LocalPSD(**parameters).fit(X)
    assert_array_equal(alone.components_, model.components_)
    reference = LocalPSD(**parameters, backend="numpy").fit(X)
    assert_allclose(reference.components_, model.components_, atol=1e-6)


@pytest.mark.parametrize("tile", ["tile", "nothing shared"])
def test_learning_goes_on_from_a_stored_model(tile, images):
    models = [copy_of(tile), copy_of(tile)]
    models[1] = pickle.loads(pickle.dumps(models[1].partial_fit(images)))
    models[0].partial_fit(images)
    for model in models:
        model.partial_fit(images)
    assert_array_equal(models[0].components_, models[1].components_)
    assert np.any(models[0].components_ != fitted(tile).components_)


def test_single_precision_is_kept(images):
    model = LocalPSD(**QUICK, **TILES["tile"]).fit(images.astype(np.float32))
    assert model.components_.dtype == model.transform(images[:2].astype(np.float32)).dtype
    assert model.components_.dtype == model.encoder_components_.dtype == np.float32


def test_a_model_scales_with_the_data(images):
    """With alpha="scale", codes and reconstructions are proportional to the data."""
    parameters = {**QUICK, **TILES["tile"], "alpha": "scale", "output": "simple"}
    first, second = (LocalPSD(**parameters).fit(unit * images) for unit in (1, 1024.0))
    assert_allclose(second.components_, first.components_, rtol=1e-6, atol=1e-9)
    codes = first.transform(images), second.transform(1024 * images)
    assert_allclose(codes[1], 1024 * codes[0], rtol=1e-5, atol=1e-6)


def test_first_filters_are_windows_that_are_drawn_a_few_at_a_time(images, monkeypatch):
    monkeypatch.setattr(_local_units, "UNITS_AT_ONCE", 5)
    parameters = {**QUICK, "max_iter": 1, **TILES["tile"]}
    model = LocalPSD(**parameters, learning_rate=lambda done: 0.0).fit(images)
    windows = np.lib.stride_tricks.sliding_window_view(images, (5, 5), axis=(1, 2))
    windows = windows.reshape(-1, 25) / np.linalg.norm(windows.reshape(-1, 25), axis=1)[:, None]
    assert_allclose((model.components_.reshape(12, 25) @ windows.T).max(axis=1), 1, rtol=1e-12)


def test_usage_counts_places_of_each_unit(images):
    model = fitted("tile")
    assert model.usage_.shape == (12,)
    assert np.all((model.usage_ > 0) & (model.usage_ <= 1))


# Forms of images


@tiles
def test_rows_images_and_channels_have_the_same_features(tile, images):
    model = fitted(tile)
    rows = copy_of(tile, image_shape=images.shape[1:])
    maps = model.transform(images)
    assert_array_equal(model.transform(images[..., None]), maps)
    flat = rows.transform(images.reshape(len(images), -1))
    assert_array_equal(flat, maps.reshape(len(images), -1))


def test_signals_have_maps_of_one_row():
    signals = np.random.default_rng(0).standard_normal((9, 30))
    model = LocalPSD(**QUICK, tile_shape=6, image_shape=(1, 30)).fit(signals)
    assert model.components_.shape == (6, 1, 5, 1)
    assert model.map_shape_ == (1, 6)
    assert model.transform(signals).shape == (9, 26)
    names = model.get_feature_names_out()
    assert [names[0], names[-1]] == ["localpsd_map0_column0", "localpsd_map0_column25"]


def test_names_of_features_of_images(images):
    assert list(fitted("tile").get_feature_names_out()) == ["localpsd_map0"]


def test_channels_are_read_together():
    X = np.random.default_rng(0).standard_normal((8, 10, 9, 3))
    model = LocalPSD(**QUICK, **TILES["tile"], output="simple").fit(X)
    assert model.components_.shape == (12, 5, 5, 3)
    assert model.inverse_transform(model.transform(X)).shape == X.shape


# Networks


@pytest.mark.parametrize("output", ["pooled", "simple"])
def test_a_classifier_trains_the_encoder(output, images):
    y = np.arange(len(images)) % 2
    features = LocalPSD(**QUICK, **TILES["tile"], output=output)
    steps = make_pipeline(features, Flattener(), LogisticRegression())
    tuned = FineTunedClassifier(steps, max_iter=3, random_state=0, early_stopping=False)
    tuned.fit(images, y)
    trained = tuned.pipeline_[0]
    assert np.any(trained.encoder_components_ != steps[0].fit(images).encoder_components_)
    expected = tuned.pipeline_.predict_proba(images)
    assert_allclose(tuned.predict_proba(images), expected, rtol=1e-8)


def test_a_hierarchy_may_consist_of_local_models(images):
    model = LocalPSD(**QUICK, **TILES["tile"])
    pipeline = make_feature_hierarchy(
        1, model=model, n_components=1, kernel_size=5, window_size=3, classifier=None
    )
    assert pipeline.fit_transform(images).shape == (len(images), 6 * 5)


# Refusals


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"n_components": 2}, "n_components must be a square number, such as 1, 4 or 9, got 2"),
        ({"kernel_size": (2, 0)}, "kernel_size must be a positive integer or a pair"),
        ({"tile_shape": (2, 2, 2)}, "tile_shape must be a positive integer or a pair"),
        ({"tile_shape": 13}, r"images of 16 x 14, .* at least 17 x 17, so that a map contains"),
        ({"kernel_size": 15}, "images of 16 x 14, but LocalPSD is expecting at least 15 x 15"),
        ({"crop_size": 4}, r"crop_size must be at least the filter size \(5, 5\), got 4"),
        ({"crop_size": (3.5, 3)}, "crop_size must be None, 'auto', a positive integer or a pair"),
    ],
)
def test_parameters_that_do_not_fit_the_images_are_refused(parameters, words, images):
    with pytest.raises(ValueError, match=words):
        LocalPSD(**{**QUICK, "tile_shape": 4, **parameters}).fit(images)


def test_without_shared_filters_all_images_have_one_size(images):
    model = copy_of("nothing shared", output="simple")
    for method in (model.transform, model.energy, model.partial_fit):
        with pytest.raises(ValueError, match=r"fitted with images of 16 x 14, and with tile_shape"):
            method(images[:, 1:])
    with pytest.raises(ValueError, match="X must contain maps of 12 x 10, since LocalPSD"):
        model.inverse_transform(np.ones((1, 8, 8, 1)))


def test_maps_that_do_not_match_are_refused():
    model = copy_of("finer", output="simple")
    with pytest.raises(
        ValueError, match=r"expecting maps of shape \(n_samples, height, width, 1\)"
    ):
        model.inverse_transform(np.ones((1, 8, 8)))
    with pytest.raises(ValueError, match="positive multiples of 2, got maps of 3 x 4"):
        model.inverse_transform(np.ones((1, 3, 4, 1)))
    with pytest.raises(ValueError, match="Set output='simple'"):
        fitted("tile").inverse_transform(np.ones((1, 12, 10, 1)))


def test_a_changed_encoder_parameter_is_used(images):
    model = copy_of("tile", output="simple")
    model.encoder_.parameters["threshold"] = 1e6 * np.ones(12)
    assert not model.transform(images).any()


def test_given_filters_must_have_the_shape_of_the_fitted_ones():
    model = copy_of("tile")
    model.components_ = model.components_[:5]
    with pytest.raises(ValueError, match="components_ has shape"):
        model.transform(photograph_parts())


def test_another_tile_requires_a_fit(images):
    model = copy_of("tile", tile_shape=(3, 4))
    with pytest.raises(ValueError, match=r"tile_shape=\(3, 4\), but this LocalPSD was fitted with"):
        model.transform(images)
