"""
===============
Tree of filters
===============

Which features of photographs are refinements of others? With lateral inhibition in a tree
[Gregor, Szlam & LeCun (2011)], two components inhibit each other the more, the longer the path
between them is. A component and its parent do not inhibit each other and are often active together,
so that filters become finer from level to level. Patches are drawn from the two photographs in
scikit-learn.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sklearn_ebm import InhibitionPenalty, SparseCoder
from sklearn_ebm.datasets import load_natural_patches
from sklearn_ebm.inspection import TreeDisplay

OUTPUT = Path("demo_output")
SIZE, N_COMPONENTS = 12, 156  # 1 + 5 + 25 + 125
OUTPUT.mkdir(exist_ok=True)

# %%
# Training
# --------
# Each component has five children. The initial filters are random numbers, because filters that are
# drawn from the patches would keep their positions in the tree for a long time.

X = load_natural_patches(20_000, patch_size=SIZE, random_state=0)
start = np.random.default_rng(0).standard_normal((N_COMPONENTS, SIZE**2))
tree = InhibitionPenalty(structure="tree", branching=5)
coder = SparseCoder(
    dictionary_init=start, penalty=tree, alpha=0.08, max_iter=10, tol=0, code_max_iter=10_000,
    random_state=0,
).fit(X)  # fmt: skip

# %%
# The tree
# --------
# The root is in the centre, and each circle is a level. Filters near the root are smooth, or have a
# single edge. The leaves on the outermost circle have fine stripes.

display = TreeDisplay.from_estimator(coder)
display.figure_.savefig(OUTPUT / "tree.png", bbox_inches="tight")

# %%
# The table contains the mean frequency of the filters of each level, in cycles per pixel, and the
# mean share of the patches that use them. The root is a single filter, which may have any
# frequency; below it, frequencies rise from level to level.

power = np.abs(np.fft.fft2(coder.components_.reshape(-1, SIZE, SIZE), (48, 48))) ** 2
cycles = np.hypot(*np.meshgrid(np.fft.fftfreq(48), np.fft.fftfreq(48)))
frequency = (power * cycles).sum(axis=(1, 2)) / power.sum(axis=(1, 2))
print("level  filters  frequency  usage")
for level in range(4):
    members = display.levels_ == level
    row = level, members.sum(), frequency[members].mean(), coder.usage_[members].mean()
    print("{:>5}  {:>7}  {:>9.3f}  {:>5.3f}".format(*row))

# %%
# Filters that are active together
# --------------------------------
# The length of the path between two components is 1 on an edge, and up to 6 between leaves. Pairs
# that are active in the code of the same new patch are compared with all pairs of the tree.

on = (coder.transform(load_natural_patches(5_000, patch_size=SIZE, random_state=1)) != 0) * 1.0
together = on.T @ on
apart = ~np.eye(N_COMPONENTS, dtype=bool)
length = tree.strengths(N_COMPONENTS)[apart] + 1
lengths = np.arange(1, 7)
among_active = [together[apart][length == each].sum() / together[apart].sum() for each in lengths]
among_all = [np.mean(length == each) for each in lengths]
figure, axes = plt.subplots(figsize=(5.0, 3.4), layout="constrained")
axes.bar(lengths - 0.2, among_active, 0.4, label="pairs active together")
axes.bar(lengths + 0.2, among_all, 0.4, label="all pairs")
axes.set(xlabel="Length of the path", ylabel="Share of the pairs")
axes.legend()
figure.savefig(OUTPUT / "tree_paths.png", bbox_inches="tight")
print(f"{among_active[0]:.0%} of the pairs active together are edges, {among_all[0]:.1%} of all")
print("Look at", OUTPUT / "tree.png", "and", OUTPUT / "tree_paths.png")
plt.show()
