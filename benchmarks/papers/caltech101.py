"""Caltech-101 with two stages of learned or random filters, before and after training with labels.

The protocol of Jarrett, Kavukcuoglu, Ranzato, LeCun (2009): grey images of at most 151 pixels,
normalised by the contrast around each pixel and padded with zeros to 143 x 143; 64 filters of 9 x
9, abs, contrast normalisation, average of 10 x 10 every 5; 256 filters of 9 x 9 on 16 random maps
each, abs, contrast normalisation, average of 6 x 6 every 4; multinomial logistic regression. The
training set has 30 images per class, and all others are tested; accuracy is the mean over the 102
classes. U: trained without labels on patches, R: random; +: trained with labels. Trials are stored,
so that a run can be interrupted and resumed.

Only contrast normalisation determines the scale of the output of a stage. Without it, other values
of sparsity and of the classifier's penalty are used, selected on a third of the training images of
the first split. Only subtraction of a mean centres the output: filters of the second stage that are
trained on maxima learn their mean. Therefore, there is also a variant with contrast normalisation.
"""

import functools
import io
import os
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import _common
from benchmarks.papers import _recipes

SIDE, WINDOW = 143, 9
STAGES = {"n_components": (64, 256), "kernel_size": 9, "connections": 16}
STAGES |= {"pool_shape": (10, 6), "pool_stride": (5, 4)}


class Layers(NamedTuple):
    """The layers after the filters of each stage."""

    settings: dict  # settings of make_feature_hierarchy
    published: dict  # accuracy of R, U, R+ and U+
    alpha: tuple = (2.0, 2.0)  # sparsity of the stages
    C: float = 0.01  # of the classifier
    is_centred: bool = False  # whether the input of the second stage is normalised


MAX = {"rectify": None, "pooling": "max"}
LAYERS = {
    "abs, contrast, average": Layers({}, {"R": 62.9, "U": 63.7, "R+": 64.7, "U+": 65.5}),
    "abs, average": Layers({"window_size": None}, {"U": 46.7}, alpha=(2.0, 0.36), C=10.0),
    "contrast, max": Layers(MAX, {"R": 37.6, "U": 56.0}),
    "contrast, max, contrast": Layers(MAX, {"U": 56.0}, alpha=(2.0, 6.0), is_centred=True),
}
PASSES_WITHOUT_LABELS, PASSES = 2, 6
N_TRAIN = 30  # images per class
N_SPLITS = 3
WITHIN = 3.0  # tolerance relative to the published accuracy, in percent


def main():
    options = _common.options(__doc__)
    report = _common.Report("caltech101", "Caltech-101, two stages")
    trials = _recipes.Trials("caltech101", options)
    warnings.simplefilter("ignore")  # the number of passes without labels is limited on purpose
    splits = range(options.seed, options.seed + (1 if options.quick else N_SPLITS))
    images = functools.cache(lambda: normalized_images(options))
    data = functools.lru_cache(1)(lambda split: parts(*images(), split))  # almost a gigabyte each
    for layers in LAYERS:
        for split in splits:
            for filters in ("U", "R"):
                run(trials, layers, filters, split, data, options)
    for layers, kind in LAYERS.items():
        for name, accuracy in kind.published.items():
            keys = [(f"{name}, {layers}", split) for split in splits]
            trials.report(report, "accuracy", keys, "%", at_least=accuracy - WITHIN)
            report.add(keys[0][0], "published", accuracy, "%")
            report.add(keys[0][0], "time of a split", trials.seconds(keys[:1]) / 60, "min")
    report.note(trials.cost())
    report.note("time includes that of learning for U and R, and is that of tuning for U+ and R+")
    report.save(options.results)


def run(trials, layers, filters, split, data, options):
    """Run the trials of one network, before and after training with labels, if published."""
    names = [name for name in (filters, f"{filters}+") if name in LAYERS[layers].published]
    if not names:
        return
    setting = layers, filters, split, options
    _recipes.before_and_after(
        trials,
        [(f"{name}, {layers}", split) for name in names],
        lambda: network(*setting).fit(*data(split)[0]),
        lambda model: network(*setting, model.pipeline_).fit(*data(split)[0]),
        lambda model: percent_right(model, *data(split)[1]),
    )


def network(layers, filters, split, options, learned=None):
    """Return an estimator that learns the stages, or trains given stages with labels."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline

    from sklearn_ebm import (
        ConvPSD,
        FineTunedClassifier,
        LocalContrastNormalizer,
        make_feature_hierarchy,
    )

    kind = LAYERS[layers]
    estimator = learned
    if learned is None:
        model = ConvPSD if filters == "U" else _recipes.random_model(ConvPSD)
        pipeline = make_feature_hierarchy(
            model=model(
                border="valid", crop_size="patch", encoder="tanh", batch_size=256, tol=0,
                max_iter=PASSES_WITHOUT_LABELS,
            ),
            alpha=kind.alpha, random_state=split,
            classifier=LogisticRegression(C=kind.C, max_iter=300), **STAGES, **kind.settings,
        )  # fmt: skip
        steps = [step for step in pipeline.steps if step[0] != "contrast"]  # already applied
        if kind.is_centred:
            second = [name for name, _ in steps].index("model2")
            steps.insert(second, ("contrast", LocalContrastNormalizer(WINDOW)))
        estimator = Pipeline(steps)
    return FineTunedClassifier(
        estimator,
        prefit=learned is not None,
        max_iter=0 if learned is None else 1 if options.quick else PASSES,
        batch_size=30,
        weight_decay=0.5,
        early_stopping=False,  # a class has only 30 images
        random_state=split,
        verbose=1,
    )


def percent_right(classifier, X, y):
    """Return the mean over the classes of the share of correct predictions, in percent."""
    from sklearn.metrics import balanced_accuracy_score

    return 100 * balanced_accuracy_score(y, classifier.predict(X))


def parts(images, labels, split):
    """Return (X_train, y_train), (X_test, y_test) of a split with `N_TRAIN` images per class."""
    random = np.random.default_rng(split)
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        chosen[random.permutation(rows)[: min(N_TRAIN, len(rows) - 1)]] = True
    return (images[chosen], labels[chosen]), (images[~chosen], labels[~chosen])


def normalized_images(options):
    """Return all images, (n, 143, 143), and their classes."""
    from PIL import Image

    path = Path(os.environ["SKLEARN_EBM_DATA"]) / "caltech101_grey151.zip"
    images, labels = [], []
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
        for name in names[::40] if options.quick else names:
            pixels = Image.open(io.BytesIO(archive.read(name)))
            images.append(normalized(np.asarray(pixels, np.float32)))
            labels.append(name.split("/")[0])
    return np.stack(images), np.array(labels)


def normalized(image):
    """Return an image normalised by local contrast, in the middle of a square of zeros."""
    from sklearn_ebm import LocalContrastNormalizer

    image = (image - image.mean()) / max(image.std(), 1e-6)
    image = LocalContrastNormalizer(WINDOW).fit_transform(image[None])[0]
    margin = WINDOW // 2
    image = image[margin:-margin, margin:-margin]
    corner = [(SIDE - size) // 2 for size in image.shape]
    square = np.zeros((SIDE, SIDE), np.float32)
    square[tuple(slice(start, start + n) for start, n in zip(corner, image.shape, strict=True))] = (
        image
    )
    return square


if __name__ == "__main__":
    main()
