"""Masks of rows: unobserved values have no effect on the reconstruction."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm import LISTAEncoder, SparseCoder

X = np.random.default_rng(0).standard_normal((60, 8))
SEEN = np.random.default_rng(1).uniform(size=X.shape) < 0.7
SETTINGS = {"alpha": 0.3, "max_iter": 2, "random_state": 0}
pytestmark = pytest.mark.filterwarnings(
    "ignore:No pass improved on the initial loss", "ignore:Maximum number of iterations"
)


def test_the_energy_that_encoders_are_trained_for_is_masked():
    """With few samples, the curve is computed on all of them; its last entry is the final model."""
    atoms = SparseCoder(6, **SETTINGS).fit(X).components_
    model = LISTAEncoder(dictionary=atoms, loss="energy", validation_fraction=0, **SETTINGS)
    model.fit(np.where(SEEN, X, np.nan), mask=SEEN)
    best = model.validation_curve_.min()
    assert_allclose(best, -model.score(X, mask=SEEN), rtol=1e-12)


def test_the_atoms_that_encoders_learn_first_are_masked():
    encoder = LISTAEncoder(6, alpha=0.3, max_iter=1, random_state=0).fit(X, mask=SEEN)
    coder = SparseCoder(6, alpha=0.3, random_state=0).fit(X, mask=SEEN)
    assert_array_equal(encoder.components_, coder.components_)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (SEEN[:, :5], r"mask has shape \(60, 5\), but X has shape \(60, 8\)"),
        (SEEN & (np.arange(60) != 3)[:, None], "mask must have .* got none for sample 3"),
        (np.where(SEEN, 1, np.nan), "mask must be 1 .* got NaN"),
        (np.where(SEEN, "1", "0"), "mask must contain booleans or numbers, got dtype <U1"),
        (np.where(SEEN, True, None), "mask must contain booleans or numbers, got dtype object"),
    ],
)
def test_masks_that_hide_nothing_by_mistake_are_refused(mask, words):
    model = SparseCoder(6, **SETTINGS).fit(X)
    for method in (SparseCoder(6).fit, model.partial_fit, model.transform, model.score):
        with pytest.raises(ValueError, match=words):
            method(X, mask=mask)
