"""
============================
A few steps in place of many
============================

Learned inference [Gregor & LeCun (2010)]: ISTA, unrolled for a few steps and trained, comes about
as near to the optimal codes as the solver does in many steps. Two pictures show it on patches of
photographs: the error of the codes over the number of steps, and how little of the matrix S that
the steps multiply by is needed. All data come with scikit-learn; nothing is downloaded.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sklearn_ebm import LISTAEncoder, SparseCoder
from sklearn_ebm.datasets import load_natural_patches
from sklearn_ebm.inspection import CodeErrorDisplay

OUTPUT = Path("demo_output")
TICKS = [2, 5, 10, 20, 50]
OUTPUT.mkdir(exist_ok=True)

# %%
# A dictionary comes first. Its optimal codes are what encoders are trained to predict.

X = load_natural_patches(10_000, size=10, random_state=0)
X_new = load_natural_patches(2_000, size=10, random_state=1)
coder = SparseCoder(192, alpha=0.5, max_iter=5, tol=0, random_state=0).fit(X)

# %%
# Error over steps
# ----------------
# LISTA is unrolled ISTA. LCoD is unrolled coordinate descent: each of its steps changes one entry
# of the code, and takes one row of S in place of the whole matrix. LISTA starts on the curve of
# ISTA, so what lies between is what training brings. Read along a height for the steps that it
# saves.


def train(n_steps, kind="lista"):
    """An encoder of the dictionary's codes."""
    encoder = LISTAEncoder(
        dictionary=coder, n_steps=n_steps, encoder=kind, max_iter=15, random_state=0
    )
    return encoder.fit(X)


lista = {n_steps: train(n_steps) for n_steps in (1, 3, 7)}
lcod = [train(n_steps, "lcod") for n_steps in (5, 10, 20)]
display = CodeErrorDisplay.from_estimators(
    {"LISTA": list(lista.values()), "LCoD": lcod}, X_new, max_steps=40
)
display.axes_[0].set_title("Steps to optimal codes")
display.figure_.savefig(OUTPUT / "code_error.png", bbox_inches="tight")

# %%
# A sparse S
# ----------
# Most entries of S are small. Cutting the smallest ones off costs little at first; training what is
# left once more takes back most of the loss.

optimum = coder.transform(X_new)
shares = [1.0, 0.5, 0.2, 0.1, 0.05, 0.02]


def error(encoder):
    """Mean of ||z - z*||^2 over the new patches."""
    return np.mean(np.sum((encoder.transform(X_new) - optimum) ** 2, axis=1))


cut = [error(lista[3].to_sparse_lateral(share)) for share in shares]
retrained = [error(lista[3].to_sparse_lateral(share, X)) for share in shares]

percent = [100 * share for share in shares]
figure, axes = plt.subplots(figsize=(6.0, 4.0), layout="constrained")
for name, errors in [("cut", cut), ("cut, then retrained", retrained)]:
    axes.plot(percent, errors, marker="o", markersize=4, label=name)
axes.axhline(error(train(0)), color="black", linestyle="--", linewidth=1, label="no step at all")
axes.set(
    xscale="log",
    yscale="log",
    xlabel="Entries of S kept [%]",
    ylabel="Mean of ||z - z*||² over samples",
    title="LISTA, 3 steps",
)
axes.set_xticks(percent, [f"{each:g}" for each in percent])
axes.minorticks_off()
axes.set_yticks(TICKS, [str(tick) for tick in TICKS])
axes.grid(alpha=0.3)
axes.legend()
figure.savefig(OUTPUT / "sparse_lateral.png", bbox_inches="tight")
print("Look at", OUTPUT / "code_error.png", "and", OUTPUT / "sparse_lateral.png")
plt.show()
