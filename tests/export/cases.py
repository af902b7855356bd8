"""Every public estimator that can be exported, in all options that change its formula."""

import functools

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVR

from sklearn_ebm import (
    PSD,
    RBM,
    ConvPSD,
    FineTunedClassifier,
    FineTunedRegressor,
    Flattener,
    LocalContrastNormalizer,
    Pooler,
    Rectifier,
)
from sklearn_ebm.backends._border import BORDERS
from sklearn_ebm.factors import CONVOLUTIONAL_ENCODERS
from sklearn_ebm.layers._pooling import MODES as POOLING_MODES
from sklearn_ebm.layers._rectifier import MODES as RECTIFIER_MODES
from tests.registries import estimators as registry
from tests.registries.estimators import FEW, IMAGES, INDICATORS, LABELS, MAPS, ROWS, TARGETS

GREY = IMAGES[..., 0]
SIGNALS = np.random.default_rng(2).standard_normal((8, 20))
OTHERS = [  # estimators that are not networks, or contain any other estimator
    name
    for name, case in registry.CASES.items()
    if case.kind
    in (
        "DrSAEClassifier",
        "EnergyModel",
        "EstimatorEnergy",
        "EnergyOutlierDetector",
        "LocalPSD",
        "WhatWherePSD",
    )
]
OPTIMAL = [
    name
    for name in registry.CASES
    if ("optimal" in name or "SparseCoder" in name) and name not in OTHERS
]
CODES = np.abs(np.round(ROWS))
MISSING = np.where(np.random.default_rng(3).random(ROWS.shape) < 0.1, np.nan, ROWS)


def conv(**options):
    return ConvPSD(4, **{"kernel_size": 3, **FEW, **options})


def steps(**options):
    return StandardScaler(), PSD(6, **FEW), Rectifier("split"), LogisticRegression(**options)


OPTIONS = {  # an estimator, the data to fit it, and labels
    **{
        f"ConvPSD-{border}-{encoder}": (conv(border=border, encoder=encoder), IMAGES)
        for border, encoder in zip([*BORDERS, "same", "full"], [*CONVOLUTIONAL_ENCODERS] * 2,
                                   strict=True)
    },
    "ConvPSD-grey": (conv(kernel_size=(2, 4), border="same"), GREY),
    "ConvPSD-rows": (conv(image_shape=(10, 9)), GREY.reshape(6, -1)),
    **{f"ConvPSD-signals-{border}": (conv(border=border), SIGNALS) for border in BORDERS},
    "PSD-missing": (PSD(6, missing_values=np.nan, **FEW), MISSING),
    "RBM-missing": (
        RBM(6, visible="gaussian", missing_values=np.nan, max_iter=2, random_state=0), MISSING,
    ),
    "RBM-categories-missing": (
        RBM(6, visible="categorical", missing_values=np.nan, max_iter=2, random_state=0),
        np.where(np.isnan(MISSING), np.nan, CODES),
    ),
    "PSD-zero-missing": (PSD(6, missing_values=0.0, **FEW), ROWS.clip(0)),
    **{
        f"Rectifier-{mode}-{form}": (Rectifier(mode), X)
        for mode in RECTIFIER_MODES
        for form, X in {"rows": ROWS, "grey": GREY, "images": IMAGES}.items()
    },
    **{
        f"Pooler-{mode}-{form}": (Pooler(mode, **options), X)
        for mode in POOLING_MODES
        for form, (X, options) in {
            "rows": (ROWS, MAPS),
            "signals": (SIGNALS, {"pool_shape": 3, "pool_stride": 2}),
            "grey": (GREY, {"pool_shape": (3, 2), "pool_stride": 1}),
            "groups": (IMAGES, {"map_groups": 2}),
        }.items()
    },
    **{
        f"LocalContrastNormalizer-{divide}-{form}": (
            LocalContrastNormalizer(size, divide=divide, **options), X,
        )
        for divide in (True, False)
        for form, (X, size, options) in {
            "rows": (ROWS, 3, MAPS),
            "signals": (SIGNALS, 5, {}),
            "flat": (np.concatenate([GREY, np.ones_like(GREY)]), 9, {}),
            "images": (IMAGES, 15, {}),
        }.items()
    },
    "pipeline": (make_pipeline(StandardScaler(), PCA(8), PSD(6, **FEW), Rectifier()), ROWS),
    "pipeline of images": (
        make_pipeline(LocalContrastNormalizer(), conv(), Rectifier(), Pooler("max"), Flattener()),
        IMAGES,
    ),
}  # fmt: skip
CLASSIFIERS = {
    "pipeline": (make_pipeline(*steps()), ROWS, LABELS),
    "two classes": (make_pipeline(*steps()), ROWS, LABELS > 0),
    "FineTunedClassifier": (FineTunedClassifier(make_pipeline(*steps()), max_iter=2), ROWS, LABELS),
    "FineTunedClassifier of labels": (
        FineTunedClassifier(
            make_pipeline(*steps()[:-1], OneVsRestClassifier(LogisticRegression())), max_iter=2
        ), ROWS, INDICATORS,
    ),
    "FineTunedClassifier of two": (
        FineTunedClassifier(make_pipeline(*steps()), max_iter=2), ROWS, LABELS > 0,
    ),
}  # fmt: skip
REGRESSORS = {
    "pipeline": (make_pipeline(*steps()[:-1], Ridge()), ROWS, TARGETS),
    "one output": (make_pipeline(*steps()[:-1], LinearSVR()), ROWS, TARGETS[:, 0]),
    "FineTunedRegressor": (
        FineTunedRegressor(make_pipeline(*steps()[:-1], Ridge()), max_iter=2), ROWS, TARGETS,
    ),
}  # fmt: skip
TRANSFORMERS = [
    name
    for name, case in registry.CASES.items()
    if name not in [*OPTIMAL, *OTHERS] and case.call == "transform"
] + [*OPTIONS]


@functools.cache
def fitted(name):
    """Return a fitted transformer and the data with which it was fitted."""
    if name in registry.CASES:
        return registry.fitted(name), np.asarray(registry.CASES[name].X)
    model, X = OPTIONS[name]
    return model.fit(X), X


@functools.cache
def fitted_regressor(name):
    """Return a fitted regressor and the data with which it was fitted."""
    model, X, y = REGRESSORS[name]
    return model.fit(X, y), X


@functools.cache
def fitted_classifier(name):
    """Return a fitted classifier and the data with which it was fitted."""
    model, X, y = CLASSIFIERS[name]
    return model.fit(X, y), X
