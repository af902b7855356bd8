"""Detection of outliers by energies, beside the detectors of scikit-learn.

One class is left out: detectors learn from 70 % of the samples of the other classes, and must tell
the remaining 30 % from the samples of the class. The number is the area under the ROC curve, the
mean over all classes that are left out. Each detector has one setting for all data sets, chosen on
the digits 8, 1 and 4; numbers of components are limited by the sizes of the data. Features of the
tables are standardised; pixels are between 0 and 1. The first 3,000 images of MNIST are used.
Energies of `EnergyOutlierDetector` are marked by a star.
"""

import time
import warnings

import numpy as np

from benchmarks import _common

KEPT = 0.7  # share of the usual samples to learn from
BEST = {"digits": 0.97, "MNIST": 0.9}  # areas that the best energy must reach


def main():
    options = _common.options(__doc__)
    report = _common.Report("outliers", "Detection of classes that are left out")
    warnings.simplefilter("ignore")  # passes are the intended stop
    for name, (X, y, n_classes) in data_sets(options).items():
        areas, seconds = compare(X, y, n_classes, options.seed)
        best = max(areas[each] for each in areas if each.endswith("*"))
        for each, area in areas.items():
            target = {"at_least": BEST[name]} if name in BEST and area == best else {}
            report.add(name, f"{each}, area under the curve", area, **target)
            report.add(name, f"{each}, seconds", seconds[each], "s")
    report.note(f"{KEPT:.0%} of the usual samples are for learning; * is EnergyOutlierDetector")
    report.save(options.results)


def data_sets(options):
    """Return samples, labels and the number of classes that are left out, by name."""
    from sklearn.datasets import load_breast_cancer, load_digits, load_wine
    from sklearn.preprocessing import StandardScaler

    from sklearn_ebm.datasets import fetch_mnist

    digits, y = load_digits(return_X_y=True)
    found = {"digits": (digits / 16, y, 2 if options.quick else 10)}
    for name, load in {"breast cancer": load_breast_cancer, "wine": load_wine}.items():
        X, labels = load(return_X_y=True)
        found[name] = (StandardScaler().fit_transform(X), labels, len(np.unique(labels)))
    if not options.quick:
        images, labels = fetch_mnist(return_X_y=True)
        found["MNIST"] = (images[:3000].reshape(3000, -1) / 255, labels[:3000].astype(int), 10)
    return found


def detectors(n_samples, n_features, seed):
    """Return detectors of scikit-learn, and energies with a star, by name."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.ensemble import IsolationForest
    from sklearn.mixture import GaussianMixture
    from sklearn.neighbors import KernelDensity, LocalOutlierFactor
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import OneClassSVM

    from sklearn_ebm import PSD, RBM, AutoEncoder, EnergyOutlierDetector, SparseCoder

    few, n_atoms = min(30, n_features // 2), min(128, 2 * n_features)
    known = {
        "IsolationForest": IsolationForest(random_state=seed),
        "LocalOutlierFactor": LocalOutlierFactor(novelty=True),
        "OneClassSVM": OneClassSVM(),
    }
    passes = {"tol": 0, "random_state": seed}
    denoising = {"loss": "squared_error", "noise": "gaussian", "activation": "relu"}
    energies = {
        "KernelDensity": KernelDensity(bandwidth=0.5),
        "PCA": PCA(few // 3 + 1),
        "KMeans": KMeans(min(100, n_samples // 4), random_state=seed),
        "GaussianMixture": make_pipeline(
            PCA(few, random_state=seed),
            GaussianMixture(min(10, n_samples // 40), reg_covar=1e-2, random_state=seed),
        ),
        "SparseCoder": SparseCoder(n_atoms, alpha=0.5, max_iter=10, **passes),
        "PSD": PSD(n_atoms, alpha=0.5, max_iter=10, **passes),
        "AutoEncoder, denoising": AutoEncoder(
            256, noise_level=0.3, tied_weights=False, learning_rate=3e-3, max_iter=60, **denoising,
            **passes,
        ),
        "RBM": RBM(64, batch_size=10, max_iter=50, random_state=seed),
    }  # fmt: skip
    own = {f"{name} *": EnergyOutlierDetector(each) for name, each in energies.items()}
    return known | own


def compare(X, y, n_classes, seed):
    """Return mean areas under the curve and total seconds of each detector."""
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import train_test_split

    areas, seconds = {}, {}
    for left_out in np.unique(y)[:n_classes]:
        learned, usual = train_test_split(X[y != left_out], train_size=KEPT, random_state=seed)
        unusual = X[y == left_out]
        is_unusual = np.r_[np.zeros(len(usual)), np.ones(len(unusual))]
        for name, detector in detectors(*learned.shape, seed).items():
            if name.startswith("RBM") and X.min() < 0:
                continue  # its visible units are between 0 and 1
            start = time.perf_counter()
            scores = detector.fit(learned).score_samples(np.r_[usual, unusual])
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start
            areas.setdefault(name, []).append(roc_auc_score(is_unusual, -scores))
    return {name: float(np.mean(each)) for name, each in areas.items()}, seconds


if __name__ == "__main__":
    main()
