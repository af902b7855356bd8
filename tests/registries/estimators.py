"""Every public estimator with data to fit it: a new estimator is one more entry."""

import functools
import pickle
from typing import Any, NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_ebm
from sklearn_ebm import (
    PSD,
    AutoEncoder,
    Dropout,
    DrSAEClassifier,
    EnergyModel,
    EnergyOutlierDetector,
    EstimatorEnergy,
    FineTunedClassifier,
    FineTunedRegressor,
    Flattener,
    InhibitionPenalty,
    LocalContrastNormalizer,
    LocalPSD,
    Pooler,
    Rectifier,
    SparseCoder,
    WhatWherePSD,
    ZCAWhitener,
)
from sklearn_ebm.factors import FLIP_LOSSES
from tests.registries import image_models, machines, row_models

ROWS = np.random.default_rng(0).standard_normal((40, 12))
LABELS = np.arange(40) % 3
INDICATORS = (ROWS[:, :3] > 0).astype(int)
TARGETS = 100 * ROWS[:, :2] + ROWS[:, 2:4] ** 2
IMAGES = np.random.default_rng(1).standard_normal((6, 10, 9, 2))
QUICK = {"max_iter": 2, "tol": 0, "batch_size": 10}
FEW = {"alpha": 0.3, "random_state": 0, **QUICK}
MAPS = {"image_shape": (4, 3)}


class Case(NamedTuple):
    """An unfitted estimator and the data to fit it."""

    estimator: Any
    X: Any
    y: Any = None

    @property
    def kind(self):
        """Name of the class."""
        return type(self.estimator).__name__

    @property
    def call(self):
        """Name of the method with the features, scores or predictions."""
        methods = "transform", "decision_function", "predict"
        return next(method for method in methods if hasattr(self.estimator, method))


def network(head):
    return make_pipeline(StandardScaler(), PSD(6, **FEW), Rectifier("split"), head)


def classifier(head=None, **parameters):
    steps = network(LogisticRegression() if head is None else head)
    return FineTunedClassifier(steps, max_iter=2, random_state=0, **parameters)


def regressor(head, **parameters):
    return FineTunedRegressor(network(head), max_iter=2, random_state=0, **parameters)


CASES = {
    **{name: Case(row_models.make(name, 6, **QUICK), ROWS) for name in row_models.MODELS},
    "SparseCoder-inhibition": Case(
        SparseCoder(6, penalty=InhibitionPenalty(map_shape=(2, 3), inner_radius=1), **FEW), ROWS
    ),
    "PSD-learned inhibition": Case(
        PSD(6, penalty=InhibitionPenalty(structure="learned"), **FEW), ROWS
    ),
    **{
        f"WhatWherePSD-{coupling}-{inference}": Case(
            WhatWherePSD(
                6,
                n_what=2,
                n_frames=n_frames,
                coupling=coupling,
                gamma=0.3,
                output=output,
                inference=inference,
                **FEW,
            ),
            ROWS,
        )
        for coupling, inference, output, n_frames in (
            ("gated", "encoder", "what", 1),
            ("gated", "optimal", "both", 3),
            ("product", "encoder", "simple", 2),
        )
    },
    **{
        name: Case(image_models.make(name, connections=1, **QUICK), IMAGES)
        for name in image_models.MODELS
    },
    **{
        f"LocalPSD-{output}-{inference}": Case(
            LocalPSD(
                n_components,
                kernel_size=3,
                tile_shape=tile_shape,
                output=output,
                inference=inference,
                **FEW,
            ),
            IMAGES,
        )
        for n_components, tile_shape, output, inference in (
            (1, 4, "simple", "encoder"),
            (4, (2, 3), "pooled", "optimal"),
            (1, None, "pooled", "encoder"),
        )
    },
    **{
        f"RBM-{form}": Case(machines.make(form), machines.data_of(form)[:100])
        for form in machines.FORMS
    },
    **{
        f"EnergyModel-{energy}-{loss}": Case(
            EnergyModel(
                energy_function=energy,
                loss=loss,
                n_chains=5,
                optimizer="lbfgs" if loss == "maximum_likelihood" else "adam",
                max_iter=2,
                tol=0,
                random_state=0,
            ),
            ROWS if loss not in FLIP_LOSSES else (ROWS > 0).astype(float),
        )
        for energy, loss in (
            ("student_t", "score_matching"),
            ("gaussian", "maximum_likelihood"),
            ("softplus", "denoising_score_matching"),
            ("l2", "noise_contrastive"),
            ("logcosh", "pcd"),
            ("ising", "minimum_probability_flow"),
            ("rbm", "pseudo_likelihood"),
        )
    },
    "AutoEncoder": Case(AutoEncoder(6, max_iter=2, random_state=0), np.tanh(ROWS) / 2 + 0.5),
    "AutoEncoder-tanh": Case(
        AutoEncoder(
            6, activation="tanh", tied_weights=False, optimizer="sgd", max_iter=2, random_state=0
        ),
        np.tanh(ROWS) / 2 + 0.5,
    ),
    "AutoEncoder-contractive": Case(
        AutoEncoder(6, regularizer="contractive", max_iter=2, random_state=0),
        np.tanh(ROWS) / 2 + 0.5,
    ),
    "AutoEncoder-saturating": Case(
        AutoEncoder(
            6, regularizer="saturating", activation="saturated_linear", max_iter=2, random_state=0
        ),
        ROWS,
    ),
    "AutoEncoder-sparse": Case(
        AutoEncoder(
            6,
            regularizer="sparse",
            activation="linear",
            optimizer="lbfgs",
            max_iter=2,
            random_state=0,
        ),
        ROWS,
    ),
    **{
        f"AutoEncoder-{activation}": Case(
            AutoEncoder(6, activation=activation, max_iter=2, random_state=0), ROWS
        )
        for activation in ("relu", "shrinkage")
    },
    **{
        f"DrSAEClassifier-{optimizer}": Case(
            DrSAEClassifier(
                6, n_steps=2, pretrain_max_iter=2, max_iter=2, optimizer=optimizer, random_state=0
            ),
            ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True),
            LABELS,
        )
        for optimizer in ("sgd", "adam")
    },
    "EstimatorEnergy": Case(EstimatorEnergy(PCA(3)), ROWS),
    "EnergyOutlierDetector": Case(EnergyOutlierDetector(PCA(3)), ROWS),
    "ZCAWhitener": Case(ZCAWhitener(), ROWS),
    "Rectifier": Case(Rectifier("split"), ROWS),
    "Pooler": Case(Pooler(**MAPS), ROWS),
    "LocalContrastNormalizer": Case(LocalContrastNormalizer(**MAPS), ROWS),
    "Dropout": Case(Dropout(), ROWS),
    "Flattener": Case(Flattener(), IMAGES),
    "FineTunedClassifier": Case(classifier(), ROWS, LABELS),
    "FineTunedClassifier-labels": Case(
        classifier(OneVsRestClassifier(LogisticRegression())), ROWS, INDICATORS
    ),
    "FineTunedRegressor": Case(regressor(Ridge()), ROWS, TARGETS[:, 0]),
    "FineTunedRegressor-outputs": Case(regressor(Ridge(), early_stopping=True), ROWS, TARGETS),
}
LEARNERS = [name for name, case in CASES.items() if hasattr(case.estimator, "partial_fit")]
WARM = [name for name, case in CASES.items() if hasattr(case.estimator, "warm_start")]
TYPICAL = [next(name for name in CASES if CASES[name].kind == kind) for kind in sorted(
    {case.kind for case in CASES.values()})]  # one of each class  # fmt: skip
PUBLIC = [
    name
    for name in sklearn_ebm.__all__
    if hasattr(getattr(sklearn_ebm, name), "fit") and isinstance(getattr(sklearn_ebm, name), type)
]


@functools.cache
def _stored(name):
    estimator, X, y = CASES[name]
    return pickle.dumps(estimator.fit(X, y))


def fitted(name):
    """Return a fitted estimator."""
    return pickle.loads(_stored(name))


def output(name, model):
    """Return the features or scores of the data with which a model was fitted."""
    return np.asarray(getattr(model, CASES[name].call)(CASES[name].X))
