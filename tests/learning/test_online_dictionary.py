"""Online dictionaries and Adam compared with their formulas."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm import PSD, L0Penalty, SmoothAtoms, SparseAtoms, SparseCoder
from sklearn_ebm.backends import numba, numpy
from sklearn_ebm.learning._online_dictionary import FORGETTING, PATIENCE, OnlineDictionary
from sklearn_ebm.learning._optimizers import Adam

backends = pytest.mark.parametrize("backend", [numpy, numba], ids=["numpy", "numba"])


def unit_rows(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def batch():
    random = np.random.default_rng(0)
    planted = unit_rows(random.standard_normal((5, 8)))
    code = random.standard_normal((200, 5)) * (random.random((200, 5)) < 0.4)
    return code @ planted + 0.1 * random.standard_normal((200, 8)), code


def learned(batch, backend, n_sweeps=1, constraint=None):
    X, code = batch
    atoms = unit_rows(np.random.default_rng(1).standard_normal((5, 8)))
    atoms = atoms if constraint is None else constraint.project(atoms)
    online = OnlineDictionary(atoms, constraint)
    online.absorb(code.T @ code, code.T @ X)
    for _ in range(n_sweeps):
        online.update(np.count_nonzero(code, axis=0), (X, code, None), backend)
    return online


@backends
def test_each_sweep_lowers_the_misfit_and_keeps_unit_rows(batch, backend):
    X, code = batch
    misfits = [np.sum((X - code @ learned(batch, backend, n).dictionary) ** 2) for n in range(6)]
    assert np.all(np.diff(misfits) < 0)
    norm = np.linalg.norm(learned(batch, backend).dictionary, axis=1)
    assert_allclose(norm, 1, rtol=1e-14)


def test_past_batches_fade_as_in_the_paper(batch):
    X, code = batch
    online = OnlineDictionary(np.eye(5, 8))
    halves = [(code[:100], X[:100]), (code[100:], X[100:])]
    for z, x in halves:
        online.absorb(z.T @ z, z.T @ x)
    keep = 0.5**FORGETTING
    expected = keep * halves[0][0].T @ halves[0][0] + halves[1][0].T @ halves[1][0]
    assert_allclose(online.code_moment, expected, rtol=1e-12)
    cross = keep * halves[0][0].T @ halves[0][1] + halves[1][0].T @ halves[1][1]
    assert_allclose(online.cross_moment, cross, atol=1e-12)


@backends
def test_idle_atoms_become_the_worst_samples_after_their_patience(batch, backend):
    X, code = batch
    code = code.copy()
    code[:, 3] = 0
    online = OnlineDictionary(unit_rows(np.random.default_rng(1).standard_normal((5, 8))))
    idle = online.dictionary[3].copy()
    for _ in range(PATIENCE):
        assert_array_equal(online.dictionary[3], idle)
        assert online.n_replaced == 0
        online.absorb(code.T @ code, code.T @ X)
        online.update(np.count_nonzero(code, axis=0), (X, code, None), backend)
    assert online.n_replaced == 1
    others = np.delete(np.arange(5), 3)
    misfit = np.sum((X - code[:, others] @ online.dictionary[others]) ** 2, axis=1)
    worst = X[np.argmax(misfit)]
    assert_allclose(online.dictionary[3], worst / np.linalg.norm(worst), rtol=1e-12)
    for zero in (online.code_moment[3], online.code_moment[:, 3], online.cross_moment[3]):
        assert_array_equal(zero, 0)
    assert online.idle[3] == 0
    assert np.all(online.code_moment[np.ix_(others, others)].diagonal() > 0)


def test_weights_choose_which_sample_is_worst(batch):
    X, code = batch
    online = OnlineDictionary(np.eye(5, 8))
    online.idle[:] = PATIENCE
    weights = np.zeros(200)
    weights[17] = 1
    online.idle[1:] = 0
    online.update(np.zeros(len(code[0])), (X, np.zeros_like(code), weights), numpy)
    assert_allclose(online.dictionary[0], X[17] / np.linalg.norm(X[17]), rtol=1e-12)


def test_samples_without_norm_and_too_few_samples_replace_nothing():
    online = OnlineDictionary(np.eye(5, 8))
    online.idle[:] = PATIENCE
    X = np.zeros((3, 8))
    X[1, 6] = 2.0
    online.update(np.zeros(5), (X, np.zeros((3, 5)), None), numpy)
    assert online.n_replaced == 1
    assert_array_equal(online.dictionary[0], np.eye(8)[6])
    assert_array_equal(online.dictionary[1:], np.eye(5, 8)[1:])


@backends
def test_adam_makes_the_steps_of_the_paper(dtype, backend):
    """Algorithm 1 of Kingma & Ba for two gradients."""
    first_gradient, second_gradient = np.array([1.0, -2.0]), np.array([0.5, 3.0])
    value = np.array([0.3, 0.7])
    parameters = {"value": value.astype(dtype)}
    adam = Adam(parameters)
    m, v = np.zeros(2), np.zeros(2)
    for step, gradient in enumerate([first_gradient, second_gradient], 1):
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        corrected = m / (1 - 0.9**step), v / (1 - 0.999**step)
        value = value - 0.1 * 0.5 * corrected[0] / np.sqrt(corrected[1])
        adam.step({"value": gradient.astype(dtype)}, backend, 0.05)
    assert parameters["value"].dtype == dtype
    # the paper's epsilon, and rounding of numbers of size one
    assert_allclose(parameters["value"], value, rtol=1e-6)


@backends
def test_adam_moves_each_entry_by_its_learning_rate_while_the_sign_stays(backend):
    parameters = {"value": np.zeros(3)}
    adam = Adam(parameters)
    for _ in range(50):
        adam.step({"value": np.array([1e-3, -1.0, 1e3])}, backend, 0.01)
    assert_allclose(parameters["value"], [-0.5, 0.5, -0.5], rtol=1e-4)  # epsilon over 1e-3


@backends
def test_scales_multiply_the_steps_of_adam_by_name(backend):
    """Steps of Adam do not depend on the size of a gradient, but on the scale."""
    parameters = {name: np.zeros((2, 3)) for name in ("named", "other", "without steps")}
    parameters["without steps"] = np.zeros((0, 3))
    adam = Adam(parameters, scales={"named": 7.0, "without steps": 2.0})
    random = np.random.default_rng(0)
    for _ in range(5):
        gradient = random.standard_normal((2, 3))
        gradients = {"named": gradient, "other": gradient, "without steps": np.zeros((0, 3))}
        adam.step(gradients, backend, 0.01)
    assert np.all(parameters["other"] != 0)
    assert_allclose(parameters["named"], 7 * parameters["other"], rtol=1e-12)  # a few roundings


@pytest.fixture
def parts():
    """Samples of overlapping non-negative parts with non-negative coefficients."""
    random = np.random.default_rng(0)
    atoms = np.maximum(random.standard_normal((8, 20)), 0)
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    code = random.exponential(size=(600, 8)) * (random.random((600, 8)) < 0.3)
    return atoms, code @ atoms


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_non_negative_atoms_and_codes_recover_non_negative_parts(parts, backend):
    atoms, X = parts
    coder = SparseCoder(
        8, alpha=0.02, positive=True, positive_dictionary=True, max_iter=60, tol=0, random_state=0,
        backend=backend,
    ).fit(X)  # fmt: skip
    assert np.all(coder.components_ >= 0)
    assert np.all((coder.components_ @ atoms.T).max(axis=0) > 0.95)  # of initial atoms, from 0.53


def test_atoms_stay_non_negative_for_data_of_both_signs():
    X = np.random.default_rng(0).standard_normal((300, 12))
    X[:50] = -np.abs(X[:50])  # samples without a positive entry may be drawn or replace atoms
    coder = SparseCoder(40, alpha=0.5, positive_dictionary=True, random_state=0, max_iter=3, tol=0)
    coder.fit(X).partial_fit(X)
    assert np.all(coder.components_ >= 0)
    assert_allclose(np.linalg.norm(coder.components_, axis=1), 1, rtol=1e-12)
    with pytest.raises(ValueError, match="dictionary_init must be non-negative"):
        SparseCoder(dictionary_init=X[:5], positive_dictionary=True).fit(X)
    with pytest.raises(ValueError, match="does not support positive_dictionary=True"):
        SparseCoder(5, penalty=L0Penalty(2), optimizer="ksvd", positive_dictionary=True).fit(X)


def fill(constraint, atoms):
    """Return ||d||^2 + gamma R(d), at most one in the set."""
    if isinstance(constraint, SparseAtoms):
        return np.sum(atoms**2, axis=1) + constraint.gamma * np.abs(atoms).sum(axis=1)
    grid = atoms.reshape(len(atoms), *(constraint.shape or (atoms.shape[1],)))
    squares = [np.diff(grid, axis=axis) ** 2 for axis in range(1, grid.ndim)]
    rough = sum(each.reshape(len(atoms), -1).sum(axis=1) for each in squares)
    return np.sum(atoms**2, axis=1) + constraint.gamma * rough


constraints = pytest.mark.parametrize(
    "constraint",
    [SparseAtoms(0.5), SmoothAtoms(gamma=0.5), SmoothAtoms((2, 4), gamma=2.0)],
    ids=["sparse", "smooth signals", "smooth images"],
)


@backends
@constraints
def test_sweeps_in_a_set_lower_the_misfit_to_the_minimum(batch, backend, constraint):
    """At the minimum, no step along the negative gradient remains after projection."""
    X, code = batch
    dictionaries = [learned(batch, backend, n, constraint).dictionary for n in (0, 1, 2, 3, 300)]
    misfits = [np.sum((X - code @ dictionary) ** 2) for dictionary in dictionaries]
    assert np.all(np.diff(misfits) < 0)
    for dictionary in dictionaries:
        assert np.all(fill(constraint, dictionary) <= 1 + 1e-12)
    best = dictionaries[-1]
    step = 1e-3 * code.T @ (X - code @ best)
    assert_allclose(constraint.project(best + step), best, atol=1e-7)
    assert np.linalg.norm(step) > 1e-2  # the constraint is active


@pytest.mark.parametrize("model", [SparseCoder, PSD])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("backend", ["numpy", "numba"])
@constraints
@pytest.mark.pairwise("model", "dtype", "backend", "constraint")
def test_learned_atoms_are_in_the_set(model, constraint, backend, dtype):
    X = np.random.default_rng(0).standard_normal((300, 8)).astype(dtype)
    coder = model(
        16, alpha=0.3, atom_constraint=constraint, max_iter=3, tol=0, random_state=0,
        backend=backend,
    )  # fmt: skip
    coder.fit(X).partial_fit(X)
    assert coder.components_.dtype == dtype
    assert np.all(fill(constraint, coder.components_) <= 1 + 16 * np.finfo(dtype).eps)
    assert coder.objective_curve_[2] < coder.objective_curve_[0]


def test_a_ball_without_weight_has_the_atoms_of_unit_norm():
    """Atoms are at the boundary of the ball, where the constraints agree."""
    X = np.random.default_rng(0).standard_normal((300, 8))
    options = {"alpha": 0.3, "max_iter": 3, "tol": 0, "random_state": 0}
    usual = SparseCoder(8, **options).fit(X).components_
    for constraint in (SparseAtoms(0), SmoothAtoms(gamma=0)):
        coder = SparseCoder(8, atom_constraint=constraint, **options).fit(X)
        assert_allclose(coder.components_, usual, atol=1e-8)


def test_atoms_may_be_sparse_and_non_negative():
    X = np.random.default_rng(0).standard_normal((300, 12))
    constraint = SparseAtoms(1.0)
    coder = SparseCoder(
        20, alpha=0.2, atom_constraint=constraint, positive_dictionary=True, max_iter=3, tol=0,
        random_state=0,
    ).fit(X)  # fmt: skip
    assert np.all(coder.components_ >= 0)
    assert np.all(fill(constraint, coder.components_) <= 1 + 1e-12)
    assert np.mean(coder.components_ == 0) > 0.5


def test_initial_atoms_are_projected_and_fixed_atoms_are_refused():
    atoms = unit_rows(np.random.default_rng(0).standard_normal((4, 8)))
    X = np.random.default_rng(1).standard_normal((50, 8))
    constraint = SparseAtoms(1.0)
    with pytest.raises(ValueError, match=r"atom_constraint must be None if dictionary is given"):
        SparseCoder(dictionary=atoms, alpha=0.3, atom_constraint=constraint).fit(X)
    large = SparseCoder(
        dictionary_init=atoms, alpha=1e3, atom_constraint=constraint, max_iter=1, tol=0
    )
    with pytest.warns(match="nothing was learned"):
        large.fit(X)
    assert_allclose(large.components_, constraint.project(atoms), atol=1e-12)


class Ball:
    """A set of the user: atoms with norms of at most one half."""

    def __init__(self, broken=False):
        self.broken = broken

    def project(self, atoms):
        norms = np.linalg.norm(atoms, axis=1, keepdims=True)
        return atoms[:, 1:] if self.broken else atoms / np.maximum(2 * norms, 1)


def test_users_may_define_sets_of_atoms():
    X = np.random.default_rng(0).standard_normal((200, 8))
    coder = SparseCoder(8, alpha=0.3, atom_constraint=Ball(), max_iter=2, tol=0).fit(X)
    assert np.all(np.linalg.norm(coder.components_, axis=1) <= 0.5 + 1e-12)
    with pytest.raises(ValueError, match=r"Ball.project must return finite atoms of shape"):
        SparseCoder(8, alpha=0.3, atom_constraint=Ball(broken=True)).fit(X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"atom_constraint": SparseAtoms},
            "must be an object implementing .* Got <class",
        ),
        (
            {"atom_constraint": SmoothAtoms(), "positive_dictionary": True},
            "SmoothAtoms is not such a constraint",
        ),
        (
            {"atom_constraint": SparseAtoms(), "optimizer": "ksvd", "penalty": L0Penalty(2)},
            "does not support atom_constraint",
        ),
        ({"atom_constraint": SmoothAtoms((5, 5))}, "must divide the number of features, 8"),
        ({"atom_constraint": SparseAtoms(-1)}, "gamma must be a non-negative number, got -1"),
        ({"atom_constraint": 0.5}, "The 'atom_constraint' parameter"),
    ],
    ids=["class", "signs", "ksvd", "shape", "gamma", "number"],
)
def test_constraints_that_are_not_supported_are_refused(options, message):
    X = np.random.default_rng(0).standard_normal((50, 8))
    with pytest.raises(ValueError, match=message):
        SparseCoder(4, **options).fit(X)


def test_the_weight_of_a_constraint_is_a_parameter_of_the_model():
    coder = SparseCoder(4, atom_constraint=SparseAtoms(0.5))
    first = coder.atom_constraint
    coder.set_params(atom_constraint__gamma=2.0, penalty="l1")
    assert (coder.atom_constraint.gamma, first.gamma) == (2.0, 0.5)
    assert coder.get_params()["atom_constraint__gamma"] == 2.0
    with pytest.raises(ValueError, match="Invalid parameter 'shape' for atom_constraint"):
        coder.set_params(atom_constraint__shape=(2, 2))
