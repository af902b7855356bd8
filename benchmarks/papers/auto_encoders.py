"""MNIST: auto-encoders with each regulariser, and an RBM, trained further with labels.

Each network has 1,000 sigmoid units (saturated linear ones for "saturating") and a softmax. It is
first trained without labels on the 60,000 training images, then with the labels of 50,000 of them.
The other 10,000 labels select the pass whose parameters are evaluated on the test images. They also
selected the rate of the pretrained weights among a few values, in shorter training (--search) of
denoising auto-encoders; all models have the same rate. The learning rate without labels and the
levels of noise were selected from a few values on a part of the training images. The published
errors, of networks with tuned settings and without dropout, are from Rifai et al. (2011), table 1.

    python -m benchmarks.papers.auto_encoders --search [--models NAME ...]
    python -m benchmarks.papers.auto_encoders [--models NAME ...] [--seeds N ...]

Each number is stored when it is known, so that a long run can be divided and continued. The table
has the rows that are known.
"""

import functools
import warnings

from benchmarks import _common
from benchmarks.papers import _recipes

N_COMPONENTS = 1000
PASSES, PASSES_WITH_LABELS = 15, 40
HELD_OUT = 1 / 6
DROPOUT = 0.5
LEARNING_RATE, WEIGHT_DECAY = 6e-4, 0.03
FEATURE_RATE = 2e-2  # initial learning rate without labels
ENCODER_RATE = 0.3  # factor of the learning rate of pretrained weights
ENCODER_RATES = 0.1, 0.3, 1.0  # of the search
PASSES_OF_SEARCH = 15  # with labels
NO_TERM = {"regularizer": "contractive", "alpha": 0.0}
MODELS = {  # parameters of AutoEncoder, and the published test error in percent
    "denoising, masking": ({"noise_level": 0.5}, 1.57),
    "denoising, Gaussian": ({"noise": "gaussian", "noise_level": 0.5}, 1.18),
    "contractive": ({"regularizer": "contractive", "alpha": 0.1}, 1.14),
    "RBM": (None, 1.30),
    "plain": (NO_TERM, 1.78),
    "weight decay": ({**NO_TERM, "weight_decay": 0.1}, 1.68),
    "saturating": (
        {"regularizer": "saturating", "alpha": 0.1, "activation": "saturated_linear"},
        None,
    ),
}
TARGETS = {"denoising, masking": 1.35, "denoising, Gaussian": 1.35}


def main():
    options = _common.options(__doc__, own_options)
    report = _common.Report("auto_encoders", "MNIST, auto-encoders of 1,000 units, with labels")
    trials = _recipes.Trials("auto_encoders", options)
    warnings.simplefilter("ignore")  # the number of passes is limited on purpose
    train, test = (
        (images.reshape(len(images), -1), labels) for images, labels in _recipes.mnist(options)
    )
    if options.search:
        for name in options.models:
            search(trials, name, train, options)
        return
    for seed in options.seeds or [options.seed]:
        for name in options.models:
            compute = functools.partial(test_error, name, seed, train, test, options)
            trials.number(name, seed, compute=compute)
    tabulate(report, trials)
    report.note(trials.cost())
    report.save(options.results)


def own_options(parser):
    parser.add_argument("--models", nargs="+", choices=MODELS, default=[*MODELS], metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="N")
    parser.add_argument("--search", action="store_true", help="errors of the held-out labels")


def search(trials, name, train, options):
    """Store the least error of the held-out labels for each rate of the pretrained weights."""

    @functools.cache
    def pretrained():
        return pipeline(name, options.seed, options).fit(*train)

    def error(rate):
        tuned = with_labels(
            pretrained(), rate, PASSES_OF_SEARCH, options.seed, options, prefit=True
        ).fit(*train)
        return 100 * (1 - tuned.validation_accuracy_curve_.max())

    for rate in ENCODER_RATES:
        key = f"{name}, validation, rate {rate}"
        trials.number(key, options.seed, compute=functools.partial(error, rate))


def tabulate(report, trials):
    """Add the mean of each model over the seeds that are known, and the published error."""
    for name, (_, published) in MODELS.items():
        keys = [(name, seed) for seed in trials.seeds(name)]
        if not keys:
            continue
        target = {"at_most": TARGETS[name]} if name in TARGETS else {}
        trials.report(report, "test error", keys, "%", **target)
        if published is not None:
            report.add(name, "published", published, "%")


def test_error(name, seed, train, test, options):
    """Return the test error of a network after both kinds of training, in percent."""
    return _recipes.percent_wrong(classifier(name, seed, options).fit(*train), *test)


def classifier(name, seed, options):
    """Return the network, to be trained without labels and then with labels."""
    unfitted = pipeline(name, seed, options)
    return with_labels(unfitted, ENCODER_RATE, PASSES_WITH_LABELS, seed, options)


def pipeline(name, seed, options):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from sklearn_ebm import Dropout

    last = Dropout(DROPOUT, random_state=seed), LogisticRegression(C=0.3, max_iter=30)
    return make_pipeline(model(name, seed, options), *last)


def with_labels(pipeline, rate, passes, seed, options, **settings):
    """Return the estimator that trains the pipeline with labels, its first step at this rate."""
    from sklearn_ebm import FineTunedClassifier

    return FineTunedClassifier(
        pipeline,
        max_iter=2 if options.quick else passes,
        learning_rate=LEARNING_RATE,
        learning_rates={pipeline.steps[0][0]: rate},
        weight_decay=WEIGHT_DECAY,
        early_stopping=True,
        validation_fraction=HELD_OUT,
        n_iter_no_change=passes,  # all passes are made, and the best one is kept
        random_state=seed,
        **settings,
    )


def model(name, seed, options):
    """Return the model that learns without labels."""
    from sklearn_ebm import RBM, AutoEncoder

    settings, _ = MODELS[name]
    n_components = 64 if options.quick else N_COMPONENTS
    passes = 2 if options.quick else PASSES
    if settings is None:
        return RBM(n_components, max_iter=2 * passes, random_state=seed)
    settings = {"learning_rate": FEATURE_RATE, "tol": 0, "random_state": seed, **settings}
    return AutoEncoder(n_components, max_iter=passes, **settings)


if __name__ == "__main__":
    main()
