"""
==============================
Classification with few labels
==============================

Are features that were learned without labels useful if few samples have a label? In layerwise
training [Jarrett et al. (2009)], features are learned from all samples without labels, and then
trained with the available labels. This example compares layerwise training with a network of the
same widths that is trained from random weights, and with a linear classifier on pixels. The data
are the small digits of scikit-learn. Nothing is downloaded.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from sklearn_ebm import PSD, FineTunedClassifier, Rectifier

OUTPUT = Path("demo_output")
N_LABELS = (50, 100, 200, 500)
SEEDS = (10, 11, 12)
WIDTHS = (128, 64)
ALPHAS = (0.1, 0.02)  # smaller for the second layer, whose input is already sparse
OUTPUT.mkdir(exist_ok=True)
X, y = load_digits(return_X_y=True)
cache = TemporaryDirectory()  # of features, which are learned once and used twice

# %%
# Classifiers
# -----------
# The two ``PSD`` models of the stack have the same widths as the hidden layers of
# ``MLPClassifier``. ``alpha`` of both networks, ``C`` of both linear classifiers and the number of
# passes were selected from a few values on other splits of these digits. Features are small
# numbers, so their classifier needs large weights, and thus a large ``C``.


def stack(seed, max_iter):
    """Return two layers of features and a linear classifier, fine-tuned for `max_iter` passes."""
    steps = []
    for width, alpha in zip(WIDTHS, ALPHAS, strict=True):
        steps += [PSD(width, alpha=alpha, max_iter=20, tol=0, random_state=seed), Rectifier()]
    return FineTunedClassifier(
        make_pipeline(*steps, LogisticRegression(C=100, max_iter=1000), memory=cache.name),
        learning_rate=3e-4,
        max_iter=max_iter,
        batch_size=20,
        random_state=seed,
    )


def network(seed):
    """Return a network of the same widths with random initial weights."""
    return MLPClassifier(WIDTHS, alpha=1e-2, batch_size=50, max_iter=300, random_state=seed)


CONTENDERS = {
    "pixels, linear": lambda seed: LogisticRegression(max_iter=1000),
    "network from random weights": network,
    "features, linear": lambda seed: stack(seed, max_iter=0),
    "features, then trained with labels": lambda seed: stack(seed, max_iter=30),
}

# %%
# Errors
# ------
# Up to 200 labels, a linear classifier on features has a lower error than both classifiers that use
# only labelled digits. At 50 labels, the error bars overlap. Training the features with labels does
# not reduce the error at 50 labels. It removes an eighth to a sixth of the errors at 100 and 200
# labels, and a third of the errors at 500 labels.
#
# For each seed, 500 digits are the test set. Some of the other digits are labelled, and the stack
# also learns from the remaining digits without labels.


def error(contender, n_labels, seed):
    """Return the percentage of errors on test digits."""
    X_train, X_test, y_train, y_test = train_test_split(
        X / 16, y, test_size=500, stratify=y, random_state=seed
    )
    X_few, X_more, y_few, _ = train_test_split(
        X_train, y_train, train_size=n_labels, stratify=y_train, random_state=seed
    )
    model = contender(seed)
    more = {"unsupervised_X": X_more} if isinstance(model, FineTunedClassifier) else {}
    return 100 * (1 - model.fit(X_few, y_few, **more).score(X_test, y_test))


errors = {
    name: np.array([[error(contender, n, seed) for seed in SEEDS] for n in N_LABELS])
    for name, contender in CONTENDERS.items()
}

figure, axes = plt.subplots(figsize=(6.0, 4.0), layout="constrained")
for place, (name, values) in enumerate(errors.items()):
    mean, spread = values.mean(axis=1), values.std(axis=1)
    beside = np.asarray(N_LABELS) * 1.03 ** (place - 1.5)  # separates the error bars horizontally
    axes.errorbar(beside, mean, spread, marker="o", markersize=4, capsize=3, label=name)
    print(f"{name:>36}:", *(f"{m:5.1f} +- {s:.1f}" for m, s in zip(mean, spread, strict=True)))
axes.set_xscale("log")
axes.minorticks_off()
axes.set_xticks(N_LABELS, N_LABELS)
axes.set_ylim(bottom=0)
axes.set_xlabel("Digits with a label")
axes.set_ylabel("Test error [%]")
axes.grid(alpha=0.3)
axes.legend()
cache.cleanup()
figure.savefig(OUTPUT / "few_labels.png", bbox_inches="tight")
print("Look at", OUTPUT / "few_labels.png")
plt.show()
