"""
=========================
Detecting unusual samples
=========================

How can samples be detected that do not resemble the training data? A model has a low energy on
samples that resemble its training data, so that samples of high energy are unusual.
``EnergyOutlierDetector`` turns any estimator with an energy into a detector. The detectors are
trained on all digits except the 8, and must then detect the digit 8. The baselines are detectors of
scikit-learn with their default parameters. The data are included in scikit-learn.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline

from sklearn_ebm import RBM, AutoEncoder, EnergyOutlierDetector, SparseCoder

OUTPUT = Path("demo_output")
OUTPUT.mkdir(exist_ok=True)

# %%
# The training set has no 8. The test set has the rest of the usual digits, and all 8s.

X, y = load_digits(return_X_y=True)
X = X / 16
X_train, X_usual = train_test_split(X[y != 8], test_size=0.3, random_state=0)
X_unusual = X[y == 8]
X_test = np.concatenate([X_usual, X_unusual])
is_unusual = np.repeat([False, True], [len(X_usual), len(X_unusual)])

# %%
# Comparison of detectors
# -----------------------
# `score_samples` is low for unusual samples, in this package and in scikit-learn. The area under
# the ROC curve is the probability that an 8 has a lower score than a usual digit.
#
# The strokes of an 8 also occur in other digits. Energies that allow combinations of parts, such as
# those of ``SparseCoder`` and ``RBM``, are low for many 8s. The energy of ``KMeans`` is half the
# squared distance from the closest of many prototypes, and a mixture of Gaussians has a subspace
# around each prototype. These local energies are the most accurate ones.

mixture = make_pipeline(PCA(30), GaussianMixture(10, reg_covar=1e-2, random_state=0))
denoiser = AutoEncoder(
    256,
    noise="gaussian",
    noise_level=0.3,
    activation="relu",
    loss="squared_error",
    tied_weights=False,
    learning_rate=3e-3,
    max_iter=60,
    tol=0,
    random_state=0,
)
detectors = {
    "IsolationForest": IsolationForest(random_state=0),
    "LocalOutlierFactor": LocalOutlierFactor(novelty=True),
    "RBM": EnergyOutlierDetector(RBM(64, batch_size=10, max_iter=50, random_state=0)),
    "SparseCoder": EnergyOutlierDetector(SparseCoder(64, alpha=0.5, tol=0, random_state=0)),
    "AutoEncoder, denoising": EnergyOutlierDetector(denoiser),
    "KMeans": EnergyOutlierDetector(KMeans(100, random_state=0)),
    "GaussianMixture": EnergyOutlierDetector(mixture, contamination=0.02),
}
scores = {name: each.fit(X_train).score_samples(X_test) for name, each in detectors.items()}
for name, score in scores.items():
    print(f"{name:<22} area under the ROC curve {roc_auc_score(is_unusual, -score):.3f}")

# %%
# Energies
# --------
# `predict` labels samples whose energy is above a threshold. With ``contamination=0.02``, 2 % of
# the training samples are above it. The share of usual test samples is larger, because the mixture
# was fitted to the training samples.

detector = detectors["GaussianMixture"]
energies, threshold = -scores["GaussianMixture"], -detector.offset_
is_outlier = detector.predict(X_test) == -1
figure, axes = plt.subplots(figsize=(6.0, 3.4), layout="constrained")
bins = np.linspace(energies.min(), np.quantile(energies, 0.995), 50)
axes.hist(energies[~is_unusual], bins, alpha=0.6, density=True, label="other digits")
axes.hist(energies[is_unusual], bins, alpha=0.6, density=True, label="digit 8")
axes.axvline(threshold, color="black", linestyle="--", linewidth=1, label="threshold")
axes.set(xlabel="Energy", ylabel="Density", title="GaussianMixture, trained without the digit 8")
axes.legend()
figure.savefig(OUTPUT / "unusual_energies.png", bbox_inches="tight")
print(
    f"detected: {is_outlier[is_unusual].mean():.0%} of the 8s; "
    f"false alarms: {is_outlier[~is_unusual].mean():.0%}"
)

# %%
# The digits with the highest energies, and the 8s with the lowest energies, which are not detected:

order = np.argsort(energies)
rows = {
    "highest energies": order[::-1][:12],
    "8s with the lowest energies": order[is_unusual[order]][:12],
    "other digits with the highest energies": order[~is_unusual[order]][::-1][:12],
}
figure = plt.figure(figsize=(9.0, 3.6), layout="constrained")
for part, (title, numbers) in zip(figure.subfigures(3, 1), rows.items(), strict=True):
    part.suptitle(title, x=0.01, horizontalalignment="left", fontsize="medium")
    for axis, number in zip(part.subplots(1, 12), numbers, strict=True):
        axis.imshow(X_test[number].reshape(8, 8), cmap="gray_r")
        axis.set_axis_off()
figure.savefig(OUTPUT / "unusual_digits.png", bbox_inches="tight")
print("Look at", OUTPUT / "unusual_energies.png", "and", OUTPUT / "unusual_digits.png")
plt.show()
