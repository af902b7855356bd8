"""Pooled features compared with features of PSD, with the same number of outputs and classifier.

There are three tasks. Natural patches: 200 patches of 12 x 12 pixels are the classes, to be
recognised after random shifts up to 2 pixels, rotations up to 15 degrees and changes of scale up to
10 %; 12 such copies are for training, and 20 others for testing. MNIST by descriptors, as in the
paper: 12 x 12 patches at 5 x 5 positions of each digit. MNIST by whole digits. Outputs are |z| of
PSD with as many atoms; 256 atoms of PSD in random pools with the same weights; and the pools of
GroupSparsePSD with 256 atoms on a 16 x 16 torus. alpha and the classifier's penalty are selected
for each of them on held-out training samples; the test set is used once for each row.
"""

import time
import warnings

import numpy as np

from benchmarks import _common
from benchmarks.papers.mnist import classifier, data, error, first, unit_contrast, validation_split

N_COMPONENTS, MAP_SHAPE = 256, (16, 16)
ALPHAS = (0.5, 1.0, 2.0)
CONSTANTS = (0.001, 0.01, 0.1, 1.0)
N_CLASSES, N_LEARNED, N_ASKED = 200, 12, 20
SIZE, STEP = 12, 4  # of a descriptor's patch, and distance of patches
KINDS = ("abs(z) of PSD", "abs(z) of PSD, random pools", "pooled features")


def main():
    options = _common.options(__doc__)
    report = _common.Report("groups_classification", "Classification by pooled features")
    warnings.simplefilter("ignore")  # the number of passes is limited on purpose
    (X, y), (X_test, y_test) = data(options)
    digits = (unit_contrast(X), y), (unit_contrast(X_test), y_test)
    local = tuple((descriptor_patches(images), labels) for images, labels in digits)
    half = {"pool_shape": (6, 6), "pool_stride": 2}
    corpus = _common.natural_patches(
        5_000 if options.quick else 50_000, seed=options.seed + 1, dtype=np.float32
    )
    classify(report, "natural patches", *exemplars(options), half, options, corpus)
    classify(report, "MNIST, 5 x 5 descriptors", *local, half, options)
    classify(report, "MNIST, whole digits", *digits, {"pool_shape": (3, 3)}, options)
    report.save(options.results)


def descriptor_patches(images):
    """Return patches at 5 x 5 positions of each 28 x 28 image, shape (n_images, 25, 144)."""
    windows = np.lib.stride_tricks.sliding_window_view(
        images.reshape(-1, 28, 28), (SIZE, SIZE), axis=(1, 2)
    )
    return windows[:, ::STEP, ::STEP].reshape(len(images), -1, SIZE**2)


def exemplars(options):
    """Return transformed copies of patches and the number of the patch, to train and to test."""
    from benchmarks.papers.topography import photographs, unit_variance
    from sklearn_ebm.datasets import sample_transformed_patches

    random = np.random.default_rng(options.seed)
    n_copies = N_LEARNED + N_ASKED
    _, copies = sample_transformed_patches(
        photographs(),
        SIZE,
        N_CLASSES,
        shift=random.uniform(-2, 2, (n_copies, 2)),
        rotation=random.uniform(-15, 15, n_copies),
        scale=random.uniform(0.9, 1.1, n_copies),
        min_variance=25.0,
        random_state=options.seed + 50,
    )
    copies = unit_variance(copies.reshape(-1, SIZE**2))
    labels = np.tile(np.arange(N_CLASSES), n_copies)
    last = N_CLASSES * N_LEARNED
    return (copies[:last], labels[:last]), (copies[last:], labels[last:])


def classify(report, case, train, test, windows, options, corpus=None):
    learn, held_out = validation_split(train, options)
    best = {}
    for alpha in ALPHAS[1:2] if options.quick else ALPHAS:
        views = learned(corpus if corpus is not None else learn[0], alpha, windows, options)
        for kind in KINDS:
            features = views[kind](learn[0]), views[kind](held_out[0])
            for constant in CONSTANTS:
                wrong = trial(*features, constant, learn[1], held_out[1])
                print(f"  {case}, {kind}, alpha {alpha}, C {constant}: {wrong:.2%}", flush=True)
                found = wrong, alpha, constant
                best[kind] = min(best.get(kind, found), found, key=first)
    for kind, (_, alpha, constant) in best.items():
        began = time.perf_counter()
        source = corpus if corpus is not None else train[0]
        see = learned(source, alpha, windows, options, [kind])[kind]
        features = see(train[0]), see(test[0])
        wrong = trial(*features, constant, train[1], test[1])
        name = f"{kind}, {features[0].shape[1]} outputs"
        report.add(case, f"{name}: test error", 100 * wrong, "%")
        report.add(case, f"{name}: fit and predict", time.perf_counter() - began, "s")
        report.note(f"{case}, {kind}: alpha={alpha}, C={constant}")


def learned(X, alpha, windows, options, kinds=KINDS):
    """Return a function from samples to features for each kind, trained on patches of X."""
    from sklearn_ebm import PSD, GroupPenalty, GroupSparsePSD

    patches = learning_patches(X, options)
    settings = {"alpha": alpha, "max_iter": 4, "tol": 0, "random_state": options.seed}
    pools = GroupPenalty(map_shape=MAP_SHAPE, **windows).pools(N_COMPONENTS).weights
    shuffled = pools[:, np.random.default_rng(options.seed).permutation(N_COMPONENTS)]
    shuffled = shuffled.astype(np.float32)
    views = {}
    if KINDS[0] in kinds:
        few = PSD(len(pools), **settings).fit(patches)
        views[KINDS[0]] = lambda X: np.abs(few.transform(X))
    if KINDS[1] in kinds:
        many = PSD(N_COMPONENTS, **settings).fit(patches)
        views[KINDS[1]] = lambda X: np.sqrt(many.transform(X) ** 2 @ shuffled.T)
    if KINDS[2] in kinds:
        views[KINDS[2]] = (
            GroupSparsePSD(map_shape=MAP_SHAPE, **windows, **settings).fit(patches).transform
        )
    return {kind: everywhere(view) for kind, view in views.items()}


def learning_patches(X, options):
    """Return samples, or the same number of patches of them, without blank ones."""
    if X.ndim == 2:
        return X
    patches = X.reshape(-1, X.shape[-1])
    order = np.random.default_rng(options.seed).permutation(len(patches))[: 2 * len(X)]
    patches = patches[order]
    return patches[patches.any(axis=1)]


def everywhere(view):
    """Return the features of a sample, or of all of its patches, concatenated."""
    return lambda X: view(X.reshape(-1, X.shape[-1])).reshape(len(X), -1)


def trial(features, held_out, constant, y, held_out_y):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), classifier(constant)).fit(features, y)
    return error(model, held_out, held_out_y)


if __name__ == "__main__":
    main()
