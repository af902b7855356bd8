"""Convolutions of filters with images and maps in the Fourier domain, and their eigenvalues.

On a canvas that contains every filter at every position, all borders are circular, so that a
convolution is a product of spectra; see `Border` for the position of images in canvases.
"""

import math

from sklearn_ebm.backends import array_namespace

SPACE = (1, 2)  # axes of images and maps
FINE = 16  # frequencies per entry of a filter's side, for bounds of the largest eigenvalue
COARSE = 4  # the same with many channels
MANY_CHANNELS = 4


def _transforms(xp):
    """Return real transforms to and from the Fourier domain that preserve single precision."""
    if xp.__name__ == "numpy":
        import scipy.fft

        return scipy.fft.rfft2, scipy.fft.irfft2
    if hasattr(xp.fft, "rfft2"):
        return xp.fft.rfft2, xp.fft.irfft2
    return _rfft2(xp), _irfft2(xp)


def _rfft2(xp):
    """Return a real 2D transform, since the array API standard has no `rfft2`."""
    return lambda values, s, axes: xp.fft.rfftn(values, s=s, axes=axes)


def _irfft2(xp):
    return lambda values, s, axes: xp.fft.irfftn(values, s=s, axes=axes)


class FourierProducts:
    """`correlate` and `synthesize` of a backend, computed in the Fourier domain.

    Parameters
    ----------
    kernels : array of shape (n_components, height, width, n_channels)
        Filters. Their spectra are computed once for each size and dtype of a canvas.
    """

    name = "fourier"

    def __init__(self, kernels):
        self.kernels = kernels
        self._spectra = {}

    def spectrum(self, size, dtype):
        """Return the spectra of the filters, shape (n_frequencies, n_channels, n_components)."""
        if (size, dtype) not in self._spectra:
            xp = array_namespace(self.kernels)
            forward, _ = _transforms(xp)
            kernels = xp.asarray(self.kernels, dtype=dtype)
            spectrum = xp.permute_dims(forward(kernels, s=size, axes=SPACE), (1, 2, 3, 0))
            self._spectra[size, dtype] = xp.reshape(spectrum, (-1, *spectrum.shape[2:]))
        return self._spectra[size, dtype]

    def correlate(self, images, kernels, border, maps):
        """Fill `maps`; see `sklearn_ebm.backends.numpy.correlate`."""
        canvas = images if border.circular else border.extend(images, kernels.shape[1:])
        return self._multiply(canvas, maps, array_namespace(images).conj)

    def synthesize(self, maps, kernels, border, images):
        """Fill `images`; see `sklearn_ebm.backends.numpy.synthesize`."""
        xp = array_namespace(maps)
        if border.circular:
            return self._multiply(maps, images, _transposed)
        n_samples, height, width, _ = maps.shape
        _, rows, columns, n_channels = kernels.shape
        shape = n_samples, height + rows - 1, width + columns - 1, n_channels
        canvas = self._multiply(maps, xp.empty(shape, dtype=maps.dtype), _transposed)
        images[...] = border.fold(canvas, images.shape[1:])
        return images

    def _multiply(self, values, result, factor):
        """Return the product with a factor of shape (n_frequencies, channels in, channels out)."""
        xp = array_namespace(values)
        forward, backward = _transforms(xp)
        size = tuple(max(pair) for pair in zip(values.shape[1:3], result.shape[1:3], strict=True))
        spectrum = factor(self.spectrum(size, values.dtype))
        for n in range(values.shape[0]):
            transformed = forward(values[n : n + 1, ...], s=size, axes=SPACE)
            flat = xp.reshape(transformed, (spectrum.shape[0], 1, -1))
            product = xp.reshape(flat @ spectrum, (*transformed.shape[:3], -1))
            spread = backward(product, s=size, axes=SPACE)
            result[n : n + 1, ...] = spread[:, : result.shape[1], : result.shape[2], :]
        return result


def _transposed(spectrum):
    return array_namespace(spectrum).permute_dims(spectrum, (0, 2, 1))


def largest_curvature(kernels):
    """Return an upper bound of the largest eigenvalue of D'D for images of any size.

    This is the largest eigenvalue of S(w) = sum_k s_k(w) s_k(w)^H over all frequencies w, with s_k
    the spectrum of a filter. The entries of S are trigonometric polynomials of a degree below the
    size of the filters. Their maximum on a grid of N frequencies is therefore at least cos(pi (size
    - 1) / N) times the true maximum in each direction (Ehlich & Zeller 1964). The bound is one for
    filters of zeros, so that step sizes can be divided by it.
    """
    xp = array_namespace(kernels)
    _, height, width, n_channels = kernels.shape
    finer = FINE if n_channels <= MANY_CHANNELS else COARSE
    size = finer * height, finer * width
    spectrum = FourierProducts(kernels).spectrum(size, kernels.dtype)
    gram = spectrum @ _transposed(xp.conj(spectrum))
    if n_channels == 1:
        largest = float(xp.max(xp.real(gram)))
    else:
        largest = float(xp.max(xp.linalg.eigvalsh(gram)))
    for length, n_frequencies in zip((height, width), size, strict=True):
        largest /= math.cos(math.pi * (length - 1) / n_frequencies)
    return largest if largest > 0 else 1.0
