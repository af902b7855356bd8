"""Learning: decrease of the energy, recovery of planted atoms, and invariance."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from sklearn_ebm import PSD, LISTAEncoder, SparseCoder
from sklearn_ebm.factors import ENCODERS, L1, UNROLLED_ENCODERS
from sklearn_ebm.learning._divergence import Watch
from sklearn_ebm.learning._memory import Memory
from sklearn_ebm.learning._optimizers import Adam
from sklearn_ebm.learning._samples import Batch
from sklearn_ebm.learning.criteria import Dictionary
from tests.registries.row_models import (
    LEARNERS,
    MODELS,
    every_model,
    fitted_attributes,
    kinds,
    learned,
    learners,
    make,
    models,
    solver_everywhere,
    start_from,
    with_codes,
)

ALPHA = 0.5
EXACT = ["components_", "objective_curve_", "sparsity_curve_", "usage_"]  # all except seconds
EACH_IN_ONE_DTYPE = [  # the other one with --all-cases
    pytest.param(name, dtype, marks=() if (n + k) % 2 else pytest.mark.exhaustive)
    for n, name in enumerate(MODELS)
    for k, dtype in enumerate(["float32", "float64"])
]
pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")


def numbers(model):
    """Return all learned parameters by name, including those of the encoder."""
    learned = {name: getattr(model, name) for name in EXACT}
    encoder = getattr(model, "encoder_", None)
    return learned if encoder is None else {**learned, **encoder.parameters}


def assert_same(first, second, rtol=0, atol=0):
    for name, value in numbers(first).items():
        assert_allclose(numbers(second)[name], value, rtol=rtol, atol=atol, err_msg=name)


def unit_rows(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(("name", "dtype"), EACH_IN_ONE_DTYPE)
def test_objective_falls_and_atoms_keep_unit_norm(patches, name, dtype):
    X = patches[:150].astype(dtype)
    model = make(name, 24, max_iter=6, tol=0, batch_size=25).fit(X)
    curve = model.objective_curve_
    assert model.n_iter_ == len(curve) == len(model.seconds_curve_) == len(model.sparsity_curve_)
    # Initial codes of untrained unrolled steps are already near the optimum.
    assert curve[-1] < (0.98 if isinstance(model, LISTAEncoder) else 0.95) * curve[0]
    assert np.all(np.diff(curve) < 0.02 * curve[0])  # batches are noisy, but never increase it much
    assert np.all(np.diff(model.seconds_curve_) > 0)
    norm = np.linalg.norm(model.components_.astype(np.float64), axis=1)
    assert_allclose(norm, 1, rtol=10 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", LEARNERS)
def test_objective_curve_ends_at_the_energy_of_the_data(patches, name):
    """With a fixed dictionary and a nearly constant encoder, a pass computes energies exactly."""
    model = make(name, None, dictionary=unit_rows(patches[:24]), max_iter=1, tol=0)
    if isinstance(model, SparseCoder):
        model = make(name, 24, dictionary_init=patches[:24], max_iter=1, batch_size=300, tol=0)
        before = make(name, None, dictionary=unit_rows(patches[:24])).fit(patches)
        expected = before.energy(patches).mean()
    else:
        model.set_params(learning_rate=1e-12)
        expected = model.fit(patches).energy(patches).mean()
    curve = model.fit(patches).objective_curve_
    # Codes in learning have gaps of 1e-3 of 1/2 ||x||^2, which bound the error of the energy.
    assert_allclose(curve, [expected], rtol=1e-3 * 32 / expected)


def test_planted_atoms_are_found():
    """Samples are sums of three of 15 atoms in 20 dimensions, with a noise of 1 %."""
    random = np.random.default_rng(0)
    planted = unit_rows(random.standard_normal((15, 20)))
    code = np.zeros((2000, 15))
    for row in code:
        row[random.choice(15, 3, replace=False)] = random.choice([-1, 1], 3) * (
            1 + random.random(3)
        )
    X = code @ planted + 0.01 * random.standard_normal((2000, 20))
    coder = SparseCoder(15, alpha=0.3, max_iter=30, tol=0, batch_size=100, random_state=0).fit(X)
    found = np.abs(planted @ coder.components_.T).max(axis=1)
    assert np.all(found > 0.99)


def test_positive_codes_learn_the_parts_of_positive_data():
    random = np.random.default_rng(0)
    parts = unit_rows(np.eye(6).repeat(2, axis=1))
    X = random.exponential(size=(500, 6)) * (random.random((500, 6)) < 0.4) @ parts
    coder = SparseCoder(
        6, alpha=0.2, positive=True, max_iter=30, tol=0, batch_size=50, random_state=0
    ).fit(X)
    assert np.all((parts @ coder.components_.T).max(axis=1) > 0.99)
    assert np.all(coder.transform(X) >= 0)


@kinds
def test_weights_are_repetitions(patches, name):
    """A single batch contains all samples, so that their order does not matter.

    A `LISTAEncoder` learns its dictionary in batches of at least 64 samples.
    """
    X = patches[:30]
    weights = np.random.default_rng(0).integers(0, 4, len(X))
    options = {"n_components": 8, "max_iter": 4, "tol": 0, "batch_size": 1000}

    weighted = make(name, **options).fit(X, sample_weight=weights)
    repeated = make(name, **options).fit(np.repeat(X, weights, axis=0))
    # Rounding of sums in another order, amplified by four updates.
    assert_allclose(weighted.components_, repeated.components_, atol=1e-8)
    assert_allclose(weighted.objective_curve_, repeated.objective_curve_, rtol=1e-9)
    assert_allclose(weighted.transform(X), repeated.transform(X), atol=1e-7)


@kinds
def test_the_unit_of_the_weights_does_not_matter(patches, name):
    options = {"n_components": 8, "max_iter": 3, "tol": 0}
    plain = make(name, **options).fit(patches)
    heavy = make(name, **options).fit(patches, sample_weight=np.full(len(patches), 7.0))
    assert_allclose(heavy.components_, plain.components_, atol=1e-9)
    assert_allclose(heavy.objective_curve_, plain.objective_curve_, rtol=1e-12)


@models
def test_partial_fit_over_chunks_is_one_after_another(patches, name):
    X = patches[:90]
    # Initial atoms depend on the first chunk: start from the same ones to compare.
    settings = {"n_components": 8, "batch_size": 30, **start_from(name, unit_rows(X[:8]))}
    whole, chunks = (make(name, **settings) for _ in range(2))
    whole.partial_fit(X)
    for chunk in np.split(X, 3):
        chunks.partial_fit(chunk)
    assert_array_equal(learned(whole), learned(chunks))
    assert getattr(whole, "n_replaced_", 0) == getattr(chunks, "n_replaced_", 0)
    assert_array_equal(whole.transform(X), chunks.transform(X))


@kinds
def test_partial_fit_lowers_the_energy(patches, name):
    model = make(name, 24, batch_size=50).partial_fit(patches)
    before = model.energy(patches).mean()
    for _ in range(8):
        model.partial_fit(patches)
    assert model.energy(patches).mean() < 0.98 * before
    assert model.usage_.shape == (24,)
    assert np.all((model.usage_ >= 0) & (model.usage_ <= 1))


@kinds
def test_partial_fit_goes_on_from_fit(patches, name):
    model = make(name, 12, max_iter=3, tol=0).fit(patches)
    before = learned(model).copy()
    model.partial_fit(patches[:50])
    assert 0 < np.abs(learned(model) - before).max() < 0.5  # changed, but not initialised again


@learners
def test_idle_atoms_are_replaced_and_counted(patches, name):
    """Atoms outside of the span of the data are unused; samples replace them after 50 batches.

    They fill whole groups, since an atom is used if its group is on.
    """
    X = patches.copy()
    X[:, 32:] = 0
    start = unit_rows(np.random.default_rng(0).standard_normal((8, 64)))
    start[:4, :32] = 0
    model = make(name, 8, dictionary_init=start, max_iter=20, tol=0, batch_size=50).fit(X)
    assert model.n_replaced_ == 4
    assert_allclose(model.components_[:, 32:], 0, atol=0.1)
    assert np.all(model.usage_ > 0)


@learners
def test_learning_stops_where_the_change_falls_to_tol(patches, name):
    model = make(name, 12, max_iter=100, tol=2e-2).fit(patches)
    change = np.abs(np.diff(model.objective_curve_)) / model.objective_curve_[:-1]
    assert 1 < model.n_iter_ < 100
    assert change[-1] <= 2e-2
    assert np.all(change[:-1] > 2e-2)


@kinds
def test_warm_start_goes_on_and_a_cold_one_starts_again(patches, name):
    settings = {"max_iter": 3, "tol": 0, "batch_size": 100}
    model = make(name, 24, warm_start=True, **settings).fit(patches)
    first, before = model.objective_curve_, learned(model).copy()
    model.fit(patches)
    assert model.n_iter_ == 3
    assert model.objective_curve_[0] < first[-1]
    assert np.abs(learned(model) - before).max() < 0.5
    again = make(name, 24, warm_start=False, **settings).fit(patches).fit(patches)
    assert_array_equal(again.objective_curve_, first)


@learners
def test_warm_start_takes_parameters_that_were_changed(patches, name):
    model = make(name, 8, warm_start=True, alpha=0.5, max_iter=2, tol=0).fit(patches)
    dense = model.sparsity_curve_[-1]
    model.set_params(alpha=5.0).fit(patches)
    assert model.sparsity_curve_[-1] < dense / 2


@learners
def test_partial_fit_takes_parameters_that_were_changed(patches, name):
    model = make(name, 8, alpha=0.5).partial_fit(patches)
    dense = model.usage_.mean()
    assert model.set_params(alpha=5.0).partial_fit(patches).usage_.mean() < dense / 2


@learners
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_what_cannot_change_on_the_way_is_refused(patches, name, method):
    model = make(name, 8, warm_start=True, max_iter=1, tol=0).fit(patches)
    with pytest.raises(
        ValueError, match="n_components=9, but learning continues with n_components=8"
    ):
        getattr(model.set_params(n_components=9), method)(patches)
    with pytest.raises(ValueError, match="X has 10 features, but"):
        getattr(model.set_params(n_components=8), method)(patches[:, :10])
    if isinstance(model, PSD):
        with pytest.raises(ValueError, match=r"encoder='tanh'.* but learning continues with"):
            getattr(model.set_params(encoder="tanh"), method)(patches)


@models
def test_the_same_seed_gives_the_same_model(patches, name):
    X = patches[:100]
    settings = {"n_components": 8, "max_iter": 2, "tol": 0, "batch_size": 32}
    first = make(name, **settings, random_state=3).fit(X)
    assert_same(first, make(name, **settings, random_state=3).fit(X))
    assert_same(first, make(name, **settings, random_state=np.random.RandomState(3)).fit(X))
    other = make(name, **settings, random_state=4).fit(X)
    assert np.abs(other.components_ - first.components_).max() > 0.1


@models
def test_threads_do_not_change_the_model(patches, name):
    X = np.vstack([patches, patches[::-1], patches])  # several pieces per batch
    settings = {"n_components": 8, "max_iter": 2, "tol": 0, "batch_size": 900}
    with threadpool_limits(1):
        alone = make(name, **settings).fit(X)
    with threadpool_limits(2):
        together = make(name, **settings).fit(X)
    # BLAS may split a product differently for another number of threads.
    assert_same(alone, together, rtol=1e-9, atol=1e-11)


@every_model
def test_backends_learn_the_same_to_rounding(patches, name):
    X = patches[:40]
    settings = {"n_components": 6, "max_iter": 2, "tol": 0, "code_tol": 1e-10}
    settings.update(start_from(name, unit_rows(X[:6])))
    first, second = (
        make(name, **settings, solver=solver_everywhere(name), backend=backend).fit(X)
        for backend in ("numpy", "numba")
    )
    # Codes in learning have gaps of 1e-3, within which the two backends may differ.
    assert_allclose(first.objective_curve_, second.objective_curve_, rtol=2e-3)
    overlap = np.sum(first.components_ * second.components_, axis=1)
    assert np.all(overlap > 0.99)
    assert_allclose(first.energy(X), second.set_params(backend="numpy").energy(X), rtol=0.05)


@every_model
def test_float32_stays_float32(patches, name):
    X = patches[:40].astype(np.float32)
    model = make(name, 8, alpha=np.float64(0.5), max_iter=1, tol=0, code_tol=np.float64(1e-3))
    if isinstance(model, PSD):
        model.set_params(beta=np.float64(0.7))
    if not isinstance(model, SparseCoder):
        model.set_params(learning_rate=np.float64(1e-2))
    model.fit(X, sample_weight=np.linspace(0.5, 1, len(X)))
    arrays = {"components_": model.components_, **getattr(model, "encoder_", NoEncoder).parameters}
    arrays["transform"] = model.transform(X[:5])
    arrays["energy"] = model.energy(X[:5])
    code = with_codes(model).transform(X[:5])
    arrays["inverse_transform"] = model.inverse_transform(code)
    arrays.update(state(model._learner.criterion))
    assert {key: array.dtype for key, array in arrays.items()} == dict.fromkeys(
        arrays, np.dtype(np.float32)
    )


class NoEncoder:
    parameters = {}


def state(criterion):
    """Return the state of learning, by name."""
    remembered = {}
    if hasattr(criterion, "online"):
        code_moment, cross_moment = criterion.online.moments
        remembered.update(code_moment=code_moment, cross_moment=cross_moment)
    if criterion.optimizer is not None:
        for moment in ("_first", "_second"):
            by_name = getattr(criterion.optimizer, moment)
            remembered.update({f"{moment} {name}": value for name, value in by_name.items()})
    return remembered


@models
def test_memory_maps_and_read_only_data_give_the_same_model(patches, name, tmp_path):
    settings = {"n_components": 8, "max_iter": 2, "tol": 0}
    X = patches[:100]
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected = make(name, **settings).fit(X.copy())
    assert not X.flags.writeable
    assert_same(make(name, **settings).fit(X), expected)
    model = make(name, **settings).fit(mapped)
    assert_same(model, expected)
    assert_array_equal(model.transform(mapped), expected.transform(X))


@learners
def test_missing_values_hardly_disturb_what_is_learned(patches, name):
    """A tenth of the pixels is missing; the atoms reconstruct the missing pixels."""
    hidden = np.random.default_rng(0).uniform(size=patches.shape) < 0.1
    X = np.where(hidden, np.nan, patches)
    settings = {"n_components": 24, "max_iter": 10, "tol": 0, "batch_size": 100}
    model = make(name, missing_values=np.nan, **settings)
    if isinstance(model, PSD):
        model.set_params(inference="optimal")
    model = with_codes(model).fit(X)
    rebuilt = model.inverse_transform(model.transform(X))
    assert np.all(np.isfinite(model.components_))
    error = np.mean((rebuilt - patches)[hidden] ** 2)
    assert error < 0.75 * np.mean(patches[hidden] ** 2)


def test_the_reconstruction_stands_in_for_what_is_missing(patches, dictionary):
    """B = sum z'x of data whose missing values are replaced by z D, and not by zeros."""
    mask = (np.random.default_rng(0).uniform(size=patches.shape) < 0.8).astype(float)
    criterion = Dictionary(np.array(dictionary))
    criterion.follow(L1(ALPHA), {"solver": "fista", "tol": 1e-3, "max_iter": 1000}, "numba")
    batch, memory = Batch(patches * mask, mask=mask), Memory()
    sums, _ = criterion.contribute(criterion.prepare(batch), batch, memory)
    code = memory.array("code", (len(patches), len(dictionary)), patches)
    filled = patches * mask + (1 - mask) * (code @ dictionary)
    # Sums over 300 samples of numbers of size ten, in pieces.
    assert_allclose(sums["moments"]["cross_moment"], code.T @ filled, atol=1e-9)
    assert_allclose(sums["moments"]["code_moment"], code.T @ code, atol=1e-9)


@pytest.mark.parametrize("name", ["PSD-tanh-encoder", "LISTAEncoder-lista"])
@pytest.mark.filterwarnings("ignore:No pass improved on:sklearn.exceptions.ConvergenceWarning")
def test_learning_rate_of_the_encoder_falls_linearly_to_zero(patches, monkeypatch, name):
    rates = []
    monkeypatch.setattr(Adam, "step", lambda self, gradients, backend, rate: rates.append(rate))
    make(name, 8, max_iter=2, tol=0, batch_size=100, learning_rate=0.6).fit(patches)
    assert_allclose(rates, np.arange(6, 0, -1) / 10, rtol=1e-12)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_parameters_of_the_encoder_stay_where_they_are_allowed(patches, encoder, monkeypatch):
    """Steps of 1 move all parameters, many of them out of bounds."""
    monkeypatch.setattr(Watch, "require", lambda self, loss, usual: None)
    model = make(f"PSD-{encoder}-encoder", 8, max_iter=3, tol=0, learning_rate=1.0).fit(patches)
    projected = copy.deepcopy(model.encoder_)
    projected.project()
    for name, value in model.encoder_.parameters.items():
        assert_array_equal(value, projected.parameters[name], name)


def test_training_makes_every_encoder_a_better_predictor(patches):
    X = patches[:150]
    for encoder in ENCODERS:
        name = f"PSD-{encoder}-encoder"
        settings = {"tol": 0, "batch_size": 30, "learning_rate": 1e-2}
        first, last = (make(name, 12, max_iter=n, **settings).fit(X) for n in (1, 20))
        assert misfit(last, X) < 0.7 * misfit(first, X), encoder


def misfit(model, X):
    """Return the mean squared distance of prediction and optimal code, relative to the code."""
    optimal = make("PSD-shrinkage-optimal")  # only for its solver; the state is the model's
    optimal.set_params(**{**model.get_params(), "inference": "optimal"})
    vars(optimal).update({k: v for k, v in vars(model).items() if k not in model.get_params()})
    code = optimal.transform(X)
    return np.mean((model.transform(X) - code) ** 2) / np.mean(code**2)


@pytest.mark.parametrize("encoder", UNROLLED_ENCODERS)
def test_steps_of_psd_are_those_of_its_encoder(patches, encoder):
    """Each step is a product with S, and improves the prediction of the untrained network."""
    settings = {"dictionary": unit_rows(patches[:24]), "max_iter": 1, "learning_rate": 1e-12}
    name, misfits = f"PSD-{encoder}-encoder", []
    for n_steps in (0, 2, 8):
        model = make(name, None, n_steps=n_steps, tol=0, beta=1e-6, **settings).fit(patches)
        assert model.encoder_.n_steps == n_steps
        misfits.append(misfit(model, patches))
    assert np.all(np.diff(misfits) < 0)


@pytest.mark.parametrize("encoder", UNROLLED_ENCODERS)
def test_other_steps_are_refused_on_the_way(patches, encoder):
    settings = {"warm_start": True, "max_iter": 1, "tol": 0}
    model = make(f"PSD-{encoder}-encoder", 8, n_steps=2, **settings).fit(patches)
    words = "n_steps=3.* but learning continues with .*2"
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=words):
            getattr(model.set_params(n_steps=3), method)(patches)
    model.set_params(n_steps=2).fit(patches)
    assert model.set_params(n_steps=3, warm_start=False).fit(patches).encoder_.n_steps == 3


@every_model
def test_every_fitted_attribute_is_documented(patches, name):
    model = make(name, 4, max_iter=1, tol=0).fit(patches[:20])
    documented = type(model).__doc__.partition("Attributes")[2].partition("See Also")[0]
    for attribute in fitted_attributes(model):
        assert f"\n    {attribute} : " in documented


def test_one_pass_cannot_converge(patches):
    with pytest.warns(ConvergenceWarning, match="requires at least two passes"):
        SparseCoder(8, max_iter=1, random_state=0).fit(patches)


@pytest.mark.filterwarnings("ignore:Every code is zero")
def test_without_a_tolerance_all_passes_are_made_although_nothing_changes():
    coder = SparseCoder(2, alpha=1.0, max_iter=7, tol=0, random_state=0).fit(np.zeros((20, 3)))
    assert coder.n_iter_ == 7
