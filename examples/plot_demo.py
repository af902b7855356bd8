"""
===================================================
Features of photographs, and digits with few labels
===================================================

Do features that are learned without labels help a classifier? First, a sparse coder is trained on
patches of two photographs. Its atoms become localised, oriented edges, as in Olshausen & Field
(1997). The same kind of model is then trained on handwritten digits, and a linear classifier on its
codes is compared with the same classifier on pixels. Finally, two convolutional stages are trained
on digits without labels, and then as one network with 100 labels. All data are included in
scikit-learn.
"""

import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.callback import ProgressBar
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from sklearn_ebm import FineTunedClassifier, Rectifier, SparseCoder, make_feature_hierarchy
from sklearn_ebm.datasets import load_natural_patches
from sklearn_ebm.inspection import DictionaryDisplay

OUTPUT = Path("demo_output")

# %%
# Atoms of photographs
# --------------------
# Patches have mean zero and unit variance, so that `alpha=1` is a sensible choice. With `tol=0`,
# all passes are made: atoms become sharper even when the energy has almost stopped decreasing.


def learn_from_photographs():
    """Train a sparse coder on patches of 12 x 12 pixels, with a progress bar."""
    patches = load_natural_patches(20_000, random_state=0)
    coder = SparseCoder(256, alpha=1.0, max_iter=8, tol=0, random_state=0)
    return coder.set_callbacks(ProgressBar()).fit(patches)


def save(coder, name):
    """Save a picture of the atoms; return its path."""
    OUTPUT.mkdir(exist_ok=True)
    display = DictionaryDisplay.from_estimator(coder)
    display.figure_.savefig(OUTPUT / name, bbox_inches="tight")
    return OUTPUT / name


# %%
# All labels: codes and pixels
# ----------------------------
# The codes of 256 atoms are split into their positive and negative parts, to which a linear
# classifier can assign different weights.


def timed(model, X_train, X_test, y_train, y_test):
    """Return the accuracy on the test samples, and the seconds for fit and score."""
    began = time.perf_counter()
    accuracy = model.fit(X_train, y_train).score(X_test, y_test)
    return accuracy, time.perf_counter() - began


def with_features(features):
    """Return a linear classifier on split features."""
    return make_pipeline(features, Rectifier("split"), LogisticRegression(C=10, max_iter=2000))


def compare_all_labels(X, y):
    """Return the accuracy and the seconds of each model, by name, and the fitted pipeline."""
    data = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    ours = with_features(SparseCoder(256, alpha=0.1, random_state=0))
    return {
        "LogisticRegression on pixels": timed(LogisticRegression(C=10, max_iter=2000), *data),
        "SVC on pixels": timed(SVC(), *data),
        "LogisticRegression on sparse codes": timed(ours, *data),
    }, ours


# %%
# A hundred labels
# ----------------
# Filters of two stages are learned from 500 digits, of which 100 have a label, and then trained
# with these labels. The other models see the 100 labelled digits only.


def compare_few_labels(X, y):
    """Return the accuracy and the seconds of each model, by name."""
    few, rest, y_few, y_rest = train_test_split(X, y, train_size=100, stratify=y, random_state=0)
    data = few, rest[800:], y_few, y_rest[800:]
    images = [rows.reshape(-1, 8, 8) for rows in data[:2]]
    stages = make_feature_hierarchy(
        n_components=(16, 32), kernel_size=3, window_size=5, random_state=0
    )
    network = FineTunedClassifier(stages, batch_size=20, random_state=0)
    began = time.perf_counter()
    network.fit(images[0], y_few, unsupervised_X=rest[:400].reshape(-1, 8, 8))
    return {
        "LogisticRegression on pixels": timed(LogisticRegression(C=10, max_iter=2000), *data),
        "MLPClassifier on pixels": timed(MLPClassifier(max_iter=1000, random_state=0), *data),
        "SVC(C=10) on pixels": timed(SVC(C=10), *data),
        "two stages, FineTunedClassifier": (
            network.score(images[1], y_rest[800:]),
            time.perf_counter() - began,
        ),
    }


def print_table(title, results):
    """Print one row per model."""
    print(f"\n{title:<42} {'accuracy':>9} {'fit + score':>12}")
    for name, (accuracy, seconds) in results.items():
        print(f"{name:<42} {100 * accuracy:>7.1f} % {seconds:>10.1f} s")


# %%
# A few passes are sufficient here, so the warning about convergence is ignored. The time of the
# first fit of each model may include the compilation of kernels.

X, y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("Learning 256 atoms from 20,000 patches of two photographs")
    paths = [save(learn_from_photographs(), "atoms_of_photographs.png")]
    results, pipeline = compare_all_labels(X, y)
    print_table("Digits with all labels", results)
    paths += [save(pipeline[0], "atoms_of_digits.png")]
    print_table("Digits with 100 labels", compare_few_labels(X, y))
print("\nLook at", " and ".join(str(path) for path in paths))
plt.show()
