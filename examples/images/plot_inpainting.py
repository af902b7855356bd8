"""
=========================
Inpainting missing pixels
=========================

How can missing pixels be filled in? In a part of a photograph, a random half of the pixels is
missing. The known pixels are encoded as sparse maps, with filters learned from another part of it
and from another photograph, and the maps predict the missing pixels: `transform` accepts a `mask`,
and `inverse_transform` returns all pixels. The baselines are SciPy's interpolation and, if SPORCO
is installed, its solver with the same filters and the same alpha. All data are included in
scikit-learn, so that nothing is downloaded.
"""

import time
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.fft import next_fast_len
from scipy.interpolate import griddata
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_images

from sklearn_ebm import ConvSparseCoder

OUTPUT = Path("demo_output")
ALPHA = 0.2
WIDTH = 1.5  # of the low-pass filter, in pixels
LUMINANCE = (0.299, 0.587, 0.114)
OUTPUT.mkdir(exist_ok=True)

china, flower = (np.stack(load_sample_images().images) @ LUMINANCE / 255).astype(np.float32)
photograph = china[160:320, 330:530]
elsewhere = np.stack([china[:, :320], flower[:, 200:520]])
mask = np.random.default_rng(0).random(photograph.shape) < 0.5

# %%
# Low frequencies
# ---------------
# The filters represent edges and textures. The smooth part of an image is estimated by a local
# mean, subtracted, and added again at the end. With a mask, it is the local mean of the known
# pixels: the low-pass filtered image, in which missing pixels are zero, divided by the low-pass
# filtered mask.


def low_pass(image, mask):
    """Return the local mean of the known pixels."""
    mask = mask.astype(image.dtype)
    return gaussian_filter(image * mask, WIDTH) / gaussian_filter(mask, WIDTH)


sharp = np.stack([image - low_pass(image, np.ones_like(image)) for image in elsewhere])
scale = sharp.std()
learner = ConvSparseCoder(32, kernel_size=7, alpha=0.5, max_iter=4, tol=0, random_state=0)
began = time.perf_counter()
kernels = learner.fit(sharp / scale).components_
print(f"32 kernels learned in {time.perf_counter() - began:.1f} s")

# %%
# Inpainting
# ----------
# All methods receive the same pixels. The error is measured only on the missing pixels.


def decibels(restored):
    """Return the peak signal-to-noise ratio of the missing pixels."""
    return -10 * np.log10(np.mean((restored - photograph)[~mask] ** 2))


smooth = low_pass(photograph, mask)
X = (mask * (photograph - smooth) / scale)[None]
coder = ConvSparseCoder(dictionary=kernels, alpha=ALPHA).fit(X)


def ours():
    """Return the maps of the known pixels, and the reconstruction."""
    code = coder.transform(X, mask=mask[None])
    return code, coder.inverse_transform(code)[0] * scale + smooth


def by_sporco():
    """Compute the same by SPORCO's additive mask simulation.

    Its borders are circular, so the image is padded with unknown pixels by the size of the filters.
    """
    from sporco.admm.cbpdn import AddMaskSim, ConvBPDN

    reach = kernels.shape[1] - 1
    shape = [size + reach for size in photograph.shape]
    edge = [
        (0, next_fast_len(long) - size) for long, size in zip(shape, photograph.shape, strict=True)
    ]
    options = ConvBPDN.Options({"MaxMainIter": 50, "RelStopTol": 1e-3})
    solver = AddMaskSim(
        ConvBPDN, np.moveaxis(kernels[..., 0], 0, -1), np.pad(X[0], edge), np.pad(mask, edge),
        ALPHA, opt=options,
    )  # fmt: skip
    # Maps of SPORCO are shifted with respect to ours.
    code = np.roll(solver.solve().squeeze()[..., : len(kernels)], (reach, reach), (0, 1))
    code = code[: shape[0], : shape[1]]
    code = np.ascontiguousarray(code[None], dtype=np.float32)
    return code, coder.inverse_transform(code)[0] * scale + smooth


pictures = {"lost pixels": np.where(mask, photograph, 0.0)}
known, places = np.nonzero(mask), np.indices(mask.shape)
for kind in ("nearest", "linear"):
    filled = griddata(known, photograph[mask], tuple(places), method=kind)
    nearest = pictures.get("nearest neighbour", filled)  # outside of the outermost known pixels
    filled = np.where(np.isnan(filled), nearest, filled)
    pictures["nearest neighbour" if kind == "nearest" else "linear"] = filled
    print(f"griddata, {kind:<15} {decibels(filled):.2f} dB")

solvers = {"ConvSparseCoder": ours}
if find_spec("sporco"):
    solvers["SPORCO, 50 steps"] = by_sporco
ours()  # excludes compilation from the timing
for name, solve in solvers.items():
    began = time.perf_counter()
    code, restored = solve()
    seconds = time.perf_counter() - began
    gap = coder.duality_gap(X, code, mask=mask[None])[0]
    pictures[name] = restored
    print(f"{name:<25} {decibels(restored):.2f} dB, {seconds:.1f} s, duality gap {gap:.0e}")

# %%
# All images are drawn with the same grey scale.

pictures = {**pictures, "the photograph": photograph}
figure, panels = plt.subplots(2, 3, figsize=(10.0, 6.0), layout="constrained")
for axes in panels.flat:
    axes.set_axis_off()
for axes, (name, picture) in zip(panels.flat, pictures.items(), strict=False):
    known_all = name in ("lost pixels", "the photograph")
    axes.set_title(name if known_all else f"{name}: {decibels(picture):.1f} dB")
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
figure.savefig(OUTPUT / "inpainting.png", bbox_inches="tight")
print("Look at", OUTPUT / "inpainting.png")
plt.show()
