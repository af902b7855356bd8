"""Codes compared with their definition: optimality conditions, certificates, other solvers."""

import copy
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.decomposition import sparse_encode as reference_encode
from sklearn.linear_model import Lasso

from sklearn_ebm import PSD, SparseCoder, fista, ista, sparse_encode
from sklearn_ebm.factors import ENCODERS
from sklearn_ebm.metrics import duality_gap
from tests.registries.row_models import make, models, with_codes
from tests.registries.solvers import LASSO_SOLVERS

ALPHA = 1.0  # on patches of norm 8: about a tenth of the codes is non-zero
TIGHT = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-5}
solvers = pytest.mark.parametrize("solver", LASSO_SOLVERS)
signs = pytest.mark.parametrize("positive", [False, True], ids=["signed", "positive"])
PREDICTIVE = [f"PSD-{encoder}-optimal" for encoder in ENCODERS]
masked_solvers = pytest.mark.parametrize("solver", ["auto", "fista", "ista"])


@pytest.fixture(scope="module")
def X(patches):
    return patches[:50]


@pytest.fixture(scope="module")
def optimum(X, dictionary):
    return sparse_encode(X, dictionary, ALPHA, tol=1e-12)


def with_holes(X, share=0.2, value=np.nan):
    holes = np.random.default_rng(0).uniform(size=X.shape) < share
    return np.where(holes, value, X), holes


@solvers
@signs
def test_codes_meet_the_lasso_optimality_conditions(X, dictionary, dtype, solver, positive):
    tol = TIGHT[dtype]
    options = {"solver": solver, "positive": positive, "tol": tol, "max_iter": 100_000}
    code = sparse_encode(X.astype(dtype), dictionary, np.float64(ALPHA), **options)
    assert code.dtype == dtype
    correlation = (X - code @ dictionary) @ dictionary.T
    # The gap's first term is (1 - s)^2 ||r||^2 / ||x||^2, s = alpha / max |q|; ||r|| > ||x|| / 4.
    slack = 1 + 8 * tol**0.5
    assert np.all((correlation if positive else np.abs(correlation)) <= ALPHA * slack)
    # Its second term, sum |z| (alpha - s |q|) <= tol ||x||^2 / 2, is tight unless z is tiny.
    on = np.abs(code) > 1e-3
    assert_allclose(correlation[on], ALPHA * np.sign(code[on]), atol=8 * tol**0.5 + 32e3 * tol)
    assert 0.02 < on.mean() < 0.3  # neither all zero nor all non-zero
    if positive:
        assert np.all(code >= 0)


@solvers
@signs
def test_gaps_are_small_and_are_those_of_the_definition(X, dictionary, dtype, solver, positive):
    options = {"solver": solver, "positive": positive, "max_iter": 10_000, "return_gap": True}
    code, gap = sparse_encode(X.astype(dtype), dictionary, ALPHA, tol=1e-4, **options)
    assert gap.shape == (len(X),)
    assert np.all(gap <= 1e-4)
    own = duality_gap(X.astype(dtype), code, dictionary, ALPHA, positive)
    # A gap is a sum over atoms with rounding errors relative to the energy.
    assert_allclose(gap, own, rtol=1e-3, atol=200 * np.finfo(dtype).eps)


@solvers
@signs
@pytest.mark.parametrize("factor", [1.0001, 1e6])
def test_alpha_above_alpha_max_gives_exact_zeros(X, dictionary, dtype, solver, positive, factor):
    correlation = X[:1] @ dictionary.T
    alpha_max = (correlation if positive else np.abs(correlation)).max()
    encode = {"solver": solver, "positive": positive}
    above = sparse_encode(X[:1].astype(dtype), dictionary, factor * alpha_max, **encode)
    assert_array_equal(above, 0)
    below = sparse_encode(X[:1].astype(dtype), dictionary, 0.99 * alpha_max, tol=1e-6, **encode)
    assert np.count_nonzero(below) > 0


@solvers
def test_all_solvers_find_the_same_codes(X, dictionary, optimum, solver):
    """For patches and random atoms in general position, the minimum is unique."""
    code = sparse_encode(X, dictionary, ALPHA, solver=solver, tol=1e-12, max_iter=100_000)
    # The curvature on supports is above 0.05; E - E* <= 1e-12 * 32 allows a distance of 4e-5.
    assert_allclose(code, optimum, atol=4e-5)


@signs
def test_codes_are_those_of_scikit_learn(X, dictionary, positive):
    options = {"algorithm": "lasso_cd", "alpha": ALPHA, "max_iter": 100_000}
    expected = reference_encode(X, dictionary, positive=positive, **options)
    code = sparse_encode(X, dictionary, ALPHA, positive=positive, tol=1e-10)
    theirs, ours = (energies(X, each, dictionary, ALPHA) for each in (expected, code))
    assert np.all(ours <= theirs * (1 + 1e-10))  # their stopping rule is looser
    assert_allclose(code, expected, atol=0.02)


def test_code_is_that_of_a_lasso_regression_on_the_atoms(X, dictionary):
    """scikit-learn's Lasso divides the squares by the number of rows, which is features here."""
    lasso = Lasso(ALPHA / X.shape[1], fit_intercept=False, tol=1e-12, max_iter=100_000)
    code = sparse_encode(X[:5], dictionary, ALPHA, tol=1e-12)
    for x, z in zip(X[:5], code, strict=True):
        assert_allclose(z, lasso.fit(dictionary.T, x).coef_, atol=1e-4)


def energies(X, code, dictionary, alpha):
    residual = X - code @ dictionary
    return np.sum(residual**2, axis=1) / 2 + alpha * np.sum(np.abs(code), axis=1)


@solvers
@signs
def test_a_start_changes_the_way_but_not_the_optimum(X, dictionary, solver, positive):
    start = np.random.default_rng(0).standard_normal((len(X), len(dictionary)))
    start[np.abs(start) < 1.5] = 0
    before = start.copy()
    options = {"solver": solver, "positive": positive, "tol": 1e-8, "max_iter": 100_000}
    code, gap = sparse_encode(X, dictionary, ALPHA, init=start, return_gap=True, **options)
    assert_array_equal(start, before)
    assert np.all(gap <= 1e-8)
    assert np.all(duality_gap(X, code, dictionary, ALPHA, positive) <= 1e-8 + 1e-12)
    assert not positive or code.min() >= 0  # although half of the start was negative


@solvers
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_a_start_at_the_optimum_is_left_alone(X, dictionary, optimum, solver, form):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # one step must be sufficient
        code = sparse_encode(X, dictionary, ALPHA, solver=solver, init=form(optimum), max_iter=1)
    # The gap is 1e-12 of 32 at the start, and a step does not exceed the distance to the optimum.
    assert_allclose(code, optimum, atol=4e-5)


@solvers
def test_sparse_output_is_the_dense_one(X, dictionary, dtype, solver):
    options = {"solver": solver, "return_gap": True, "tol": 1e-4, "max_iter": 10_000}
    dense, gap = sparse_encode(X.astype(dtype), dictionary, ALPHA, **options)
    packed, same_gap = sparse_encode(
        X.astype(dtype), dictionary, ALPHA, sparse_output=True, **options
    )
    assert isinstance(packed, sparse.csr_array)
    assert packed.dtype == dtype
    assert packed.nnz == np.count_nonzero(dense)
    assert_array_equal(packed.toarray(), dense)
    assert_array_equal(same_gap, gap)


def test_many_pieces_are_put_together_in_order(dictionary):
    """Several pieces of at most some thousand rows each, processed by threads."""
    X = 8 * np.random.default_rng(0).standard_normal((6000, 64))
    packed, gap = sparse_encode(X, dictionary, 6.0, sparse_output=True, return_gap=True)
    assert packed.shape == (6000, 96)
    assert_allclose(gap, duality_gap(X, packed, dictionary, 6.0), rtol=1e-3, atol=1e-12)


@solvers
def test_atoms_need_no_unit_norm(X, dictionary, solver):
    """Scaling an atom is equivalent to dividing its penalty: the certificate uses the norms."""
    scaled = dictionary * np.linspace(0.5, 3, len(dictionary))[:, None]
    options = {"solver": solver, "max_iter": 100_000, "return_gap": True}
    code, gap = sparse_encode(X, scaled, ALPHA, tol=1e-6, **options)
    assert_allclose(gap, duality_gap(X, code, scaled, ALPHA), rtol=1e-3, atol=1e-12)
    assert np.all(gap <= 1e-6)


@solvers
def test_more_atoms_than_features_and_samples_can_all_be_right(solver):
    """With each atom twice, the minimum is a set of codes, and the gap certifies each of them."""
    random = np.random.default_rng(0)
    atoms = np.repeat(random.standard_normal((20, 6)), 2, axis=0)
    X = 3 * random.standard_normal((4, 6))
    options = {"solver": solver, "max_iter": 100_000, "tol": 1e-6}
    code = sparse_encode(X, atoms, 0.1, **options)
    assert np.all(duality_gap(X, code, atoms, 0.1) <= 1e-6 + 1e-12)


@masked_solvers
@pytest.mark.parametrize("missing", [np.nan, -99.0])
def test_missing_features_are_as_if_the_atoms_did_not_have_them(
    X, dictionary, solver, missing, dtype
):
    holey, holes = with_holes(X[:10], value=missing)
    options = {"solver": solver, "tol": TIGHT[dtype], "max_iter": 100_000}
    code = sparse_encode(holey.astype(dtype), dictionary, ALPHA, missing_values=missing, **options)
    assert code.dtype == dtype
    for x, hole, z in zip(X, holes, code, strict=False):
        gap = duality_gap(x[None, ~hole], z[None], dictionary[:, ~hole], ALPHA)
        assert gap[0] <= 2 * TIGHT[dtype]


def test_without_any_missing_value_every_solver_can_do_it(X, dictionary, optimum):
    code = sparse_encode(X, dictionary, ALPHA, missing_values=np.nan, solver="cd", tol=1e-12)
    assert_allclose(code, optimum, atol=4e-5)


@pytest.mark.parametrize("function", [ista, fista])
def test_functions_of_a_solver_are_sparse_encode_with_it(X, dictionary, function):
    options = {"positive": True, "tol": 1e-3, "max_iter": 10_000}
    expected = sparse_encode(X, dictionary, ALPHA, solver=function.__name__, **options)
    assert_array_equal(function(X, dictionary, ALPHA, **options), expected)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_ista_makes_the_steps_of_its_formula(X, dictionary):
    lipschitz = np.linalg.eigvalsh(dictionary @ dictionary.T)[-1]
    code = np.zeros((len(X), len(dictionary)))
    for _ in range(7):
        ahead = code + (X - code @ dictionary) @ dictionary.T / lipschitz
        code = np.sign(ahead) * np.maximum(np.abs(ahead) - ALPHA / lipschitz, 0)
    # Our L is an upper estimate, by at most 2 %, so that steps are shorter by this factor.
    assert_allclose(ista(X, dictionary, ALPHA, tol=0, max_iter=7), code, atol=0.1)
    assert np.all(
        energies(X, ista(X, dictionary, ALPHA, tol=0, max_iter=8), dictionary, ALPHA)
        < energies(X, code, dictionary, ALPHA)
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fista_is_ahead_of_ista_after_as_many_steps(X, dictionary):
    alpha = 0.1
    steps = {"tol": 0.0, "max_iter": 200, "return_gap": True}
    _, plain = ista(X, dictionary, alpha, **steps)
    _, accelerated = fista(X, dictionary, alpha, **steps)
    assert np.median(accelerated) < np.median(plain) / 10  # 1 / k^2 compared with 1 / k


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@solvers
def test_backends_agree_on_what_they_certify(X, dictionary, backend, solver):
    options = {"solver": solver, "backend": backend, "tol": 1e-6, "max_iter": 10_000}
    code = sparse_encode(X[:8], dictionary, ALPHA, **options)
    assert np.all(duality_gap(X[:8], code, dictionary, ALPHA) <= 1e-6 + 1e-12)


def test_read_only_and_mapped_data_give_the_same_codes(X, dictionary, optimum, tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert_array_equal(sparse_encode(mapped, dictionary, ALPHA, tol=1e-12), optimum)


# Codes of fitted models


def test_coder_transforms_by_sparse_encode(X, dictionary):
    coder = SparseCoder(dictionary=dictionary, alpha=ALPHA).fit(X)
    assert_array_equal(coder.components_, dictionary)  # given atoms are used unchanged
    assert_array_equal(coder.transform(X), sparse_encode(X, dictionary, ALPHA))
    assert coder.n_iter_ == 0
    assert coder.n_replaced_ == 0


def test_coder_leaves_missing_features_out(X, dictionary):
    holey, _ = with_holes(X)
    coder = SparseCoder(dictionary=dictionary, alpha=ALPHA, missing_values=np.nan).fit(holey)
    expected = sparse_encode(holey, dictionary, ALPHA, missing_values=np.nan)
    assert_array_equal(coder.transform(holey), expected)


@pytest.fixture(scope="module", params=PREDICTIVE)
def predictive(request, patches):
    """Return a fitted PSD for each encoder, with optimal codes."""
    settings = {"alpha": 0.5, "beta": 0.7, "max_iter": 3, "tol": 0, "code_tol": 1e-10}
    return make(request.param, 24, **settings).fit(patches)


def test_optimal_codes_of_psd_are_a_lasso_with_the_prediction_as_more_data(predictive, X):
    """Gram G + beta I and correlations D x' + beta f(x): data [x, sqrt(beta) f(x)]."""
    root = predictive.beta**0.5
    prediction = predictive.encoder_.forward(X)
    data = np.hstack([X, root * prediction])
    atoms = np.hstack([predictive.components_, root * np.eye(24)])
    code = predictive.transform(X)
    assert np.all(duality_gap(data, code, atoms, 0.5) <= 1.01e-10)
    assert_allclose(predictive.energy(X), energies(data, code, atoms, 0.5), rtol=1e-10)


def test_encoder_codes_of_psd_are_those_of_its_encoder(predictive, X):
    model = copy.copy(predictive).set_params(inference="encoder")
    assert_array_equal(model.transform(X), predictive.encoder_.forward(X))
    assert_array_equal(model.energy(X), predictive.energy(X))  # F(x) is a minimum in both cases


def test_energy_is_lowest_at_the_optimal_code(predictive, X):
    """The energy is convex: no step in a random direction decreases it."""
    data = predictive._inputs().read(predictive, X)
    code = predictive.transform(X)
    random = np.random.default_rng(0)
    for size in (1e-3, 1e-1):
        other = code + size * random.standard_normal(code.shape)
        assert np.all(predictive._state.parts.value(data, other) > predictive.energy(X))


@models
def test_psd_and_coder_score_by_their_energy(patches, name):
    patches = patches[:60]
    model = make(name, 8, max_iter=2, tol=0).fit(patches)
    energy = model.energy(patches)
    assert energy.shape == (len(patches),)
    assert_array_equal(model.score_samples(patches), -energy)
    assert_allclose(model.score(patches), -energy.mean(), rtol=1e-12)
    if name == "SparseCoder":
        code = model.transform(patches)
        assert_allclose(energy, energies(patches, code, model.components_, 0.5), rtol=1e-12)


@models
def test_sparse_output_of_transform_is_the_dense_one(patches, dtype, name):
    data = patches[:60].astype(dtype)
    model = make(name, 8, max_iter=1, tol=0).fit(data)
    dense = model.transform(data)
    packed = model.set_params(sparse_output=True).transform(data)
    assert isinstance(packed, sparse.csr_array)
    assert packed.dtype == dense.dtype == dtype
    assert_array_equal(packed.toarray(), dense)
    code = with_codes(model).transform(data)
    rebuilt = model.inverse_transform(code)
    assert rebuilt.dtype == dtype
    assert_allclose(rebuilt, code @ model.components_, atol=1e-5 if dtype == np.float32 else 1e-12)


def test_psd_keeps_a_given_dictionary_and_learns_to_predict_its_codes(patches, dictionary):
    settings = {"alpha": 0.5, "tol": 0, "random_state": 0, "batch_size": 50}
    model = PSD(dictionary=dictionary, max_iter=20, **settings).fit(patches)
    assert_array_equal(model.components_, dictionary)
    first = PSD(dictionary=dictionary, max_iter=1, learning_rate=1e-12, **settings).fit(patches)

    def misfit(psd):
        predicted = psd.set_params(inference="encoder").transform(patches)
        return np.mean((predicted - psd.set_params(inference="optimal").transform(patches)) ** 2)

    assert misfit(model) < misfit(first)


@models
def test_a_model_of_one_type_transforms_data_of_the_other(patches, name):
    patches = patches[:100]
    model = make(name, 8, max_iter=2, tol=0).fit(patches)
    narrow = model.transform(patches.astype(np.float32))
    assert narrow.dtype == np.float32
    # float32 rounds codes of size 10 by 1e-6; two gaps of 1e-4 allow twice their own change.
    assert_allclose(narrow, model.transform(patches), atol=0.2)
    assert np.median(np.abs(narrow - model.transform(patches))) < 1e-5


def test_components_set_by_hand_are_used(X, dictionary):
    """Reordered or edited atoms determine the codes."""
    coder = SparseCoder(dictionary=dictionary, alpha=ALPHA).fit(X)
    coder.components_ = dictionary[::-1].copy()
    assert_allclose(coder.transform(X), sparse_encode(X, dictionary[::-1], ALPHA), atol=1e-12)
