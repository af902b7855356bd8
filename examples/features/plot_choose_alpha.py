"""
=====================================
Choosing the sparsity of the features
=====================================

How sparse should codes be? The weight ``alpha`` of the sparsity penalty decides how many atoms
represent a sample. If a classifier follows, ``alpha`` can be selected by cross-validation of its
accuracy. The data are the digits of scikit-learn.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline

from sklearn_ebm import Rectifier, SparseCoder
from sklearn_ebm.inspection import DictionaryDisplay

OUTPUT = Path("demo_output")
OUTPUT.mkdir(exist_ok=True)
X, y = load_digits(return_X_y=True)
X = X / 16

# %%
# Cross-validation
# ----------------
# ``alpha`` has the scale of the data. Pixels are between 0 and 1 here, so that useful values of
# ``alpha`` are around 0.1. The baseline is the same classifier on pixels.

alphas = [0.03, 0.1, 0.3, 1.0, 3.0]
classifier = LogisticRegression(C=10, max_iter=1000)
pipeline = Pipeline(
    [
        ("coder", SparseCoder(64, max_iter=5, tol=0, random_state=0)),
        ("rectifier", Rectifier("split")),
        ("classifier", classifier),
    ]
)
search = GridSearchCV(pipeline, {"coder__alpha": alphas}, cv=3, refit=False).fit(X, y)
accuracy = search.cv_results_["mean_test_score"]
pixels = cross_val_score(classifier, X, y, cv=3).mean()
coders = [SparseCoder(64, alpha=a, max_iter=5, tol=0, random_state=0).fit(X) for a in alphas]
shares = [np.mean(coder.transform(X) != 0) for coder in coders]
for alpha, share, value in zip(alphas, shares, accuracy, strict=True):
    print(f"alpha={alpha:<4}  {share:4.0%} of the entries are not zero, accuracy {value:.1%}")
print(f"pixels: accuracy {pixels:.1%}")

# %%
# The accuracy is highest for an intermediate ``alpha``. If codes are too sparse, they contain too
# little information about the digit.

figure, axes = plt.subplots(figsize=(6.0, 3.6), layout="constrained")
axes.semilogx(alphas, 100 * accuracy, marker="o", label="accuracy on sparse codes")
axes.axhline(100 * pixels, color="black", linestyle="--", linewidth=1, label="accuracy on pixels")
axes.set(xlabel="alpha", ylabel="Accuracy [%]")
axes.grid(alpha=0.3)
right = axes.twinx()
right.semilogx(alphas, 100 * np.array(shares), color="C1", marker="s", label="non-zero entries")
right.set_ylabel("Non-zero entries [%]")
right.set_ylim(bottom=0)
lines = [*axes.get_lines(), *right.get_lines()]
axes.legend(lines, [line.get_label() for line in lines], loc="lower left")
figure.savefig(OUTPUT / "alpha_accuracy.png", bbox_inches="tight")

# %%
# Atoms
# -----
# With a small ``alpha`` (left), a digit is a sum of many atoms, which are noisy parts of digits.
# With a larger ``alpha`` (right), few atoms represent a digit, and atoms resemble whole digits.

figure, panels = plt.subplots(1, 2, figsize=(8.0, 4.2), layout="constrained")
for axis, number in zip(panels, (0, 3), strict=True):
    DictionaryDisplay.from_estimator(coders[number], ax=axis)
    axis.set_title(f"alpha={alphas[number]}")
figure.savefig(OUTPUT / "alpha_atoms.png", bbox_inches="tight")
print("Look at", OUTPUT / "alpha_accuracy.png", "and", OUTPUT / "alpha_atoms.png")
plt.show()
