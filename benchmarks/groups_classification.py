"""Pooled features against PSD's at an equal number of outputs, under one linear classifier.

MNIST 60,000/10,000, images scaled as in the benchmark `mnist`, and a task on natural patches: which
of ten photographs does a 12 x 12 patch come from, learned from the left half of each and asked of
the right half. 256 outputs each: |z| of PSD, the same pooled over random groups, and the pools of
GroupSparsePSD on a 16 x 16 torus. alpha and the classifier's strength are chosen for each kind of
features on samples held out of the training set; the test set is used once for each row.
"""

import time
import warnings
from itertools import product

import numpy as np

from benchmarks import _common
from benchmarks.mnist import classifier, data, error, first, unit_contrast, validation_split

N_COMPONENTS = 256
MNIST_MAP = {"map_shape": (16, 16), "pool_shape": (3, 3)}
PATCH_MAP = {"map_shape": (16, 16), "pool_shape": (6, 6)}
ALPHAS = (0.25, 0.5, 1.0)
CONSTANTS = (1.0, 10.0)
N_PHOTOGRAPHS = 10
KINDS = ("|z| of PSD", "|z| of PSD over random pools", "pooled features")


def main():
    options = _common.options(__doc__)
    report = _common.Report("groups_classification", "Classification by pooled features")
    warnings.simplefilter("ignore")  # passes over the data are limited on purpose
    (X, y), (X_test, y_test) = data(options)
    task = (unit_contrast(X), y), (unit_contrast(X_test), y_test)
    classify(report, "MNIST", *task, MNIST_MAP, options)
    classify(report, "which photograph", *photograph_task(options), PATCH_MAP, options)
    report.save(options.results)


def photograph_task(options):
    """Patches of unit variance and the number of their photograph; halves to learn and to test."""
    from sklearn_ebm.datasets import fetch_natural_images, sample_patches

    images = fetch_natural_images().images[:N_PHOTOGRAPHS]
    middle = images.shape[2] // 2
    halves = []
    for half, n_each in ((images[:, :, :middle], 3000), (images[:, :, middle:], 1000)):
        n_each = n_each // 10 if options.quick else n_each
        draw = {"min_variance": 25.0, "random_state": options.seed}
        drawn = [
            sample_patches(image[None], 12, n_each, **draw).reshape(n_each, -1) for image in half
        ]
        X = np.concatenate(drawn).astype(np.float32)
        X -= X.mean(axis=1, keepdims=True)
        X /= X.std(axis=1, keepdims=True)
        halves.append((X, np.repeat(np.arange(N_PHOTOGRAPHS), n_each)))
    return halves


def classify(report, case, train, test, layout, options):
    learn, held_out = validation_split(train, options)
    best = {}
    for alpha in ALPHAS[-1:] if options.quick else ALPHAS:
        features = learned(learn[0], alpha, layout, options)
        for kind, constant in product(KINDS, CONSTANTS):
            wrong = trial(features[kind], constant, learn, held_out)
            print(f"  {case}, {kind}, alpha {alpha}, C {constant}: {wrong:.2%}", flush=True)
            found = wrong, alpha, constant
            best[kind] = min(best.get(kind, found), found, key=first)
    for kind, (_, alpha, constant) in best.items():
        began = time.perf_counter()
        see = learned(train[0], alpha, layout, options, kind)[kind]
        wrong = trial(see, constant, train, test)
        report.add(f"{case}, {kind}", "test error", 100 * wrong, "%")
        report.add(f"{case}, {kind}", "fit and predict", time.perf_counter() - began, "s")
        report.note(f"{case}, {kind}: alpha={alpha}, C={constant}")


def learned(X, alpha, layout, options, kind=None):
    """kind -> function from data to features, learned from X."""
    from sklearn_ebm import PSD, GroupSparsePSD

    settings = {"alpha": alpha, "max_iter": 4, "tol": 0, "random_state": options.seed}
    pooled = GroupSparsePSD(**layout, **settings)
    if kind in (None, KINDS[2]):
        pooled.fit(X)
    if kind == KINDS[2]:
        return {kind: pooled.transform}
    psd = PSD(N_COMPONENTS, **settings).fit(X)
    weights = GroupSparsePSD(**layout, max_iter=1).fit(X[:1000]).pool_weights_
    shuffled = weights[:, np.random.default_rng(options.seed).permutation(N_COMPONENTS)]
    return {
        KINDS[0]: lambda X: np.abs(psd.transform(X)),
        KINDS[1]: lambda X: np.sqrt(psd.transform(X) ** 2 @ shuffled.T),
        KINDS[2]: pooled.transform,
    }


def trial(see, constant, learn, held_out):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), classifier(constant / 100)).fit(see(learn[0]), learn[1])
    return error(model, see(held_out[0]), held_out[1])


if __name__ == "__main__":
    main()
