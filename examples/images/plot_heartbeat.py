"""
======================================
Heartbeats in a long electrocardiogram
======================================

How can recurring events be located in a long signal? Two filters are learned from an
electrocardiogram. One filter takes the shape of a normal heartbeat, and the other the shape of a
premature beat. Each beat is then a single spike in the maps. For comparison, if alphacsc is
installed, its dictionary learning starts from the same filters and minimises the same energy.

SciPy downloads the record once. Without an internet connection, place the file `ecg.dat` of this
data set in the folder that the environment variable `SKLEARN_EBM_DATA` names.
"""

import os
import time
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.datasets import electrocardiogram
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from sklearn_ebm import ConvSparseCoder
from sklearn_ebm.inspection import MapDisplay

# sphinx_gallery_thumbnail_path = "_static/thumbnails/heartbeat.png"
OUTPUT = Path("demo_output")
RATE = 360  # samples per second
ALPHA = 4.0
KERNEL_SIZE = RATE // 2
NEEDS = (
    "This example needs SciPy's electrocardiogram: install pooch and have a connection, or put "
    "ecg.dat (https://github.com/scipy/dataset-ecg) into the folder that SKLEARN_EBM_DATA names."
)
OUTPUT.mkdir(exist_ok=True)

# %%
# One minute of the record is divided into segments of 20 seconds. Slow changes are not part of a
# beat. They are estimated by a Gaussian filter with a standard deviation of a quarter of a second,
# subtracted, and added again for the reconstruction.


def record():
    """Return the electrocardiogram in mV."""
    path = Path(os.environ.get("SKLEARN_EBM_DATA", ".")) / "ecg.dat"
    if path.is_file():
        with np.load(path) as file:
            return (file["ecg"].astype(float) - 1024) / 200
    try:
        return electrocardiogram()
    except (ImportError, OSError) as error:
        raise SystemExit(NEEDS) from error


signal = record()[: 60 * RATE]
slow = gaussian_filter1d(signal, RATE / 4)
scale = (signal - slow).std()
X = ((signal - slow) / scale).reshape(-1, 20 * RATE)

# %%
# Learning
# --------
# If `image_shape` is not set, rows are signals. Codes are non-negative, since beats have the same
# sign. With `border="valid"`, filters lie completely inside a segment, as in alphacsc. Such filters
# cannot represent beats that are cut at the ends of random crops, so learning uses whole segments
# (`crop_size=None`). The initial filters are two pieces of the record, around its highest and its
# lowest point.


def window_about(position):
    """Return a piece of the record, scaled to norm one."""
    piece = X.ravel()[position - KERNEL_SIZE // 2 :][:KERNEL_SIZE]
    return piece / np.linalg.norm(piece)


def seconds_of(model, segments):
    """Return the seconds of learning, after a first call that may compile."""
    model.fit(segments[:1])
    began = time.perf_counter()
    model.fit(segments)
    return time.perf_counter() - began


inner = X.ravel()[RATE:-RATE]
start = np.stack([window_about(RATE + each(inner)) for each in (np.argmax, np.argmin)])
coder = ConvSparseCoder(
    dictionary_init=start, alpha=ALPHA, positive=True, border="valid", crop_size=None, max_iter=20,
    tol=0, random_state=0,
)  # fmt: skip
seconds = seconds_of(coder, X)
results = {"ConvSparseCoder": (coder.components_[:, 0, :, 0], seconds)}

if find_spec("alphacsc"):
    from alphacsc import BatchCDL

    one_channel = np.column_stack([np.ones(2), start])  # weight of the channel, then the filter
    peer = BatchCDL(
        2, KERNEL_SIZE, reg=ALPHA, lmbd_max="fixed", n_iter=3, solver_z="l-bfgs", window=False,
        D_init=one_channel, sort_atoms=False, verbose=0, random_state=0,
    )  # fmt: skip
    seconds = seconds_of(peer, X[:, None, :])
    results["alphacsc"] = (peer.D_hat_[:, 0], seconds)

# %%
# The filters of both packages are scaled to norm one and compared by the mean energy of optimal
# codes.


def mean_energy(kernels):
    """Return the mean energy of a segment with these filters."""
    kernels = kernels / np.linalg.norm(kernels, axis=1, keepdims=True)
    fixed = ConvSparseCoder(
        dictionary=kernels, alpha=ALPHA, positive=True, border="valid", code_tol=1e-4
    )
    return -fixed.fit(X).score(X)


print(f"{'kernels learned by':<20} {'mean energy':>12} {'learning':>10}")
for name, (kernels, seconds) in results.items():
    print(f"{name:<20} {mean_energy(kernels):>12.2f} {seconds:>8.2f} s")

# %%
# The maps
# --------
# Each beat is a spike in one of the two maps, which shows whether it is normal or premature.

display = MapDisplay.from_estimator(coder, X[1])
display.axes_[0].set_title("20 seconds, and the maps of both filters")
display.figure_.savefig(OUTPUT / "heartbeat_maps.png", bbox_inches="tight")

maps = coder.transform(X).reshape(len(X), -1, 2)
for number in range(2):
    spikes = maps[..., number]
    peaks = [find_peaks(row, height=spikes.max() / 4, distance=RATE // 3)[0] for row in spikes]
    print(f"kernel {number}: {sum(len(each) for each in peaks)} beats")

restored = coder.inverse_transform(coder.transform(X)).ravel() * scale + slow
error = np.linalg.norm(restored - signal) / np.linalg.norm(signal - signal.mean())
print(f"relative error of the record put together again: {error:.2f}")

times = np.arange(KERNEL_SIZE) / RATE
figure, (left, right) = plt.subplots(1, 2, figsize=(10.0, 3.2), layout="constrained")
for name, (kernels, _) in results.items():
    style = "-" if name == "ConvSparseCoder" else "--"
    for number, kernel in enumerate(kernels):
        left.plot(
            times,
            kernel / np.linalg.norm(kernel),
            style,
            color=f"C{number}",
            label=name if number == 0 else None,
        )
left.set(title="Kernels", xlabel="Seconds")
left.legend()
shown = slice(25 * RATE, 31 * RATE)
right.plot(np.arange(len(signal))[shown] / RATE, signal[shown], color="0.6", label="record")
right.plot(np.arange(len(signal))[shown] / RATE, restored[shown], label="from the maps")
right.set(title="Six seconds", xlabel="Seconds", ylabel="mV")
right.legend()
figure.savefig(OUTPUT / "heartbeat_kernels.png", bbox_inches="tight")
print("Look at", OUTPUT / "heartbeat_maps.png", "and", OUTPUT / "heartbeat_kernels.png")
plt.show()
