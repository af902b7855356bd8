"""Every criterion meets the contract `sklearn_ebm.protocols.Criterion`."""

import copy
import importlib
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import issparse

from sklearn_ebm.learning._memory import Memory
from sklearn_ebm.learning._merging import Merger
from sklearn_ebm.learning._samples import Rows, merged
from sklearn_ebm.learning.criteria import CRITERIA, DenseSamples
from sklearn_ebm.learning.criteria._contrastive import States
from tests.contracts.criteria import CASES, contrastive, imitation, sum_of_two

cases = pytest.mark.parametrize("name", CASES)
with_loss = pytest.mark.parametrize("name", [name for name in CASES if CASES[name]().loss])


def contribution(case, *rows):
    """Return the sums of a piece, in separate memory."""
    trainer, batch = case.trainer, case.batch
    criterion, piece = trainer.criterion, batch.rows(*rows) if rows else batch
    model, stream = criterion.prepare(batch), copy.copy(trainer.stream)
    sums, _ = criterion.contribute(model, piece, Memory(), stream, trainer.shard)
    return sums


def flat(sums, prefix=()):
    """Return all arrays and numbers of some sums, by their path."""
    entries = {}
    for name, value in sums.items():
        if isinstance(value, dict):
            entries.update(flat(value, (*prefix, name)))
        elif isinstance(value, States):  # the last two rows are reserved for the centres
            entries[(*prefix, name)] = np.hstack([value.visible[:-2], value.hidden[:-2]])
            entries[(*prefix, name, "shares")] = value.share
        elif isinstance(value, Rows):
            entries.update(flat(dict(enumerate(value.arrays)), (*prefix, name)))
        elif value is not None:
            entries[(*prefix, name)] = value.toarray() if issparse(value) else np.array(value)
    return entries


def assert_same(ours, expected, rtol=0.0):
    ours, expected = flat(ours), flat(expected)
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        atol = rtol * max(1, abs(value).max(initial=0))
        assert_allclose(ours[name], value, rtol=0, atol=atol, err_msg=str(name))


@cases
def test_sums_are_the_same_elsewhere(name):
    """`contribute` may be called on a pickled copy of the criterion, on another machine."""
    case, there = CASES[name](), CASES[name]()
    there.trainer.criterion = pickle.loads(pickle.dumps(case.trainer.criterion))
    sums = contribution(case)
    assert_same(contribution(there), sums, rtol=1e-6)  # arrays may have another layout


def arrays_of(held):
    """Return copies of all arrays that an object contains at any depth, in a fixed order."""
    memo = {}
    copy.deepcopy(held, memo)
    return [each.copy() for each in memo[id(memo)] if isinstance(each, np.ndarray)]


def test_every_criterion_has_a_case():
    tested = {type(CASES[name]().trainer.criterion) for name in CASES}
    assert tested == set(CRITERIA.values())


@cases
def test_contributions_depend_on_their_arguments_alone(name):
    case = CASES[name]()
    case.trainer.criterion.prepare(case.batch)  # may initialise a watch
    before = arrays_of(case.trainer)
    first, second = contribution(case), contribution(case)
    assert_same(first, second)
    for array, kept in zip(arrays_of(case.trainer), before, strict=True):
        assert_array_equal(array, kept)


@cases
def test_sums_of_pieces_are_those_of_the_whole_in_any_grouping(name):
    """Criteria with persistent chains are skipped, since their steps take a batch as one piece."""
    case = CASES[name]()
    if case.trainer.shard is not None:
        pytest.skip("takes a batch as one piece")
    n = case.batch.n_samples
    bounds = [(0, n // 4), (n // 4, n // 2), (n // 2, n)]

    def pieces():
        return [contribution(case, *rows) for rows in bounds]

    first, second, third = pieces()
    left = merged([merged([first, second]), third])
    first, second, third = pieces()
    right = merged([first, merged([second, third])])
    whole = contribution(case)
    assert_same(left, right, rtol=1e-14)  # sums of three terms in another order
    assert_same(left, whole, rtol=case.rtol)


@cases
def test_sums_do_not_change_when_pieces_reuse_memory(name):
    """A piece that is merged leaves nothing in its memory, except the first one."""
    case = CASES[name]()
    if case.trainer.shard is not None:
        pytest.skip("takes a batch as one piece")
    trainer, batch = case.trainer, case.batch
    criterion, merger = trainer.criterion, Merger(Memory().part)
    model, size = criterion.prepare(batch), batch.n_samples // 4
    bounds = [(first, first + size) for first in range(0, 4 * size, size)]
    for first, last in bounds:
        merger.add(
            first,
            last,
            lambda memory, rows=(first, last): criterion.contribute(
                model, batch.rows(*rows), memory, copy.copy(trainer.stream), None
            )[0],
        )
    assert_same(merger.sums, merged([contribution(case, *rows) for rows in bounds]))


@with_loss
def test_gradients_are_the_finite_differences_of_the_mean_loss(name):
    case = CASES[name]()
    criterion = case.trainer.criterion
    gradients = {
        key: value.copy() for key, value in criterion.gradients(contribution(case)).items()
    }
    assert gradients.keys() == criterion.parameters.keys()
    step, random = 1e-5, np.random.default_rng(0)
    for key, value in criterion.parameters.items():
        direction, start = random.standard_normal(value.shape), value.copy()
        losses = []
        for sign in (1, -1):
            value[...] = start + sign * step * direction
            losses.append(case.loss(contribution(case)["report"]))
        value[...] = start
        slope = np.sum(gradients[key] * direction)
        # The error of central differences is step^2 plus the rounding of a loss of order one.
        assert_allclose((losses[0] - losses[1]) / (2 * step), slope, rtol=1e-5, atol=1e-7)
        assert slope != 0, key


@cases
def test_a_trainer_from_a_file_continues_as_if_nothing_had_happened(name):
    case = CASES[name]()
    ours = case.trainer
    for _ in range(2):
        ours.step(case.batch, 0.1)
    theirs = pickle.loads(pickle.dumps(ours))
    case.follow(theirs.criterion)
    before = learned(ours)
    for trainer in (ours, theirs):
        trainer.step(case.batch, 0.2)
        trainer.step(case.batch, 0.3)
    assert ours.n_steps == theirs.n_steps == 4
    for key, value in learned(ours).items():
        assert_array_equal(learned(theirs)[key], value, str(key))
        assert np.any(value != before[key]), key


def learned(trainer):
    """Return copies of the arrays that the steps of a trainer change."""
    criterion = trainer.criterion
    shard = getattr(trainer.shard, "particles", trainer.shard)
    moved = {**criterion.parameters, "shard": shard}
    if hasattr(criterion, "online"):
        moved["dictionary"] = criterion.dictionary
    return {name: value.copy() for name, value in moved.items() if value is not None and value.size}


@cases
def test_the_state_is_small(name):
    """Buffers are not pickled, as a batch twenty times as large shows."""
    case = CASES[name]()
    case.trainer.step(case.batch)
    few = len(pickle.dumps(case.trainer))
    repeated = (None if a is None else np.repeat(a, 20, axis=0) for a in case.batch[:4])
    large = type(case.batch)(*repeated)
    case.trainer.step(large)
    assert len(pickle.dumps(case.trainer)) < 1.05 * few + 1000


@pytest.mark.parametrize("n_chains", [None, 7])
def test_steps_in_one_call_are_those_made_singly(n_chains):
    numba = importlib.import_module("sklearn_ebm.backends.numba")
    single, fused = contrastive(n_chains=n_chains), contrastive(n_chains=n_chains)
    how, rate = fused.trainer.criterion.how, fused.trainer.criterion.rate
    fused.trainer.criterion.follow(how, rate, "numba")
    assert fused.trainer.criterion.can_advance(numba)
    batches, done = [np.arange(10), np.arange(10, 20), np.arange(20, 24)], [0.0, 0.1, 0.2]
    for case in (single, fused):
        case.trainer.steps(DenseSamples(case.batch.X, dtype=float), batches, done)
    assert fused.trainer.n_steps == single.trainer.n_steps == 3
    assert fused.trainer.stream.n_draws == single.trainer.stream.n_draws
    for name, value in single.trainer.criterion.parameters.items():
        # Draws are the same; sums of up to ten products are in another order.
        assert_allclose(fused.trainer.criterion.parameters[name], value, rtol=0, atol=1e-13)
    if n_chains is not None:
        assert_array_equal(fused.trainer.shard, single.trainer.shard)


def test_gradients_of_a_sum_are_the_sum_of_the_gradients():
    case = sum_of_two()
    total = case.trainer.criterion.gradients(contribution(case))
    expected = {}
    for loss, weight in (("codes", 0.7), ("energy", 0.2)):
        own = imitation(loss)
        for name, value in own.trainer.criterion.gradients(contribution(own)).items():
            expected[name] = expected.get(name, 0) + weight * value
    assert {name for _, name in total} == expected.keys()  # each parameter once
    for (_, name), value in total.items():
        assert_allclose(value, expected[name], rtol=1e-12, atol=1e-15)


def test_a_step_of_a_sum_moves_a_shared_array_once():
    """The first step of Adam has the size of the learning rate, for any gradient."""
    case = sum_of_two()
    before = case.trainer.criterion.criteria[0].encoder.copy().parameters
    case.trainer.step(case.batch)
    for name, value in case.trainer.criterion.criteria[1].encoder.parameters.items():
        moved = abs(value - before[name])
        assert_allclose(moved, 1e-2, rtol=1e-6)
