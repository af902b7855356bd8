"""RBM, auto-encoders, LISTA and fine-tuning learn from chunks as they do from arrays."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ebm import (
    PSD,
    RBM,
    AutoEncoder,
    ConvPSD,
    ConvSparseCoder,
    Dropout,
    DrSAEClassifier,
    EnergyModel,
    FineTunedClassifier,
    FineTunedRegressor,
    LISTAEncoder,
    LocalPSD,
    Rectifier,
)
from sklearn_ebm.learning._work import Particles, contributor
from sklearn_ebm.learning.criteria._contrastive import Contrastive

da = pytest.importorskip("dask.array")

RNG = np.random.default_rng(0)
SHARES = RNG.uniform(size=(600, 12))
REAL = RNG.standard_normal((600, 12))
BITS = (SHARES < 0.4).astype(float)
CODES = RNG.integers(0, 3, (600, 5)).astype(float)
HOLES = np.where(SHARES < 0.9, BITS, np.nan)
IMAGES = RNG.standard_normal((40, 14, 12, 2))
WEIGHT = RNG.integers(0, 3, 600).astype(float)
LABELS = np.array(["a", "b", "c"])[(REAL[:, :3]).argmax(axis=1)]
FEW = {"max_iter": 2, "tol": 0, "random_state": 0}
NETWORK = make_pipeline(
    StandardScaler(), PSD(8, alpha=0.5, **FEW), Dropout(random_state=0), Rectifier()
)


def tuned(kind, head, **parameters):
    steps = make_pipeline(*(step for _, step in NETWORK.steps), head)
    return kind(steps, max_iter=2, random_state=0, **parameters)


CASES = {
    "RBM-pcd": (RBM(6, **FEW), BITS),
    "RBM-cd": (RBM(6, loss="cd", **FEW), BITS),
    "RBM-fpcd": (RBM(6, loss="fpcd", **FEW), BITS),
    "RBM-held-out": (RBM(6, validation_fraction=0.2, **FEW), BITS),
    "RBM-missing": (RBM(6, missing_values=np.nan, **FEW), HOLES),
    "RBM-drawn": (RBM(6, loss="pseudo_likelihood", binarize=True, **FEW), SHARES),
    "RBM-gaussian": (RBM(6, visible="gaussian", **FEW), REAL),
    "RBM-categorical": (RBM(6, visible="categorical", n_categories=3, **FEW), CODES),
    "AutoEncoder": (AutoEncoder(6, **FEW), SHARES),
    "AutoEncoder-noise": (AutoEncoder(6, noise="salt_and_pepper", **FEW), REAL),
    "AutoEncoder-lbfgs": (AutoEncoder(6, regularizer="sparse", optimizer="lbfgs", **FEW), REAL),
    "EnergyModel": (EnergyModel(6, optimizer="adam", **FEW), REAL),
    "EnergyModel-lbfgs": (EnergyModel(6, **FEW), REAL),
    "EnergyModel-noise": (EnergyModel(6, loss="noise_contrastive", **FEW), REAL),
    "EnergyModel-denoising": (EnergyModel(6, loss="denoising_score_matching", **FEW), REAL),
    "EnergyModel-cd": (EnergyModel(energy_function="gaussian", loss="cd", **FEW), REAL),
    "EnergyModel-pcd": (EnergyModel(energy_function="gaussian", loss="pcd", **FEW), REAL),
    "EnergyModel-bits": (EnergyModel(energy_function="ising", loss="pcd", **FEW), BITS),
    "ConvSparseCoder": (ConvSparseCoder(3, kernel_size=3, crop_size=7, alpha=0.5, **FEW), IMAGES),
    "ConvPSD": (ConvPSD(3, kernel_size=3, crop_size="patch", alpha=0.5, **FEW), IMAGES),
    "LocalPSD": (LocalPSD(kernel_size=3, tile_shape=2, crop_size=7, alpha=0.5, **FEW), IMAGES),
    "LISTAEncoder": (LISTAEncoder(6, alpha=0.5, **FEW), REAL),
    "LISTAEncoder-energy": (LISTAEncoder(6, alpha=0.5, loss="energy", **FEW), REAL),
    **{
        f"DrSAEClassifier{name}": (
            DrSAEClassifier(
                6, n_steps=2, pretrain_max_iter=2, max_iter=2, backend="numpy", random_state=0,
                **parameters,
            ),
            REAL / 4, LABELS,
        )
        for name, parameters in (
            ("", {}), ("-held-out", {"early_stopping": True}),
            ("-weighted", {"class_weight": "balanced"}), ("-adam", {"optimizer": "adam"}),
        )
    },
    "FineTunedClassifier": (tuned(FineTunedClassifier, LogisticRegression()), REAL, LABELS),
    "FineTunedClassifier-held-out": (
        tuned(FineTunedClassifier, LogisticRegression(), early_stopping=True), REAL, LABELS,
    ),
    "FineTunedClassifier-labels": (
        tuned(FineTunedClassifier, OneVsRestClassifier(LogisticRegression())), REAL,
        (REAL[:, :3] > 0).astype(int),
    ),
    "FineTunedRegressor": (tuned(FineTunedRegressor, Ridge()), REAL, REAL[:, :2]),
}  # fmt: skip
cases = pytest.mark.parametrize("name", CASES)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def chunked(array, length=600):
    return da.from_array(array, chunks=(length, *array.shape[1:]))


def fitted(name, length=None, **passed):
    """Return a model that is fitted on an array, or on a Dask array with chunks of a length."""
    model, X, *y = CASES[name]
    if length is not None:
        X, y = chunked(X, length), [chunked(each, length) for each in y]
    return clone(model).fit(X, *y, **passed)


def features(name, model):
    X = CASES[name][1]
    method = "transform" if hasattr(model, "transform") else "predict"
    method = "decision_function" if hasattr(model, "decision_function") else method
    return getattr(model, method)(X)


def curve(model):
    return np.r_[model.objective_curve_, getattr(model, "validation_curve_", ())]


@cases
def test_one_chunk_gives_the_model_of_an_array(name):
    """RBM makes several steps in a compiled call on arrays, with another order of sums."""
    tol = 1e-9 if name.startswith("RBM") else 0.0
    found, expected = fitted(name, len(CASES[name][1])), fitted(name)
    assert_allclose(features(name, found), features(name, expected), rtol=tol, atol=tol)
    assert_allclose(curve(found), curve(expected), rtol=tol)


RBMS = ("RBM-pcd", "RBM-cd", "RBM-fpcd", "RBM-missing", "RBM-gaussian", "RBM-categorical")
CHAINS = ("EnergyModel-cd", "EnergyModel-pcd", "EnergyModel-bits")


@pytest.mark.parametrize("name", [n for n in CASES if n not in (*CHAINS, "LISTAEncoder")])
def test_several_chunks_learn_as_well(name):
    """The distance of codes that LISTAEncoder minimises has another order after each step."""
    found, expected = fitted(name, 250 if name[:4] != "Conv" else 15), fitted(name)
    assert_allclose(curve(found), curve(expected), rtol=0.2)


@pytest.mark.parametrize("name", CHAINS)
def test_chains_in_several_chunks_learn_as_well(name):
    """Their curves are differences of energies of two samples, and do not show learning."""
    found, expected = fitted(name, 250), fitted(name)
    assert_allclose(found.score(CASES[name][1]), expected.score(CASES[name][1]), rtol=0.2)


@pytest.mark.parametrize("name", ["RBM-pcd", "RBM-fpcd", "RBM-gaussian"])
def test_particles_are_divided_over_chunks_without_a_trace(name, monkeypatch):
    """Draws belong to chains by their number, so that one batch is the same in any division."""
    monkeypatch.setattr("sklearn_ebm.learning._distributed.ROWS_PER_TASK", 100)
    model, X = CASES[name]
    model = clone(model).set_params(batch_size=600, n_chains=7)
    expected, found = clone(model).fit(X), clone(model).fit(chunked(X, 70))
    assert_allclose(found.components_, expected.components_, rtol=1e-9, atol=1e-12)
    assert_allclose(found._learner.shard, expected._learner.shard)


@pytest.mark.parametrize("name", RBMS)
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
def test_moments_of_chains_are_those_of_their_states(name, weight, monkeypatch):
    """Batches with more samples than the weights have entries are sent as moments."""
    monkeypatch.setattr("sklearn_ebm.learning._distributed.ROWS_PER_TASK", 100)
    model, X = CASES[name]
    X = X.copy()
    X[:500, 0] = 0  # constant in some chunks
    weight = None if weight is None else chunked(weight, 100)
    model = clone(model).set_params(batch_size=300, sparsity_cost=0.1, momentum=0.5)
    learned = []
    for is_condensed in (True, False):
        monkeypatch.setattr(Contrastive, "is_condensed", lambda *_, given=is_condensed: given)
        learned.append(clone(model).fit(chunked(X, 100), sample_weight=weight))
    for name in learned[0]._learner.criterion.parameters:
        values = [each._learner.criterion.parameters[name] for each in learned]
        assert_allclose(*values, rtol=1e-9, atol=1e-12)
    assert_allclose(*(each._learner.criterion.activity for each in learned), rtol=1e-9)


def test_binary_particles_travel_as_bits():
    states = (RNG.random((50, 30)) < 0.5).astype(np.float32)
    sent = pickle.dumps(Particles(states, 3, 80))
    assert len(sent) < states.nbytes / 8
    found, first, n_all = pickle.loads(sent)
    assert np.array_equal(found, states)
    assert (found.dtype, first, n_all) == (states.dtype, 3, 80)
    states[0, 0] = 0.5
    assert np.array_equal(pickle.loads(pickle.dumps(Particles(states)))[0], states)


@pytest.mark.parametrize("name", ["RBM-pcd", "AutoEncoder", "LISTAEncoder", "ConvPSD"])
def test_moments_of_the_optimizer_do_not_travel(name):
    model = fitted(name)
    criterion = model._learner.criterion
    light = contributor(criterion)
    assert len(pickle.dumps(light)) < len(pickle.dumps(criterion))
    assert fitted(name)._learner.criterion.parameters.keys() == light.parameters.keys()


@pytest.mark.parametrize(
    "name", ["RBM-pcd", "AutoEncoder", "LISTAEncoder", "DrSAEClassifier", "FineTunedClassifier"]
)
def test_weights_reach_the_chunks(name):
    expected = fitted(name, sample_weight=WEIGHT)
    found = fitted(name, 600, sample_weight=chunked(WEIGHT))
    assert_allclose(features(name, found), features(name, expected), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["RBM-pcd", "RBM-categorical", "AutoEncoder", "LISTAEncoder"])
def test_chunk_after_chunk_equals_partial_fits_of_arrays(name):
    model, X = CASES[name]
    model = clone(model).set_params(**({"batch_size": 200}))
    expected, found = clone(model).fit(X), clone(model).fit(X)
    expected.partial_fit(X)
    found.partial_fit(chunked(X, 200))
    assert_allclose(found.transform(X), expected.transform(X), rtol=1e-9, atol=1e-9)
    clone(model).partial_fit(chunked(X, 200))


def test_samples_without_labels_are_joined_in_chunks():
    name = "DrSAEClassifier"
    expected = fitted(name, unsupervised_X=REAL[:100] / 4)
    found = fitted(name, 600, unsupervised_X=chunked(REAL[:100] / 4))
    assert_allclose(curve(found), curve(expected), rtol=0.2)
    assert len(found.pretrain_curve_) == 2
    assert np.any(found.components_ != fitted(name, 600).components_)


def test_a_first_fit_needs_the_numbers_of_categories():
    with pytest.raises(ValueError, match="n_categories must be an int or an array if X is a Dask"):
        RBM(4, visible="categorical").fit(chunked(CODES))


def test_losses_of_flips_check_every_chunk():
    values = BITS.copy()
    values[-1, 0] = 0.5
    with pytest.raises(ValueError, match=r"requires X of zeros and ones, got 0\.5"):
        RBM(4, loss="pseudo_likelihood").fit(chunked(values, 250))


def test_extremes_of_all_chunks_choose_the_loss(monkeypatch):
    """The only negative value is in none of the rows that are in memory."""
    monkeypatch.setattr("sklearn_ebm.inputs._chunked.MOST_ROWS", 60)
    values = SHARES.copy()
    assert AutoEncoder(4, **FEW).fit(chunked(values, 250)).loss_ == "cross_entropy"
    values[-1, 0] = -0.5
    assert AutoEncoder(4, **FEW).fit(chunked(values, 250)).loss_ == "squared_error"


def test_steps_are_fitted_on_the_rows_in_memory_and_tuned_on_all(monkeypatch):
    monkeypatch.setattr("sklearn_ebm.inputs._chunked.MOST_ROWS", 200)
    model, X, y = CASES["FineTunedClassifier"]
    scaler = clone(model).set_params(max_iter=0).fit(chunked(X, 250), y).pipeline_[0]
    assert scaler.n_samples_seen_ == 200
    tuned = clone(model).set_params(max_iter=5).fit(chunked(X, 250), y)
    assert tuned.score(X, y) > 0.8
    prefit = clone(model).set_params(estimator=tuned.pipeline_, prefit=True, max_iter=1)
    assert prefit.fit(chunked(X, 250), chunked(y, 250)).score(X, y) > 0.8


def test_a_pipeline_is_fitted_on_chunks_step_by_step():
    """Models of this package pass lazy features on to the next step."""
    pipeline = make_pipeline(PSD(8, alpha=0.5, **FEW), AutoEncoder(4, **FEW))
    expected = clone(pipeline).fit(REAL).transform(REAL)
    assert_allclose(clone(pipeline).fit(chunked(REAL)).transform(chunked(REAL)), expected)
