"""
==========================
Topographic map of filters
==========================

How can features be learned that change little if a patch is shifted or rotated? With group sparsity
over windows of a map [Kavukcuoglu, Ranzato, Fergus & LeCun (2009)], components that are often
active together become neighbours, so that filters are ordered by orientation and position, as in
the visual cortex. The pooled features of the windows change less than single features if a patch is
shifted or rotated. Patches are drawn from the two photographs in scikit-learn.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sklearn_ebm import PSD, GroupSparsePSD
from sklearn_ebm.datasets import (
    load_natural_images,
    normalize_patches,
    sample_patches,
    sample_transformed_patches,
)
from sklearn_ebm.inspection import TopographicMapDisplay, fit_gabor
from sklearn_ebm.metrics import invariance_curve, topographic_order

OUTPUT = Path("demo_output")
SIZE = 12
MAP = (14, 14)
LEAST_VARIANCE = 25.0  # for 255 grey levels; flatter patches contain mainly camera noise
OUTPUT.mkdir(exist_ok=True)

# %%
# Training
# --------
# The map has 14 x 14 components and windows of 5 x 5 that wrap around its edges. For comparison, a
# PSD with the same number of components is trained on the same patches.


images = load_natural_images()
drawn = sample_patches(images, SIZE, 20_000, min_variance=LEAST_VARIANCE, random_state=0)
X = normalize_patches(drawn.astype(np.float32))
settings = {"max_iter": 5, "tol": 0, "random_state": 0}
topographic = GroupSparsePSD(map_shape=MAP, pool_shape=(5, 5), **settings).fit(X)
psd = PSD(topographic.components_.shape[0], **settings).fit(X)

# %%
# The map
# -------
# The colour of each frame shows the orientation of the filter. A frame is grey if no Gabor function
# fits the filter. Filters of similar orientation are neighbours, and colours change smoothly over
# most of the map.

display = TopographicMapDisplay.from_estimator(topographic)
display.figure_.savefig(OUTPUT / "topographic_map.png", bbox_inches="tight")

# %%
# The table contains the mean difference between neighbours on the map, divided by the mean
# difference between any two filters; 1 means no order. PSD has no map, so its atoms are placed on a
# map in the order of their indices. A pool contains filters of all phases, so phases are not
# ordered.


def orders(gabor):
    """Return the order of each property of filters, by name."""
    places = np.stack([gabor.row, gabor.column], axis=1)
    properties = {
        "orientation": (gabor.orientation, np.pi),
        "place": (places, None),
        "frequency": (gabor.frequency, None),
        "phase": (gabor.phase, 2 * np.pi),
    }
    return {
        name: topographic_order(values, MAP, period=period, valid=gabor.is_good()).ratio
        for name, (values, period) in properties.items()
    }


on_map, by_chance = orders(display.gabor_), orders(fit_gabor(psd.components_))
print("neighbours / any two   map    PSD")
for name, ratio in on_map.items():
    print(f"{name:<20} {ratio:>5.2f}  {by_chance[name]:>5.2f}")

# %%
# Invariance
# ----------
# Patches are drawn together with shifted and rotated copies. The distance between the features of a
# patch and its copy is divided by the distance between the features of different patches. The codes
# of PSD are pooled over the same windows, which contain random atoms. The curve of the single codes
# of the map, without pooling, shows how much of the effect is due to its filters, which are broader
# than the filters of PSD.

shifts, angles = [0, 0.5, 1, 1.5, 2, 3, 4, 6], [0, 5, 10, 15, 20, 30, 45]
changes = {
    "Shift [pixels]": (shifts, {"shift": [(0, pixels) for pixels in shifts]}),
    "Rotation [degrees]": (angles, {"rotation": angles}),
}


def codes(model):
    """Return a function from patches to the magnitudes of a model's codes."""
    return lambda patches: np.abs(model.transform(patches))


def pooled(model):
    """Return a function from patches to codes pooled over the windows of the map."""
    return lambda patches: np.sqrt(model.transform(patches) ** 2 @ topographic.pool_weights_.T)


def curves(how):
    """Return the distances after each change, by the name of the features."""
    original, changed = sample_transformed_patches(
        images, SIZE, 2_000, min_variance=LEAST_VARIANCE, margin=12, random_state=1, **how
    )
    original = normalize_patches(original)
    changed = np.stack([normalize_patches(patches) for patches in changed])
    features = {
        "PSD, |z|": codes(psd),
        "PSD, random pools": pooled(psd),
        "map, |z|": codes(topographic.set_params(output="simple")),
        "map, pooled": pooled(topographic),
    }
    return {name: invariance_curve(each, original, changed) for name, each in features.items()}


figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.8), sharey=True, layout="constrained")
for one, (label, (amounts, how)) in zip(axes, changes.items(), strict=True):
    for name, distances in curves(how).items():
        one.plot(amounts, distances, marker="o", markersize=4, label=name)
    one.set_xlabel(label)
    one.grid(alpha=0.3)
axes[0].set_ylabel("Distance relative to other patches")
axes[0].set_ylim(0, 1)
axes[1].legend(loc="upper left")
figure.savefig(OUTPUT / "invariance.png", bbox_inches="tight")
print("Look at", OUTPUT / "topographic_map.png", "and", OUTPUT / "invariance.png")
plt.show()
