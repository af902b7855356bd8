"""
=========================
Detecting unusual samples
=========================

How can samples be detected that do not resemble the training data? A model has a low energy on
samples that resemble its training data, so that samples of high energy are unusual. Models are
trained on the digits 0 to 4, and must then detect the digits 5 to 9. The baselines are detectors of
scikit-learn with their default parameters. The data are included in scikit-learn.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor

from sklearn_ebm import RBM, SparseCoder

OUTPUT = Path("demo_output")
OUTPUT.mkdir(exist_ok=True)

# %%
# Half of the test digits are of classes that are not in the training set.

X, y = load_digits(return_X_y=True)
X = X / 16
X_train, X_usual = train_test_split(X[y < 5], random_state=0)
X_unusual = X[y >= 5][: len(X_usual)]
X_test = np.concatenate([X_usual, X_unusual])
is_unusual = np.repeat([False, True], len(X_usual))

# %%
# Comparison of detectors
# -----------------------
# `score_samples` is low for unusual samples, in this package and in scikit-learn. The area under
# the ROC curve is the probability that an unusual digit has a lower score than a usual one.
# ``SparseCoder`` reconstructs usual digits from few atoms, whereas unusual digits need more atoms,
# or are reconstructed badly. It is as accurate as ``LocalOutlierFactor``, but does not store the
# training samples. The scores of ``RBM`` are negative free energies.

detectors = {
    "IsolationForest": IsolationForest(random_state=0),
    "LocalOutlierFactor": LocalOutlierFactor(novelty=True),
    "RBM": RBM(64, batch_size=10, max_iter=50, random_state=0),
    "SparseCoder": SparseCoder(64, alpha=0.1, tol=0, random_state=0),
}
scores = {name: each.fit(X_train).score_samples(X_test) for name, each in detectors.items()}
for name, score in scores.items():
    print(f"{name:<20} area under the ROC curve {roc_auc_score(is_unusual, -score):.3f}")

# %%
# Energies
# --------
# The energies of usual and unusual digits overlap only slightly. A threshold can be chosen from the
# energies of the training samples, for instance as their 95 % quantile.

energies = -scores["SparseCoder"]
threshold = np.quantile(-detectors["SparseCoder"].score_samples(X_train), 0.95)
figure, axes = plt.subplots(figsize=(6.0, 3.4), layout="constrained")
bins = np.linspace(0, energies.max(), 40)
axes.hist(energies[~is_unusual], bins, alpha=0.6, label="digits 0 to 4")
axes.hist(energies[is_unusual], bins, alpha=0.6, label="digits 5 to 9")
axes.axvline(threshold, color="black", linestyle="--", linewidth=1, label="threshold")
axes.set(xlabel="Energy", ylabel="Number of digits", title="SparseCoder trained on 0 to 4")
axes.legend()
figure.savefig(OUTPUT / "unusual_energies.png", bbox_inches="tight")
detected = np.mean(energies[is_unusual] > threshold)
false_alarms = np.mean(energies[~is_unusual] > threshold)
print(f"detected: {detected:.0%} of the unusual digits; false alarms: {false_alarms:.0%}")

# %%
# The most and the least usual test digits, by energy:

order = np.argsort(energies)
figure, panels = plt.subplots(2, 10, figsize=(9.0, 2.2), layout="constrained")
for row, numbers, title in zip(
    panels, (order[:10], order[-10:]), ("lowest energies", "highest energies"), strict=True
):
    row[0].set_title(title, loc="left", fontsize="medium")
    for axis, number in zip(row, numbers, strict=True):
        axis.imshow(X_test[number].reshape(8, 8), cmap="gray_r")
        axis.set_axis_off()
figure.savefig(OUTPUT / "unusual_digits.png", bbox_inches="tight")
print("Look at", OUTPUT / "unusual_energies.png", "and", OUTPUT / "unusual_digits.png")
plt.show()
