"""
========================
A map that orders itself
========================

Group sparsity over windows of a map [Kavukcuoglu, Ranzato, Fergus & LeCun (2009)]: components that
are often on together come to lie side by side, so filters order themselves by orientation and
place, as in visual cortex. The pooled features of the windows move less than single ones where a
patch is shifted or turned. Patches come from the photographs of ``fetch_natural_images`` where the
environment variable SKLEARN_EBM_DATA names their folder, else from the two that scikit-learn has.
"""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_images

from sklearn_ebm import PSD, GroupSparsePSD
from sklearn_ebm.datasets import (
    fetch_natural_images,
    normalize_patches,
    sample_patches,
    sample_transformed_patches,
)
from sklearn_ebm.inspection import TopographicMapDisplay, fit_gabor
from sklearn_ebm.metrics import invariance_curve, topographic_order

OUTPUT = Path("demo_output")
SIZE = 12
MAP = (14, 14)
LEAST_VARIANCE = 25.0  # of 255 levels: flatter patches show the noise of the camera
OUTPUT.mkdir(exist_ok=True)

# %%
# Learn
# -----
# A map of 14 x 14 components under windows of 5 x 5 that wrap around its edges. A PSD with as many
# components learns from the same patches, to compare with.


def photographs():
    """Grey photographs, in an array or a list."""
    if "SKLEARN_EBM_DATA" in os.environ:
        return fetch_natural_images().images
    return [image.mean(axis=2) for image in load_sample_images().images]


images = photographs()
drawn = sample_patches(images, SIZE, 20_000, min_variance=LEAST_VARIANCE, random_state=0)
X = normalize_patches(drawn.astype(np.float32))
settings = {"max_iter": 5, "tol": 0, "random_state": 0}
topographic = GroupSparsePSD(map_shape=MAP, pool_shape=(5, 5), **settings).fit(X)
psd = PSD(topographic.components_.shape[0], **settings).fit(X)

# %%
# The map
# -------
# Each frame has the colour of its filter's orientation, and is grey where no Gabor function fits.
# Filters of one orientation lie together, and colours change smoothly over most of the map.

display = TopographicMapDisplay.from_estimator(topographic)
display.figure_.savefig(OUTPUT / "topographic_map.png", bbox_inches="tight")

# %%
# How much neighbours on the map differ, over how much any two filters do: 1 means no order. PSD's
# atoms know no map, and lie on one in the order in which they come. A pool takes filters of all
# phases, so phases have no order.


def orders(gabor):
    """The order in each property of filters, by its name."""
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
# Patches are drawn together with shifted and turned copies. The distance between the features of
# both is divided by that between different patches. The codes of PSD, pooled over the same windows,
# share these with atoms at random; the map's own single codes show what its filters do without
# pools: on a map, they are broader.

shifts, angles = [0, 0.5, 1, 1.5, 2, 3, 4, 6], [0, 5, 10, 15, 20, 30, 45]
changes = {
    "Shift [pixels]": (shifts, {"shift": [(0, pixels) for pixels in shifts]}),
    "Rotation [degrees]": (angles, {"rotation": angles}),
}


def codes(model):
    """A function from patches to the sizes of a model's codes."""
    return lambda patches: np.abs(model.transform(patches))


def pooled(model):
    """The same, pooled over the windows of the map."""
    return lambda patches: np.sqrt(model.transform(patches) ** 2 @ topographic.pool_weights_.T)


def curves(how):
    """Distances after each change, by the name of the features."""
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
axes[0].set_ylabel("Distance / that of other patches")
axes[0].set_ylim(0, 1)
axes[1].legend(loc="upper left")
figure.savefig(OUTPUT / "invariance.png", bbox_inches="tight")
print("Look at", OUTPUT / "topographic_map.png", "and", OUTPUT / "invariance.png")
plt.show()
