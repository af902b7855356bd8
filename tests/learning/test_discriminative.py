"""Learning of recurrent codes with labels: fused steps, limits, and the published start."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.backends import numba, numpy
from sklearn_ebm.factors import RecurrentCoder
from sklearn_ebm.factors._direction_head import DirectionHead
from sklearn_ebm.learning._divergence import Diverged
from sklearn_ebm.learning._labelled import ClassifiedRows
from sklearn_ebm.learning._rates import ConstantRate, LinearDecay
from sklearn_ebm.learning._samples import Batch
from sklearn_ebm.learning._trainer import Trainer
from sklearn_ebm.learning.criteria import Discriminative, _discriminative
from tests.papers import positive_ista_steps

N_SAMPLES, N_FEATURES, N_COMPONENTS, N_CLASSES = 47, 37, 53, 3  # no multiples of a vector


def samples(dtype=float, labelled=True):
    random = np.random.default_rng(0)
    X = np.maximum(random.standard_normal((N_SAMPLES, N_FEATURES)), 0).astype(dtype)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    labels = random.integers(N_CLASSES, size=N_SAMPLES) if labelled else None
    return ClassifiedRows(X, labels, dtype=np.dtype(dtype), backend=numpy, n_classes=N_CLASSES)


def coder(dtype=float, n_steps=4):
    """Return a model with coefficients of the classes, in a dtype."""
    random = np.random.default_rng(1)
    atoms = random.standard_normal((N_COMPONENTS, N_FEATURES))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    first = RecurrentCoder.first(atoms, N_CLASSES, n_steps)
    first.parameters["coefficients"][...] = random.uniform(-0.5, 0.5, (N_CLASSES, N_COMPONENTS))
    return first.astype(np.dtype(dtype))


def trainer(backend, model):
    criterion = Discriminative(model)
    return Trainer(criterion.follow(0.02, 0.3, LinearDecay(3e-2), backend))


# ------------------------------------------------------------------------------------ fused steps
@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("n_steps", [0, 1, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steps_in_one_call_are_those_made_singly(dtype, n_steps, labelled):
    single, fused = (trainer(name, coder(dtype, n_steps)) for name in ("numpy", "numba"))
    assert fused.criterion.can_advance(numba)
    assert not single.criterion.can_advance(numpy)
    batches = np.split(np.random.default_rng(2).permutation(N_SAMPLES), [10, 20, 30, 40])
    done, data, tallies = [0.1 * n for n in range(5)], samples(dtype, labelled), ({}, {})
    for learner, tally in zip((single, fused), tallies, strict=True):
        learner.steps(data, batches, done, tally=tally)
        assert learner.n_steps == 5
    assert tallies[0].keys() == tallies[1].keys()
    for name, value in tallies[0].items():
        assert_allclose(tallies[1][name], value, rtol=1e-5 if dtype == np.float32 else 1e-12)
    # Sums of up to 53 numbers of size one, in another order, which 4 steps propagate.
    atol = 1e-5 if dtype == np.float32 else 1e-13
    before = coder(dtype, n_steps).parameters
    for name, value in single.criterion.parameters.items():
        result = fused.criterion.parameters[name]
        assert result.dtype == dtype
        assert_allclose(result, value, rtol=0, atol=atol, err_msg=name)
        is_still = (name == "coefficients" and not labelled) or (name, n_steps) == ("lateral", 0)
        assert np.any(result != before[name]) != is_still, name


def test_large_batches_are_not_copied_together(monkeypatch):
    taken, take = [], ClassifiedRows.take
    monkeypatch.setattr(
        ClassifiedRows, "take", lambda self, rows: taken.append(len(rows)) or take(self, rows)
    )
    batches, results = [np.arange(10), np.arange(10, 20), np.arange(20, 30)], []
    for most in (5, 25, 1000):
        monkeypatch.setattr(_discriminative, "MOST_ROWS", most)
        learner = trainer("numba", coder())
        learner.steps(samples(), batches, [0.0, 0.1, 0.2])
        results.append(learner.criterion.parameters)
    assert taken == [10, 10, 10, 20, 10, 30]
    for name, value in results[2].items():
        assert_array_equal(results[0][name], value)
        assert_array_equal(results[1][name], value)


def test_fused_steps_do_not_depend_on_the_number_of_threads():
    from numba import get_num_threads, set_num_threads

    results, before = [], get_num_threads()
    try:
        for n_threads in (1, before):
            set_num_threads(n_threads)
            learner = trainer("numba", coder())
            learner.steps(samples(), [np.arange(20), np.arange(20, 40)], [0.0, 0.5])
            results.append(learner.criterion.parameters)
    finally:
        set_num_threads(before)
    for name, value in results[0].items():  # squares of W are summed in other parts
        assert_allclose(results[1][name], value, rtol=1e-13, atol=1e-15, err_msg=name)


@pytest.mark.parametrize("factor", [1e4, np.inf, np.nan])  # energies of 10^7, or none
def test_a_batch_that_diverges_moves_nothing(factor):
    learner = trainer("numba", coder())
    learner.criterion.begin({"validation": 1.0})
    learner.criterion.parameters["dictionary"][...] *= factor
    before = copy.deepcopy(learner.criterion.parameters)
    with pytest.raises(Diverged):
        learner.steps(samples(), [np.arange(10), np.arange(10, 20)], [0.0, 0.0])
    assert learner.n_steps == 0
    for name, value in before.items():
        assert_array_equal(learner.criterion.parameters[name], value)


def test_samples_with_weights_take_single_steps():
    """A sample of weight two counts as two samples in a batch of the same size."""
    data = samples()
    weights = np.ones(N_SAMPLES)
    weights[:5], weights[5:10] = 2, 0
    weighted = ClassifiedRows(
        data.X, data.target, weight=weights, dtype=data.dtype, backend=numpy, n_classes=N_CLASSES
    )
    first, second = trainer("numba", coder()), trainer("numba", coder())
    assert not weighted.is_plain
    first.steps(weighted, [np.arange(10)], [0.0])
    second.steps(data, [np.repeat(np.arange(5), 2)], [0.0])
    for name, value in second.criterion.parameters.items():
        assert_allclose(first.criterion.parameters[name], value, rtol=0, atol=1e-14)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_arrays_of_any_library_take_the_steps_of_numpy(optimizer):
    xp = pytest.importorskip("array_api_strict")
    batch, weight, results = samples().take(np.arange(12)), np.linspace(0.5, 1, 12), []
    for space in (np, xp):
        own = {name: space.asarray(value) for name, value in coder().parameters.items()}
        criterion = Discriminative(RecurrentCoder(own, 4))
        criterion.follow(0.02, 0.3, ConstantRate(1e-3), "numpy", optimizer)
        X, target, weights = (space.asarray(each) for each in (batch.X, batch.target, weight))
        for _ in range(3):
            Trainer(criterion).step(Batch(X, target, weight=weights))
        results.append(criterion.parameters)
    for name, value in results[1].items():
        assert type(value).__module__.startswith("array_api_strict")
        # Sums in another order; Adam divides them by the size of small gradients.
        assert_allclose(np.asarray(value), results[0][name], rtol=0, atol=1e-9, err_msg=name)


# ------------------------------------------------------------------------------------- the network
@pytest.mark.parametrize("n_steps", [0, 3, 10])
def test_the_start_is_a_solver_with_short_steps(n_steps):
    """W = r D', S = I - r D D': the steps are those of ISTA with the step size r."""
    model = coder(n_steps=n_steps)
    dictionary, x = model.parameters["dictionary"], samples().X
    size = min(0.8 / (n_steps + 1), 0.2)
    code = np.zeros((len(x), N_COMPONENTS))
    for _ in range(n_steps + 1):
        code = np.maximum(code + size * (x - code @ dictionary) @ dictionary.T - 1e-5, 0)
    assert_allclose(model.codes(x, numpy), code, atol=1e-13)
    assert_allclose(model.codes(x, numba), code, atol=1e-13)
    assert_allclose(model.codes(x, numba, all_steps=True)[-1], code, atol=1e-13)


def test_with_the_weights_of_ista_it_is_positive_ista():
    model, x, alpha, n_steps = coder(n_steps=6), samples().X, 0.05, 6
    dictionary = model.parameters["dictionary"]
    lipschitz = model.decoder.lipschitz
    model.parameters["weights"][...] = dictionary.T / lipschitz
    model.parameters["lateral"][...] = np.eye(N_COMPONENTS) - dictionary @ dictionary.T / lipschitz
    model.parameters["threshold"][...] = alpha / lipschitz
    expected = positive_ista_steps(x, dictionary, alpha, n_steps + 1)
    assert 0.05 < np.mean(expected > 0) < 0.95
    assert_allclose(model.codes(x, numpy), expected, atol=1e-13)


def test_the_length_of_a_code_does_not_change_its_scores():
    head = DirectionHead(np.random.default_rng(0).standard_normal((3, 5)))
    code = np.random.default_rng(1).uniform(size=(4, 5))
    lengths = np.array([[1e-3], [1.0], [7.0], [1e3]])
    assert_allclose(head.forward(lengths * code), head.forward(code), rtol=1e-12)
    assert_array_equal(head.forward(0 * code), np.zeros((4, 3)))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_norms_stay_within_their_limits(backend, optimizer):
    model = coder()
    for name in ("dictionary", "weights", "coefficients"):
        model.parameters[name] *= 20
    criterion = Discriminative(model).follow(0.02, 0.3, ConstantRate(1e-2), backend, optimizer)
    Trainer(criterion).steps(samples(), [np.arange(20), np.arange(20, 40)], [0.0, 0.0])
    parameters = criterion.parameters
    limits = {"dictionary": (1, 1.0), "coefficients": (1, 5.0), "weights": (0, 1.25 / 5)}
    for name, (axis, limit) in limits.items():
        norms = np.linalg.norm(parameters[name], axis=axis)
        assert norms.max() <= limit * (1 + 1e-12)
        assert norms.max() > limit * (1 - 1e-12), name  # the limit is active
    assert parameters["threshold"].min() >= 0


def test_shorter_vectors_are_not_scaled_to_the_limits():
    model = coder()
    for value in model.parameters.values():
        value *= 0.01
    before = copy.deepcopy(model.parameters)
    model.project()
    for name, value in before.items():
        assert_array_equal(model.parameters[name], value)


def test_the_energy_is_the_published_one():
    model, data = coder(), samples()
    batch = data.take(np.arange(12))
    assert isinstance(batch, Batch)
    losses, scores = model.losses(batch.X, batch.target, 0.02, 0.3, numpy)
    z = model.codes(batch.X, numpy)
    expected = z @ model.parameters["coefficients"].T / np.linalg.norm(z, axis=1, keepdims=True)
    assert_allclose(scores, expected, rtol=1e-12)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    fit = np.sum((batch.X - z @ model.parameters["dictionary"]) ** 2, axis=1) / 2
    labels = np.log(p[np.arange(12), data.target[:12]])
    assert_allclose(losses, fit + 0.02 * z.sum(axis=1) - 0.3 * labels, rtol=1e-12)
