"""
=====================================
What is constant while an image moves
=====================================

Which properties of a film change slowly? A small window moves over photographs, and the model sees
three successive frames at a time. Units that are shared by these frames learn "what" is shown, such
as the orientation of an edge, while the codes of single frames contain "where" it is [Gregor &
LeCun (2010, 2011)]. The photographs are the two in scikit-learn.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sklearn_ebm import WhatWherePSD, ZCAWhitener
from sklearn_ebm.datasets import load_natural_images, normalize_patches, sample_moving_patches
from sklearn_ebm.inspection import WhatWhereDisplay

OUTPUT = Path("demo_output")
SIZE, N_COMPONENTS, N_WHAT, N_LONG = 10, 64, 16, 8
OUTPUT.mkdir(exist_ok=True)

# %%
# Training
# --------
# Each sequence has three frames, between which the window moves by one pixel in a random direction.
# `groups` contains the number of the sequence of each frame. Patches are whitened, and their
# contrast is normalised.

images = load_natural_images()
X, groups = sample_moving_patches(
    images, SIZE, 4000, n_frames=3, shift=1.0, min_variance=100, random_state=0
)
whitener = ZCAWhitener().fit(X - X.mean(axis=1, keepdims=True))


def prepared(patches):
    """Return whitened patches of unit variance."""
    return normalize_patches(whitener.transform(patches - patches.mean(axis=1, keepdims=True)))


model = WhatWherePSD(N_COMPONENTS, n_what=N_WHAT, max_iter=10, tol=0, random_state=0)
model.fit(prepared(X), groups=groups)

# %%
# The filters of each unit
# ------------------------
# Each row contains the filters with the largest weights of a unit. In many rows, the orientation is
# the same, and positions differ.

display = WhatWhereDisplay.from_estimator(model, n_filters=10)
display.figure_.savefig(OUTPUT / "what_where.png", bbox_inches="tight")

# %%
# Features over time
# ------------------
# In a new sequence of eight frames, units change less than codes. The table contains the variance
# within sequences, relative to the variance of all frames.

new, new_groups = sample_moving_patches(
    images, SIZE, 400, n_frames=N_LONG, min_variance=100, random_state=1
)
new = prepared(new)


def films_of(output):
    """Return features of the new sequences, without windows that contain repeated frames."""
    features = model.set_params(output=output).transform(new, groups=new_groups)
    return features.reshape(400, N_LONG, -1)[:, 2:]


print("features  variance over time")
for output in ("what", "simple"):
    films = films_of(output)
    total = films.reshape(-1, films.shape[2]).var(axis=0)
    share = (films.var(axis=1).mean(axis=0) / total)[total > 0].mean()
    print(f"{output:<8}  {share:>18.2f}")

what, simple = films_of("what"), films_of("simple")
shown = int(what.mean(axis=(1, 2)).argmax())
figure, axes = plt.subplots(1, 2, figsize=(8.0, 3.2), layout="constrained", sharex=True)
for ax, films, title in zip(axes, (what, simple), ("units: what", "codes"), strict=True):
    ax.plot(np.arange(3, N_LONG + 1), films[shown])
    ax.set(title=title, xlabel="Frame", ylabel="Value")
figure.savefig(OUTPUT / "what_where_over_time.png", bbox_inches="tight")

# %%
# Inferred and predicted units
# ----------------------------
# The encoder predicts the codes of each frame, and the units follow from these codes. Inference
# finds the codes and units of minimum energy instead, which takes longer.

predicted = model.set_params(output="what", inference="encoder").transform(new, groups=new_groups)
inferred = model.set_params(inference="optimal").transform(new, groups=new_groups)
correlation = np.corrcoef(inferred.ravel(), predicted.ravel())[0, 1]
print(f"correlation of inferred and predicted units: {correlation:.2f}")
figure, axes = plt.subplots(2, 1, figsize=(7.0, 3.2), layout="constrained", sharex=True)
for ax, units, title in zip(axes, (inferred, predicted), ("inferred", "predicted"), strict=True):
    row = N_LONG * shown + N_LONG - 1
    ax.bar(np.arange(N_WHAT), units[row])
    ax.set(ylabel=title)
axes[1].set(xlabel="Unit")
figure.savefig(OUTPUT / "what_where_predicted.png", bbox_inches="tight")

# %%
# Hold what, move where
# ---------------------
# The first row is a new sequence. The second row is generated from the units of its last window and
# the codes of each frame, divided by their gain. The third row uses the same units, and the codes
# of another sequence.

both = model.set_params(output="both").transform(new, groups=new_groups)
what, where = both[:, :N_WHAT], both[:, N_WHAT:]
rows = N_LONG * shown + np.arange(N_LONG)
other = N_LONG * ((shown + 1) % 400) + np.arange(N_LONG)
held = np.repeat(what[rows[-1:]], N_LONG, axis=0)
pictures = new[rows], model.generate(held, where[rows]), model.generate(held, where[other])
figure, axes = plt.subplots(3, N_LONG, figsize=(N_LONG, 3.2), layout="constrained")
for row, frames in zip(axes, pictures, strict=True):
    for ax, frame in zip(row, frames, strict=True):
        ax.imshow(frame.reshape(SIZE, SIZE), cmap="gray")
        ax.set_axis_off()
figure.savefig(OUTPUT / "what_where_generated.png", bbox_inches="tight")
print("Look at", OUTPUT / "what_where.png", "and", OUTPUT / "what_where_generated.png")
plt.show()
