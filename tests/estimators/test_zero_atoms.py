"""Atoms of norm zero may occur in a learned dictionary, and must have no effect."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from sklearn_ebm import (
    PSD,
    ConvPSD,
    ConvSparseCoder,
    GroupPenalty,
    GroupSparsePSD,
    LISTAEncoder,
    SparseCoder,
)

X = np.random.default_rng(0).standard_normal((20, 12))
IMAGES = X.reshape(5, 6, 8)
QUICK = {"alpha": 0.3, "max_iter": 1, "tol": 0, "random_state": 0}
KERNELS = {"kernel_size": 3, **QUICK, "alpha": 1.0}  # sparse codes take few iterations
DEAD, ALIVE = [0, 3], [1, 2, 4, 5]
SOLVERS = {
    **dict.fromkeys(("active_set", "cd", "fista", "ista"), SparseCoder(6, **QUICK)),
    "block_cd": SparseCoder(6, penalty=GroupPenalty(1), **QUICK),
    **dict.fromkeys(("local_cd", "fista_fft"), ConvSparseCoder(6, **KERNELS)),
}
LEARNERS = {
    "SparseCoder": (SparseCoder(6, **QUICK), X),
    "PSD": (PSD(6, **QUICK), X),
    "PSD-lcod": (PSD(6, encoder="lcod", inference="optimal", **QUICK), X),
    "GroupSparsePSD": (GroupSparsePSD(6, groups=2, **QUICK), X),
    "LISTAEncoder": (LISTAEncoder(6, **QUICK), X),
    "LISTAEncoder-lcod": (LISTAEncoder(6, encoder="lcod", **QUICK), X),
    "ConvSparseCoder": (ConvSparseCoder(6, **KERNELS), IMAGES),
    "ConvPSD": (ConvPSD(6, **KERNELS), IMAGES),
}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def with_atoms(model, data, change):
    model.fit(data)
    atoms = model.components_.copy()
    model.components_ = change(atoms)
    return model


def silenced(atoms):
    atoms[DEAD] = 0
    return atoms


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_codes_are_those_of_the_other_atoms(solver, backend, dtype):
    is_flat = isinstance(SOLVERS[solver], SparseCoder)
    tol = 1e-8 if is_flat and dtype == np.float64 else 1e-5
    options = {"code_tol": tol, "backend": backend}
    model = clone(SOLVERS[solver]).set_params(**options)
    data = (X if is_flat else IMAGES[:1] if backend == "numpy" else IMAGES).astype(dtype)
    if solver == "active_set" and backend == "numpy":
        solver = "auto"
    model = with_atoms(model, data, silenced).set_params(solver=solver)
    other = clone(model).set_params(n_components=4).fit(data)
    other.components_ = model.components_[ALIVE]
    code, expected = model.transform(data), other.transform(data)
    assert not code[..., DEAD].any()
    # Both energies are above the minimum by at most tol / 2 ||x||^2, and rounding
    half_norm = (data.reshape(len(data), -1) ** 2).sum(axis=1) / 2
    rounding = 100 * np.finfo(dtype).eps
    assert np.all(abs(model.energy(data) - other.energy(data)) <= (tol + rounding) * half_norm)
    if is_flat:  # 4 atoms in 12 dimensions, whose Gram matrix has no eigenvalue below 1/10
        distance = np.linalg.norm(code[:, ALIVE] - expected, axis=1)
        assert np.all(distance <= 2 * np.sqrt(2 * (tol + rounding) * half_norm / 0.1))


@pytest.mark.parametrize("solver", ["cd", "block_cd", "fista", "ista", "local_cd", "fista_fft"])
def test_a_dictionary_of_zeros_has_no_codes(solver):
    model = clone(SOLVERS[solver])
    data = X if isinstance(model, SparseCoder) else IMAGES
    model = with_atoms(model, data, np.zeros_like).set_params(solver=solver)
    assert not model.transform(data).any()
    assert_allclose(model.energy(data), (data.reshape(len(data), -1) ** 2).sum(axis=1) / 2)


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("learn", ["partial_fit", "warm fit"])
def test_learning_goes_on_without_them(name, learn):
    model, data = LEARNERS[name]
    for dtype in (np.float64, np.float32):
        each = with_atoms(clone(model), data.astype(dtype), silenced)
        if learn == "warm fit":
            each.set_params(warm_start=True).fit(data.astype(dtype))
        else:
            each.partial_fit(data.astype(dtype))
        assert_array_equal(each.components_[ALIVE].any(axis=tuple(range(1, data.ndim))), True)
        for result in (each.components_, each.transform(data), each.energy(data)):
            assert np.all(np.isfinite(result))


def test_single_precision_takes_a_model_of_double_precision_with_them():
    model = with_atoms(clone(LEARNERS["SparseCoder"][0]), X, silenced)
    code = model.transform(X.astype(np.float32))
    assert code.dtype == np.float32
    assert_allclose(code, model.transform(X), atol=1e-3)  # both within code_tol of the optimum


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e200])
def test_atoms_whose_squared_norm_cannot_be_held_are_refused(size):
    model = with_atoms(
        clone(LEARNERS["PSD"][0]), X, lambda atoms: np.r_[size * atoms[:1], atoms[1:]]
    )
    with pytest.raises(
        ValueError,
        match=r"components_ must have atoms whose squared norm .* got atoms 0 out of range",
    ):
        model.transform(X)
