"""Host code with strict array API arrays, as a replacement for a GPU.

Code that uses only the standard's functions works with every array library.
"""

from types import SimpleNamespace

import array_api_strict as xp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_ebm import L0Penalty, L1Penalty, SmoothAtoms, SparseAtoms
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends import put_rows
from sklearn_ebm.backends._random import Stream
from sklearn_ebm.factors import (
    ENCODERS,
    FLIP_LOSSES,
    L1,
    MODEL_ENERGIES,
    UNITS,
    AnnealedPath,
    BilinearEnergy,
    DisjointGroupNorm,
    ExpertEnergy,
    GroupNorm,
    LinearDecoder,
    SparseEnergy,
    Tape,
    largest_log_odds,
    pools_of_groups,
    pools_of_map,
)
from sklearn_ebm.factors.penalties._concave import LogSum, Power
from sklearn_ebm.factors.penalties._l1 import SampleWeightedL1
from sklearn_ebm.factors.penalties._what_where import Gated, Product, unit_rows_of
from sklearn_ebm.learning._first_atoms import first_dictionary, unit_rows
from sklearn_ebm.learning._monitor import pseudo_likelihood
from sklearn_ebm.learning._online_dictionary import PATIENCE, OnlineDictionary
from sklearn_ebm.learning._optimizers import Adam
from sklearn_ebm.learning._rates import LinearDecay
from sklearn_ebm.learning._samples import Batch
from sklearn_ebm.learning._trainer import Trainer
from sklearn_ebm.learning.criteria import Ascending, Contrastive, DenseSamples, Dictionary, Flipping
from sklearn_ebm.protocols import offers
from sklearn_ebm.solvers import (
    FlipSampler,
    HamiltonianSampler,
    anneal,
    gibbs,
    gibbs_keys,
    solve_lasso,
    sum_states,
)
from sklearn_ebm.solvers._proximal import feasible
from tests.registries.solvers import LASSO_SOLVERS, OVERLAP_SOLVERS

pytestmark = pytest.mark.no_cover  # other tests run the same lines in less time

N_SAMPLES, N_ATOMS = 6, 32
ROUNDING = 1e-10  # sums over some hundred numbers of size ten, in another order
SETTINGS = {"solver": "fista", "tol": 1e-4, "max_iter": 2000}
portable = pytest.mark.parametrize("solver", sorted({*LASSO_SOLVERS} - {"active_set"}))
WINDOWS = pools_of_map((4, 8), (4, 4), (2, 2))
PAIRS = pools_of_groups(np.arange(N_ATOMS).reshape(2, -1).T, N_ATOMS)
GROUPS = {
    "windows": lambda positive: GroupNorm(0.5, WINDOWS, positive),
    "pairs": lambda positive: DisjointGroupNorm(1.0, PAIRS, positive),
    "pairs, as if not disjoint": lambda positive: GroupNorm(1.0, PAIRS, positive),
}
encoders = pytest.mark.parametrize("encoder_class", ENCODERS.values(), ids=ENCODERS)


@pytest.fixture
def X(patches):
    return patches[:N_SAMPLES]


@pytest.fixture
def dictionary(dictionary):
    """Fewer atoms, since strict arrays are slow: the least eigenvalue of their Gram is 0.1."""
    return dictionary[:N_ATOMS]


def strict(array):
    return None if array is None else xp.asarray(np.array(array))


def assert_same(result, expected, atol=ROUNDING):
    assert type(result) is type(xp.asarray(0.0))  # no NumPy array was created on the way
    assert_allclose(np.asarray(result), expected, rtol=0, atol=atol)


def problem(
    X, dictionary, convert, positive=False, mask=None, prediction=None, penalty=None, size=None
):
    penalty = L1(1.0, positive) if penalty is None else penalty
    energy = SparseEnergy(LinearDecoder(convert(dictionary)), penalty, beta=0.5)
    return energy.problem(convert(X), convert(prediction), convert(mask), size)


def as_it_is(array):
    return array


@portable
@pytest.mark.parametrize("positive", [False, True])
def test_codes_are_those_of_numpy(X, dictionary, solver, positive):
    options = {**SETTINGS, "solver": solver, "backend": reference}
    solution = solve_lasso(problem(X, dictionary, strict, positive), **options)
    expected = solve_lasso(problem(X, dictionary, as_it_is, positive), **options)
    assert solution.n_iter == expected.n_iter
    assert_same(solution.code, expected.code)
    assert_same(solution.gap, expected.gap)


@portable
def test_codes_with_weights_of_samples_are_those_of_numpy(X, dictionary, solver):
    weights = np.random.default_rng(0).uniform(0.5, 2, (N_SAMPLES, len(dictionary)))
    options = {**SETTINGS, "solver": solver, "backend": reference}
    penalty = SampleWeightedL1(1.0, strict(weights))
    solution = solve_lasso(problem(X, dictionary, strict, penalty=penalty), **options)
    penalty = SampleWeightedL1(1.0, weights)
    expected = solve_lasso(problem(X, dictionary, as_it_is, penalty=penalty), **options)
    assert_same(solution.code, expected.code)
    assert_same(solution.gap, expected.gap)


@pytest.mark.parametrize("penalty", [LogSum(1.0, 0.5), Power(1.0, 0.5)], ids=["log", "power"])
@pytest.mark.parametrize("solver", ["auto", "ista"])
def test_codes_of_concave_penalties_are_those_of_numpy(X, dictionary, penalty, solver):
    """A GPU has no active set: weighted problems are solved by FISTA, whose gaps are 1e-5."""
    portable = SimpleNamespace(**{**vars(reference), "active_set": None})
    options = {**SETTINGS, "solver": solver, "backend": portable}
    solution = solve_lasso(problem(X, dictionary, strict, penalty=penalty), **options)
    expected = solve_lasso(problem(X, dictionary, as_it_is, penalty=penalty), **options)
    assert 0.01 < np.mean(expected.code != 0) < 0.9
    assert solution.n_iter == expected.n_iter > 1
    assert_same(solution.code, expected.code, 1e-6)


@pytest.mark.parametrize("coupling", ["gated", "product"])
def test_codes_of_windows_of_frames_are_those_of_numpy(X, dictionary, coupling):
    portable = SimpleNamespace(**{**vars(reference), "active_set": None})
    gates = unit_rows_of(np.random.default_rng(0).exponential(size=(4, len(dictionary))) ** 4)
    penalty = Gated(0.5, gates, 3, 1.0)
    if coupling == "product":
        penalty = Product(0.5, np.repeat(np.eye(4), len(dictionary) // 4, axis=1), 3)
    options = {**SETTINGS, "solver": "auto", "backend": portable}
    found, expected = (
        solve_lasso(problem(X, dictionary, convert, penalty=penalty), **options)
        for convert in (strict, as_it_is)
    )
    assert 0.01 < np.mean(expected.code != 0) < 0.9
    assert found.n_iter == expected.n_iter > 1
    assert_same(found.code, expected.code, 1e-6)
    activity = penalty.activity(expected.code)
    assert_same(penalty.what(strict(activity)), penalty.what(activity))
    assert_same(penalty.value(strict(expected.code)), penalty.value(expected.code))
    if coupling == "gated":
        weight, rows = np.ones(N_SAMPLES), expected.code.reshape(N_SAMPLES, -1)
        assert_same(penalty.moment(strict(rows), strict(weight)), penalty.moment(rows, weight))


@pytest.mark.parametrize("solver", ["fista", "ista"])
def test_codes_with_missing_values_and_predictions_are_those_of_numpy(X, dictionary, solver):
    random = np.random.default_rng(0)
    mask = (random.random(X.shape) < 0.8).astype(float)
    more = {"mask": mask, "prediction": random.standard_normal((N_SAMPLES, len(dictionary)))}
    options = {**SETTINGS, "solver": solver, "backend": reference}
    solution = solve_lasso(problem(X * mask, dictionary, strict, **more), **options)
    expected = solve_lasso(problem(X * mask, dictionary, as_it_is, **more), **options)
    assert_same(solution.code, expected.code)


@pytest.mark.parametrize(
    ("solver", "factor"),
    [
        ("block_cd", L1Penalty().resolve(N_ATOMS, 1.0)),
        ("fista", L1Penalty(np.linspace(0.5, 2, N_ATOMS)).resolve(N_ATOMS, 1.0, positive=True)),
        ("omp", L0Penalty(4).resolve(N_ATOMS, 1.0)),
    ],
    ids=["block_cd", "fista", "omp"],
)
def test_codes_of_groups_of_samples_are_those_of_numpy(X, dictionary, solver, factor):
    options = {**SETTINGS, "solver": solver, "backend": reference}
    given = {"penalty": factor, "size": N_SAMPLES // 2}
    ours = solve_lasso(problem(X, dictionary, strict, **given), **options)
    expected = solve_lasso(problem(X, dictionary, as_it_is, **given), **options)
    assert ours.n_iter == expected.n_iter > 1
    assert_same(ours.code, expected.code)
    assert_same(ours.measure, expected.measure)


@pytest.mark.pairwise
@pytest.mark.parametrize("solver", OVERLAP_SOLVERS)
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("masked", [False, True], ids=["observed", "masked"])
@pytest.mark.parametrize("make", GROUPS.values(), ids=GROUPS)
def test_codes_in_groups_are_those_of_numpy(X, dictionary, solver, positive, masked, make):
    random = np.random.default_rng(0)
    mask = (random.random(X.shape) < 0.8).astype(float) if masked else None
    data = X if mask is None else X * mask
    given = {"mask": mask, "penalty": make(positive)}
    options = {**SETTINGS, "solver": solver, "backend": reference}
    ours = solve_lasso(problem(data, dictionary, strict, **given), **options)
    expected = solve_lasso(problem(data, dictionary, as_it_is, **given), **options)
    assert ours.n_iter == expected.n_iter > 1
    assert 0.01 < np.mean(expected.code != 0)
    assert_same(ours.code, expected.code)
    assert_same(ours.gap, expected.gap)


@pytest.mark.parametrize("make", GROUPS.values(), ids=GROUPS)
def test_what_groups_cost_and_allow_is_what_it_is_for_numpy(X, dictionary, make):
    penalty, code = make(True), X @ dictionary.T
    for value in (penalty.value, penalty.gradient, lambda z: feasible(penalty, z)):
        assert_same(value(strict(code)), value(code))
    norm = penalty.dual_norm(strict(code), strict(0 * code))
    assert_same(norm, penalty.dual_norm(code, 0 * code))
    assert feasible(penalty, xp.asarray(strict(code), dtype=xp.float32)).dtype == xp.float32


@portable
def test_a_warm_start_is_taken_in_place(X, dictionary, solver):
    options = {**SETTINGS, "solver": solver, "tol": 1e-6, "backend": reference}
    cold = solve_lasso(problem(X, dictionary, strict), **options)
    warm = solve_lasso(problem(X, dictionary, strict), code=1.01 * cold.code, warm=True, **options)
    assert warm.n_iter < cold.n_iter
    # Both are within the gap 1e-6 of 32, and the curvature is at least 0.1.
    assert_same(warm.code, np.asarray(cold.code), atol=0.05)


def test_float32_stays_float32(X, dictionary):
    narrow = problem(X.astype(np.float32), dictionary.astype(np.float32), strict)
    solution = solve_lasso(narrow, **{**SETTINGS, "tol": 1e-4}, backend=reference)
    assert solution.code.dtype == solution.gap.dtype == xp.float32


def test_put_rows_is_assignment_by_an_index_array():
    array, rows = np.arange(12.0).reshape(4, 3), np.full((2, 3), -1.0)
    index = np.array([3, 1])
    result = strict(array)
    put_rows(result, strict(index), strict(rows))
    put_rows(array, index, rows)
    assert_same(result, array, atol=0)
    assert_allclose(array[[1, 3]], -1)


def test_first_atoms_are_those_of_numpy(X):
    atoms = first_dictionary(strict(X), 8, np.random.RandomState(0))
    assert_same(atoms, first_dictionary(X, 8, np.random.RandomState(0)))
    assert_same(unit_rows(strict(X)), X / np.linalg.norm(X, axis=1, keepdims=True))


@encoders
def test_encoders_run_forwards_and_backwards(X, dictionary, encoder_class):
    results = []
    for convert in (strict, as_it_is):
        encoder = encoder_class.from_dictionary(convert(dictionary), 4.0, 1.0)
        tape = Tape()
        code = encoder.on(reference).forward(convert(X), tape)
        input_gradient, gradients = encoder.backward(tape, code * 0.1)
        encoder.project()
        results.append({"code": code, "input": input_gradient, **gradients, **encoder.parameters})
    assert results[0].keys() == results[1].keys()
    for name, value in results[0].items():
        assert_same(value, results[1][name])


@encoders
def test_encoders_change_their_type(dictionary, encoder_class):
    encoder = encoder_class.from_dictionary(strict(dictionary), 4.0, 1.0).astype(xp.float32)
    assert {value.dtype for value in encoder.parameters.values()} == {xp.float32}


def test_adam_steps_are_those_of_numpy():
    gradient = np.random.default_rng(0).standard_normal((3, 4))
    results = []
    for convert in (strict, as_it_is):
        adam = Adam({"weights": convert(np.ones((3, 4)))})
        for _ in range(3):
            adam.step({"weights": convert(gradient)}, reference, 0.1)
        results.append(adam.parameters["weights"])
    assert_same(*results)


@pytest.mark.parametrize(
    "constraint",
    [None, SparseAtoms(0.1), SmoothAtoms(gamma=0.1)],
    ids=["norm", "sparse", "smooth"],
)
def test_dictionary_updates_and_replacements_are_those_of_numpy(X, constraint):
    code = np.random.default_rng(0).standard_normal((N_SAMPLES, 6))
    code[:, 2] = 0
    results = []
    for convert in (strict, as_it_is):
        online = OnlineDictionary(convert(np.eye(6, X.shape[1])), constraint)
        online.idle[2] = PATIENCE
        x, z = convert(X), convert(code)
        online.absorb(z.T @ z, z.T @ x)
        used = convert(np.count_nonzero(code, axis=0))
        online.update(used, (x, z, convert(np.linspace(1, 2, N_SAMPLES))), reference)
        results.append(online)
    ours, expected = results
    assert ours.n_replaced == expected.n_replaced == 1
    for name in ("dictionary", "code_moment", "cross_moment", "idle"):
        assert_same(getattr(ours, name), getattr(expected, name))


@pytest.mark.parametrize("masked", [False, True], ids=["observed", "masked"])
@pytest.mark.parametrize("encoder", [None, *ENCODERS])
def test_learning_steps_are_those_of_numpy(X, dictionary, encoder, masked):
    mask = (np.random.default_rng(0).random(X.shape) < 0.8).astype(float) if masked else None
    weights = np.linspace(1, 2, N_SAMPLES)
    results = []
    for convert in (strict, as_it_is):
        trainer = a_trainer(convert(np.array(dictionary)), encoder)
        data = X if mask is None else X * mask
        batch = Batch(convert(data), mask=convert(mask), weight=convert(weights))
        results.append((trainer.criterion, [trainer.step(batch) for _ in range(3)]))
    (ours, our_reports), (expected, reports) = results
    assert_same(ours.online.dictionary, expected.online.dictionary, atol=1e-8)
    for our_report, report in zip(our_reports, reports, strict=True):
        assert_allclose(our_report["loss"], report["loss"], rtol=1e-10)
        assert_same(our_report["used"], report["used"])
    for name, value in ours.parameters.items():
        assert_same(value, expected.parameters[name], atol=1e-8)


def a_trainer(atoms, encoder):
    first = None if encoder is None else ENCODERS[encoder].from_dictionary(atoms, 4.0, 1.0)
    weights = {} if encoder is None else {"beta": 0.5, "rate": LinearDecay(1e-3)}
    criterion = Dictionary(atoms, encoder=first)
    return Trainer(criterion.follow(L1(1.0), SETTINGS, "numpy", **weights))


def a_machine(convert, kind, n_hidden=7):
    """Return data of zeros and ones, an energy of two layers, and a stream of random numbers."""
    random = np.random.default_rng(0)
    X = (random.random((N_SAMPLES, 9)) < 0.4).astype(float)
    mean, variance = random.uniform(0.2, 0.8, 9), random.uniform(0.5, 2, 9)
    units = UNITS[kind].from_moments(convert(mean), convert(variance))
    weights = convert(random.standard_normal((9, n_hidden)))
    energy = BilinearEnergy(units, weights, convert(random.standard_normal(n_hidden)))
    return convert(X), energy.on(reference), Stream(np.random.RandomState(0))


def contrastive_step(convert, kind, persistent, centered):
    X, energy, stream = a_machine(convert, kind)
    hidden = convert((np.random.default_rng(1).random((5, 7)) < 0.5).astype(float))
    center = convert(np.full(9, 0.4)) if centered else None
    criterion = Contrastive(energy, convert(np.full(7, 0.3)), center, persistent)
    how = Ascending(2, 0.5, 0.1, 0.05, 0.1, 0.5, draws=kind == "bernoulli")
    batches = [np.arange(3), np.arange(3, N_SAMPLES)]
    criterion.follow(how, {0: 0.1, 1: 0.05}.get, "numpy")
    trainer = Trainer(criterion, stream, hidden if persistent else None)
    trainer.steps(DenseSamples(X), batches, range(2))
    return {**energy.parameters, "activity": criterion.activity}


kinds = pytest.mark.parametrize("kind", UNITS)


@kinds
@pytest.mark.parametrize("persistent", [False, True], ids=["cd", "fpcd"])
@pytest.mark.parametrize("centered", [False, True])
def test_contrastive_steps_are_those_of_numpy(kind, persistent, centered):
    """Binary draws are identical, and normal numbers are equal up to rounding."""
    ours, expected = (
        contrastive_step(convert, kind, persistent, centered) for convert in (strict, np.array)
    )
    for name, value in expected.items():
        assert_same(ours[name], value)


def weights_after_flips(convert, loss):
    X, energy, _ = a_machine(convert, "bernoulli")
    X = convert((np.asarray(X) > 0.5).astype(float))
    n_visible, n_hidden = energy.weights.shape
    activity, center = convert(np.full(n_hidden, 0.2)), convert(np.full(n_visible, 0.4))
    criterion = Flipping(energy, activity, center, loss)
    how = Ascending(momentum=0.5, decay=0.1, sparsity_target=0.1, sparsity_cost=0.5)
    criterion.follow(how, lambda done: 0.1, "numpy")
    batch = Batch(X, mask=convert(np.tile([1.0, 1.0, 0.0], (X.shape[0], 3))))
    for _ in range(2):
        model = criterion.prepare(batch)
        sums, _ = criterion.contribute(model, batch, None)
        criterion.apply(model, sums, batch, 0.0)
    return energy.weights


@pytest.mark.parametrize("loss", FLIP_LOSSES)
def test_steps_along_flips_are_those_of_numpy(loss):
    assert_same(*(weights_after_flips(convert, loss) for convert in (strict, np.array)))


def what_a_machine_says(convert, kind):
    X, energy, stream = a_machine(convert, kind)
    hidden = energy.conditionals.sample_hidden(X, stream.key())
    visible = gibbs(
        energy.conditionals, hidden, convert(np.empty((N_SAMPLES, 9))), gibbs_keys(stream, 3)
    )
    base = UNITS[kind].from_moments(convert(np.full(9, 0.5)), convert(np.ones(9)))
    exact = sum_states(7, energy.free_energy_of_hidden, energy.weights)
    path = AnnealedPath(energy, base)
    estimate = anneal(path, np.linspace(0, 1, 20), 6, stream)
    arrays = [
        hidden,
        visible,
        energy.free_energy(visible),
        energy.value(visible, hidden),
        energy.conditionals.visible_mean(hidden),
        *([pseudo_likelihood(energy, X)] if kind != "gaussian" else []),
    ]
    return arrays, [exact.value, estimate.value, estimate.error, largest_log_odds(energy)]


@kinds
def test_energies_chains_and_likelihoods_are_those_of_numpy(kind):
    (ours, our_numbers), (expected, numbers) = (
        what_a_machine_says(convert, kind) for convert in (strict, np.array)
    )
    for one, other in zip(ours, expected, strict=True):
        assert_same(one, other)
    assert_allclose(our_numbers, numbers, rtol=ROUNDING)


@kinds
def test_first_layers_are_those_of_numpy(kind):
    results = []
    for convert in (strict, np.array):
        X, energy, _ = a_machine(convert, kind)
        units, weights, bias = energy.visible.first_layer(X, 0.1, np.random.RandomState(0))
        results.append({"weights": weights, "bias": bias, **units.parameters})
    for name, value in results[1].items():
        assert_same(results[0][name], value)


POOLED = {"pooled": ExpertEnergy(map_shape=(2, 3), pool_shape=(1, 2), precision=0.5).first}
INPUT_ENERGIES = MODEL_ENERGIES | POOLED


@pytest.mark.parametrize("name", INPUT_ENERGIES)
def test_energies_of_samples_are_those_of_numpy(name):
    """Values, derivatives of samples and of parameters, and partition functions."""
    random = np.random.default_rng(0)
    x, direction = (random.standard_normal((5, 6)) for _ in range(2))
    weight = random.standard_normal(5)
    first = INPUT_ENERGIES[name](6, 6, x.mean(axis=0), np.random.RandomState(0))
    if first.is_binary:
        x = (x > 0).astype(float)
    results = []
    for convert in (strict, np.array):
        energy = first.with_parameters({k: convert(v) for k, v in first.parameters.items()})
        energy.project()
        result = [
            energy.value(convert(x)),
            energy.responses(convert(x)),
            energy.input_gradient(convert(x)),
            *energy.parameter_gradients(convert(x), None, convert(weight)).values(),
        ]
        if offers(energy, "derivatives"):
            derivatives = energy.derivatives(convert(x))
            gradients = derivatives.parameter_gradients(convert(direction), convert(weight))
            result += [derivatives.gradient(), derivatives.laplacian(), *gradients.values()]
        if offers(energy, "log_partition"):
            result += energy.log_partition_gradients().values()
            assert np.isfinite(energy.log_partition())
        if energy.is_binary:
            flips = energy.flips(convert(x))
            result += [flips.changes(), *flips.parameter_gradients(convert(direction)).values()]
            keys = Stream(np.random.RandomState(0)).key(), Stream(np.random.RandomState(1)).key()
            result.append(energy.gibbs_sweep(convert(x), keys))
        results.append(result)
        assert energy.astype(energy.dtype) is energy
        assert energy.fits(1e3)
    for pair in zip(*results, strict=True):
        assert_same(*pair)


@pytest.mark.parametrize("has_sweeps", [True, False])
@pytest.mark.parametrize("name", ["student_t", "ising", "rbm"])
def test_chains_are_those_of_numpy(name, has_sweeps):
    random = np.random.default_rng(0)
    first = MODEL_ENERGIES[name](6, 6, random.random(6), np.random.RandomState(0))
    x = random.random((5, 6))
    if first.is_binary:
        x = (x > 0.5).astype(float)
    results = []
    for convert in (strict, np.array):
        energy = first.with_parameters({k: convert(v) for k, v in first.parameters.items()})
        sampler = FlipSampler(2) if first.is_binary else HamiltonianSampler(2)
        if first.is_binary and not has_sweeps:
            energy = SimpleNamespace(flips=energy.flips)
        stream = Stream(np.random.RandomState(0))
        results.append(sampler.move(energy, sampler.start(convert(x)), stream, 3).particles)
    assert_same(*results)
