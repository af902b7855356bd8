"""
================================
Atoms of data larger than memory
================================

A dictionary is learned from a file in chunks, without loading all of it. The chunks belong to a
Dask array, so that the same code runs on a cluster. Larger batches draw from more chunks, which
more workers can process at the same time. How many passes do they need?
"""

import tempfile
from pathlib import Path

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np

from sklearn_ebm import SparseCoder
from sklearn_ebm.datasets import load_natural_patches
from sklearn_ebm.inspection import DictionaryDisplay

OUTPUT = Path("demo_output")
OUTPUT.mkdir(exist_ok=True)

# %%
# A file in chunks
# ----------------
# The patches stand for data that do not fit into memory. ``da.from_array`` reads nothing yet;
# ``da.from_zarr`` and ``da.from_array`` of an HDF5 data set do the same for other formats.

file = Path(tempfile.mkdtemp()) / "patches.npy"
np.save(file, load_natural_patches(8192, patch_size=8, dtype=np.float32, random_state=0))
X = da.from_array(np.load(file, mmap_mode="r"), chunks=(1024, -1))
print(f"{X.shape[0]} patches in {X.numblocks[0]} chunks")

# %%
# Learning
# --------
# A batch draws from one chunk for each 512 samples. With 512 samples, one worker computes a step.
# With 4,096 samples, all eight chunks take part in each step.

coders = {}
for batch_size in (512, 4096):
    coder = SparseCoder(64, alpha=1.0, batch_size=batch_size, max_iter=8, tol=0, random_state=0)
    coders[batch_size] = coder.fit(X)
    print(f"batches of {batch_size}: objective {coder.objective_curve_[-1]:.2f}")

# %%
# After eight passes, the objective is about one percent larger with the larger batches, which make
# an eighth of the steps.

figure, axes = plt.subplots(figsize=(6.0, 3.4), layout="constrained")
for batch_size, coder in coders.items():
    passes = np.arange(1, coder.n_iter_ + 1)
    axes.plot(passes, coder.objective_curve_, marker="o", label=f"batches of {batch_size}")
axes.set(xlabel="Pass", ylabel="Mean energy")
axes.grid(alpha=0.3)
axes.legend()
figure.savefig(OUTPUT / "larger_than_memory.png", bbox_inches="tight")

# %%
# Encoding
# --------
# ``transform`` returns a Dask array. Chunks are encoded when they are needed, for example when the
# array is stored. Here, only the share of non-zero entries is computed.

code = coders[4096].transform(X)
print(code)
print(f"{(code != 0).mean().compute():.1%} of the entries are not zero")
DictionaryDisplay.from_estimator(coders[4096])
plt.gcf().savefig(OUTPUT / "larger_than_memory_atoms.png", bbox_inches="tight")
print("Look at", OUTPUT / "larger_than_memory.png")
plt.show()
