"""ConvSparseCoder and ConvPSD: unobserved pixels, energies, certificates, warnings."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from tests.registries.image_models import (
    ALPHA,
    SETTINGS,
    assert_same,
    borders,
    dense_dictionary,
    kinds,
    make,
    models,
    photograph_parts,
    three_channels,
)
from tests.registries.solvers import CONVOLUTIONAL_LASSO_SOLVERS

pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")


@pytest.fixture(scope="module")
def images():
    return photograph_parts()


@pytest.fixture(scope="module")
def colours():
    return three_channels()


# Masks


def holes_in(images, share=0.2):
    return np.random.default_rng(0).random(images.shape) < share


@models
def test_missing_values_are_a_mask(images, name):
    holes = holes_in(images)
    with_nan = np.where(holes, np.nan, images)
    by_value = make(name, missing_values=np.nan, **SETTINGS).fit(with_nan)
    by_mask = make(name, **SETTINGS).fit(images, mask=~holes)
    assert_same(by_value, by_mask, rtol=0)
    assert_array_equal(by_value.transform(with_nan), by_mask.transform(images, mask=~holes))
    assert_array_equal(by_value.energy(with_nan), by_mask.energy(images, mask=~holes))


@models
@borders
def test_what_is_masked_has_no_influence_at_all(images, name, border):
    images = images[:4]
    holes = holes_in(images)
    changed = np.where(holes, 100.0, images)
    models = [make(name, border=border, **SETTINGS).fit(X, mask=~holes) for X in (images, changed)]
    assert_same(*models, rtol=0)
    for method in ("transform", "energy"):
        first, second = (getattr(models[0], method)(X, mask=~holes) for X in (images, changed))
        assert_array_equal(first, second)


@kinds
def test_a_mask_of_pixels_holds_for_all_channels_and_comes_in_any_form(colours, name):
    seen = ~holes_in(colours[..., 0])
    everywhere = np.repeat(seen[..., None], 3, axis=3)
    expected = make(name, **SETTINGS).fit(colours, mask=everywhere)
    assert_same(make(name, **SETTINGS).fit(colours, mask=seen), expected, rtol=0)
    rows = make(name, image_shape=(12, 11, 3), **SETTINGS)
    rows.fit(colours.reshape(6, -1), mask=everywhere.reshape(6, -1).astype(int).tolist())
    assert_same(rows, expected, rtol=0)


def test_holes_are_filled_in_by_what_surrounds_them(images):
    holes = holes_in(images, 0.1)
    model = make("ConvSparseCoder", 8, max_iter=15, tol=0).fit(images, mask=~holes)
    rebuilt = model.inverse_transform(model.transform(images, mask=~holes))
    assert np.mean((rebuilt - images)[holes] ** 2) < 0.75 * np.mean(images[holes] ** 2)


@models
@borders
def test_energy_is_that_of_the_definition_at_the_optimal_code(images, name, border):
    images = images[:4]
    holes = holes_in(images)
    model = make(name, border=border, code_tol=1e-8, **SETTINGS).fit(images, mask=~holes)
    atoms = dense_dictionary(model.components_, (16, 14), border)
    seen, rows = ~holes.reshape(4, -1), images.reshape(4, -1) * ~holes.reshape(4, -1)
    prediction = model.transform(images, mask=~holes).reshape(4, -1)
    if name == "ConvPSD":
        model.set_params(inference="optimal")
    elif name == "ConvPSD-optimal":
        model.set_params(inference="encoder")
        prediction = model.transform(images, mask=~holes).reshape(4, -1)
        model.set_params(inference="optimal")
    code = model.transform(images, mask=~holes).reshape(4, -1)
    expected = np.sum(((rows - code @ atoms) * seen) ** 2, axis=1) / 2
    expected += ALPHA * np.sum(np.abs(code), axis=1)
    if name != "ConvSparseCoder":
        expected += np.sum((code - prediction) ** 2, axis=1) / 2  # beta is one
    assert_allclose(model.energy(images, mask=~holes), expected, rtol=1e-10)
    assert_allclose(model.score_samples(images, mask=~holes), -expected, rtol=1e-10)
    assert_allclose(model.score(images, mask=~holes), -expected.mean(), rtol=1e-10)


@models
def test_the_gap_bounds_how_far_codes_are_from_the_optimum(images, name):
    model = make(name, code_tol=1e-6, **SETTINGS).fit(images)
    if name == "ConvPSD":
        model.set_params(inference="optimal")
    code = model.transform(images)
    gap = model.duality_gap(images, code)
    assert np.all((gap >= -1e-12) & (gap <= 1.01e-6))
    zero = model.duality_gap(images, np.zeros_like(code))
    assert np.all(zero >= 1 - model.energy(images) / (np.sum(images**2, axis=(1, 2)) / 2) - 1e-6)
    assert zero.max() > 0.5
    rows = model.duality_gap(images, code.reshape(12, -1))
    assert_array_equal(rows, gap)


@kinds
def test_gaps_of_single_precision_are_those_of_the_same_numbers_in_double(images, name):
    """Rounding of sums in single precision can change a small gap by tens of per cent."""
    X, seen = images.astype(np.float32), ~holes_in(images)
    model = make(name, **SETTINGS).fit(X)
    maps = model.transform(X, mask=seen)
    gap = model.duality_gap(X, maps, mask=seen)
    assert_array_equal(gap, model.duality_gap(X.astype(float), maps.astype(float), mask=seen))


@pytest.mark.parametrize("border", ["full", "valid"])
def test_negative_maps_of_a_positive_model_have_an_infinite_gap(images, border):
    """Such maps are infeasible, however well they fit."""
    model = make("ConvSparseCoder", border=border, positive=True, **SETTINGS).fit(images)
    maps = model.transform(images)
    assert np.all(model.duality_gap(images, maps) <= 1e-3)
    maps[3, 2, 1, 0] = -1e-30
    assert_array_equal(np.isinf(model.duality_gap(images, maps)), np.arange(12) == 3)


def test_gaps_that_double_precision_cannot_hold_are_infinite_or_refused():
    kernel, images = np.full((1, 2, 2), 1e40), np.full((1, 3, 3), 1e-150)
    model = make("ConvSparseCoder", dictionary=kernel, border="valid", n_components=None)
    model.set_params(alpha=1e-120).fit(np.ones((1, 3, 3)))
    assert_array_equal(model.duality_gap(np.ones((1, 3, 3)), np.full((1, 2, 2, 1), 1e200)), np.inf)
    with pytest.raises(ValueError, match="their squares underflow"):
        model.duality_gap(images, np.zeros((1, 2, 2, 1)))


@pytest.mark.parametrize("solver", CONVOLUTIONAL_LASSO_SOLVERS)
def test_inference_that_ends_early_warns_and_names_the_gap(images, solver):
    model = make("ConvSparseCoder", **SETTINGS).fit(images)
    model.set_params(solver=solver, code_max_iter=1, code_tol=1e-5)
    words = r"max_iter=1 iter.* up to (\S+) of .* above tol=1.0e-05. Increase code_max_iter"
    with pytest.warns(ConvergenceWarning, match=words) as record:
        code = model.transform(images)
    gap = model.duality_gap(images, code).max()
    assert f"up to {gap:.1e} of" in str(record[0].message)


@kinds
def test_alpha_above_all_correlations_warns_that_nothing_was_learned(images, name):
    model = make(name, alpha=1e3, max_iter=2)
    with pytest.warns(ConvergenceWarning, match=r"alpha=1000.0 is so large that every code is"):
        model.fit(images)
    assert_array_equal(model.usage_, 0)


@models
def test_positive_codes_are_positive(images, name):
    model = make(name, positive=True, **SETTINGS).fit(images)
    if name != "ConvPSD":
        code = model.transform(images)
        assert np.all(code >= 0)
        assert np.any(code > 0)
    assert model.energy(images).mean() < np.sum(images**2) / 2 / len(images) * 1.5


@kinds
def test_verbose_prints_a_line_for_each_pass(images, name, capsys):
    model = make(name, verbose=1, **SETTINGS).fit(images)
    lines = capsys.readouterr().out.splitlines()
    kind = type(model).__name__
    for n, (line, objective) in enumerate(zip(lines, model.objective_curve_, strict=True), 1):
        assert line.startswith(f"[{kind}] pass {n}: objective {objective:.4g}, ")
