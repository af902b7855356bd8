"""
======================
Denoising a photograph
======================

How can noise be removed from a photograph? Noise has no sparse code. A part of a photograph with
Gaussian noise is encoded with filters that were learned from another part of it and from another
photograph. The reconstruction from the codes contains much less noise. The baselines are SciPy's
filters with the best widths and, if SPORCO is installed, its solver with the same filters and the
same alpha. All data are included in scikit-learn, so that nothing is downloaded.
"""

import time
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.fft import next_fast_len
from scipy.ndimage import gaussian_filter, median_filter
from sklearn.datasets import load_sample_images

from sklearn_ebm import ConvSparseCoder
from sklearn_ebm.inspection import DictionaryDisplay, ReconstructionDisplay

# sphinx_gallery_thumbnail_number = 3
OUTPUT = Path("demo_output")
NOISE = 0.1  # standard deviation; white is 1
ALPHA = 3.0
WIDTH = 2.5  # of the low-pass filter, in pixels
LUMINANCE = (0.299, 0.587, 0.114)
OUTPUT.mkdir(exist_ok=True)

china, flower = (np.stack(load_sample_images().images) @ LUMINANCE / 255).astype(np.float32)
photograph = china[160:320, 330:530]
elsewhere = np.stack([china[:, :320], flower[:, 200:520]])
noise = np.random.default_rng(0).normal(scale=NOISE, size=photograph.shape)
noisy = (photograph + noise).astype(np.float32)

# %%
# Filters
# -------
# The filters represent edges and textures. The low frequencies, which contain little noise, are
# therefore subtracted first and added again at the end. An entry of the code is zero if the inner
# product of its filter and the residual is smaller than alpha. Here, alpha is two to three times
# the standard deviation of the inner product of a filter and the noise.

sharp = np.stack([image - gaussian_filter(image, WIDTH) for image in elsewhere])
scale = sharp.std()
learner = ConvSparseCoder(32, kernel_size=7, alpha=1.0, max_iter=4, tol=0, random_state=0)
began = time.perf_counter()
kernels = learner.fit(sharp / scale).components_
print(f"32 kernels learned in {time.perf_counter() - began:.1f} s")
print(f"alpha is {ALPHA * scale / NOISE:.1f} standard deviations of the noise")
display = DictionaryDisplay.from_estimator(learner)
display.figure_.savefig(OUTPUT / "denoising_kernels.png", bbox_inches="tight")

# %%
# Denoising
# ---------


def decibels(restored):
    """Return the peak signal-to-noise ratio."""
    return -10 * np.log10(np.mean((restored - photograph) ** 2))


smooth = gaussian_filter(noisy, WIDTH)
X = ((noisy - smooth) / scale)[None]
coder = ConvSparseCoder(dictionary=kernels, alpha=ALPHA).fit(X)


def ours():
    """Return the maps of the noisy image."""
    return coder.transform(X)


def by_sporco():
    """Compute maps by SPORCO. Its borders are circular, so the image is padded."""
    from sporco.admm.cbpdn import AddMaskSim, ConvBPDN

    reach = kernels.shape[1] - 1
    shape = [size + reach for size in photograph.shape]
    edge = [
        (0, next_fast_len(long) - size) for long, size in zip(shape, photograph.shape, strict=True)
    ]
    options = ConvBPDN.Options({"MaxMainIter": 100, "RelStopTol": 1e-3})
    solver = AddMaskSim(
        ConvBPDN, np.moveaxis(kernels[..., 0], 0, -1), np.pad(X[0], edge),
        np.pad(np.ones_like(X[0]), edge), ALPHA, opt=options,
    )  # fmt: skip
    # Maps of SPORCO are shifted with respect to ours.
    code = np.roll(solver.solve().squeeze()[..., : len(kernels)], (reach, reach), (0, 1))
    code = code[: shape[0], : shape[1]]
    return np.ascontiguousarray(code[None], dtype=np.float32)


pictures = {"noisy": noisy}
for name, restore, widths in [
    ("median filter", median_filter, (3, 5, 7)),
    ("Gaussian filter", gaussian_filter, (0.7, 0.9, 1.1, 1.3, 1.5)),
]:
    pictures[name] = max((restore(noisy, width) for width in widths), key=decibels)
for name in pictures:
    print(f"{name:<17} {decibels(pictures[name]):.2f} dB")

solvers = {"ConvSparseCoder": ours}
if find_spec("sporco"):
    solvers["SPORCO, 100 steps"] = by_sporco
ours()  # excludes compilation from the timing
for name, solve in solvers.items():
    began = time.perf_counter()
    code = solve()
    seconds = time.perf_counter() - began
    pictures[name] = coder.inverse_transform(code)[0] * scale + smooth
    gap = coder.duality_gap(X, code)[0]
    print(
        f"{name:<17} {decibels(pictures[name]):.2f} dB, {seconds:.2f} s, duality gap {gap:.0e}, "
        f"{np.mean(code != 0):.2%} of the code not zero"
    )

# %%
# The removed part should look like noise, without edges.

display = ReconstructionDisplay(noisy, pictures["ConvSparseCoder"]).plot()
for axes, title in zip(display.axes_, ("Noisy", "From the code", "What was left out"), strict=True):
    axes.set_title(title)
display.figure_.savefig(OUTPUT / "denoising_left_out.png", bbox_inches="tight")

pictures["the photograph"] = photograph
figure, panels = plt.subplots(2, 3, figsize=(10.0, 6.0), layout="constrained")
for axes in panels.flat:
    axes.set_axis_off()
for axes, (name, picture) in zip(panels.flat, pictures.items(), strict=False):
    is_truth = name == "the photograph"
    axes.set_title(name if is_truth else f"{name}: {decibels(picture):.1f} dB")
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
figure.savefig(OUTPUT / "denoising.png", bbox_inches="tight")
print("Look at", OUTPUT / "denoising.png", "and", OUTPUT / "denoising_left_out.png")
plt.show()
