"""
=======================================
Denoising auto-encoders with few labels
=======================================

A denoising auto-encoder learns to restore samples of which some values are missing, for which it
needs no labels. Do its features help a classifier with few labels? This example compares three
classifiers of the small digits of scikit-learn: a network whose hidden layer is the encoder of a
denoising auto-encoder, the same network with random initial weights, and logistic regression on
pixels. Nothing is downloaded.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_ebm import AutoEncoder, FineTunedClassifier

OUTPUT = Path("demo_output")
N_LABELS = (50, 100, 200)
SEEDS = range(10, 15)
NOISE_LEVEL = 0.4
OUTPUT.mkdir(exist_ok=True)
X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)

# %%
# Features without labels
# -----------------------
# For each seed, 500 digits are the test set. The auto-encoder learns from all other digits. In each
# pass, 40 % of the pixels of a digit are set to zero, and the auto-encoder restores them. The
# encoder with random weights is the same model after one pass with a negligible learning rate.


def without_test_digits(seed):
    return train_test_split(X, y, test_size=500, stratify=y, random_state=seed)


def encoder(seed, **settings):
    model = AutoEncoder(256, noise_level=NOISE_LEVEL, tol=0, random_state=seed, **settings)
    return model.fit(without_test_digits(seed)[0])


pretrained = {seed: encoder(seed, learning_rate=1e-2, max_iter=60) for seed in SEEDS}
untrained = {seed: encoder(seed, learning_rate=1e-12, max_iter=1) for seed in SEEDS}

# %%
# Digits that the auto-encoder has not seen, with 40 % of their pixels set to zero, and their
# reconstructions:

clean = without_test_digits(SEEDS[0])[1][:8]
masked = clean * (np.random.default_rng(0).random(clean.shape) > NOISE_LEVEL)
model = pretrained[SEEDS[0]]
restored = model.inverse_transform(model.transform(masked.astype(np.float32)))
figure, axes = plt.subplots(3, 8, figsize=(6.4, 2.6), layout="constrained")
for row, (name, images) in zip(
    axes, {"digit": clean, "masked": masked, "restored": restored}.items(), strict=True
):
    row[0].set_ylabel(name)
    for place, image in zip(row, images, strict=True):
        place.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        place.set(xticks=[], yticks=[])
figure.savefig(OUTPUT / "denoising_digits.png", bbox_inches="tight")

# %%
# Classifiers with few labels
# ---------------------------
# Both networks are trained with labels in the same way: first the linear classifier on the
# features, then all weights together. The settings of all classifiers were selected from a few
# values on other splits of these digits.


def network(encoder, labelled, seed):
    """Return a fitted network whose hidden layer is a fitted encoder."""
    classifier = LogisticRegression(max_iter=1000)
    classifier.fit(encoder.transform(labelled[0]), labelled[1])
    return FineTunedClassifier(
        make_pipeline(encoder, classifier),
        prefit=True,
        learning_rate=3e-4,
        max_iter=30,
        batch_size=20,
        random_state=seed,
    ).fit(*labelled)


CONTENDERS = {
    "logistic regression on pixels": lambda labelled, seed: LogisticRegression(max_iter=1000).fit(
        *labelled
    ),
    "network from random weights": lambda labelled, seed: network(untrained[seed], labelled, seed),
    "network from a denoising auto-encoder": lambda labelled, seed: network(
        pretrained[seed], labelled, seed
    ),
}


def error(fitted, n_labels, seed):
    """Return the percentage of errors on test digits."""
    X_train, X_test, y_train, y_test = without_test_digits(seed)
    X_few, _, y_few, _ = train_test_split(
        X_train, y_train, train_size=n_labels, stratify=y_train, random_state=seed
    )
    return 100 * (1 - fitted((X_few, y_few), seed).score(X_test, y_test))


errors = {
    name: np.array([[error(fitted, n, seed) for seed in SEEDS] for n in N_LABELS])
    for name, fitted in CONTENDERS.items()
}

# %%
# The error bars are standard deviations over five splits of the digits. They are mostly due to the
# choice of the labelled digits, which is the same for all classifiers. On the same split, the
# network from the auto-encoder has a lower error than the network from random weights in four of
# five cases with 50 and 100 labels, and in all cases with 200 labels. On average, the difference is
# about one percentage point: a twelfth of the errors with 50 labels, and a seventh with 200. With
# 50 labels, the network from random weights is hardly better than logistic regression on pixels.

figure, axes = plt.subplots(figsize=(6.0, 4.0), layout="constrained")
for place, (name, values) in enumerate(errors.items()):
    mean, spread = values.mean(axis=1), values.std(axis=1)
    beside = np.asarray(N_LABELS) * 1.03 ** (place - 1)  # separates the error bars horizontally
    axes.errorbar(beside, mean, spread, marker="o", markersize=4, capsize=3, label=name)
    print(f"{name:>38}:", *(f"{m:5.1f} +- {s:.1f}" for m, s in zip(mean, spread, strict=True)))
axes.set_xscale("log")
axes.minorticks_off()
axes.set_xticks(N_LABELS, N_LABELS)
axes.set_ylim(bottom=0)
axes.set_xlabel("Digits with a label")
axes.set_ylabel("Test error [%]")
axes.grid(alpha=0.3)
axes.legend()
figure.savefig(OUTPUT / "denoising_few_labels.png", bbox_inches="tight")
print("Look at", OUTPUT / "denoising_few_labels.png")
plt.show()
