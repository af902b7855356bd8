"""A model with backend="numpy" calls no kernel of Numba in any of its methods."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_ebm import (
    PSD,
    AutoEncoder,
    DrSAEClassifier,
    EnergyModel,
    FineTunedClassifier,
    sparse_encode,
)
from sklearn_ebm.backends import numba
from sklearn_ebm.learning.criteria import NOISES
from tests.registries import image_models, machines, row_models

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.standard_normal((12, 8))
IMAGES = RANDOM.standard_normal((2, 5, 6))
MASK = (RANDOM.random(IMAGES.shape) > 0.2).astype(float)


@pytest.fixture(autouse=True)
def _no_kernels(monkeypatch):
    """Replace every kernel of Numba by a function that raises."""

    def raises(*args, **options):
        raise AssertionError("a kernel of another backend was called")

    for name in numba.__all__:
        if name not in ("name", "to_device"):
            monkeypatch.setattr(numba, name, raises)


@pytest.mark.parametrize("name", row_models.MODELS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_models_of_rows(name):
    model = row_models.make(name, backend="numpy", max_iter=1, code_max_iter=20).fit(ROWS)
    model.partial_fit(ROWS)
    model.score(ROWS)
    features = model.transform(ROWS[:5])
    if "map" not in name and "groups" not in name:
        model.inverse_transform(features)


@pytest.mark.parametrize("name", image_models.MODELS)
@pytest.mark.parametrize("border", ["full", "circular"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_models_of_images(name, border):
    settings = {"backend": "numpy", "border": border, "max_iter": 1, "batch_size": 2}
    settings["code_max_iter"] = 5
    model = image_models.make(name, **settings).fit(IMAGES, mask=MASK)
    model.partial_fit(IMAGES)
    maps = model.transform(IMAGES, mask=MASK)
    model.inverse_transform(maps)
    model.energy(IMAGES, mask=MASK)
    model.duality_gap(IMAGES, maps)
    model.set_params(code_tol=1e-12, code_max_iter=3).transform(IMAGES)


@pytest.mark.parametrize("form", machines.FORMS)
def test_machines(form):
    X = machines.data_of(form)[:20]
    model = machines.make(form, backend="numpy", max_iter=1, n_chains=10).fit(X)
    model.partial_fit(X)
    model.inverse_transform(model.transform(X[:5]))
    model.energy(X[:5])
    model.sample(3)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
@pytest.mark.parametrize("noise", NOISES)
def test_auto_encoders(noise, activation):
    X = machines.data_of("pcd")[:20]
    model = AutoEncoder(6, noise=noise, activation=activation, backend="numpy", max_iter=1).fit(X)
    model.partial_fit(X)
    model.inverse_transform(model.transform(X))
    model.energy(X)


@pytest.mark.parametrize(
    "loss", ["score_matching", "denoising_score_matching", "noise_contrastive", "pcd"]
)
def test_energy_models(loss):
    model = EnergyModel(6, loss=loss, backend="numpy", optimizer="adam", max_iter=1).fit(ROWS)
    model.partial_fit(ROWS)
    model.transform(ROWS)
    model.energy(ROWS)
    model.sample(2, 3)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_discriminative_auto_encoders(optimizer):
    model = DrSAEClassifier(
        6, n_steps=2, backend="numpy", optimizer=optimizer, pretrain_max_iter=1, max_iter=1
    ).fit(ROWS / 4, ROWS[:, 0] > 0)
    model.inverse_transform(model.transform(ROWS))
    model.code_steps(ROWS)
    model.energy(ROWS)
    model.predict_proba(ROWS)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fine_tuning():
    psd = PSD(6, alpha=0.3, max_iter=1, backend="numpy", random_state=0)
    model = FineTunedClassifier(
        make_pipeline(psd, LogisticRegression()), max_iter=1, backend="numpy", random_state=0
    )
    model.fit(ROWS, ROWS[:, 0] > 0).predict_proba(ROWS)


@pytest.mark.parametrize("solver", ["auto", "cd", "fista", "ista"])
def test_functions(solver):
    atoms = np.eye(8) + 0.1
    sparse_encode(ROWS, atoms, 0.1, solver=solver, backend="numpy", return_gap=True)
