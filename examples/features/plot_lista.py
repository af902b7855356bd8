"""
============================
Learned inference with LISTA
============================

How many steps of a solver does a trained encoder save? LISTA consists of a few trained steps of the
solver ISTA. Its codes approximate codes that ISTA reaches only after many steps [Gregor & LeCun
(2010)]. The first figure shows the error of the codes of patches of photographs as a function of
the number of steps. The second figure shows the effect of removing entries of the matrix S, by
which each step multiplies the codes. All data are included in scikit-learn, so that nothing is
downloaded.
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
# First, a dictionary is learned. Encoders are then trained to predict its optimal codes.

X = load_natural_patches(5_000, patch_size=10, random_state=0)
X_new = load_natural_patches(2_000, patch_size=10, random_state=1)
coder = SparseCoder(192, alpha=0.5, max_iter=5, tol=0, random_state=0).fit(X)

# %%
# Error as a function of the steps
# --------------------------------
# LISTA is unrolled ISTA. LCoD is unrolled coordinate descent: each of its steps changes one entry
# of the code, and uses one row of S instead of the whole matrix. An untrained LISTA encoder lies on
# the curve of ISTA. The vertical distance between the curves of LISTA and ISTA is therefore the
# effect of training. The horizontal distance is the number of steps that training saves.


def train(n_steps, kind="lista"):
    """Return an encoder trained on the codes of the dictionary."""
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
# Most entries of S are small. Setting the smallest entries to zero increases the error. The
# increase is slight as long as many entries are kept, and training the remaining entries again
# removes most of it.

optimum = coder.transform(X_new)
shares = [1.0, 0.5, 0.2, 0.1, 0.05, 0.02]


def error(encoder):
    """Return the mean of ||z - z*||^2 over the new patches."""
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
