"""Untrained unrolled encoders equal the solvers that they unroll."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.backends import numba, numpy
from sklearn_ebm.factors import ENCODERS, L1, UNROLLED_ENCODERS, LinearDecoder, SparseEnergy, Tape
from sklearn_ebm.factors.encoders import ShrinkageEncoder
from sklearn_ebm.factors.encoders._lateral import PIECE_ROWS
from sklearn_ebm.solvers._proximal import ista
from tests.papers import (
    fista_steps,
    greedy_steps,
    ista_steps,
    lcod,
    lista,
    positive_ista_steps,
    shrink,
)

ALPHA = 1.0
ROUNDING = 1e-12  # sums of 96 terms of size ten, about ten times, in float64
backends = pytest.mark.parametrize("backend", [numpy, numba], ids=["numpy", "numba"])
ties = pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
unrolled = pytest.mark.parametrize("name", UNROLLED_ENCODERS)
steps = pytest.mark.parametrize("n_steps", [0, 1, 2, 7])
LAYERS = ("weights", "lateral", "threshold")
FORMS = [
    ("lista", True), ("lista", False), ("lfista", True), ("lfista", False), ("lcod", True),
    ("drsae", True), ("drsae", False),
]  # fmt: skip
forms = pytest.mark.parametrize(("name", "tied"), FORMS)


@pytest.fixture(params=["unit", "other"])
def atoms(request, dictionary):
    """Atoms of norm one, and of norms between 1/2 and 2."""
    if request.param == "unit":
        return dictionary
    return dictionary * np.linspace(0.5, 2, len(dictionary))[:, None]


def untrained(name, dictionary, alpha=ALPHA, **options):
    encoder_class = ENCODERS[name]
    lipschitz = LinearDecoder(dictionary).lipschitz
    return encoder_class.from_dictionary(dictionary, lipschitz, alpha, **options)


def trained(name, dictionary, tied=True, n_steps=3):
    """Return parameters of no solver, different in each step if they are untied."""
    encoder = untrained(name, dictionary, tied=tied, n_steps=n_steps)
    random = np.random.default_rng(0)
    for value in encoder.parameters.values():
        value += 0.01 * random.uniform(size=value.shape)
    return encoder


@steps
@ties
@backends
def test_untrained_lista_is_one_step_of_ista_more(patches, atoms, n_steps, tied, backend):
    encoder = untrained("lista", atoms, n_steps=n_steps, tied=tied)
    expected = ista_steps(patches, atoms, ALPHA, n_steps + 1)
    assert_allclose(encoder.on(backend).forward(patches), expected, atol=ROUNDING)
    assert 0.01 < np.mean(expected != 0) < 0.9  # neither all zero nor all non-zero
    problem = SparseEnergy(LinearDecoder(atoms), L1(ALPHA)).problem(patches)
    code, _, _ = ista(problem, tol=0.0, max_iter=n_steps + 1, backend=numpy)
    assert_allclose(encoder.on(backend).forward(patches), code, atol=ROUNDING)


@steps
@ties
@backends
def test_untrained_drsae_is_one_step_of_positive_ista_more(patches, atoms, n_steps, tied, backend):
    encoder = untrained("drsae", atoms, n_steps=n_steps, tied=tied)
    expected = positive_ista_steps(patches, atoms, ALPHA, n_steps + 1)
    assert_allclose(encoder.on(backend).forward(patches), expected, atol=ROUNDING)
    assert 0.01 < np.mean(expected != 0) < 0.9  # neither all zero nor all non-zero
    problem = SparseEnergy(LinearDecoder(atoms), L1(ALPHA, positive=True)).problem(patches)
    code, _, _ = ista(problem, tol=0.0, max_iter=n_steps + 1, backend=numpy)
    assert_allclose(encoder.on(backend).forward(patches), code, atol=ROUNDING)


@steps
@ties
@backends
def test_untrained_lfista_is_one_step_of_fista_more(patches, atoms, n_steps, tied, backend):
    encoder = untrained("lfista", atoms, n_steps=n_steps, tied=tied)
    expected = fista_steps(patches, atoms, ALPHA, n_steps + 1)
    assert_allclose(encoder.on(backend).forward(patches), expected, atol=ROUNDING)
    if n_steps > 1:  # the first momentum is zero
        plain = ista_steps(patches, atoms, ALPHA, n_steps + 1)
        assert np.abs(expected - plain).max() > 1e-2


@pytest.mark.parametrize("n_steps", [0, 1, 2, 30])
@backends
def test_untrained_lcod_is_greedy_coordinate_descent(patches, atoms, n_steps, backend):
    encoder = untrained("lcod", atoms, n_steps=n_steps)
    expected = greedy_steps(patches, atoms, ALPHA, n_steps)
    assert_allclose(encoder.on(backend).forward(patches), expected, atol=ROUNDING)


def test_many_greedy_steps_meet_the_lasso_optimality_conditions(patches, atoms):
    X = patches[:20]
    code = untrained("lcod", atoms, n_steps=2000).forward(X)
    correlation = (X - code @ atoms) @ atoms.T
    on = code != 0
    # At most 28 atoms are on: 70 rounds, each of which reduces the error by a third.
    assert_allclose(correlation[on], ALPHA * np.sign(code[on]), atol=1e-8)
    assert np.all(np.abs(correlation) <= ALPHA + 1e-8)
    assert 0.02 < on.mean() < 0.3


@pytest.mark.parametrize(("name", "tied"), FORMS)
def test_without_steps_it_is_the_shrinkage_encoder(patches, dictionary, name, tied):
    """Atoms have norm one, so that coordinate descent makes the same step as ISTA with L = 1."""
    encoder = untrained(name, dictionary, n_steps=0, tied=tied)
    lipschitz = 1.0 if name == "lcod" else LinearDecoder(dictionary).lipschitz
    shrinkage = ShrinkageEncoder.from_dictionary(dictionary, lipschitz, ALPHA)
    expected = shrinkage.forward(patches)
    expected = np.maximum(expected, 0) if name == "drsae" else expected
    assert_allclose(encoder.forward(patches), expected, atol=1e-13)


@pytest.mark.parametrize("name", ["lista", "lfista"])
@backends
def test_untied_steps_use_their_own_weights(patches, dictionary, name, backend):
    parameters = (encoder := trained(name, dictionary, tied=False)).parameters
    momenta = parameters.get("momentum", np.zeros(3))
    expected = lista(patches, *(parameters[name] for name in LAYERS), momenta)
    assert_allclose(encoder.on(backend).forward(patches), expected, atol=ROUNDING)
    forward = encoder.on(backend).forward(patches, Tape())
    assert_allclose(forward, expected, atol=ROUNDING)


@backends
def test_trained_greedy_steps_are_those_of_the_paper(patches, dictionary, backend):
    encoder = trained("lcod", dictionary, n_steps=5)
    expected = lcod(patches, *(encoder.parameters[name] for name in LAYERS), 5)
    assert_allclose(encoder.on(backend).forward(patches), expected, atol=ROUNDING)
    forward = encoder.on(backend).forward(patches, Tape())
    assert_allclose(forward, expected, atol=ROUNDING)


def test_filters_of_untied_steps_are_the_first_step_s(dictionary):
    encoder = trained("lista", dictionary, tied=False)
    assert_array_equal(encoder.filters, encoder.parameters["weights"][0].T)
    assert np.any(encoder.filters != encoder.parameters["weights"][1].T)


def test_steps_of_greedy_descent_cannot_be_untied(dictionary):
    with pytest.raises(ValueError, match="tied=False requires encoder='lista' or encoder='lfista'"):
        untrained("lcod", dictionary, tied=False)


@forms
def test_many_pieces_are_put_together_in_order(patches, dictionary, name, tied):
    encoder = trained(name, dictionary, tied)
    X = np.vstack([patches] * 3)
    assert len(X) > 2 * PIECE_ROWS
    expected = np.vstack([encoder.forward(patches)] * 3)
    assert_allclose(encoder.on(numba).forward(X), expected, atol=ROUNDING)


# Sparse S


@forms
@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 1.0])
def test_a_sparse_lateral_keeps_the_largest_entries_and_their_values(
    dictionary, name, tied, fraction
):
    encoder = trained(name, dictionary, tied)
    lateral = encoder.parameters["lateral"].copy()
    sparse = encoder.with_sparse_lateral(fraction).parameters["lateral"]
    assert_array_equal(encoder.parameters["lateral"], lateral)
    kept = sparse != 0
    assert kept.sum() == round(fraction * lateral.size)
    assert_array_equal(sparse[kept], lateral[kept])
    if 0 < fraction < 1:
        assert np.abs(lateral[~kept]).max() <= np.abs(lateral[kept]).min()


@forms
def test_all_but_the_lateral_weights_stay_where_they_are_made_sparse(dictionary, name, tied):
    encoder = trained(name, dictionary, tied)
    sparse = encoder.with_sparse_lateral(0.3)
    for name in encoder.parameters.keys() - {"lateral"}:
        assert_array_equal(sparse.parameters[name], encoder.parameters[name])
        assert not np.shares_memory(sparse.parameters[name], encoder.parameters[name])


@forms
def test_what_was_taken_out_stays_out(dictionary, name, tied, dtype):
    encoder = trained(name, dictionary, tied).with_sparse_lateral(0.3).astype(dtype)
    zero = encoder.parameters["lateral"] == 0
    for form in (encoder, encoder.copy(), pickle.loads(pickle.dumps(encoder))):
        form.parameters["lateral"] += 1
        form.project()
        assert form.parameters["lateral"].dtype == dtype
        assert np.all(form.parameters["lateral"][zero] == 0)
        assert np.all(form.parameters["lateral"][~zero] != 0)


@pytest.mark.parametrize("name", ["lista", "lfista"])
def test_without_any_lateral_weight_all_steps_are_the_first(patches, dictionary, name):
    encoder = trained(name, dictionary).with_sparse_lateral(0.0)
    parameters = encoder.parameters
    expected = shrink(patches @ parameters["weights"], parameters["threshold"])
    assert_allclose(encoder.forward(patches), expected, atol=1e-13)


# Copies


def pickled(encoder):
    return pickle.loads(pickle.dumps(encoder))


@forms
@pytest.mark.parametrize("replicate", [pickled, copy.deepcopy, lambda encoder: encoder.copy()])
def test_copies_encode_alike_and_share_no_memory(patches, dictionary, name, tied, replicate):
    encoder = trained(name, dictionary, tied)
    replica = replicate(encoder)
    expected = encoder.forward(patches)
    assert_array_equal(replica.forward(patches), expected)
    assert replica.scales == encoder.scales
    for value in replica.parameters.values():
        value += 1
    assert_array_equal(encoder.forward(patches), expected)


@forms
@backends
def test_an_encoder_of_the_other_type_gives_the_same_codes(
    patches, dictionary, name, tied, backend
):
    encoder = trained(name, dictionary, tied)
    narrow = encoder.astype(np.dtype(np.float32))
    assert {value.dtype for value in narrow.parameters.values()} == {np.dtype(np.float32)}
    code = narrow.on(backend).forward(patches.astype(np.float32))
    assert code.dtype == np.float32
    # Sums of 64 and 96 terms of size one, four times: some hundred eps = 1e-7.
    assert_allclose(code, encoder.forward(patches), atol=1e-4)
    assert narrow.astype(np.dtype(np.float32)) is narrow
    assert narrow.scales == encoder.scales


@unrolled
def test_steps_of_training_are_in_proportion_to_the_first_weights(patches, dictionary, name):
    """Atoms a hundred times as long give weights and scales 100 or 10,000 times smaller."""
    plain = untrained(name, dictionary)
    scaled = untrained(name, 100 * dictionary, 100 * ALPHA)
    for name in ("weights", "threshold"):
        value, other = plain.parameters[name], scaled.parameters[name]
        ratio = scaled.scales[name] / plain.scales[name]
        assert_allclose(other, ratio * value, rtol=1e-9)
        assert_allclose(ratio, 0.01, rtol=1e-9)
    assert_allclose(scaled.scales["lateral"], plain.scales["lateral"], rtol=1e-9)
