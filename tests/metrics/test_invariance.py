"""The normalized distance compared with its definition, and its curves."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sklearn_ebm.datasets import (
    load_natural_images,
    normalize_patches,
    sample_transformed_patches,
)
from sklearn_ebm.metrics import invariance_curve, normalized_distance


@pytest.fixture
def pair():
    random = np.random.default_rng(0)
    Z = random.standard_normal((30, 7))
    return Z, 0.5 * Z + random.standard_normal((30, 7)) + 3.0


def by_all_pairs(Z, Z_changed):
    squared = ((Z[:, np.newaxis] - Z_changed) ** 2).sum(axis=2)
    return np.diag(squared).mean() / squared[~np.eye(len(Z), dtype=bool)].mean()


@pytest.mark.parametrize("n_samples", [2, 3, 30])
def test_closed_form_is_the_mean_over_all_pairs_of_different_samples(pair, n_samples):
    Z, Z_changed = (each[:n_samples] for each in pair)
    expected = by_all_pairs(Z, Z_changed)
    assert_allclose(normalized_distance(Z, Z_changed), expected, rtol=1e-12)
    assert_allclose(normalized_distance(Z_changed, Z), expected, rtol=1e-12)


def test_what_does_not_move_has_distance_zero(pair):
    Z, _ = pair
    assert normalized_distance(Z, Z.copy()) == 0


def test_unrelated_samples_have_distance_one_whatever_their_distributions():
    random = np.random.default_rng(0)
    Z = random.exponential(size=(4000, 5))
    unrelated = 3 * random.standard_normal((4000, 5)) - 2
    # The deviation of ||z - z'||^2 is about its mean: 5 standard errors of 4000 samples.
    assert_allclose(normalized_distance(Z, unrelated), 1, atol=5 / np.sqrt(4000))


def test_to_forget_the_changed_sample_is_no_invariance(pair):
    """With distances only among Z, 2 var z, a model that returns zeros would have 1/2 or less."""
    Z, _ = pair
    assert normalized_distance(Z, np.zeros_like(Z)) == pytest.approx(1, rel=1e-12)


def test_neither_unit_nor_origin_nor_basis_matters(pair):
    expected = normalized_distance(*pair)
    basis, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((7, 7)))
    moved = (1e-3 * each @ basis + 5.0 for each in pair)
    # 5.0 was rounded to 1e-15, which is 1e-12 of distances of 1e-3
    assert_allclose(normalized_distance(*moved), expected, rtol=1e-10)


def test_sparse_lists_and_float32_are_taken_in_double_precision(pair):
    Z, Z_changed = (np.where(np.abs(each) > 1, each, 0) for each in pair)
    expected = pytest.approx(normalized_distance(Z, Z_changed), rel=1e-14)  # the order of sums
    assert normalized_distance(sparse.csr_array(Z), Z_changed) == expected
    assert normalized_distance(Z, sparse.csc_matrix(Z_changed)) == expected
    assert normalized_distance(Z.tolist(), Z_changed.tolist()) == expected
    narrow = [each.astype(np.float32) for each in (Z, Z_changed)]
    wide = [each.astype(np.float64) for each in narrow]
    assert normalized_distance(*narrow) == normalized_distance(*wide)


@pytest.mark.parametrize(
    ("Z", "Z_changed", "message"),
    [
        (np.eye(3), np.eye(2), "inconsistent numbers of samples"),
        (np.eye(3), np.eye(3)[:, :2], "Z has 3 features, but Z_changed has 2 features"),
        (np.ones((1, 3)), np.ones((1, 3)), r"1 sample\(s\).*minimum of 2 is required"),
        (np.ones(3), np.ones(3), "Expected 2D array, got 1D array"),
        ([[np.nan], [1]], [[1], [1]], "Z contains NaN"),
        ([[1], [1]], [[1], [np.inf]], "Z_changed contains infinity"),
        (
            np.full((7, 3), 0.1),
            np.full((7, 3), 0.1),
            "mean distance between different samples .* must be positive",
        ),
        ([[0], [1]], [[1], [0]], "mean distance between different samples .* must be positive"),
    ],
)
def test_samples_without_a_distance_are_refused(Z, Z_changed, message):
    with pytest.raises(ValueError, match=message):
        normalized_distance(Z, Z_changed)


def test_a_curve_holds_the_distance_of_each_change(pair):
    original, changed = pair

    def represent(data):
        return sparse.csr_array(np.maximum(data, 0))

    curve = invariance_curve(represent, original, np.stack([original, changed]))
    expected = normalized_distance(np.maximum(original, 0), np.maximum(changed, 0))
    assert_array_equal(curve, [0, expected])


def test_one_change_must_be_a_sequence_of_one(pair):
    with pytest.raises(
        ValueError, match=r"Expected 3D array, got 2D array instead. Transformed data must"
    ):
        invariance_curve(np.abs, *pair)


def test_the_energy_of_quadrature_filters_does_not_see_a_grating_move():
    """cos^2 + sin^2 = 1: pooling over phases is invariant, a single phase is not."""
    grating = np.tile(np.cos(2 * np.pi * np.arange(60) / 8), (60, 1))
    images = [contrast * grating for contrast in (0.5, 1.0, 2.0)]
    shifts = [(0, 0), (0, 1), (0, 2), (0, 4)]
    patches = sample_transformed_patches(images, 8, 100, shift=shifts, random_state=0)
    phase = 2 * np.pi * np.tile(np.arange(8), 8) / 8
    filters = np.stack([np.cos(phase), np.sin(phase)], axis=1)

    def pooled(data):
        return np.linalg.norm(data @ filters, axis=1, keepdims=True)

    # shifted by whole pixels, patches differ only by rounding
    assert_allclose(invariance_curve(pooled, *patches), 0, atol=1e-20)
    simple = invariance_curve(lambda data: data @ filters, *patches)
    assert np.all(np.diff(simple) > 0)
    assert simple[-1] > 1  # after half a period, both filters have the opposite response


def test_photographs_shifted_by_a_patch_are_as_good_as_unrelated():
    images = load_natural_images()
    shifts = [(0, pixels) for pixels in (0, 1, 2, 4, 8, 16)]
    patches = sample_transformed_patches(
        images, 16, 400, shift=shifts, min_variance=25, random_state=0
    )
    curve = invariance_curve(normalize_patches, *patches)
    assert curve[0] < 1e-10
    assert np.all(np.diff(curve[:5]) > 0)
    assert curve[-1] == pytest.approx(1, abs=0.25)  # patches shifted along an edge remain similar
