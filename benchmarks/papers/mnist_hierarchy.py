"""MNIST with two convolutional stages of learned or random filters, before and after labels.

Each stage consists of filters, abs, local contrast normalisation and average pooling (Jarrett,
Kavukcuoglu, Ranzato, LeCun 2009). U: ConvPSD learns the filters from patches of 5,000 training
images; R: they are random; a linear classifier reads the maps. U+ and R+: the whole network is then
trained with labels. The test images are used only for the results. Trials are stored, so that a run
can be interrupted and resumed.
"""

import warnings

from benchmarks import _common
from benchmarks.papers import _recipes

LEARNED_FROM = 5_000
STAGES = {"alpha": (1.0, 0.25), "pool_shape": (2, 3), "pool_stride": (2, 1)}
PASSES = 6  # with labels
WEIGHT_DECAY = 0.5  # prevents overfitting to the labels
SEEDS = 3
MOST_MINUTES = 60  # for the four networks of one seed


def main():
    options = _common.options(__doc__)
    report = _common.Report("mnist_hierarchy", "MNIST, two convolutional stages")
    trials = _recipes.Trials("mnist_hierarchy", options)
    warnings.simplefilter("ignore")  # the number of passes without labels is limited on purpose
    seeds = range(options.seed, options.seed + (1 if options.quick else SEEDS))
    train, test = _recipes.mnist(options)
    for seed in seeds:
        for filters in ("U", "R"):
            run(trials, filters, seed, train, test, options)
    for name, target in {"U": 0.9, "U+": 0.65, "R": None, "R+": None}.items():
        goal = {} if target is None else {"at_most": target}
        trials.report(report, "test error", [(name, seed) for seed in seeds], "%", **goal)
    minutes = trials.seconds([(name, seeds[0]) for name in ("U", "U+", "R", "R+")]) / 60
    report.add("one seed of all four", "time", minutes, "min", at_most=MOST_MINUTES)
    report.note("the paper's U+U+ has 0.53 % (Jarrett et al. 2009)")
    report.note(trials.cost())
    report.save(options.results)


def run(trials, filters, seed, train, test, options):
    """Run two trials: features with a linear classifier, before and after training with labels."""
    _recipes.before_and_after(
        trials,
        [(filters, seed), (f"{filters}+", seed)],
        lambda: classifier(filters, seed, options, max_iter=0).fit(*train),
        lambda model: classifier(filters, seed, options, model.pipeline_).fit(*train),
        lambda model: _recipes.percent_wrong(model, *test),
    )


def classifier(filters, seed, options, fitted=None, max_iter=PASSES):
    from sklearn.linear_model import LogisticRegression

    from sklearn_ebm import ConvPSD, FineTunedClassifier

    estimator = fitted
    if fitted is None:
        model = ConvPSD if filters == "U" else _recipes.random_model(ConvPSD)
        linear = LogisticRegression(C=0.1, max_iter=300)
        estimator = _recipes.digit_stages(model, seed, linear, **STAGES)
    return FineTunedClassifier(
        estimator,
        prefit=fitted is not None,
        subsample=200 if options.quick else LEARNED_FROM,
        max_iter=min(max_iter, 2) if options.quick else max_iter,
        weight_decay=WEIGHT_DECAY,
        early_stopping=False,  # all labels are used for training
        random_state=seed,
        verbose=1,
    )


if __name__ == "__main__":
    main()
