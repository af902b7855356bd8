"""The elastic net compared with scikit-learn's, and its quadratic part as a term of the energy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import ElasticNet
from sklearn.model_selection import GridSearchCV

from sklearn_ebm import (
    PSD,
    ConvPSD,
    ConvSparseCoder,
    ElasticNetPenalty,
    L1Penalty,
    LISTAEncoder,
    SparseCoder,
    sparse_encode,
)
from sklearn_ebm.backends import numba, numpy
from sklearn_ebm.factors import (
    ConvolutionalDecoder,
    LinearDecoder,
    SparseEnergy,
    resolve_penalty,
)
from sklearn_ebm.metrics import duality_gap
from sklearn_ebm.solvers import solve_lasso
from tests.registries.solvers import CONVOLUTIONAL_LASSO_SOLVERS, LASSO_SOLVERS

ALPHA, RATIO = 0.7, 0.3
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((8, 12))
ATOMS = RANDOM.standard_normal((30, 12))
ATOMS /= np.linalg.norm(ATOMS, axis=1, keepdims=True)
PENALTY = ElasticNetPenalty(RATIO)
TIGHT = {"tol": 3e-14, "max_iter": 100_000}
signs = pytest.mark.parametrize("positive", [False, True], ids=["signed", "positive"])
backends = pytest.mark.parametrize("backend", ["numpy", "numba"])
quick = {"max_iter": 2, "tol": 0, "random_state": 0}
few_passes = pytest.mark.filterwarnings("ignore:No pass improved on the initial loss")


def optimum(positive):
    """Return the codes of scikit-learn, which divides the misfit by the number of features."""
    settings = {"alpha": ALPHA / X.shape[1], "l1_ratio": RATIO, "positive": positive}
    model = ElasticNet(fit_intercept=False, tol=1e-14, max_iter=100_000, **settings)
    return np.array([model.fit(ATOMS.T, x).coef_ for x in X])


@pytest.mark.parametrize("solver", LASSO_SOLVERS)
@backends
@signs
def test_codes_are_those_of_scikit_learn_and_have_no_gap(solver, backend, positive):
    """1/2 mu d^2 <= 3e-14 * 6 with a curvature mu of at least alpha (1 - l1_ratio) = 0.5."""
    options = {"penalty": PENALTY, "positive": positive}
    code, gap = sparse_encode(
        X, ATOMS, ALPHA, solver=solver, backend=backend, return_gap=True, **TIGHT, **options
    )
    assert_allclose(code, optimum(positive), atol=1e-6)
    assert np.all(gap <= 3e-14)
    assert np.all(duality_gap(X, code, ATOMS, ALPHA, **options) <= 1e-13)  # with rounding
    assert 0 < np.mean(code != 0) < 1


@signs
def test_missing_values_leave_the_problem_of_the_observed_features(positive):
    holes = np.random.default_rng(1).uniform(size=X.shape) < 0.3
    options = {"penalty": PENALTY, "positive": positive, **TIGHT}
    code = sparse_encode(np.where(holes, np.nan, X), ATOMS, ALPHA, missing_values=np.nan, **options)
    for x, z, seen in zip(X, code, ~holes, strict=True):
        alone = sparse_encode(x[None, seen], ATOMS[:, seen], ALPHA, **options)
        assert_allclose(z, alone[0], atol=3e-6)  # both as close to the optimum as above


@signs
@backends
def test_a_share_of_one_is_the_l1_penalty(positive, backend):
    options = {"positive": positive, "backend": backend, "return_gap": True}
    expected = sparse_encode(X, ATOMS, ALPHA, penalty=L1Penalty(), **options)
    results = sparse_encode(X, ATOMS, ALPHA, penalty=ElasticNetPenalty(1), **options)
    for result, wanted in zip(results, expected, strict=True):
        assert_array_equal(result, wanted)
    with_l1 = SparseCoder(6, penalty="l1", **quick).fit(X)
    same = SparseCoder(6, penalty=ElasticNetPenalty(1.0), **quick).fit(X)
    assert_array_equal(same.energy(X), with_l1.energy(X))
    assert same.alpha_ == with_l1.alpha_


def energies():
    """Yield energies with their data, codes and other terms: predictions and masks or none."""
    random = np.random.default_rng(2)
    kernels = random.standard_normal((4, 2, 2, 1)) / 2  # norms of about one
    for name, decoder in {
        "rows": LinearDecoder(ATOMS),
        "images": ConvolutionalDecoder(kernels, (3, 4)),
    }.items():
        for is_masked in (False, True):
            for beta in (0.0, 0.6):
                factor = resolve_penalty(PENALTY, 4 if name == "images" else 30, ALPHA)
                mask = (random.uniform(size=X.shape) < 0.8).astype(float) if is_masked else None
                shape = len(X), decoder.code_size
                prediction = random.standard_normal(shape) if beta else None
                yield pytest.param(
                    SparseEnergy(decoder, factor, beta),
                    {"prediction": prediction, "mask": mask},
                    id=f"{name}, {'masked, ' * is_masked}beta={beta}",
                )


@pytest.mark.parametrize(("energy", "terms"), list(energies()))
def test_the_inference_problem_has_the_energy_of_the_model(energy, terms):
    """Energies are equal, gaps bound the excess and vanish at the optimum, for every solver."""
    data = X if terms["mask"] is None else X * terms["mask"]
    problem = energy.problem(data, **terms)
    code = np.random.default_rng(3).standard_normal((len(X), energy.decoder.code_size))
    code *= np.random.default_rng(4).uniform(size=code.shape) < 0.3
    assert_allclose(problem.energy(code), energy.value(data, code, **terms), rtol=1e-12)
    assert_allclose(problem.energy(0 * code), problem.half_norm, rtol=1e-12)
    is_conv = isinstance(energy.decoder, ConvolutionalDecoder)
    best = None
    for solver in CONVOLUTIONAL_LASSO_SOLVERS if is_conv else ("auto", "fista"):
        solution = solve_lasso(problem, solver=solver, tol=1e-12, max_iter=50_000, backend=numba)
        assert np.all(problem.relative_gap(solution.code) <= 2e-12)
        best = problem.energy(solution.code)
        excess = (problem.energy(code) - best) / problem.half_norm
        assert np.all((excess > 0) & (excess <= problem.relative_gap(code)))
        assert_allclose(problem.certificate(code), problem.relative_gap(code), rtol=0.5)
    reference = solve_lasso(problem, solver="fista", tol=1e-12, max_iter=50_000, backend=numpy)
    assert_allclose(problem.energy(reference.code), best, rtol=1e-10)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (SparseCoder, {}),
        (PSD, {"inference": "optimal"}),
        (ConvSparseCoder, {"kernel_size": 2}),
        (ConvPSD, {"kernel_size": 2, "inference": "optimal"}),
    ],
)
@few_passes
def test_codes_of_models_are_optimal_for_the_whole_energy(kind, options):
    """Gaps are within `code_tol`, and energies are those of the definition."""
    data = X.reshape(8, 3, 4) if "kernel_size" in options else X
    model = kind(5, alpha=0.3, penalty=PENALTY, code_tol=1e-8, **quick, **options).fit(data)
    code = model.transform(data)
    assert np.all(model.duality_gap(data, code) <= 2e-8)
    if kind in (SparseCoder, ConvSparseCoder):
        misfit = (data - model.inverse_transform(code)) ** 2
        cost = 0.3 * (RATIO * np.abs(code) + (1 - RATIO) / 2 * code**2)
        by_sample = [array.reshape(8, -1).sum(axis=1) for array in (misfit / 2, cost)]
        assert_allclose(model.energy(data), sum(by_sample), rtol=1e-9)


@few_passes
def test_an_unrolled_encoder_lowers_the_energy():
    data = np.random.default_rng(5).standard_normal((60, 12))
    options = {"alpha": ALPHA, "penalty": PENALTY, "random_state": 0, "max_iter": 20}
    for loss in ("energy", "codes"):
        encoder = LISTAEncoder(dictionary=ATOMS, n_steps=1, loss=loss, **options).fit(data)
        assert encoder.validation_curve_.min() < encoder.validation_curve_[0]


def test_an_automatic_alpha_requires_a_degree():
    for kind in (SparseCoder, PSD, LISTAEncoder):
        with pytest.raises(ValueError, match=r"alpha must be a number for penalty=ElasticNetPenal"):
            kind(4, penalty=PENALTY, **quick).fit(X)


@pytest.mark.parametrize("share", [0, -0.1, 1.5, np.nan, "half", None, True])
def test_shares_out_of_range_are_refused(share):
    with pytest.raises(ValueError, match="l1_ratio must be a number greater than 0 and at most 1"):
        sparse_encode(X, ATOMS, ALPHA, penalty=ElasticNetPenalty(share))


def test_shares_that_underflow_are_refused():
    with pytest.raises(ValueError, match=r"l1_ratio must be at least 1e-15, got 1e-45"):
        sparse_encode(X, ATOMS, ALPHA, penalty=ElasticNetPenalty(1e-45))


def test_the_share_can_be_searched():
    model = SparseCoder(dictionary=ATOMS[:5], alpha=0.3, penalty=ElasticNetPenalty())
    search = GridSearchCV(model, {"penalty__l1_ratio": [0.1, 0.9]}, cv=2).fit(X)
    assert search.best_params_["penalty__l1_ratio"] in (0.1, 0.9)
    assert search.best_estimator_.penalty == ElasticNetPenalty(
        search.best_params_["penalty__l1_ratio"]
    )
