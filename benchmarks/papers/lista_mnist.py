"""MNIST: exact codes, LISTA, LCoD and PSD with 784 units and the same linear classifier.

The setting of Gregor & LeCun (2010), who report 2.29 % with 50 steps of LCoD and as many units as
pixels. Images are scaled as in the benchmark `mnist`. All codes except those of PSD use one
dictionary and one alpha. alpha and the classifier's penalty are selected by exact codes on 10,000
held-out training images; the test set is used once for each row.
"""

import time
import warnings

import numpy as np

from benchmarks import _common
from benchmarks.papers.mnist import (
    classifier,
    data,
    error,
    first,
    trial,
    unit_contrast,
    validation_split,
)

N_COMPONENTS = 784
ALPHAS = (0.5, 1.0)
CONSTANTS = (1.0, 3.0)
MODE = "split"
PAPER = 2.29  # % with 50 steps of LCoD


def main():
    options = _common.options(__doc__)
    report = _common.Report("lista_mnist", "MNIST, 784 units: learned inference beside exact codes")
    warnings.simplefilter("ignore")  # the number of passes is limited on purpose
    train, test = data(options)
    learn, held_out = validation_split(train, options)
    alpha, constant = choose(learn, held_out, options)
    report.note(f"alpha={alpha}, C={constant}, codes split by sign")
    X, X_test = unit_contrast(train[0]), unit_contrast(test[0])
    coder = fitted_coder(X, alpha, options)
    exact = coder.transform(X_test)
    for name, model in models(coder, options).items():
        began = time.perf_counter()
        model.fit(X)
        report.add(name, "fit, the dictionary apart", time.perf_counter() - began, "s")
        final(report, name, model, (X, train[1]), (X_test, test[1]), exact, constant)
    report.save(options.results)


def choose(learn, held_out, options):
    """Return alpha and the classifier's penalty with the lowest validation error of exact codes."""
    X, X_held_out = unit_contrast(learn[0]), unit_contrast(held_out[0])
    trials = []
    for alpha in ALPHAS[:1] if options.quick else ALPHAS:
        coder = fitted_coder(X, alpha, options)
        codes = coder.transform(X), learn[1], coder.transform(X_held_out), held_out[1]
        trials += [trial(*codes, {"alpha": alpha, "C": C, "mode": MODE}) for C in CONSTANTS]
    best = min(trials, key=first)[1]
    return best["alpha"], best["C"]


def fitted_coder(X, alpha, options):
    from sklearn_ebm import SparseCoder

    n_components = 64 if options.quick else N_COMPONENTS
    settings = {"alpha": alpha, "max_iter": 4, "tol": 0, "random_state": options.seed}
    return SparseCoder(n_components, **settings).fit(X)


def models(coder, options):
    """Return unfitted models by name."""
    from sklearn_ebm import PSD, LISTAEncoder, SparseCoder

    passes = 2 if options.quick else 30
    settings = {"dictionary": coder, "max_iter": passes, "random_state": options.seed}
    return {
        "exact codes": SparseCoder(dictionary=coder.components_, alpha=coder.alpha),
        "shrinkage encoder, T = 0": LISTAEncoder(n_steps=0, **settings),
        "LISTA, T = 3": LISTAEncoder(n_steps=3, **settings),
        "LCoD, T = 50": LISTAEncoder(n_steps=50, encoder="lcod", **settings),
        "PSD, its own dictionary": PSD(
            coder.components_.shape[0], alpha=coder.alpha, max_iter=4, tol=0,
            random_state=options.seed,
        ),
    }  # fmt: skip


def final(report, name, model, train, test, exact, constant):
    """Report the time of transform, the distance from the exact codes, and the test error."""
    from sklearn.pipeline import make_pipeline

    from sklearn_ebm import Rectifier

    timing = _common.interleave({name: lambda: model.transform(test[0])}, rounds=5)[name]
    code = model.transform(test[0])
    report.add(name, f"transform of 10,000, {np.mean(code != 0):.0%} on", timing.best, "s")
    if "PSD" not in name:
        distance = np.sum((code - exact) ** 2) / np.sum(exact**2)
        report.add(name, "squared error, relative to the exact codes", distance)
    features = model.transform(train[0])
    predictor = make_pipeline(Rectifier(MODE), classifier(constant)).fit(features, train[1])
    wrong = 100 * error(predictor, code, test[1])
    goal = {"at_most": PAPER} if "LCoD" in name else {}
    report.add(name, "test error", wrong, "%", **goal)


if __name__ == "__main__":
    main()
