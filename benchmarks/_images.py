"""Common parts of the convolutional benchmarks: photographs, filters, an objective in float64."""

import os
from pathlib import Path

import numpy as np

SMOOTHING = 5.0  # of SPORCO's low-pass filter; the rest is the high-passed photograph
GREY = 255


def photographs():
    """Return grey natural images (n_samples, height, width) in float32, between 0 and 1."""
    return campus().astype(np.float32) / GREY


def campus():
    """Return grey photographs of a campus (n_images, height, width), uint8.

    They are part of P. Corke's machine vision toolbox (`pip install mvtb-data`, MIT licence), in
    the folder mvtbdata/images/campus. The file natural_images.npz in the folder SKLEARN_EBM_DATA
    contains them as the array `images`. Any grey photographs of equal size can be used instead.
    """
    folder = os.environ.get("SKLEARN_EBM_DATA")
    if folder is None:
        raise OSError(
            "SKLEARN_EBM_DATA must name the folder of natural_images.npz. "
            f"{campus.__doc__.partition('uint8.')[2].strip()}"
        )
    with np.load(Path(folder) / "natural_images.npz") as file:
        return file["images"]


def high_passed():
    """Return high-passed photographs, by SPORCO's Tikhonov filter."""
    from sporco.signal import tikhonov_filter

    return np.stack([tikhonov_filter(image, SMOOTHING)[1] for image in photographs()]).astype(
        np.float32
    )


def normalised(n_images=None):
    """Return photographs of locally equal contrast and unit variance, float32."""
    from sklearn_ebm import LocalContrastNormalizer

    images = LocalContrastNormalizer().fit_transform(photographs()[:n_images])
    return images / images.std()


def crops(images, size, n_crops, seed=0):
    """Return random crops, from one image after another."""
    random_state = np.random.RandomState(seed)
    height, width = (free - size + 1 for free in images.shape[1:])
    corners = zip(
        random_state.randint(height, size=n_crops),
        random_state.randint(width, size=n_crops),
        strict=True,
    )
    return np.stack(
        [images[n % len(images), y : y + size, x : x + size] for n, (y, x) in enumerate(corners)]
    )


def windows(images, size, n_windows, seed=0):
    """Return random windows of norm one, (n_windows, size, size), as filters without learning."""
    kernels = crops(images, size, n_windows, seed)
    return kernels / np.linalg.norm(kernels, axis=(1, 2), keepdims=True)


def circular_objective(image, maps, kernels, alpha):
    """Return 1/2 ||x - sum_k d_k * z_k||^2 + alpha ||z||_1 on a torus, float64; maps (h, w, k)."""
    image, maps = image.astype(np.float64), maps.astype(np.float64)
    spectra = np.fft.rfft2(kernels.astype(np.float64), s=image.shape, axes=(1, 2))
    reconstruction = np.zeros_like(image)
    for k, spectrum in enumerate(spectra):
        if np.any(maps[..., k]):
            product = np.fft.rfft2(maps[..., k]) * spectrum
            reconstruction += np.fft.irfft2(product, s=image.shape)
    return 0.5 * np.sum((image - reconstruction) ** 2) + alpha * np.abs(maps).sum()


def sporco_options(**settings):
    """Return fast options of ConvBPDN: float32, over-relaxation, no statistics."""
    from sporco.admm import cbpdn

    return cbpdn.ConvBPDN.Options(
        {
            "Verbose": False,
            "FastSolve": True,
            "RelaxParam": 1.8,
            "DataType": np.float32,
            **settings,
        }
    )


def use_threads(n_threads):
    """Set the number of threads of SPORCO's Fourier transforms."""
    import sporco.fft

    sporco.fft.pyfftw_threads = n_threads
