"""New atoms of the fused active set, against dense linear algebra."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.backends._random import LANES
from sklearn_ebm.backends._rules import SoftThreshold
from sklearn_ebm.backends.numba._active_set import restart, survey, take_step
from sklearn_ebm.backends.numba._admission import admit, admit_support
from sklearn_ebm.backends.numba._rules import kernel
from sklearn_ebm.backends.numba._support import SIGN, STEP, Hessian, new_search, unshifted

N_ATOMS, N_FEATURES = 75, 40
SHARES = 0.6, 0.3, 0.1, 0.03  # thresholds of the rounds over max |c|


@kernel
def _rounds(rule, gram, target, thresholds, search, sizes, steps, correlations, free):
    hessian, size = unshifted(gram), np.intp(0)
    restart(search, target)
    for k in range(thresholds.shape[0]):
        survey(rule, search)
        for j in range(target.shape[0]):
            correlations[k, j], free[k, j] = search.correlation[j], search.is_free[j]
        size, n_refused = admit(rule, hessian, search, size, thresholds[k])
        sizes[k, 0], sizes[k, 1] = size, n_refused
        for i in range(size):
            steps[k, i] = search.vectors[STEP, i]
        take_step(hessian, search, size)


class Rounds:
    """Rounds of one sample without atoms that leave the support."""

    def __init__(self, dictionary, x, dtype):
        gram, target = (np.asarray(product, dtype) for product in (dictionary @ dictionary.T,
                                                                   dictionary @ x))  # fmt: skip
        n_atoms, n_rounds = len(gram), len(SHARES)
        self.gram, self.search = gram, new_search(n_atoms, n_atoms, np.dtype(dtype))
        self.thresholds = (np.array(SHARES) * abs(target).max()).astype(dtype)
        self.sizes = np.zeros((n_rounds, 2), np.int64)
        self.steps, self.correlations, self.free = np.zeros((3, n_rounds, n_atoms), dtype)
        _rounds(
            SoftThreshold(np.dtype(dtype).type(1)), gram, target, self.thresholds, self.search,
            self.sizes, self.steps, self.correlations, self.free,
        )  # fmt: skip

    def support(self, k):
        return self.search.support[: self.sizes[k, 0]].astype(np.intp)

    def newton_step(self, k, support, signs):
        slope = self.correlations[k, support] - self.thresholds[k] * signs
        return np.linalg.solve(self.gram[np.ix_(support, support)].astype(float), slope)

    def expected(self, k, support):
        """Return the atoms of a round one after another, by a dense solve for each."""
        correlation, free = self.correlations[k], self.free[k].astype(bool)
        strength = np.zeros(-(-len(free) // LANES) * LANES)
        strength[: len(free)] = abs(correlation) * free
        best = strength.reshape(-1, LANES).argmax(axis=0) * LANES + np.arange(LANES)
        candidates = [j for j in best if strength[j] > self.thresholds[k]]
        support, signs = list(support), list(self.search.vectors[SIGN, : len(support)])
        while True:
            ahead = correlation.astype(float)
            if support:
                step = self.newton_step(k, support, np.array(signs))
                ahead = ahead - step @ self.gram[support]
            excess = {
                j: np.sign(correlation[j]) * ahead[j] - self.thresholds[k]
                for j in candidates
                if j not in support
            }
            if not excess or max(excess.values()) <= 0:
                return support
            support.append(max(excess, key=excess.get))
            signs.append(np.sign(correlation[support[-1]]))


@pytest.fixture
def rounds(dtype):
    rng = np.random.default_rng(0)
    dictionary = rng.standard_normal((N_ATOMS, N_FEATURES))
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    code = rng.standard_normal(N_ATOMS) * (rng.uniform(size=N_ATOMS) < 0.3)
    return Rounds(dictionary, code @ dictionary, dtype)


def test_the_strongest_violator_after_the_step_joins_next(rounds):
    before = np.array([], np.intp)
    for k in range(len(SHARES)):
        assert_array_equal(rounds.support(k), rounds.expected(k, before))
        before = rounds.support(k)
    assert rounds.sizes[0, 0] < rounds.sizes[-1, 0] > LANES


def test_the_inverse_and_the_step_are_those_of_the_new_support(rounds):
    for k in range(len(SHARES)):
        support = rounds.support(k)
        signs = rounds.search.vectors[SIGN, : len(support)]
        step = rounds.newton_step(k, support, signs)
        # The inverse is in single precision; its condition is below 100.
        assert_allclose(rounds.steps[k, : len(support)], step, atol=1e-5 * abs(step).max())
    inverse = rounds.search.inverse[: len(support), : len(support)]
    exact = np.linalg.inv(rounds.gram[np.ix_(support, support)].astype(float))
    assert_allclose(inverse, exact, atol=1e-5 * abs(exact).max())


def test_rows_of_the_inverse_are_zero_up_to_whole_vectors(rounds):
    size = rounds.sizes[-1, 0]
    padding = rounds.search.inverse[:size, size : -(-size // LANES) * LANES]
    assert_array_equal(padding, 0)


def test_one_of_two_nearly_equal_atoms_joins(dtype):
    rng = np.random.default_rng(0)
    atoms = np.linalg.qr(rng.standard_normal((N_FEATURES, LANES)))[0].T
    atoms[1] = 0.999 * atoms[0] + 1e-3 * atoms[2]
    rounds = Rounds(atoms, atoms[0] + 0.5 * atoms[5], dtype)
    assert set(rounds.support(-1)) == {0, 5}


@kernel
def _shifted_step(rule, hessian, target, threshold, search):
    restart(search, target)
    survey(rule, search)
    return admit(rule, hessian, search, np.intp(0), threshold)[0]


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_step_with_an_inverse_of_an_earlier_hessian_has_a_bounded_error(share):
    rng = np.random.default_rng(0)
    dictionary = rng.standard_normal((N_ATOMS, N_FEATURES)) / N_FEATURES**0.5
    ridge, target = 2.0, dictionary @ rng.standard_normal(N_FEATURES)
    gram = dictionary @ dictionary.T + ridge * np.eye(N_ATOMS)
    threshold, search = 0.3 * abs(target).max(), new_search(N_ATOMS, N_ATOMS, target.dtype)
    hessian = Hessian(gram, (1 - share) * ridge, share)
    size = _shifted_step(SoftThreshold(1.0), hessian, target, threshold, search)
    support = search.support[:size].astype(np.intp)
    exact = gram[np.ix_(support, support)] - hessian.shift * np.eye(size)
    slope = target[support] - threshold * search.vectors[SIGN, :size]
    error = slope - exact @ search.vectors[STEP, :size]
    # The largest magnitude of (1 - x) (1 - x / root) between the share and 1.
    root = 1 - (8**0.5 - 2) * (1 - share)
    bound = (1 - share) * (1 - share / root)
    assert np.linalg.norm(error) <= (1.001 * bound + 1e-5) * np.linalg.norm(slope)
    assert bound <= 0.21


def test_the_support_of_a_code_is_taken_over(dtype):
    rng = np.random.default_rng(0)
    dictionary = rng.standard_normal((N_ATOMS, 2 * N_FEATURES))
    gram = (dictionary @ dictionary.T).astype(dtype)
    code = (rng.standard_normal(N_ATOMS) * (rng.uniform(size=N_ATOMS) < 0.6)).astype(dtype)
    search = new_search(N_ATOMS, N_ATOMS, np.dtype(dtype))
    size, n_refused = _take_over(gram, code, search)
    support = search.support[:size].astype(np.intp)
    assert n_refused == 0
    assert_array_equal(support, np.flatnonzero(code))
    assert_array_equal(search.vectors[SIGN, :size], np.sign(code[support]))
    exact = np.linalg.inv(gram[np.ix_(support, support)].astype(float))
    assert_allclose(search.inverse[:size, :size], exact, atol=1e-4 * abs(exact).max())


@kernel
def _take_over(gram, code, search):
    return admit_support(unshifted(gram), search, code)
