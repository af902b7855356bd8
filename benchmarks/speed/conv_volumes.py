"""Cost of convolutional codes of a volume: SciPy and SPORCO in 3-D, and 2-D at equal footprint.

This package has no convolution over three axes. The measurement shows what compiled kernels for
them could gain. The volume has 64 frames of 48 x 48 pixels: a window that moves over a high-passed
photograph. There are 16 filters of 5 x 9 x 9, which are windows of the volume. The image has as
many pixels, 384 x 384, and filters of as many weights, 45 x 9. A compiled kernel for volumes would
make the same number of multiplications as the kernel for images, with shorter rows.

The products are D'x and Dz, with 1 % of non-zero entries of z, on a torus or with the full border.
SciPy computes them by the FFT; a direct convolution with all filters is extrapolated from one
filter. Codes are inferred until the objective, recomputed in float64, is within 1 % of its minimum.
alpha is a share of the smallest alpha with codes of zero, the same for both.
"""

import time
import warnings

import numpy as np

from benchmarks import _common, _images

N_COMPONENTS = 16
SHARE = 0.1  # of the largest alpha
ON = 0.01  # share of non-zero entries in products
NEAR = 1e-2  # excess of the objective over its minimum
EVERY = 5  # iterations between evaluations
N_ITER = 100  # of SPORCO
RHO = (1.0, 5.0, 20.0)  # multiples of alpha, for SPORCO


def main():
    options = _common.options(__doc__)
    warnings.simplefilter("ignore")
    report = _common.Report("conv_volumes", "Convolutional codes of a volume")
    _images.use_threads(options.threads)
    frames, side = (16, 24) if options.quick else (64, 48)
    photograph = _images.high_passed()[3]
    volume = moving_window(photograph, frames, side)
    height = int((frames * side * side) ** 0.5)
    image = photograph[:height, :height]
    products(report, volume, filters(volume, (5, 9, 9)), image, filters(image, (45, 9)), options)
    image_codes(report, image, filters(image, (45, 9)))
    volume_codes(report, volume, filters(volume, (5, 9, 9)))
    report.save(options.results)


def moving_window(photograph, n_frames, side):
    """Return frames of a window that moves by one pixel down and two pixels to the right."""
    return np.stack(
        [photograph[t : t + side, 2 * t : 2 * t + side] for t in range(n_frames)]
    ).astype(np.float32)


def filters(array, shape):
    """Return random windows of norm one, (n_components, *shape)."""
    random_state = np.random.RandomState(0)
    free = [size - window + 1 for size, window in zip(array.shape, shape, strict=True)]
    found = []
    for corner in random_state.randint(free, size=(N_COMPONENTS, array.ndim)):
        ends = corner + shape
        window = array[tuple(map(slice, corner, ends))]
        found.append(window / np.linalg.norm(window))
    return np.stack(found)


# ------------------------------------------------------------------------------------ one product
def products(report, volume, kernels, image, flat_kernels, options):
    from scipy import ndimage, signal

    from sklearn_ebm.backends import numba
    from sklearn_ebm.backends._border import BORDERS

    border = BORDERS["full"](flat_kernels.shape[1:])
    stored = np.ascontiguousarray(flat_kernels[..., None])
    shape = 1, *border.map_shape(image.shape, flat_kernels.shape[1:]), N_COMPONENTS
    dense = np.empty(shape, np.float32)
    maps = np.where(np.random.RandomState(0).uniform(size=shape) < ON, 1, 0).astype(np.float32)
    result = np.empty((1, *image.shape, 1), np.float32)
    pixels = np.ascontiguousarray(image[None, ..., None])
    sparse = np.where(
        np.random.RandomState(0).uniform(size=(N_COMPONENTS, *volume.shape)) < ON, 1, 0
    ).astype(np.float32)

    def transforms():
        reversed_filters = kernels[:, ::-1, ::-1, ::-1]
        return [signal.fftconvolve(volume, each) for each in reversed_filters]

    def sums():
        return sum(map(signal.fftconvolve, sparse, kernels))

    calls = {
        "2-D, D'x, kernels of this package": lambda: numba.correlate(pixels, stored, border, dense),
        "2-D, Dz, kernels of this package": lambda: numba.synthesize(maps, stored, border, result),
        "3-D, D'x, SciPy by FFT": transforms,
        "3-D, Dz, SciPy by FFT": sums,
    }
    timings = _common.interleave(calls, rounds=2 if options.quick else 5)
    for who, timing in timings.items():
        report.add("one product", who, timing.best, "s")
    seconds, _ = _common.stopwatch(lambda: ndimage.correlate(volume, kernels[0], mode="wrap"))
    report.add("one product", "3-D, D'x, SciPy directly", N_COMPONENTS * seconds, "s")
    for name in ("D'x", "Dz"):
        ours, scipy = f"2-D, {name}, kernels of this package", f"3-D, {name}, SciPy by FFT"
        ratio = timings[scipy].best / timings[ours].best
        report.add("one product", f"{name}, 3-D by FFT / 2-D directly", ratio, "x")


# ----------------------------------------------------------------------------------------- codes
def largest_alpha(array, kernels):
    """Return the smallest alpha with codes of zero, on a torus."""
    spectra = transformed(kernels, array.shape).conj() * np.fft.rfftn(array.astype(float))
    axes = tuple(range(1, array.ndim + 1))
    return np.abs(np.fft.irfftn(spectra, s=array.shape, axes=axes)).max()


def objective(array, maps, kernels, alpha):
    """Return the energy in float64 on a torus; maps (n_components, ...)."""
    spectra = transformed(kernels, array.shape) * transformed(maps, array.shape)
    error = array - np.fft.irfftn(spectra.sum(axis=0), s=array.shape)
    return np.sum(error**2) / 2 + alpha * np.abs(maps).sum()


def transformed(arrays, shape):
    return np.fft.rfftn(arrays.astype(float), s=shape, axes=tuple(range(1, arrays.ndim)))


def image_codes(report, image, kernels):
    from sklearn_ebm import ConvSparseCoder

    alpha = SHARE * largest_alpha(image, kernels)

    def encode(tol, dtype=np.float32):
        coder = ConvSparseCoder(
            dictionary=kernels.astype(dtype), alpha=alpha, border="circular", code_tol=tol,
            code_max_iter=10_000,
        )  # fmt: skip
        return np.moveaxis(coder.fit_transform(image[None].astype(dtype))[0], 2, 0)

    least = objective(image, encode(1e-5, np.float64), kernels, alpha)
    for tol in (0.3, 0.1, 0.03, 0.01):
        seconds, maps = _common.stopwatch(lambda tol=tol: encode(tol))
        excess = objective(image, maps, kernels, alpha) / least - 1
        if excess <= NEAR:
            break
    seconds = min(_common.stopwatch(lambda: encode(tol))[0] for _ in range(3))
    report.add("codes", f"2-D, ConvSparseCoder, {excess:.0e} above the minimum", seconds, "s")
    report.add("codes", "2-D, non-zero entries", 100 * np.mean(maps != 0), "%")


def volume_codes(report, volume, kernels):
    alpha = SHARE * largest_alpha(volume, kernels)
    runs = {rho: sporco(volume, kernels, alpha, rho) for rho in RHO}
    least = min(value for curve, _ in runs.values() for _, value in curve)
    reached = [
        (seconds, rho)
        for rho, (curve, _) in runs.items()
        for seconds, value in curve
        if value <= least * (1 + NEAR)
    ]
    seconds, rho = min(reached)
    name = f"3-D, SPORCO, rho {rho:g} alpha, {NEAR:g} above its lowest value"
    report.add("codes", name, seconds, "s")
    report.add("codes", "3-D, non-zero entries", 100 * np.mean(runs[rho][1] != 0), "%")


def sporco(volume, kernels, alpha, rho):
    """Return seconds without evaluation and objectives, and the maps."""
    from sporco.admm import cbpdn

    curve, apart = [], 0.0

    def look(solver):
        nonlocal apart
        if (solver.k + 1) % EVERY == 0:
            now = time.perf_counter()
            value = objective(volume, found(solver), kernels, alpha)
            curve.append((now - began - apart, value))
            apart += time.perf_counter() - now
        return False

    def found(solver):
        return np.moveaxis(solver.Y.reshape(*volume.shape, N_COMPONENTS), 3, 0)

    settings = _images.sporco_options(
        MaxMainIter=N_ITER, RelStopTol=0.0, Callback=look, rho=rho * alpha,
        AutoRho={"Enabled": True},
    )  # fmt: skip
    began = time.perf_counter()
    solver = cbpdn.ConvBPDN(np.moveaxis(kernels, 0, 3), volume, alpha, settings, dimK=0, dimN=3)
    solver.solve()
    return curve, found(solver)


if __name__ == "__main__":
    main()
