"""All penalties work in all sparse models, and each code comes with the stopping criterion."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from sklearn_ebm import PSD, ConvPSD, ConvSparseCoder, LISTAEncoder, SparseCoder, sparse_encode
from sklearn_ebm.backends import numpy
from sklearn_ebm.factors import LinearDecoder, SparseEnergy, resolve_penalty, takes_alpha
from sklearn_ebm.metrics import duality_gap
from sklearn_ebm.protocols import offers
from sklearn_ebm.solvers import Criterion, Outcome, solve_lasso
from tests.contracts.penalties import (
    N_COMPONENTS,
    PENALTIES,
    Counting,
    ElasticNet,
    Huber,
    PlainL1,
    WeightedL1,
)
from tests.contracts.penalties import make as make_factor

ALPHA = 0.3
X = np.random.default_rng(0).standard_normal((40, 16))
IMAGES = X[:12].reshape(6, 4, 8)
ATOMS = np.random.default_rng(1).standard_normal((N_COMPONENTS, 16))
ATOMS /= np.linalg.norm(ATOMS, axis=1, keepdims=True)
KERNELS = ATOMS[:, :9].reshape(-1, 3, 3)
QUICK = {"alpha": ALPHA, "max_iter": 2, "tol": 0, "random_state": 0}
MODELS = {
    "SparseCoder": (SparseCoder, {}, X),
    "PSD": (PSD, {"inference": "optimal"}, X),
    "ConvSparseCoder": (ConvSparseCoder, {"kernel_size": 3}, IMAGES),
    "ConvPSD": (ConvPSD, {"kernel_size": 3, "inference": "optimal"}, IMAGES),
}
models = pytest.mark.parametrize("model", MODELS)
names = pytest.mark.parametrize("name", PENALTIES)
uncertified = pytest.mark.parametrize("penalty", [PlainL1(), Counting()], ids=["convex", "not"])
stop_of_learning = pytest.mark.filterwarnings("ignore:Maximum number of iterations")


def make(model, **parameters):
    kind, own, data = MODELS[model]
    alpha = ALPHA if takes_alpha(parameters.get("penalty", "l1")) else "scale"
    return kind(N_COMPONENTS, **{**QUICK, "alpha": alpha, **own, **parameters}), data


@pytest.mark.pairwise
@models
@names
@pytest.mark.parametrize("is_missing", [False, True], ids=["observed", "missing"])
@stop_of_learning
def test_every_penalty_works_in_every_model(model, name, is_missing):
    """Codes have lower energies than zero and random codes; energies match their definition."""
    coder, data = make(model, penalty=PENALTIES[name], missing_values=np.nan, code_tol=1e-6)
    data = data[:20] if data is X else data[:3]
    if is_missing:
        data = data.copy()
        data[0].flat[3:5] = np.nan
    code, energy = coder.fit(data).transform(data), coder.energy(data)
    assert np.any(code)
    if model not in ("SparseCoder", "ConvSparseCoder"):  # the prediction term is part of the energy
        assert np.all(np.isfinite(energy))
        return
    residual = np.where(np.isnan(data), 0, data - coder.inverse_transform(code))
    rows = code.reshape(-1, N_COMPONENTS)
    factor = resolve_penalty(PENALTIES[name], N_COMPONENTS, ALPHA)
    cost = factor.value(rows).reshape(len(data), -1).sum(axis=1)
    expected = np.sum(residual.reshape(len(data), -1) ** 2, axis=1) / 2 + cost
    assert_allclose(energy, expected, rtol=1e-10)  # sums of some hundred numbers
    half_norm = np.nansum(data.reshape(len(data), -1) ** 2, axis=1) / 2
    assert np.all(energy <= half_norm * (1 + 1e-12))  # equal if the code is zero
    assert np.mean(energy) < 0.95 * np.mean(half_norm)


@models
@stop_of_learning
def test_a_plain_l1_norm_gives_the_codes_of_the_built_in_one(model):
    """With the same atoms, energies agree to about `code_tol`."""
    conv = model.startswith("Conv")
    given = {"dictionary": KERNELS if conv else ATOMS, "code_tol": 1e-9, "code_max_iter": 20_000}
    results = []
    if model == "ConvPSD":  # its gradient is continuous in the codes that it learns from
        given["encoder"] = "smooth_shrinkage"
    for penalty in ("l1", PlainL1()):
        coder, data = make(model, penalty=penalty, **given)
        coder.fit(data)
        results.append((coder.transform(data), coder.energy(data)))
    (code, energy), (plain, plain_energy) = results
    # Encoders were trained on codes with gaps of up to 0.1 of an image's energy.
    atol, rtol = (5e-3, 1e-3) if model == "ConvPSD" else (1e-3, 1e-5)
    assert_allclose(plain, code, atol=atol)
    assert_allclose(plain_energy, energy, rtol=rtol)


def problem(penalty, alpha=ALPHA, **kinds):
    factor = resolve_penalty(penalty, N_COMPONENTS, alpha)
    return SparseEnergy(LinearDecoder(ATOMS), factor).problem(X, **kinds)


@names
def test_a_solution_names_its_stopping_criterion(name):
    solution = solve_lasso(problem(PENALTIES[name]), tol=1e-5, max_iter=5000, backend=numpy)
    assert solution.outcome is Outcome.CONVERGED
    assert np.all(solution.measure <= 1e-5)
    factor = make_factor(name)
    if offers(factor, "dual_norm") or offers(factor, "conjugate"):
        assert solution.criterion is Criterion.GAP
        assert_array_equal(solution.gap, solution.measure)
    else:
        has_own = offers(factor, "inhibition_rule")
        assert solution.criterion is (Criterion.STATIONARITY if has_own else Criterion.DECREASE)
        assert np.all(np.isnan(solution.gap))


@pytest.mark.parametrize("solver", ["fista", "ista"])
@pytest.mark.parametrize("tol", [1e-3, 1e-6])
def test_decrease_estimates_how_far_codes_are_from_the_optimum(solver, tol):
    """Also for nearly identical atoms with short steps: errors are of the size of tol."""
    alike = ATOMS + 10 * ATOMS[:1]
    alike /= np.linalg.norm(alike, axis=1, keepdims=True)
    options = {"solver": solver, "max_iter": 100_000}
    plain = sparse_encode(X, alike, ALPHA, penalty=PlainL1(), tol=tol, **options)
    gap = duality_gap(X, plain, alike, ALPHA)
    best = sparse_encode(X, alike, ALPHA, tol=1e-12)

    def energy(code):
        return np.sum((X - code @ alike) ** 2, axis=1) / 2 + ALPHA * np.abs(code).sum(axis=1)

    excess = (energy(plain) - energy(best)) / (np.sum(X**2, axis=1) / 2)
    assert np.all(excess <= 3 * tol)
    assert np.all(excess <= gap + 1e-12)


def test_one_small_step_does_not_end_the_iteration():
    """Both of the last two checks must be below tol, so that at least 20 steps are made."""
    plain = problem(PlainL1())
    best = solve_lasso(problem("l1"), tol=1e-12, backend=numpy).code
    solution = solve_lasso(plain, code=best.copy(), warm=True, tol=1e-6, backend=numpy)
    assert (solution.n_iter, solution.outcome) == (20, Outcome.CONVERGED)
    too_few = solve_lasso(plain, code=best.copy(), warm=True, tol=1e-6, max_iter=19, backend=numpy)
    assert too_few.outcome is Outcome.MAX_ITER or np.all(too_few.measure <= 1e-6)


def test_codes_of_zeros_converge():
    far_above = solve_lasso(problem(PlainL1(), alpha=1e3), backend=numpy)
    assert far_above.outcome is Outcome.CONVERGED
    assert_array_equal(far_above.code, 0)
    nothing = SparseEnergy(LinearDecoder(ATOMS), resolve_penalty(PlainL1(), N_COMPONENTS, ALPHA))
    assert solve_lasso(nothing.problem(0 * X), backend=numpy).outcome is Outcome.CONVERGED


@uncertified
def test_penalties_without_a_certificate_report_none(penalty):
    code, gap = sparse_encode(X, ATOMS, ALPHA, penalty=penalty, return_gap=True)
    assert np.all(np.isnan(gap))
    with pytest.raises(ValueError, match="duality_gap requires a convex penalty with `dual_norm`"):
        duality_gap(X, code, ATOMS, ALPHA, penalty=penalty)
    words = r"(40|37) of 40 codes did not converge .* Their energies still decrease, by up to"
    with pytest.warns(ConvergenceWarning, match=words):  # three codes of zeros stay there
        sparse_encode(X, ATOMS, ALPHA, penalty=penalty, max_iter=3)
    coder, data = make("ConvSparseCoder", penalty=penalty, max_iter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        maps = coder.fit(data).transform(data)
    assert coder.unconverged_ == 0
    with pytest.raises(ValueError, match="duality_gap requires a convex penalty"):
        coder.duality_gap(data, maps)


@pytest.mark.parametrize(
    "penalty", [ElasticNet(), Huber(), WeightedL1(0.5)], ids=lambda penalty: type(penalty).__name__
)
@pytest.mark.parametrize("solver", ["fista", "ista"])
@pytest.mark.parametrize("missing", [None, np.nan], ids=["observed", "missing"])
def test_a_conjugate_or_a_dual_norm_gives_a_certificate(penalty, solver, missing, dtype):
    """The gap bounds the energy of any other code, also if X has missing values."""
    data = X.copy()
    data[0, :3] = 0 if missing is None else missing
    options = {"penalty": penalty, "missing_values": missing, "solver": solver, "max_iter": 20_000}
    code, gap = sparse_encode(
        data.astype(dtype), ATOMS.astype(dtype), ALPHA, tol=1e-5, return_gap=True, **options
    )
    best = sparse_encode(data, ATOMS, ALPHA, tol=1e-11, **options)
    factor = resolve_penalty(penalty, N_COMPONENTS, ALPHA)

    def energy(code):
        residual = np.nan_to_num(data - code @ ATOMS)
        return np.sum(residual**2, axis=1) / 2 + factor.value(code)

    assert code.dtype == dtype
    assert np.all(gap <= 1e-5)
    saving = (energy(code.astype(float)) - energy(best)) / (np.nansum(data**2, axis=1) / 2)
    rounding = 10 * np.finfo(dtype).eps  # of X and the atoms
    assert np.all(saving <= gap + rounding)
    true = duality_gap(data, code, ATOMS, ALPHA, penalty=penalty, missing_values=missing)
    assert_allclose(true, gap, rtol=1e-2, atol=10 * rounding)


def test_steps_on_a_penalty_that_is_not_convex_never_raise_the_energy():
    plain = problem(Counting())
    code = np.zeros_like(plain.correlation)
    energies = [plain.energy(code)]
    for _ in range(30):
        code = solve_lasso(plain, code=code, warm=True, max_iter=1, backend=numpy).code
        energies.append(plain.energy(code))
    assert np.all(np.diff(energies, axis=0) <= 1e-12)
    assert np.mean(energies[-1]) < 0.95 * np.mean(energies[0])  # some codes remain zero
    automatic = solve_lasso(plain, backend=numpy)
    assert_array_equal(automatic.code, solve_lasso(plain, solver="ista", backend=numpy).code)


@pytest.mark.parametrize(
    ("solver", "name", "words"),
    [
        ("fista", "not convex", "a convex penalty; Counting is not convex. Use solver='ista'"),
        ("cd", "overlapping groups", "a separable penalty; GroupPenalty is not .*'fista'"),
        (
            "cd",
            "value and prox",
            "a separable penalty with a rule .*; PlainL1 has no such rule.*'fista'",
        ),
        ("block_cd", "l1", "a penalty on disjoint groups .*; L1Penalty is not .*'active_set'"),
    ],
)
def test_a_solver_names_the_missing_capability_and_an_alternative(solver, name, words):
    with pytest.raises(ValueError, match=f"solver='{solver}' requires {words}"):
        solve_lasso(problem(PENALTIES[name]), solver=solver, backend=numpy)


def test_a_convolutional_solver_says_so_too():
    coder, data = make("ConvSparseCoder", penalty=PlainL1(), solver="local_cd")
    with pytest.raises(ValueError, match="solver='local_cd' requires a separable penalty with a"):
        coder.fit(data)
    coder, data = make("ConvSparseCoder", penalty=Counting(), solver="fista_fft")
    with pytest.raises(ValueError, match="solver='fista_fft' requires a convex penalty"):
        coder.fit(data)


# Encoders trained on optimal codes


@stop_of_learning
@pytest.mark.parametrize("penalty", [ElasticNet(), PlainL1()], ids=["elastic", "plain"])
def test_lista_imitates_the_codes_of_a_separable_penalty(penalty):
    """Training reduces the distance to the codes of the penalty of the coder, or its own."""
    coder = SparseCoder(N_COMPONENTS, penalty=penalty, **QUICK).fit(X)
    options = {"n_steps": 1, "max_iter": 20, "random_state": 0, "tol": 0}
    encoder = LISTAEncoder(dictionary=coder, **options).fit(X)
    own = LISTAEncoder(dictionary=coder.components_, alpha=ALPHA, penalty=penalty, **options).fit(X)
    assert_array_equal(own.transform(X), encoder.transform(X))
    target = encoder.set_params(inference="optimal").transform(X)
    assert_allclose(target, coder.transform(X), atol=1e-2)  # both within code_tol
    assert encoder.validation_curve_.min() < 0.9 * encoder.validation_curve_[0]


@stop_of_learning
def test_lista_lowers_the_energy_of_a_penalty_with_a_gradient():
    options = {"alpha": ALPHA, "n_steps": 1, "loss": "energy", "random_state": 0, "max_iter": 20}
    encoder = LISTAEncoder(dictionary=ATOMS, penalty=ElasticNet(), **options).fit(X)
    assert encoder.validation_curve_.min() < encoder.validation_curve_[0]
    with pytest.raises(ValueError, match="loss='energy' requires a penalty with `gradient`; Plain"):
        LISTAEncoder(dictionary=ATOMS, penalty=PlainL1(), **options).fit(X)
