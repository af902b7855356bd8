"""Lateral inhibition: a map of filters, and a tree of filters (Gregor, Szlam & LeCun 2011).

The paper shows pictures and no numbers. The targets below quantify what the pictures show.

Map: 256 atoms on a 16 x 16 torus. Components inhibit each other unless their distance is at most
2.5. The 12 x 12 patches are taken from photographs without their low frequencies: a Gaussian
average is subtracted. Gabor functions fitted to the atoms (if R^2 is above 0.8) provide
orientations, which are compared between neighbours on the map and between all pairs.

Tree: 156 atoms, with five children each. Strengths are the lengths of paths minus 1. The patches
are not filtered. The frequency of an atom is the mean of its power spectrum. The root is reported
apart: it is a single atom, which many codes contain. Codes of patches that were not used for
learning show how often two components that are active together are a parent and its child.

Both start from random atoms, since samples as atoms retain their positions on the map.
"""

import warnings

import numpy as np

from benchmarks import _common
from benchmarks.papers.topography import photographs

SIZE, SEEDS = 12, 3
MAP, MAP_ALPHA = (16, 16), 0.3
HIGH_PASS = 1.0  # standard deviation of the average that is subtracted, in pixels
N_NODES, TREE_ALPHA = 156, 0.08
PASSES = {"map": 10, "tree": 20}
PAD = 48  # width of the padded atoms whose spectrum is computed


def main():
    options = _common.options(__doc__)
    warnings.simplefilter("ignore")  # the number of passes is the intended stop
    report = _common.Report("inhibition", "Lateral inhibition: maps and trees of filters")
    for seed in range(1 if options.quick else SEEDS):
        of_map(report, options, seed)
        of_tree(report, options, seed)
    report.note("pictures of seed 0: inhibition_map.png, inhibition_tree.png")
    report.note("seconds on a machine with other load")
    report.save(options.results)


def learned(report, case, X, penalty, alpha, options, seed):
    """Return a fitted model; report the seconds of learning."""
    from sklearn_ebm import SparseCoder

    n_components = MAP[0] * MAP[1] if case.startswith("map") else N_NODES
    start = np.random.default_rng(seed).standard_normal((n_components, SIZE**2))
    passes = 2 if options.quick else PASSES[case.split(",")[0]]
    model = SparseCoder(
        dictionary_init=start, penalty=penalty, alpha=alpha, max_iter=passes, tol=0,
        random_state=seed,
    )  # fmt: skip
    seconds, model = _common.stopwatch(lambda: model.fit(X))
    report.add(case, f"{passes} passes over {len(X)} patches", seconds, "s")
    return model


# -------------------------------------------------------------------------------------------- map
def of_map(report, options, seed):
    from sklearn_ebm import InhibitionPenalty
    from sklearn_ebm.inspection import TopographicMapDisplay, fit_gabor
    from sklearn_ebm.metrics import topographic_order

    seed, case = options.seed + seed, f"map, seed {seed}"
    X = high_passed(2_000 if options.quick else 20_000, seed + 1)
    penalty = InhibitionPenalty(map_shape=MAP)
    model = learned(report, case, X, penalty, MAP_ALPHA, options, seed)
    fit = fit_gabor(model.components_, (SIZE, SIZE))
    good = fit.is_good()
    report.add(case, "atoms that a Gabor function fits", 100 * good.mean(), "%")
    orientation = np.degrees(fit.orientation)
    order = topographic_order(orientation, MAP, period=180, valid=good)
    report.add(case, "orientation, neighbours differ by", order.adjacent, "degrees")
    report.add(case, "orientation, all pairs differ by", order.all_pairs, "degrees")
    report.add(case, "orientation, neighbours / all pairs", order.ratio, at_most=0.65)
    inhibits = penalty.strengths(len(model.components_)) > 0
    share, chance = shares(model.transform(X[:5000]), inhibits)
    report.add(case, "pairs active together that inhibit each other", 100 * share, "%")
    report.add(case, "the same of all pairs", 100 * chance, "%")
    if seed == options.seed:
        draw(TopographicMapDisplay.from_estimator(model), options, "inhibition_map.png")


def high_passed(n_samples, seed):
    """Return patches of unit variance from photographs without low frequencies."""
    from scipy.ndimage import gaussian_filter

    from sklearn_ebm.datasets import sample_patches

    images = [np.asarray(image, dtype=float) for image in photographs()]
    images = [image - gaussian_filter(image, HIGH_PASS) for image in images]
    drawn = sample_patches(images, SIZE, n_samples, min_variance=25.0, random_state=seed)
    X = drawn.reshape(n_samples, -1)
    X = X - X.mean(axis=1, keepdims=True)
    return (X / X.std(axis=1, keepdims=True)).astype(np.float32)


# ------------------------------------------------------------------------------------------- tree
def of_tree(report, options, seed):
    from sklearn_ebm import InhibitionPenalty
    from sklearn_ebm.inspection import TreeDisplay

    seed, case = options.seed + seed, f"tree, seed {seed}"
    n_train, n_test = (2_000, 1_000) if options.quick else (20_000, 5_000)
    X = _common.natural_patches(n_train + n_test, seed=seed + 1, dtype=np.float32)
    penalty = InhibitionPenalty(structure="tree")
    model = learned(report, case, X[:n_train], penalty, TREE_ALPHA, options, seed)
    display = TreeDisplay.from_estimator(model)
    frequency = mean_frequencies(model.components_)
    means = [frequency[display.levels_ == level].mean() for level in range(4)]
    for level, mean in enumerate(means):
        name = "the root" if level == 0 else f"level {level}"
        report.add(case, f"frequency, {name}", mean, "cycles a pixel")
    least = min(np.diff(means[1:]))
    report.add(case, "frequency, least rise from level 1 to 3", least, at_least=0)
    is_edge = penalty.strengths(N_NODES) == 0
    share, chance = shares(model.transform(X[n_train:]), is_edge)
    report.add(case, "pairs active together on edges", 100 * share, "%")
    report.add(case, "the same / chance", share / chance, "x", at_least=20)
    if seed == options.seed:
        draw(display, options, "inhibition_tree.png")


def mean_frequencies(atoms):
    """Return the mean frequency of the power spectrum of each atom, in cycles a pixel."""
    power = np.abs(np.fft.fft2(atoms.reshape(-1, SIZE, SIZE), (PAD, PAD))) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(PAD), np.fft.fftfreq(PAD)))
    return np.sum(power * frequency, axis=(1, 2)) / np.sum(power, axis=(1, 2))


def shares(code, selected):
    """Return the share of selected pairs among pairs that are active together, and among all."""
    on = (code != 0).astype(float)
    apart = ~np.eye(code.shape[1], dtype=bool)
    together = (on.T @ on) * apart
    return together[selected].sum() / together.sum(), selected[apart].mean()


def draw(display, options, name):
    display.figure_.savefig(options.results / name, dpi=110)


if __name__ == "__main__":
    import matplotlib

    matplotlib.use("Agg")
    main()
