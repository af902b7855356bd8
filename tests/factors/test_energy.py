"""The inference problem of an energy is the energy as a function of the code."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_ebm.factors import L1, LinearDecoder, SparseEnergy

BETA = 0.7
cases = pytest.mark.parametrize("masked", [False, True], ids=["observed", "masked"])
predicted = pytest.mark.parametrize("predicted", [False, True], ids=["plain", "predicted"])


@pytest.fixture
def energy(dictionary):
    return SparseEnergy(LinearDecoder(dictionary), L1(0.5), beta=BETA)


def _arguments(patches, dictionary, masked, predicted):
    random = np.random.default_rng(0)
    X = patches[:20].copy()
    mask = (random.uniform(size=X.shape) < 0.8).astype(X.dtype) if masked else None
    X = X * mask if masked else X
    prediction = random.standard_normal((len(X), len(dictionary))) if predicted else None
    return X, prediction, mask


@cases
@predicted
def test_problem_has_the_energy_of_its_definition(energy, patches, dictionary, masked, predicted):
    X, prediction, mask = _arguments(patches, dictionary, masked, predicted)
    code = np.random.default_rng(1).standard_normal((len(X), len(dictionary)))
    residual = (X - code @ dictionary) * (1 if mask is None else mask)
    expected = np.sum(residual**2, axis=1) / 2 + 0.5 * np.sum(np.abs(code), axis=1)
    if predicted:
        expected += BETA / 2 * np.sum((code - prediction) ** 2, axis=1)
    # sums of some hundred float64 terms of about the size of the total
    assert_allclose(energy.value(X, code, prediction, mask), expected, rtol=1e-12)
    assert_allclose(energy.problem(X, prediction, mask).energy(code), expected, rtol=1e-12)


@cases
@predicted
def test_product_and_correlation_are_the_gradient(energy, patches, dictionary, masked, predicted):
    X, prediction, mask = _arguments(patches, dictionary, masked, predicted)
    problem = energy.problem(X, prediction, mask)
    random = np.random.default_rng(1)
    code, direction = random.standard_normal((2, len(X), len(dictionary)))
    smooth = SparseEnergy(energy.decoder, L1(0.0), BETA)
    ahead, behind = (smooth.value(X, code + t * direction, prediction, mask) for t in (0.5, -0.5))
    gradient = problem.product(code) - problem.correlation
    # Central differences are exact for a quadratic function, for any step.
    assert_allclose(np.sum(gradient * direction, axis=1), ahead - behind, rtol=1e-9)


@cases
@predicted
def test_lipschitz_bounds_the_curvature(energy, patches, dictionary, masked, predicted):
    problem = energy.problem(*_arguments(patches, dictionary, masked, predicted))
    steepest = np.linalg.eigh(energy.decoder.gram).eigenvectors[:, -1]
    code = np.tile(steepest, (20, 1))
    curvature = np.sum(problem.product(code) * code, axis=1)
    assert np.all(curvature <= problem.lipschitz)
    if not masked:  # and closely: within the safety factor of the estimate
        assert problem.lipschitz <= 1.03 * curvature.max()


@cases
@predicted
def test_rows_are_the_problem_of_those_samples(energy, patches, dictionary, masked, predicted):
    X, prediction, mask = _arguments(patches, dictionary, masked, predicted)
    problem, index = energy.problem(X, prediction, mask), np.array([3, 11, 4])
    code = np.random.default_rng(1).standard_normal((len(X), len(dictionary)))
    part = problem.rows(index)
    assert_allclose(part.energy(code[index]), problem.energy(code)[index], rtol=1e-12)
    assert_allclose(part.relative_gap(code[index]), problem.relative_gap(code)[index], rtol=1e-9)


@predicted
def test_everything_stays_in_the_type_of_the_data(patches, dictionary, predicted):
    energy = SparseEnergy(
        LinearDecoder(dictionary).astype(np.dtype(np.float32)), L1(0.5), beta=BETA
    )
    X, prediction, _ = _arguments(patches, dictionary, False, predicted)
    X = X.astype(np.float32)
    prediction = None if prediction is None else prediction.astype(np.float32)
    problem = energy.problem(X, prediction)
    code = problem.correlation
    assert code.dtype == problem.half_norm.dtype == problem.gram.dtype == np.float32
    assert energy.value(X, code, prediction).dtype == problem.energy(code).dtype == np.float32


def test_decoder_decodes_sparse_codes_and_remembers_its_casts(dictionary):
    from scipy import sparse

    decoder = LinearDecoder(dictionary)
    random = np.random.default_rng(0)
    shape = 4, len(dictionary)
    code = sparse.csr_array(random.random(shape) * (random.random(shape) < 0.2))
    assert_allclose(decoder.decode(code), code.toarray() @ dictionary, atol=1e-14)
    narrow = decoder.astype(np.dtype(np.float32))
    assert narrow is decoder.astype(np.dtype(np.float32))
    assert narrow.gram.dtype == np.float32
    assert decoder.astype(np.dtype(np.float64)) is decoder


def test_correlations_hold_to_rounding_although_negligible_entries_are_left_out(dtype):
    """For tails of peaks that are far below the rounding of their maximum."""
    distance = np.arange(64) - np.linspace(0, 64, 40)[:, None]
    atoms = np.logspace(-3, 3, 40)[:, None] * np.exp(-(distance**2) / 4)
    X = np.random.default_rng(0).standard_normal((5, 64)).astype(dtype)
    atoms = atoms.astype(dtype)
    exact = X.astype(np.longdouble) @ atoms.astype(np.longdouble).T
    size = np.linalg.norm(X, axis=1)[:, None] * np.linalg.norm(atoms, axis=1)
    error = np.abs(LinearDecoder(atoms).correlate(X) - exact)
    assert np.all(error <= 8 * np.finfo(dtype).eps * size)
