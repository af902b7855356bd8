"""Projections of atoms on sets in place of the unit ball."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from sklearn_ebm import PSD, SmoothAtoms, SparseAtoms, SparseCoder

N_FEATURES = 12
ATOMS = np.random.default_rng(0).standard_normal((9, N_FEATURES))
ATOMS *= np.geomspace(0.002, 50, 9)[:, None]


def smoothness(atoms, shape):
    """Return the sum of squared differences of adjacent entries of each atom."""
    grid = atoms.reshape(len(atoms), *shape, -1)
    squares = [np.diff(grid, axis=1 + axis) ** 2 for axis in range(len(shape))]
    return sum(each.reshape(len(atoms), -1).sum(axis=1) for each in squares)


def sparse_size(constraint, atoms):
    return np.sum(atoms**2, axis=1) + constraint.gamma * np.abs(atoms).sum(axis=1)


def smooth_size(constraint, atoms):
    shape = constraint.shape or (atoms.shape[1],)
    return np.sum(atoms**2, axis=1) + constraint.gamma * smoothness(atoms, shape)


CONSTRAINTS = {
    "sparse": (SparseAtoms(0.7), sparse_size),
    "very sparse": (SparseAtoms(20.0), sparse_size),
    "ball": (SparseAtoms(0), sparse_size),
    "smooth signals": (SmoothAtoms(gamma=2.0), smooth_size),
    "smooth images": (SmoothAtoms((3, 4), gamma=1.5), smooth_size),
    "smooth colours": (SmoothAtoms((2, 2), gamma=100.0), smooth_size),
    "smooth channels": (SmoothAtoms((4,), gamma=0.3), smooth_size),
    "ball of images": (SmoothAtoms((3, 4), gamma=0), smooth_size),
}
constraints = pytest.mark.parametrize(("constraint", "size"), CONSTRAINTS.values(), ids=CONSTRAINTS)


@constraints
def test_projection_is_the_closest_atom_in_the_set(constraint, size):
    """SLSQP on a few atoms; a general solver has fewer digits."""
    closest = constraint.project(ATOMS)
    for atom, found in zip(ATOMS[:6:2], closest[:6:2], strict=True):
        # with d = p - q and p, q >= 0, the set is smooth
        def distance(both, atom=atom):
            difference = both[:N_FEATURES] - both[N_FEATURES:] - atom
            return difference @ difference

        def room(both):
            atom = (both[:N_FEATURES] - both[N_FEATURES:])[None]
            if size is sparse_size:
                return 1 - np.sum(atom**2) - constraint.gamma * np.sum(both)
            return 1 - size(constraint, atom)[0]

        start = np.concatenate([np.maximum(found, 0), np.maximum(-found, 0)]) * 0.9
        result = minimize(
            distance, start, method="SLSQP", bounds=[(0, None)] * len(start),
            constraints={"type": "ineq", "fun": room}, options={"maxiter": 1000, "ftol": 1e-14},
        )  # fmt: skip
        other = result.x[:N_FEATURES] - result.x[N_FEATURES:]
        assert np.sum((found - atom) ** 2) <= distance(result.x) * (1 + 1e-6) + 1e-9
        assert_allclose(found, other, atol=2e-3)


@constraints
def test_projections_are_in_the_set_and_stay_where_they_are(constraint, size):
    closest = constraint.project(ATOMS)
    sizes = size(constraint, closest)
    assert np.all(sizes <= 1 + 1e-12)
    is_outside = size(constraint, ATOMS) > 1
    assert 0 < is_outside.sum() < len(ATOMS)
    assert_allclose(sizes[is_outside], 1, rtol=1e-12)
    assert_allclose(closest[~is_outside], ATOMS[~is_outside], rtol=1e-12)
    assert_allclose(constraint.project(closest), closest, atol=1e-12)


@constraints
def test_angles_with_all_other_atoms_of_the_set_are_obtuse(constraint, size):
    """(u - p) . (y - p) <= 0 for the projection p of u and any y in a convex set."""
    closest = constraint.project(ATOMS)
    others = constraint.project(np.random.default_rng(1).standard_normal((200, N_FEATURES)) * 3)
    for atom, found in zip(ATOMS, closest, strict=True):
        assert np.all((others - found) @ (atom - found) <= 1e-9 * (1 + np.abs(atom).max()))


@constraints
def test_single_precision_stays_and_is_accurate(constraint, size):
    closest = constraint.project(ATOMS.astype(np.float32))
    assert closest.dtype == np.float32
    assert_allclose(closest, constraint.project(ATOMS), atol=2e-5)


def test_atoms_of_zeros_and_ties_are_projected():
    assert not SparseAtoms(1.0).project(np.zeros((2, 5))).any()
    assert not SmoothAtoms(gamma=1.0).project(np.zeros((2, 5))).any()
    (tied,) = SparseAtoms(1.0).project(np.full((1, 4), -3.0))
    assert_array_equal(tied, tied[0])
    assert_allclose(4 * tied[0] ** 2 - 4 * tied[0], 1)


def test_larger_weights_give_sparser_and_smoother_atoms():
    shares = [np.mean(SparseAtoms(gamma).project(10 * ATOMS) == 0) for gamma in (0, 0.5, 2, 8)]
    assert shares == sorted(shares)
    assert shares[0] == 0 < shares[-1]
    rough = []
    for gamma in (0, 0.5, 2, 8):
        atoms = SmoothAtoms(gamma=gamma).project(10 * ATOMS)
        rough.append(np.sum(smoothness(atoms, (N_FEATURES,))) / np.sum(atoms**2))
    assert rough == sorted(rough, reverse=True)


@pytest.mark.parametrize("gamma", [-1, np.nan, np.inf, "1", True, None])
@pytest.mark.parametrize("kind", [SparseAtoms, SmoothAtoms])
def test_weights_must_be_non_negative_numbers(kind, gamma):
    with pytest.raises(ValueError, match="gamma must be a non-negative number"):
        kind(gamma=gamma).project(ATOMS)


@pytest.mark.parametrize(
    ("largest", "size"),
    [(SparseAtoms(gamma=1e3), sparse_size), (SmoothAtoms(gamma=1e9), smooth_size)],
    ids=["sparse", "smooth"],
)
def test_the_largest_weight_is_accurate_in_single_precision(largest, size):
    atoms = largest.project((10 * ATOMS).astype(np.float32))
    assert atoms.dtype == np.float32
    assert_allclose(size(largest, atoms.astype(float)), 1, atol=1e-3)
    with pytest.raises(ValueError, match=r"gamma must be at most 1.*, got [23]"):
        type(largest)(gamma=2 * largest.gamma).project(ATOMS)


@pytest.mark.parametrize("shape", [(), (2, 3, 2), (0,), (1.5,), 12, "ab"])
def test_shapes_must_be_one_or_two_integers(shape):
    with pytest.raises(ValueError, match="shape must be a tuple of one or two positive integers"):
        SmoothAtoms(shape).project(ATOMS)


def test_shapes_must_divide_the_number_of_features():
    with pytest.raises(ValueError, match=r"product of shape=\(5,\) must divide"):
        SmoothAtoms((5,)).project(ATOMS)


@pytest.mark.parametrize("kind", [SparseCoder, PSD])
def test_fixed_atoms_have_no_constraint(kind):
    """Otherwise, the constraint would be ignored."""
    model = kind(dictionary=ATOMS, atom_constraint=SparseAtoms(), alpha=0.5)
    with pytest.raises(ValueError, match=r"atom_constraint must be None if dictionary is given"):
        model.fit(ATOMS)
    assert model.set_params(atom_constraint=None).fit(ATOMS).components_.shape == ATOMS.shape


def test_constraints_are_compared_by_value_and_immutable():
    assert SparseAtoms(0.5) == SparseAtoms()
    assert repr(SmoothAtoms((8, 8))) == "SmoothAtoms(shape=(8, 8))"
    with pytest.raises(AttributeError, match=r"set_params\(atom_constraint__gamma=...\)"):
        SparseAtoms().gamma = 2
