"""
=====================================================
Features of photographs, and classification of digits
=====================================================

Predictive sparse decomposition (PSD) is trained on patches of two photographs. Its atoms and the
filters of its encoder become localised, oriented edges and gratings, as in Olshausen & Field (1997)
and Kavukcuoglu, Ranzato & LeCun (2008). Its convolutional form is trained on the whole photographs.
Finally, a grid search selects the sparsity of PSD in a pipeline that classifies handwritten digits.
All data are included in scikit-learn, so that nothing is downloaded.
"""

import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.callback import ProgressBar
from sklearn.datasets import load_digits, load_sample_images
from sklearn.decomposition import MiniBatchDictionaryLearning
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ebm import PSD, ConvPSD, LocalContrastNormalizer, Rectifier
from sklearn_ebm.datasets import load_natural_patches
from sklearn_ebm.inspection import (
    DictionaryDisplay,
    MapDisplay,
    ObjectiveDisplay,
    ReconstructionDisplay,
)

OUTPUT = Path("demo_output")
N_ATOMS = 128  # two per pixel of a digit

# %%
# Features of photographs
# -----------------------
# Patches have mean zero and unit variance, so that alpha = 1 is a sensible sparsity. With `tol=0`,
# all passes are made: filters continue to sharpen when the energy has almost stopped decreasing.


def learn_from_photographs():
    """Train a PSD on patches of 12 x 12 pixels, with a progress bar."""
    patches = load_natural_patches(40_000, random_state=0)
    psd = PSD(256, alpha=1.0, max_iter=5, tol=0, random_state=0)
    return psd.set_callbacks(ProgressBar()).fit(patches)


def draw(psd):
    """Save the mosaics and the learning curve as PNG files."""
    return save(
        {
            "atoms_and_filters.png": DictionaryDisplay.from_estimator(psd, which="both"),
            "learning_curve.png": ObjectiveDisplay.from_estimator(psd),
        }
    )


def save(displays):
    """Save displays by the names of their files; return the paths."""
    OUTPUT.mkdir(exist_ok=True)
    for name, display in displays.items():
        display.figure_.savefig(OUTPUT / name, bbox_inches="tight")
    return [OUTPUT / name for name in displays]


# %%
# Whole photographs
# -----------------
# A convolutional filter is used at all positions, so that sixteen filters replace hundreds of atoms
# of patches. The maps of an image contain the coefficients of each filter at each position.


def normalized_photographs():
    """Return two grey photographs at half size, with local contrast normalisation."""
    grey = np.stack(load_sample_images().images).mean(axis=3, dtype=np.float32)[:, :426]
    halved = grey.reshape(2, 213, 2, 320, 2).mean(axis=(2, 4))
    images = LocalContrastNormalizer(13).transform(halved)
    return images / images.std()


def draw_convolutional(images):
    """Save the filters, and the maps and the reconstruction of the second photograph."""
    psd = ConvPSD(16, alpha=1.0, max_iter=5, tol=0, random_state=0)
    psd.set_callbacks(ProgressBar()).fit(images)
    flower = images[1, 30:180, 60:260]
    return save(
        {
            "kernels_and_filters.png": DictionaryDisplay.from_estimator(psd, which="both"),
            "maps.png": MapDisplay.from_estimator(psd, flower),
            "reconstruction.png": ReconstructionDisplay.from_estimator(psd, flower),
        }
    )


# %%
# A classifier on digits
# ----------------------
# The same classifier is trained on raw pixels, on the codes of scikit-learn's dictionary learning,
# and on the codes of PSD. For scikit-learn, we use coordinate descent in `fit` and `transform`,
# which is faster here than least-angle regression, and the alpha that the grid search selects for
# PSD, since it has the same meaning. In the last row, each code is split into its positive and
# negative parts, to which a linear classifier can assign different weights.


def classifier(features=None, rectifier=None):
    """Return the pipeline; steps that are None are omitted."""
    return Pipeline(
        [
            ("scaler", StandardScaler()),
            ("psd", "passthrough" if features is None else features),
            ("rectifier", "passthrough" if rectifier is None else rectifier),
            ("classifier", LogisticRegression(max_iter=2000)),
        ]
    )


def search_alpha(rectifier=None):
    """Return a grid search over five values of psd__alpha with three folds and a progress bar."""
    psd = PSD(N_ATOMS, tol=1e-2, random_state=0)
    alphas = {"psd__alpha": [0.1, 0.3, 0.5, 1.0, 2.0]}
    return GridSearchCV(classifier(psd, rectifier), alphas, cv=3).set_callbacks(ProgressBar())


def peer(alpha):
    """Return scikit-learn's dictionary learning with its fastest exact lasso solver."""
    return MiniBatchDictionaryLearning(
        N_ATOMS, alpha=alpha, fit_algorithm="cd", transform_algorithm="lasso_cd", random_state=0
    )


def timed(model, data):
    """Return the accuracy on the test digits, and the seconds for fit and score."""
    X_train, X_test, y_train, y_test = data
    began = time.perf_counter()
    accuracy = model.fit(X_train, y_train).score(X_test, y_test)
    return accuracy, time.perf_counter() - began


def compare():
    """Return the accuracy and the seconds of each model, by name."""
    X, y = load_digits(return_X_y=True)
    data = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    search = search_alpha()
    searched = timed(search, data)
    alpha = search.best_params_["psd__alpha"]
    best = PSD(N_ATOMS, alpha=alpha, tol=1e-2, random_state=0)
    return {
        "raw pixels": timed(classifier(), data),
        f"MiniBatchDictionaryLearning, alpha={alpha}": timed(classifier(peer(alpha)), data),
        f"PSD, alpha={alpha}": timed(classifier(best), data),
        "PSD, alpha searched: 5 values, 3 folds": searched,
        "PSD and Rectifier, alpha searched": timed(search_alpha(Rectifier("split")), data),
    }


def print_table(results):
    """Print one row per model."""
    print(f"{'features before logistic regression':<42} {'accuracy':>9} {'fit + score':>12}")
    for name, (accuracy, seconds) in results.items():
        print(f"{name:<42} {100 * accuracy:>7.1f} % {seconds:>10.1f} s")


# %%
# A few passes are sufficient here, so the warning about convergence is ignored.

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("Learning 256 features from 40,000 patches of two photographs")
    paths = draw(learn_from_photographs())
    print("\nLearning 16 kernels from the photographs themselves")
    paths += draw_convolutional(normalized_photographs())
    print(f"\nClassifying digits with {N_ATOMS} features")
    print_table(compare())
print("\nLook at", " and ".join(str(path) for path in paths))
plt.show()
