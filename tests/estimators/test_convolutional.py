"""ConvSparseCoder and ConvPSD: learning, input formats and output formats."""

import functools
import pickle
from unittest.mock import patch

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from sklearn_ebm.backends._border import BORDERS
from sklearn_ebm.factors import CONVOLUTIONAL_ENCODERS
from sklearn_ebm.learning._crops import Crops, first_kernels
from sklearn_ebm.learning.criteria import Dictionary
from tests.estimators.interruption import interrupt_after
from tests.registries.image_models import (
    ALPHA,
    SETTINGS,
    assert_same,
    borders,
    dense_dictionary,
    fitted_attributes,
    kinds,
    learned,
    make,
    models,
    photograph_parts,
    similarity,
    spikes,
    three_channels,
    unit_kernels,
)

FORMS = {  # of the same 12 images of 16 x 14
    "grey images": lambda images: images,
    "one channel": lambda images: images[..., None],
    "rows": lambda images: images.reshape(len(images), -1),
}
forms = pytest.mark.parametrize("form", FORMS)
pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")


@pytest.fixture(scope="module")
def images():
    return photograph_parts()


@pytest.fixture(scope="module")
def colours():
    return three_channels()


@functools.cache
def fitted(name):
    """Return a model of the photographs that is fitted once; tests must not change it."""
    return make(name, **SETTINGS).fit(photograph_parts())


def with_form(name, form, **parameters):
    """Return a model and its parameters for images in this format."""
    return make(name, **{"image_shape": (16, 14) if form == "rows" else None, **parameters})


# Learning


def planted(shape, n_images, kernels, density):
    """Return images of sparse spikes, each a filter of norm one times a number from one to two."""
    random = np.random.default_rng(1)
    n_components, _, _, n_channels = kernels.shape
    border = BORDERS["full"](kernels.shape[1:])
    maps = (n_images, *border.map_shape(shape, kernels.shape[1:]), n_components)
    atoms = dense_dictionary(kernels, shape, "full")
    code = spikes(random, maps, density).reshape(n_images, -1)
    images = (code @ atoms).reshape(n_images, *shape, n_channels)
    return images + 0.01 * random.standard_normal(images.shape)


@kinds
@pytest.mark.parametrize(
    ("size", "shape", "n_images"),
    [((3, 5, 5, 1), (24, 24), 5), ((3, 4, 4, 3), (20, 20), 5), ((3, 1, 12, 1), (1, 200), 7)],
    ids=["grey", "colour", "signals"],
)
def test_planted_kernels_are_found(name, size, shape, n_images):
    """Filters are found up to sign and shift, in images in which some overlap.

    With space for shifts and more filters than planted ones, filters do not converge to parts of
    two adjacent planted filters.
    """
    kernels = unit_kernels(np.random.default_rng(0), *size)
    images = planted(shape, n_images, kernels, density=0.3 / np.prod(size[:3]))
    room = (size[1] if size[1] == 1 else size[1] + 4, size[2] + 4)
    model = make(name, 3 * size[0], kernel_size=room, alpha=0.2, crop_size=None, max_iter=10, tol=0)
    if name == "ConvPSD":
        model.set_params(beta=0.1)
    model.set_params(batch_size=2).fit(images)
    assert np.all(similarity(kernels, model.components_).max(axis=1) > 0.95)


@pytest.mark.pairwise
@models
@borders
def test_objective_falls_and_kernels_keep_unit_norm(images, name, border, dtype):
    model = make(name, 8, border=border, max_iter=6, tol=0, batch_size=4).fit(images.astype(dtype))
    curve = model.objective_curve_
    assert model.n_iter_ == len(curve) == len(model.seconds_curve_) == len(model.sparsity_curve_)
    assert curve[-1] < 0.95 * curve[0]
    norm = np.sqrt(np.sum(model.components_.astype(float) ** 2, axis=(1, 2, 3)))
    assert_allclose(norm, 1, rtol=10 * np.finfo(dtype).eps)
    assert model.components_.dtype == dtype


@pytest.mark.parametrize("encoder", CONVOLUTIONAL_ENCODERS)
def test_the_encoder_learns_to_predict_better_codes_than_zero(images, encoder):
    """The energy of f(x), without the prediction term."""
    model = make("ConvPSD", 8, encoder=encoder, beta=0.5, max_iter=20, tol=0, batch_size=4)
    model.fit(images)

    def energy(maps):
        error = np.sum((model.inverse_transform(maps) - images) ** 2)
        return error / 2 + ALPHA * np.sum(np.abs(maps))

    code = model.transform(images)
    optimal = clone(model).set_params(dictionary=model.components_, beta=1e-6, inference="optimal")
    optimal.set_params(n_components=None, max_iter=1).fit(images)
    least, nothing = energy(optimal.transform(images)), energy(np.zeros_like(code))
    assert energy(code) < nothing - 0.5 * (nothing - least)


def test_the_encoder_draws_the_codes_to_what_it_says(images):
    """With a large beta, codes equal the prediction; with a small one, it has almost no effect."""
    predicted, optimal = {}, {}
    for beta in (1e-3, 1e3):
        model = make("ConvPSD", beta=beta, **SETTINGS, code_tol=1e-8).fit(images)
        predicted[beta] = model.transform(images)
        optimal[beta] = model.set_params(inference="optimal").transform(images)
    near, far = (np.abs(optimal[beta] - predicted[beta]).max() for beta in (1e3, 1e-3))
    assert near < 2e-3 < 0.1 < far  # alpha and slopes, over beta


@kinds
def test_weights_of_images_say_where_first_kernels_come_from(images, name):
    weights = np.zeros(len(images))
    weights[5] = 2.0
    settings = {"max_iter": 1, "tol": 0, "batch_size": 100, "crop_size": None}
    weighted = make(name, **settings).fit(images, sample_weight=weights)
    alone = make(name, **settings).fit(images[5:6])
    assert_same(weighted, alone, rtol=1e-9, atol=1e-11)


def test_first_kernels_take_repetitions_for_weights_and_any_order(images):
    images = images[..., None]
    weights = np.random.default_rng(0).integers(0, 3, len(images))

    def first(images, weights=None):
        return first_kernels(images, (6, 4, 3), np.random.RandomState(0), weights)

    expected = first(images, weights)
    order = np.random.default_rng(1).permutation(len(images))
    assert_array_equal(first(images[order], weights[order]), expected)
    assert_array_equal(first(np.repeat(images, weights, axis=0)), expected)
    assert_array_equal(first(images, 7 * weights), expected)


def test_first_kernels_are_windows_of_norm_one(images):
    windows = np.lib.stride_tricks.sliding_window_view(images, (4, 3), axis=(1, 2)).reshape(-1, 12)
    kernels = first_kernels(images[..., None], (6, 4, 3), np.random.RandomState(0)).reshape(6, 12)
    norms = np.linalg.norm(windows, axis=1)
    for kernel in kernels:
        assert_allclose((windows @ kernel / norms).max(), 1, rtol=1e-12)
    assert len(np.unique(kernels, axis=0)) == 6


def test_first_kernels_are_directions_where_there_are_too_few_windows():
    images = np.zeros((2, 5, 5, 1))
    images[0, 2, 2] = 1
    kernels = first_kernels(images, (40, 5, 5), np.random.RandomState(0))
    assert_allclose(np.sum(kernels**2, axis=(1, 2, 3)), 1, rtol=1e-12)
    lone = np.all(kernels == images[0], axis=(1, 2, 3))
    assert lone.sum() == 1  # the only non-zero window, selected once


@pytest.mark.parametrize("shape", [(5, 4), (16, 14), (7, 14), (1, 1)])
def test_crops_of_a_pass_are_parts_of_the_images_with_their_masks_and_weights(images, shape):
    mask = (images > 0).astype(float)[..., None]
    crops = Crops(images[..., None], mask=mask, weight=np.arange(12.0), shape=shape)
    n_crops = 12 * round(16 / shape[0]) * round(14 / shape[1])  # the area of the images
    batches = crops.batches(10, np.random.RandomState(0))
    assert sum(map(len, batches)) == n_crops
    for rows in batches[:5]:
        batch = crops.take(rows)
        taken = zip(batch.X, batch.mask, batch.weight, rows, strict=True)
        for crop, seen, weight, (n, y, x) in taken:
            here = slice(y, y + shape[0]), slice(x, x + shape[1])
            assert crop.shape == (*shape, 1)
            assert_array_equal(crop[..., 0], images[n][here])
            assert_array_equal(seen, mask[n][here])
            assert weight == n


@pytest.mark.parametrize("shape", [(5, 4), (16, 14), (7, 14)])
def test_crops_side_by_side_cover_every_pixel(images, shape):
    crops = Crops(images[..., None], shape=shape)
    covered = np.zeros(images.shape)
    for n, y, x in np.concatenate(crops.in_order(10)):
        covered[n, y : y + shape[0], x : x + shape[1]] += 1
    assert covered.min() >= 1


@kinds
@pytest.mark.parametrize("connections", [2, [[1, 0, 0], [0, 1, 1], [1, 1, 1], [0, 1, 0]]])
def test_kernels_and_filters_keep_to_their_connections(colours, name, connections):
    model = make(name, 4, connections=connections, max_iter=4, tol=0).fit(colours)
    table = model.connections_
    expected = np.full(4, 2) if connections == 2 else np.sum(connections, axis=1)
    assert_array_equal(table.sum(axis=1), expected)
    if connections == 2:
        assert np.ptp(table.sum(axis=0)) <= 1  # evenly distributed
    else:
        assert_array_equal(table, np.array(connections) > 0)
    for kernels in (model.components_, getattr(model, "encoder_components_", model.components_)):
        assert_array_equal(np.any(kernels != 0, axis=(1, 2)), table)


@kinds
def test_without_connections_all_channels_are_read(colours, name):
    model = make(name, 4, max_iter=1, tol=0).fit(colours)
    assert model.connections_ is None
    assert np.all(model.components_ != 0)


@kinds
def test_a_given_dictionary_stays_and_a_start_is_scaled(images, name):
    kernels = 2 * unit_kernels(np.random.default_rng(0), 4, 3, 3)[..., 0]
    before = kernels.copy()
    given = make(name, None, dictionary=kernels, **SETTINGS).fit(images)
    assert_array_equal(given.components_[..., 0], kernels)
    start = make(name, None, dictionary_init=kernels, **SETTINGS).fit(images)
    assert_allclose(np.sum(start.components_**2, axis=(1, 2, 3)), 1, rtol=1e-12)
    near = np.sum(start.components_[..., 0] * kernels / 2, axis=(1, 2))
    assert np.all(near > 0.2)  # changed, but not initialised again
    assert_array_equal(kernels, before)


@kinds
def test_kernels_of_signals_may_leave_out_the_height(name):
    signals = np.random.default_rng(0).standard_normal((5, 30))
    kernels = unit_kernels(np.random.default_rng(1), 4, 1, 6)
    model = make(name, None, dictionary=kernels[:, 0, :, 0], max_iter=1, tol=0).fit(signals)
    assert_array_equal(model.components_, kernels)


# Continued learning


@kinds
def test_partial_fit_takes_images_of_any_size_and_lowers_the_energy(images, name):
    model = make(name, 8, batch_size=4).partial_fit(images)
    before = model.energy(images).mean()
    for height, width in ((16, 14), (9, 11), (3, 14), (16, 5)):
        model.partial_fit(images[:, :height, :width])
    assert model.energy(images).mean() < 0.98 * before


@kinds
def test_patches_are_learned_as_rows_with_the_result_of_maps(colours, name):
    """With one position, "auto" uses a solver for matrices, and the others solvers for maps."""
    parameters = {"crop_size": "patch", "kernel_size": (4, 3), "batch_size": 64, "connections": 2}
    parameters |= {"code_tol": 1e-9, "max_iter": 3, "code_max_iter": 10_000}
    by_rows, by_maps = (
        make(name, 8, solver=solver, **parameters) for solver in ("auto", "local_cd")
    )
    with patch("sklearn_ebm.estimators._filters.Filters.learning_tol", 0.0):
        by_rows.fit(colours)
        by_maps.fit(colours)
    # Both infer codes to a gap of 1e-9, which affects later batches.
    assert_allclose(by_rows.components_, by_maps.components_, atol=1e-5)
    assert_allclose(by_rows.objective_curve_, by_maps.objective_curve_, rtol=1e-6)
    assert_array_equal(by_rows.connections_, by_maps.connections_)


@kinds
@borders
def test_kernels_of_patches_are_those_of_any_border(images, name, border):
    """Learning does not depend on the positions of filters; maps and their number do."""
    parameters = {"crop_size": "patch", "kernel_size": 5, "max_iter": 2, "batch_size": 64}
    model, valid = (make(name, 8, border=b, **parameters).fit(images) for b in (border, "valid"))
    by_crops = make(name, 8, border="valid", **{**parameters, "crop_size": 5}).fit(images)
    assert_array_equal(model.components_, valid.components_)
    assert_array_equal(valid.components_, by_crops.components_)
    maps, shape = model.transform(images), BORDERS[border]((5, 5)).map_shape((16, 14), (5, 5))
    assert maps.shape == (len(images), *shape, 8)
    if name == "ConvPSD" and border in ("full", "same"):  # inner windows contain the same pixels
        inside = [slice((n - m) // 2, (n + m) // 2) for n, m in zip(shape, (12, 10), strict=True)]
        assert_allclose(maps[:, inside[0], inside[1]], valid.transform(images), atol=1e-12)


@kinds
def test_learning_from_patches_goes_on_with_whole_images(images, name):
    model = make(name, 8, kernel_size=5, crop_size="patch", max_iter=3).fit(images)
    before = model.energy(images).mean()
    model.set_params(crop_size=None, warm_start=True, max_iter=3).fit(images)
    assert model.energy(images).mean() < before


@kinds
def test_partial_fit_over_chunks_is_one_after_another(images, name):
    start = images[:4, :3, :3]
    settings = {"dictionary_init": start, "batch_size": 4, "crop_size": None}
    whole, chunks = (make(name, None, **settings) for _ in range(2))
    whole.partial_fit(images)
    for chunk in np.split(images, 3):
        chunks.partial_fit(chunk)
    assert_array_equal(whole.components_, chunks.components_)
    assert_array_equal(whole.transform(images), chunks.transform(images))


@kinds
def test_warm_start_goes_on_and_a_cold_one_starts_again(images, name):
    model = make(name, 8, warm_start=True, **SETTINGS).fit(images)
    first, before = model.objective_curve_, model.components_.copy()
    energy = model.energy(images).mean()
    model.fit(images)
    assert model.energy(images).mean() < energy
    assert np.abs(model.components_ - before).max() < 0.5
    again = make(name, 8, **SETTINGS).fit(images).fit(images)
    assert_array_equal(again.objective_curve_, first)


@kinds
def test_a_warm_start_may_change_border_alpha_and_the_size_of_images(images, name):
    model = make(name, warm_start=True, **SETTINGS).fit(images)
    model.set_params(border="circular", alpha=1.0).fit(images[:, :11, :12])
    assert model.transform(images[:2, :11, :12]).shape == (2, 11, 12, 5)
    other = make(name, border="circular", alpha=1.0, **SETTINGS).fit(images)
    assert model.sparsity_curve_[-1] < 3 * other.sparsity_curve_[-1]


@pytest.mark.each_value
@models
@pytest.mark.parametrize("n_batches", [0, 1, 7])
def test_ctrl_c_leaves_what_the_last_whole_batch_left(images, monkeypatch, name, n_batches):
    model = make(name, **SETTINGS)
    with monkeypatch.context() as patch:
        interrupt_after(patch, Dictionary, n_batches)
        with pytest.raises(KeyboardInterrupt):
            model.fit(images)
    whole = fitted(name)
    assert fitted_attributes(model).keys() == fitted_attributes(whole).keys()
    assert model.n_iter_ == n_batches // 3  # 24 crops per pass
    assert_array_equal(model.objective_curve_, whole.objective_curve_[: model.n_iter_])
    assert np.all(np.isfinite(model.transform(images)))
    model.partial_fit(images)  # learning can continue


@kinds
def test_an_error_in_validation_leaves_the_fitted_model_as_it_was(images, name):
    model = make(name, **SETTINGS).fit(images)
    code = model.transform(images)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full_like(images, np.nan))
    assert_array_equal(model.transform(images), code)


# Invariance of learning


@models
def test_the_same_seed_gives_the_same_model_with_any_number_of_threads(images, name):
    images = np.tile(images[:6], (1, 4, 4))  # several tiles and pieces
    settings = {"max_iter": 1, "tol": 0, "crop_size": None}
    with threadpool_limits(1):
        alone = make(name, **settings).fit(images)
    with threadpool_limits(2):
        together = make(name, **settings).fit(images)
    assert_same(alone, together, rtol=0)
    other = make(name, **settings, random_state=1).fit(images)
    assert np.abs(other.components_ - alone.components_).max() > 0.1


@kinds
@borders
def test_backends_learn_the_same_to_rounding(images, name, border):
    """Steps on all positions are the same in both; codes are not fully converged."""
    settings = {"border": border, "solver": "fista_fft", "max_iter": 2, "tol": 0, "crop_size": None}
    images = images[:6, :10, :9]
    numpy, numba = (
        make(name, **settings, backend=backend).fit(images) for backend in ("numpy", "numba")
    )
    assert_same(numpy, numba, rtol=1e-6, atol=1e-8)
    code = numpy.transform(images)
    assert_allclose(numpy.set_params(backend="numba").transform(images), code, atol=1e-8)


@models
def test_float32_stays_float32(images, name):
    model = make(name, alpha=np.float64(0.3), code_tol=np.float64(1e-3), **SETTINGS)
    X = images.astype(np.float32)
    model.fit(X, sample_weight=np.linspace(0.5, 1, len(X)), mask=X > -1)
    arrays = {"components_": model.components_, "transform": model.transform(X)}
    arrays.update(getattr(getattr(model, "encoder_", None), "parameters", {}))
    arrays.update(energy=model.energy(X, mask=X > -1))
    arrays.update(inverse_transform=model.inverse_transform(arrays["transform"]))
    gap = model.duality_gap(X, arrays["transform"])
    assert gap.dtype == np.float64  # a certificate is in double precision
    arrays.update(enumerate(model._learner.criterion.online.moments))
    optimizer = model._learner.criterion.optimizer
    if optimizer is not None:
        arrays.update({f"_{k}": v for k, v in optimizer._first.items()})
    types = {key: array.dtype for key, array in arrays.items()}
    assert types == dict.fromkeys(arrays, np.dtype(np.float32))


@models
def test_data_are_neither_changed_nor_copied_whole(images, name, tmp_path):
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert not images.flags.writeable
    expected = make(name, **SETTINGS).fit(images.copy())
    assert_same(make(name, **SETTINGS).fit(images), expected, rtol=0)
    model = make(name, **SETTINGS).fit(mapped)
    assert_same(model, expected, rtol=0)
    assert_array_equal(model.transform(mapped), expected.transform(images))
    data = model._inputs().read(model, images)
    assert np.shares_memory(data.X, images)
    assert data.mask is None


@models
def test_the_order_of_memory_does_not_matter(images, name):
    """This holds for the order of images and of maps."""
    model = make(name, **SETTINGS).fit(np.asfortranarray(images))
    assert_same(model, fitted(name), rtol=1e-12)
    maps = model.transform(images)
    assert_array_equal(model.transform(np.asfortranarray(images)), maps)
    reversed_ = np.ascontiguousarray(images[:, ::-1, ::-1])[:, ::-1, ::-1]
    assert_array_equal(model.transform(reversed_), maps)
    rows = maps.reshape(len(maps), -1)
    rebuilt, gap = model.inverse_transform(maps), model.duality_gap(images, maps)
    for each in (np.asfortranarray(maps), np.asfortranarray(rows)):
        assert_allclose(model.inverse_transform(each), rebuilt, atol=1e-13)
        assert_allclose(model.duality_gap(images, each), gap, atol=1e-13)


# Formats of images and maps


@models
@forms
def test_images_are_learned_alike_in_every_form(images, name, form):
    expected = fitted(name)
    model = with_form(name, form, **SETTINGS).fit(FORMS[form](images))
    assert_same(model, expected, rtol=0)
    maps = expected.transform(images)
    assert maps.shape == (12, 18, 16, 5)
    code = model.transform(FORMS[form](images))
    assert_array_equal(code, maps.reshape(12, -1) if form == "rows" else maps)
    rebuilt = FORMS[form](expected.inverse_transform(maps))
    for each in (maps, maps.reshape(12, -1), sparse.csr_array(maps.reshape(12, -1))):
        assert_array_equal(model.inverse_transform(each), rebuilt)
    assert_array_equal(model.energy(FORMS[form](images)), expected.energy(images))


@models
def test_lists_of_images_are_images(images, name):
    model = make(name, **SETTINGS).fit(list(images))
    assert_same(model, fitted(name), rtol=0)
    assert_array_equal(model.transform(list(images)), model.transform(images))


@models
@borders
def test_images_of_another_size_than_in_fit_are_transformed(images, name, border):
    model = make(name, border=border, **SETTINGS).fit(images)
    other = images[:, :9, :12]
    maps = model.transform(other)
    assert maps.shape == (12, *BORDERS[border]((3, 3)).map_shape((9, 12), (3, 3)), 5)
    assert model.inverse_transform(maps).shape == other.shape
    alone = np.concatenate([model.transform(other[n : n + 1]) for n in range(12)])
    assert_allclose(alone, maps, atol=1e-12)


@kinds
def test_rows_without_a_shape_are_signals(name):
    signals = np.random.default_rng(0).standard_normal((8, 40))
    model = make(name, **SETTINGS).fit(signals)
    assert model.components_.shape == (5, 1, 3, 1)
    code = model.transform(signals)
    assert code.shape == (8, 42 * 5)
    assert model.inverse_transform(code).shape == (8, 40)
    assert_array_equal(model.transform(signals[:, None, :]), code.reshape(8, 1, 42, 5))


@models
@borders
def test_inverse_transform_is_the_sum_of_placed_kernels(colours, name, border):
    model = make(name, border=border, max_iter=1, tol=0).fit(colours)
    atoms = dense_dictionary(model.components_, (12, 11), border)
    random = np.random.default_rng(0)
    code = random.standard_normal((4, len(atoms)))
    assert_allclose(model.inverse_transform(code).reshape(4, -1), code @ atoms, atol=1e-12)


@models
def test_sparse_output_is_the_dense_one_as_rows(images, name):
    model = make(name, **SETTINGS).fit(images)
    dense = model.transform(images)
    model.set_params(sparse_output=True)
    code = model.transform(images)
    assert isinstance(code, sparse.csr_array)
    assert code.dtype == dense.dtype
    assert_array_equal(code.toarray(), dense.reshape(12, -1))
    assert_array_equal(model.inverse_transform(code), model.inverse_transform(dense))
    assert_array_equal(model.duality_gap(images, code), model.duality_gap(images, dense))


@models
@forms
def test_names_of_features_are_those_of_maps_and_in_rows_also_of_places(images, name, form):
    model = with_form(name, form, **SETTINGS).fit(FORMS[form](images))
    names, prefix = model.get_feature_names_out(), type(model).__name__.lower()
    if form != "rows":
        assert names.tolist() == [f"{prefix}_map{k}" for k in range(5)]
        return
    one_entry = np.zeros((1, 18, 16, 5))
    one_entry[0, 3, 7, 2] = 1
    assert names[one_entry.ravel() != 0] == [f"{prefix}_map2_row3_column7"]
    assert len(set(names)) == one_entry.size


@models
def test_names_of_features_of_signals_are_those_of_maps_and_positions(images, name):
    signals = images.reshape(12, -1)[:, :30]
    model = make(name, **{**SETTINGS, "kernel_size": 5}).fit(signals)
    names, prefix = model.get_feature_names_out(), type(model).__name__.lower()
    assert names[:2].tolist() == [f"{prefix}_map0_column0", f"{prefix}_map1_column0"]
    assert names.shape == model.transform(signals).shape[1:]


@kinds
def test_data_frames_of_rows_in_and_out(images, name):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(images.reshape(12, -1), columns=[f"pixel{k}" for k in range(16 * 14)])
    model = with_form(name, "rows", **SETTINGS).set_output(transform="pandas").fit(frame)
    code = model.transform(frame)
    assert list(code.columns) == list(model.get_feature_names_out())
    assert list(model.feature_names_in_) == list(frame.columns)
    assert_array_equal(code.to_numpy(), model.set_output(transform="default").transform(frame))


@kinds
def test_rows_pass_through_a_pipeline(images, name):
    rows, target = images.reshape(12, -1), np.arange(12) % 2
    step = with_form(name, "rows", **SETTINGS)
    pipeline = make_pipeline(step, LogisticRegression()).fit(rows, target)
    assert pipeline.predict(rows).shape == (12,)


@models
def test_a_stored_model_transforms_and_goes_on_as_before(images, name):
    model = make(name, **SETTINGS).fit(images)
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.transform(images), model.transform(images))
    assert fitted_attributes(copy).keys() == fitted_attributes(model).keys()
    copy.partial_fit(images)
    model.partial_fit(images)
    assert_array_equal(copy.components_, model.components_)
    assert_array_equal(copy.transform(images), model.transform(images))


@models
def test_a_clone_is_unfitted_and_has_the_parameters(name):
    model = fitted(name)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert fitted_attributes(copy) == {}


@kinds
def test_fitted_attributes_do_not_change_when_learning_goes_on(images, name):
    model = make(name, **SETTINGS).fit(images)
    taken = {key: value for key, value in learned(model).items() if isinstance(value, np.ndarray)}
    before = {key: value.copy() for key, value in taken.items()}
    model.partial_fit(images)
    for key, value in taken.items():
        assert_array_equal(value, before[key], key)
    assert np.any(model.components_ != before["components_"])
