"""
===============================
Seven ways to shape an energy
===============================

A good energy is low on the data and higher everywhere else. Learning can always lower the energy of
the training samples. The question is what keeps the energy high elsewhere. LeCun distinguishes
seven strategies. This example plots the energies of models of each strategy in two dimensions, for
samples on a line and on a spiral. The number above each picture is the area under the ROC curve of
the energy, samples against uniform points far from them: 0.5 means that the energy does not
distinguish them, and 1 that all samples have lower energies than all other points.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_ebm import PSD, AutoEncoder, EnergyModel, L0Penalty, SparseCoder
from sklearn_ebm.inspection import EnergyDisplay
from sklearn_ebm.metrics import energy_of

OUTPUT = Path("demo_output")
OUTPUT.mkdir(exist_ok=True)

# %%
# Samples
# -------

random = np.random.default_rng(0)
share = np.sqrt(random.uniform(0.02, 1, 2000))
angle = 3.5 * np.pi * share
spiral = 1.5 * share[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
place = random.uniform(-1.5, 1.5, 2000)
line = np.column_stack([place, 0.5 * place])
data = {"line": line, "spiral": spiral}

# %%
# Models
# ------
# The number in front of each model is its strategy. Score matching itself requires a density, which
# samples exactly on a curve do not have; denoising score matching adds noise to them. Codes of
# sparse models are proportional to the sample. A constant third feature lets atoms represent
# positions in the plane, instead of directions from the origin.

with_constant = FunctionTransformer(lambda X: np.column_stack([X, np.full(len(X), 2.0)]))
network = {
    "loss": "squared_error",
    "tied_weights": False,
    "batch_size": 100,
    "learning_rate": 2e-2,
    "max_iter": 150,
    "tol": 0,
    "random_state": 0,
}
softplus = {
    "energy_function": "softplus",
    "optimizer": "adam",
    "batch_size": 100,
    "learning_rate": 0.05,
    "max_iter": 100,
    "tol": 0,
    "random_state": 0,
}
sparse = {"max_iter": 20, "tol": 0, "random_state": 0}
models = {
    "1 PCA": PCA(1),
    "1 KMeans": KMeans(20, random_state=0),
    "2 GaussianMixture(1)": GaussianMixture(1, random_state=0),
    "2 GaussianMixture(20)": GaussianMixture(20, reg_covar=1e-3, random_state=0),
    "3 EnergyModel, CD": EnergyModel(
        100, loss="cd", **softplus | {"learning_rate": 0.1}
    ),
    "3 EnergyModel, persistent CD": EnergyModel(100, loss="pcd", n_chains=200, **softplus),
    "3 EnergyModel, noise": EnergyModel(100, loss="noise_contrastive", **softplus),
    "4 EnergyModel, denoising": EnergyModel(
        100, loss="denoising_score_matching", noise_level=0.1, **softplus
    ),
    "none: plain auto-encoder": AutoEncoder(100, activation="relu", noise_level=0, **network),
    "5 denoising auto-encoder": AutoEncoder(
        100, activation="relu", noise="gaussian", noise_level=0.1, **network
    ),
    "6 SparseCoder": make_pipeline(
        with_constant, SparseCoder(20, alpha=0.05, positive=True, **sparse)
    ),
    "6 SparseCoder, one atom": make_pipeline(
        with_constant, SparseCoder(20, penalty=L0Penalty(1), **sparse)
    ),
    "6 PSD": make_pipeline(with_constant, PSD(64, alpha=0.2, **sparse)),
    "7 contractive auto-encoder": AutoEncoder(
        100, activation="sigmoid", regularizer="contractive", alpha=0.1, **network
    ),
    "7 saturating auto-encoder": AutoEncoder(
        100, activation="saturated_linear", regularizer="saturating", alpha=3e-3, **network
    ),
}  # fmt: skip


def far_points(X, distance=0.15):
    """Return uniform points that are farther from all samples than a distance."""
    points = random.uniform(-1.65, 1.65, (2000, 2))
    nearest = np.min(np.sum((points[:, None] - X) ** 2, axis=2), axis=1)
    return points[nearest > distance**2]


# %%
# Energies
# --------
# The colour at a point is the share of the plane that has a lower energy: bright for low energies.
# A good energy limits the low energies to the surroundings of the samples.

for name, X in data.items():
    figure, axes = plt.subplots(3, 5, figsize=(13.0, 9.0), layout="constrained")
    points = far_points(X)
    is_far = np.repeat([0, 1], [len(X), len(points)])
    corners = np.array([[-1.65, -1.65], [1.65, 1.65]])
    for axis, (title, template) in zip(axes.ravel(), models.items(), strict=True):
        model = clone(template).fit(X)
        area = roc_auc_score(is_far, energy_of(model, np.concatenate([X, points])))
        display = EnergyDisplay.from_estimator(model, corners, plot_data=False, ax=axis)
        order = rankdata(display.response).reshape(display.xx0.shape) / display.xx0.size
        EnergyDisplay(display.xx0, display.xx1, order).plot(levels=30, ax=axis)
        axis.plot(*X[::10].T, ".", color="C3", markersize=1.5)
        axis.set(title=f"{title}\n{area:.2f}", xlabel="", ylabel="", xticks=[], yticks=[])
        print(f"{name:<7} {title:<32} {area:.3f}")
    figure.savefig(OUTPUT / f"energy_surfaces_{name}.png", bbox_inches="tight", dpi=80)
print("Look at", OUTPUT / "energy_surfaces_line.png", "and energy_surfaces_spiral.png")
plt.show()
