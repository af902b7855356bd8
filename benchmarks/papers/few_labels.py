"""MNIST with few labels; the other training images are used without labels.

U+: two stages of ConvPSD trained on unlabelled images, and then with the available labels. R+: the
same network with random initial filters. They are compared with scikit-learn's MLPClassifier and an
SVM with an RBF kernel on pixels. Labels are drawn for each seed, the same number for each digit.
The settings of all four are selected on training images; the test images are used only for the
results.
"""

import functools
import warnings

import numpy as np

from benchmarks import _common
from benchmarks.papers import _recipes

LEARNED_FROM = 5_000
STAGES = {"alpha": (0.5, 0.15), "connections": None}
STAGES |= {"pool_shape": (2, 4), "pool_stride": 2}  # 3 x 3 positions: few features for few labels
SIZES = (100, 300, 1_000, 3_000)
PASSES, BATCH_SIZE, WEIGHT_DECAY = 20, 20, 0.5
LEARNING_RATES = {"U+": 2e-3, "R+": 1e-3}  # the better of the two for each
SEEDS = 3
PEERS = ("MLPClassifier", "SVC")
NAMES = ("U+", "R+", *PEERS)


def main():
    options = _common.options(__doc__)
    report = _common.Report("few_labels", "MNIST with few labels")
    trials = _recipes.Trials("few_labels", options)
    warnings.simplefilter("ignore")  # the number of passes without labels is limited on purpose
    seeds = range(options.seed, options.seed + (1 if options.quick else SEEDS))
    sizes = SIZES[:2] if options.quick else SIZES
    train, test = _recipes.mnist(options)
    for seed in seeds:
        run_seed(trials, seed, sizes, train, test, options)
    for size in sizes:
        keys = {name: [(name, size, seed) for seed in seeds] for name in NAMES}
        best = min(
            np.mean([trials.number(*key, compute=None) for key in keys[n]]) for n in NAMES[1:]
        )
        for name in NAMES:
            goal = {"at_most": best} if name == "U+" else {}
            trials.report(report, f"test error, {size} labels", keys[name], "%", **goal)
    plot(trials, sizes, seeds, options)
    report.note("the target of U+ is the least error of the other three")
    report.note(trials.cost())
    report.save(options.results)


def run_seed(trials, seed, sizes, train, test, options):
    """Run all trials of one seed; features are learned once for all numbers of labels."""
    stages = functools.cache(lambda name: learned(name, seed, train[0], options))
    for size in sizes:
        rows = some_of_each(train[1], size, seed)
        labelled = train[0][rows], train[1][rows]
        for name in ("U+", "R+"):

            def tuned(name=name, labelled=labelled):
                return _recipes.percent_wrong(refine(name, stages(name), labelled, seed), *test)

            trials.number(name, size, seed, compute=tuned)
        for name in PEERS:

            def peer(name=name, labelled=labelled):
                X, y = labelled
                model = peer_model(name, seed).fit(X.reshape(len(X), -1), y)
                return _recipes.percent_wrong(model, test[0].reshape(len(test[0]), -1), test[1])

            trials.number(name, size, seed, compute=peer)


def some_of_each(y, size, seed):
    """Return rows with the same number of samples of each class."""
    random = np.random.default_rng(seed)
    classes = np.unique(y)
    each = size // len(classes)
    rows = [random.choice(np.flatnonzero(y == label), each, replace=False) for label in classes]
    return np.sort(np.concatenate(rows))


def learned(name, seed, X, options):
    """Return the stages without a classifier, trained on images without labels."""
    from sklearn_ebm import ConvPSD

    n_samples = 200 if options.quick else LEARNED_FROM
    rows = np.random.default_rng(seed).permutation(len(X))[:n_samples]
    model = ConvPSD if name == "U+" else _recipes.random_model(ConvPSD)
    return _recipes.digit_stages(model, seed, None, **STAGES).fit(X[np.sort(rows)])


def refine(name, stages, labelled, seed):
    """Return a classifier on the stages' features, then fine-tuned with the labels."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline

    from sklearn_ebm import FineTunedClassifier

    X, y = labelled
    classifier = LogisticRegression(max_iter=1000).fit(stages.transform(X), y)
    pipeline = Pipeline([*stages.steps, ("classifier", classifier)])
    tuned = FineTunedClassifier(
        pipeline,
        prefit=True,
        learning_rate=LEARNING_RATES[name],
        weight_decay=WEIGHT_DECAY,
        max_iter=PASSES,
        batch_size=BATCH_SIZE,
        random_state=seed,
    )
    return tuned.fit(X, y)


def peer_model(name, seed):
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC

    if name == "SVC":
        return SVC(C=10.0)  # gamma="scale"
    return MLPClassifier((512,), alpha=1e-3, max_iter=300, batch_size=50, random_state=seed)


def plot(trials, sizes, seeds, options):
    """Plot the error over the number of labels, with its standard deviation."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for name in NAMES:
        errors = [[trials.number(name, n, seed, compute=None) for seed in seeds] for n in sizes]
        axes.errorbar(
            sizes,
            np.mean(errors, axis=1),
            np.std(errors, axis=1),
            label=name,
            capsize=3,
            marker="o",
        )
    axes.set(xscale="log", yscale="log", xlabel="labels", ylabel="test error in %")
    for axis, ticks in ((axes.xaxis, sizes), (axes.yaxis, (1, 2, 5, 10, 20))):
        axis.set_ticks(ticks, [str(tick) for tick in ticks])
        axis.minorticks_off()
    axes.legend()
    figure.savefig(options.results / "few_labels.png", dpi=120)


if __name__ == "__main__":
    main()
