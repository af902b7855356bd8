"""Filters and encoder filters for 1, 2, 4, ... 64 maps, and their redundancy (figure of the talk).

ConvPSD is trained on locally normalised photographs, and PSD with the same number of atoms on
patches of the same photographs in the size of the filters. The redundancy is the mean over filters
of the largest absolute cross-correlation with another filter over all shifts. It is close to one if
filters are shifted copies of each other.
"""

import time
import warnings

import numpy as np

from benchmarks import _common, _images

N_MAPS = (1, 2, 4, 8, 16, 32, 64)
KERNEL = 9
MINUTES = 15
PATCHES = 50_000


def main():
    options = _common.options(__doc__)
    report = _common.Report("conv_maps", "Kernels and filters by number of maps")
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    images = _images.normalised(2 if options.quick else None)
    models = {}
    for n_maps in N_MAPS[:3] if options.quick else N_MAPS:
        models[n_maps] = convolutional, patch = fitted(images, n_maps, options)
        case = f"{n_maps} maps"
        report.add(case, "seconds of ConvPSD", convolutional.seconds_curve_[-1], "s")
        if n_maps == 1:
            continue
        ours = redundancy(convolutional.components_[..., 0])
        theirs = redundancy(patch.components_.reshape(-1, KERNEL, KERNEL))
        report.add(case, "redundancy of patch PSD", theirs)
        wanted = {"at_most": 0.9 * theirs} if n_maps >= 16 else {}
        report.add(case, "redundancy of ConvPSD", ours, **wanted)
    draw(models, options.results / "conv_maps.png")
    minutes = (time.perf_counter() - began) / 60
    report.add("everything", "minutes", minutes, at_most=MINUTES)
    report.save(options.results)


def fitted(images, n_maps, options):
    """Return ConvPSD and PSD trained on the same photographs; fewer maps use fewer images."""
    from sklearn_ebm import PSD, ConvPSD
    from sklearn_ebm.datasets import sample_patches

    passes = 1 if options.quick else 4
    common = {"tol": 0, "random_state": options.seed}
    convolutional = ConvPSD(n_maps, kernel_size=KERNEL, max_iter=passes, **common).fit(images)
    patches = sample_patches(images, KERNEL, PATCHES, random_state=options.seed)
    patches = patches.reshape(len(patches), -1).astype(np.float32)
    patches -= patches.mean(axis=1, keepdims=True)
    patches /= patches.std()
    return convolutional, PSD(n_maps, max_iter=2 * passes, **common).fit(patches)


def redundancy(kernels):
    """Return the mean of each filter's largest absolute cross-correlation with another filter."""
    size = 2 * kernels.shape[1] - 1
    kernels = kernels / np.linalg.norm(kernels, axis=(1, 2), keepdims=True)
    spectra = np.fft.rfft2(kernels, s=(size, size))
    cross = np.fft.irfft2(spectra[:, None] * spectra[None].conj(), s=(size, size))
    largest = np.abs(cross).max(axis=(2, 3))
    np.fill_diagonal(largest, 0)
    return float(largest.max(axis=1).mean())


def draw(models, path):
    """Draw a row for each number of maps: filters, encoder filters, and atoms of patches."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        len(models), 3, figsize=(9, 3 * len(models)), layout="constrained", squeeze=False
    )
    for row, (n_maps, (convolutional, patch)) in zip(axes, models.items(), strict=True):
        panels = {
            "kernels of ConvPSD": convolutional.components_[..., 0],
            "filters of its encoder": convolutional.encoder_components_[..., 0],
            "atoms of patch PSD": patch.components_.reshape(-1, KERNEL, KERNEL),
        }
        for ax, (name, kernels) in zip(row, panels.items(), strict=True):
            ax.imshow(mosaic(kernels), cmap="gray", vmin=-1, vmax=1)
            ax.set_title(f"{name}, {n_maps}", fontsize=9)
            ax.set_axis_off()
    figure.savefig(path, dpi=80)
    plt.close(figure)


def mosaic(kernels):
    """Return filters side by side, each scaled to its largest entry."""
    n_kernels, height, width = kernels.shape
    columns = int(np.ceil(np.sqrt(n_kernels)))
    rows = -(-n_kernels // columns)
    canvas = np.ones((rows * (height + 1) - 1, columns * (width + 1) - 1))
    for n, kernel in enumerate(kernels):
        y, x = (n // columns) * (height + 1), (n % columns) * (width + 1)
        canvas[y : y + height, x : x + width] = kernel / max(np.abs(kernel).max(), 1e-12)
    return canvas


if __name__ == "__main__":
    main()
