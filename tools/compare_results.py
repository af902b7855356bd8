"""Check that a change of the code leaves results as they were.

Run it before and after the change; each run takes about two minutes, plus compilation::

    python tools/compare_results.py record before.npz
    python tools/compare_results.py compare before.npz

`record` fits every model to digits, in float32 and float64, and stores codes, energies, atoms,
parameters and curves. `compare` fits the models again and lists each array that differs by more
than rounding, relative to its largest entry. It exits with 1 if there is any.
"""

import argparse
import sys
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import sklearn_ebm as ebm

ROUNDING = {"float32": 1e-4, "float64": 1e-9}  # relative; learning amplifies rounding errors
UNSTABLE = ("seconds_curve_", "unconverged_")  # times, and counts of codes near their tolerance
PASSES = {"max_iter": 3, "tol": 0}


def dense_models():
    """Models of rows, by name."""
    yield "SparseCoder", ebm.SparseCoder(64, alpha=0.5, random_state=0, **PASSES)
    for solver in ("fista", "cd"):
        yield (
            f"SparseCoder-{solver}",
            ebm.SparseCoder(64, alpha=0.5, solver=solver, random_state=0, **PASSES),
        )
    groups = ebm.GroupPenalty(groups=4)
    yield (
        "SparseCoder-groups",
        ebm.SparseCoder(64, alpha=0.5, penalty=groups, random_state=0, **PASSES),
    )
    for encoder in ("shrinkage", "smooth_shrinkage", "tanh", "lista", "lfista", "lcod"):
        yield f"PSD-{encoder}", ebm.PSD(64, alpha=0.5, encoder=encoder, random_state=0, **PASSES)
    yield "PSD-optimal", ebm.PSD(64, alpha=0.5, inference="optimal", random_state=0, **PASSES)
    yield (
        "GroupSparsePSD-groups",
        ebm.GroupSparsePSD(64, alpha=0.5, groups=4, random_state=0, **PASSES),
    )
    yield (
        "GroupSparsePSD-map",
        ebm.GroupSparsePSD(
            64, alpha=0.5, map_shape=(8, 8), pool_shape=(3, 3), random_state=0, **PASSES
        ),
    )
    for encoder in ("lista", "lfista", "lcod"):
        yield (
            f"LISTAEncoder-{encoder}",
            ebm.LISTAEncoder(64, alpha=0.5, encoder=encoder, random_state=0, max_iter=3),
        )
    yield "RBM-gaussian", ebm.RBM(64, visible="gaussian", random_state=0, max_iter=3)


def binary_models():
    """Models of values between 0 and 1, by name."""
    for loss in ("cd", "pcd", "fpcd"):
        yield f"RBM-{loss}", ebm.RBM(64, loss=loss, random_state=0, max_iter=3)


def image_models():
    """Models of images, by name."""
    for border in ("full", "same", "valid", "circular"):
        yield (
            f"ConvSparseCoder-{border}",
            ebm.ConvSparseCoder(
                8, kernel_size=5, alpha=0.5, border=border, random_state=0, max_iter=2, tol=0
            ),
        )
    yield "ConvPSD", ebm.ConvPSD(8, kernel_size=5, alpha=0.5, random_state=0, max_iter=2, tol=0)
    hierarchy = ebm.make_feature_hierarchy(
        2, n_components=(8, 16), kernel_size=3, connections=4, classifier=None, random_state=0,
        model=ebm.ConvPSD(alpha=0.5, max_iter=2, tol=0),
    )  # fmt: skip
    yield "make_feature_hierarchy", hierarchy


def classifiers():
    """Fine-tuned pipelines, by name."""
    yield (
        "FineTunedClassifier",
        ebm.FineTunedClassifier(
            make_pipeline(
                ebm.PSD(64, alpha=0.5, random_state=0, **PASSES), LogisticRegression(C=0.1)
            ),
            max_iter=3,
            random_state=0,
        ),
    )


def arrays_of(model, prefix=""):
    """The numeric fitted attributes of a model and of its steps, by name."""
    if hasattr(model, "steps"):
        steps = (arrays_of(step, f"{name}.") for name, step in model.steps)
        return {name: value for step in steps for name, value in step.items()}
    found = {}
    for name, value in vars(model).items():
        if not name.endswith("_") or name in UNSTABLE:
            continue
        value = np.asarray(value) if not isinstance(value, (str, dict)) else np.asarray("")
        if value.dtype.kind in "fiu":
            found[prefix + name] = value
    return found


def results():
    """Return every array of every model, by model, dtype and name."""
    rows, labels = load_digits(return_X_y=True)
    standard = (rows - rows.mean(axis=0)) / rows.std()
    images = standard.reshape(-1, 8, 8)[:400]
    kinds = [
        (dense_models, standard, None),
        (binary_models, rows / 16, None),
        (image_models, images, None),
        (classifiers, standard, labels),
    ]
    found = {}
    for dtype in ("float32", "float64"):
        for models, data, target in kinds:
            for name, model in models():
                arrays = outcome(model, data.astype(dtype), target)
                found |= {f"{name}/{dtype}/{key}": value for key, value in arrays.items()}
                print(name, dtype, len(arrays), "arrays", flush=True)
    return found


def outcome(model, data, target):
    """Fit a model, and return what it learned and what it says of the data."""
    model.fit(data, target)
    found = arrays_of(model)
    for method in ("transform", "energy", "score_samples", "predict_proba"):
        if hasattr(model, method):
            found[method] = np.asarray(getattr(model, method)(data))
    return found


def differences(before, after):
    """Yield each array that differs by more than rounding, and by how much."""
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            yield name, np.inf
            continue
        old, new = before[name], after[name]
        if old.shape != new.shape:
            yield name, np.inf
            continue
        largest = max(np.abs(old).max(initial=0), np.finfo(float).tiny)
        distance = np.abs(old.astype(float) - new).max(initial=0) / largest
        if not distance <= ROUNDING[name.split("/")[1]]:
            yield name, distance


def main():
    """Record, or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["record", "compare"])
    parser.add_argument("file")
    arguments = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # models that stop after a few passes warn
        found = results()
    if arguments.action == "record":
        np.savez_compressed(arguments.file, **found)
        return 0
    wrong = list(differences(dict(np.load(arguments.file)), found))
    for name, distance in wrong:
        print(f"{name}: {distance:.1e}")
    print(f"{len(wrong)} of {len(found)} arrays differ by more than rounding")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
