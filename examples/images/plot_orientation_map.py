"""
===================
Map of orientations
===================

Why do adjacent cells of the visual cortex respond to edges of similar orientations? In this model
of images [Gregor & LeCun (2010)], each unit of a map has its own filter at its own position. A
group penalty favours codes in which adjacent units are active together. Similar filters then become
neighbours, and orientations form a map with pinwheels, as measured in the cortex of monkeys
[Obermayer & Blasdel (1993)]. Images are windows of the two photographs in scikit-learn.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import rotate

from sklearn_ebm import LocalPSD
from sklearn_ebm.datasets import load_natural_images
from sklearn_ebm.inspection import OrientationMapDisplay, TopographicMapDisplay
from sklearn_ebm.metrics import pinwheels, topographic_order

OUTPUT = Path("demo_output")
OUTPUT.mkdir(exist_ok=True)
GOOD = 0.5  # smallest goodness of a Gabor function

# %%
# Images
# ------
# Most edges of photographs are horizontal or vertical. Windows are therefore rotated by random
# angles, so that all orientations are equally frequent. Their spectrum is whitened. The half with
# the highest contrast is kept, because the rest is sky and blurred background, and scaled to unit
# variance.

random = np.random.default_rng(0)
photographs = load_natural_images()[:, :426]
photographs = photographs.reshape(2, 213, 2, 320, 2).mean(axis=(2, 4))  # half the resolution


def window(photograph):
    """Return 96 x 96 pixels at a random angle and position."""
    row, column = (random.integers(length - 140) for length in photograph.shape)
    square = photograph[row : row + 140, column : column + 140]
    return rotate(square, random.uniform(0, 360), reshape=False, order=1)[22:-22, 22:-22]


windows = np.stack([window(photographs[i % 2]) for i in range(300)])
frequency = np.hypot(np.fft.fftfreq(96)[:, None], np.fft.rfftfreq(96))
gain = frequency * np.exp(-((frequency / 0.35) ** 4))  # whitens spectra of 1 / frequency
images = np.fft.irfft2(np.fft.rfft2(windows) * gain)[:, 8:-8, 8:-8].astype(np.float32)
contrast = images.std(axis=(1, 2), keepdims=True)
images = (images / contrast)[contrast.ravel() > np.median(contrast)]

# %%
# Training
# --------
# Filters repeat with a period of 8 pixels, so that there are 64 different filters. They become
# oriented in a few passes. The map takes longer to be ordered, so that all passes are made.

model = LocalPSD(
    kernel_size=11,
    tile_shape=8,
    crop_size=26,
    pool_sigma=1.5,
    alpha=2.4,
    max_iter=36,
    tol=0,
    random_state=0,
)
model.fit(images)

# %%
# The filters
# -----------
# Each filter is at the position of its unit on the map. Adjacent filters are similar.

filters = TopographicMapDisplay.from_estimator(model, threshold=GOOD)
filters.figure_.savefig(OUTPUT / "local_filters.png", bbox_inches="tight")

# %%
# Orientations and pinwheels
# --------------------------
# The colour of a unit is the orientation of its filter. Colours change smoothly over most of the
# map, and meet at the pinwheels. On a counter-clockwise path around a white dot, the orientation
# turns counter-clockwise, and around a black dot, it turns clockwise. The map is a torus, which has
# equal numbers of both if all filters have an orientation.

display = OrientationMapDisplay.from_estimator(model, threshold=GOOD)
display.figure_.savefig(OUTPUT / "orientation_map.png", bbox_inches="tight")

# %%
# Order by numbers
# ----------------
# For comparison, the same filters are placed on the map in random order.

orientation, valid = display.gabor.orientation, display.gabor.is_good(GOOD)


def describe(name, orientation):
    """Print the order of a map, and the number of its pinwheels."""
    order = topographic_order(orientation, model.map_shape_, period=np.pi, valid=valid)
    n_pinwheels = len(pinwheels(orientation, model.map_shape_, valid=valid).signs)
    print(f"{name:<13} {order.ratio:>19.2f} {n_pinwheels:>10}")


shuffled = orientation.copy()
shuffled[valid] = random.permutation(shuffled[valid])
print("              adjacent / any two  pinwheels")
describe("map", orientation)
describe("random order", shuffled)
print("Look at", OUTPUT / "local_filters.png", "and", OUTPUT / "orientation_map.png")
plt.show()
