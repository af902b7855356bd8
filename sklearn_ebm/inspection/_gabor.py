"""Gabor functions fitted to filters: plane waves under Gaussian envelopes.

At the pixel (i, j) of a picture, with y = i - row and x = j - column,

    g = amplitude exp(-u^2 / (2 width_across^2) - v^2 / (2 width_along^2))
        cos(2 pi frequency u + phase),
    u = y cos(orientation) + x sin(orientation),  across the stripes,
    v = x cos(orientation) - y sin(orientation),  along the stripes.

The wave is cosine cos(2 pi frequency u) + sine sin(2 pi frequency u), with cosine = amplitude
cos(phase) and sine = -amplitude sin(phase). It is linear in these two weights, so that a coarse
grid needs no phases and amplitudes: the part of a filter that a grid point explains is the squared
projection on the two waves of a quadrature pair. The best grid points, each with another
orientation or frequency, are refined by least squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from scipy.optimize import least_squares
from sklearn.utils import check_array, check_scalar

from sklearn_ebm._typing import Array, ArrayLike, ImageShape
from sklearn_ebm.backends import to_host
from sklearn_ebm.inspection._mosaic import tile_shape

LEAST_WIDTH = 0.5  # pixels; a narrower envelope covers a single pixel
LEAST_CYCLES = 0.25  # in the longer side of the picture; longer waves are mere slopes
MARGIN = 1.0  # pixels by which a centre may be outside the picture
NYQUIST = 0.5  # cycles per pixel

# The grid. The envelopes of simple cells, and of filters learned from photographs, have widths of
# about 0.2 to 0.6 cycles across the stripes and of 0.2 to 1 cycles along them (Ringach 2002).
N_ORIENTATIONS = 8
HIGHEST_FREQUENCY = 0.4
FREQUENCY_RATIO = 1.5
WIDTHS_IN_CYCLES = ((0.25, 0.25), (0.25, 0.5), (0.5, 0.5), (0.5, 1.0))  # across, along
LEAST_GRID_WIDTH = 0.7
RANK_TOLERANCE = 1e-6  # relative norm below which the orthogonal part of a wave is rounding error

MAX_EVALUATIONS = 100  # a fit takes about 20
COST_TOLERANCE = 1e-4  # relative to the residual sum of squares; the goodness is exact to 1e-4


def fit_gabor(
    filters: ArrayLike, image_shape: ImageShape | None = None, *, n_starts: int = 3
) -> GaborFit:
    """Fit a Gabor function, a plane wave under a Gaussian envelope, to each filter.

    At the pixel (i, j), with y = i - row and x = j - column, it is

    amplitude * exp(-u^2 / (2 width_across^2) - v^2 / (2 width_along^2))
    * cos(2 pi frequency u + phase)

    where u = y cos(orientation) + x sin(orientation) is the coordinate across the stripes, and v =
    x cos(orientation) - y sin(orientation) the coordinate along the stripes. A grid of 48
    orientations and frequencies, each at many positions and widths, provides initial values, of
    which the best are refined by least squares. The method is deterministic.

    Parameters
    ----------
    filters : array-like of shape (n_filters, n_features)
        Filters, one per row, such as the atoms of a dictionary.

    image_shape : tuple (height, width), default=None
        Shape of one filter. None assumes a square, if n_features is a square number.

    n_starts : int, default=3
        Number of grid points that are refined for each filter. More of them take longer, and may
        improve the fit of filters that do not resemble Gabor functions.

    Returns
    -------
    GaborFit
        Parameters of the fitted functions, and the goodness of the fits. For a filter of zeros, the
        goodness is 0 and the parameters are NaN.

    Raises
    ------
    ValueError
        If `filters` is not two-dimensional, or contains NaN or infinity; or if `image_shape` does
        not match, or has channels.

    See Also
    --------
    TopographicMapDisplay : Display of filters on a map, with their orientations.

    References
    ----------
    J. P. Jones, L. A. Palmer (1987). An evaluation of the two-dimensional Gabor filter model of
    simple receptive fields in cat striate cortex. Journal of Neurophysiology 58.

    D. L. Ringach (2002). Spatial structure and symmetry of simple-cell receptive fields in macaque
    primary visual cortex. Journal of Neurophysiology 88.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm.inspection import fit_gabor
    >>> rows, columns = np.indices((8, 8))
    >>> stripes = np.cos(2 * np.pi * 0.2 * (columns - 3))  # vertical, bright in column 3
    >>> envelope = np.exp(-((rows - 4) ** 2 + (columns - 3) ** 2) / (2 * 2**2))
    >>> fit = fit_gabor((stripes * envelope).reshape(1, -1))
    >>> print(np.degrees(fit.orientation).round(2), fit.frequency.round(3))
    [90.] [0.2]
    """
    filters = check_array(to_host(filters), dtype=np.float64, input_name="filters")
    image_shape = _grey_shape(image_shape, filters.shape[1])
    check_scalar(n_starts, "n_starts", Integral, min_val=1)
    pixels = np.indices(image_shape, dtype=np.float64).reshape(2, -1)
    parameters = np.full((len(filters), 8), np.nan)
    scale = abs(filters).max(axis=1)
    there = np.flatnonzero(scale)
    targets = filters[there] / scale[there, None]  # so that tolerances are relative for all filters
    starts = _best_on_grid(targets, image_shape, pixels, n_starts)
    bounds = _bounds(image_shape)
    for index, target, candidates in zip(there, targets, starts, strict=True):
        solutions = [_refined(target, start, pixels, bounds) for start in candidates]
        parameters[index] = min(solutions, key=lambda solution: solution.cost).x
    parameters[:, 6:] *= scale[:, None]
    goodness = _goodness(filters, _gabor_or_zero(parameters, pixels))
    return _described(parameters, goodness, image_shape)


@dataclass(frozen=True, eq=False)
class GaborFit:
    """Gabor functions that :func:`fit_gabor` has fitted to filters, with one entry per filter.

    For a filter of zeros, the goodness is 0 and the parameters are NaN.

    Parameters
    ----------
    row, column : ndarray of shape (n_filters,)
        Centre of the envelope in pixels, at most one pixel outside the picture. (0, 0) is the
        middle of the pixel in the upper left corner.

    orientation : ndarray of shape (n_filters,)
        Direction of the stripes in radians, at least 0 and less than pi: the angle between the
        horizontal and the direction along which the wave is constant, counter-clockwise if the
        first row is at the top. It is 0 for horizontal stripes, pi / 4 for stripes that rise to the
        right, pi / 2 for vertical stripes, and 3 pi / 4 for stripes that fall to the right. It has
        no meaning for round blobs.

    frequency : ndarray of shape (n_filters,)
        Frequency in cycles per pixel, at most 0.5, and at least a quarter of a cycle in the longer
        side of the picture.

    phase : ndarray of shape (n_filters,)
        Phase of the wave at the centre in radians, from -pi to pi. The centre is in the middle of a
        bright stripe for 0, and on an edge that becomes brighter along u for -pi / 2.

    width_across, width_along : ndarray of shape (n_filters,)
        Standard deviations of the envelope across and along the stripes in pixels, from 0.5 to the
        longer side of the picture.

    amplitude : ndarray of shape (n_filters,)
        Amplitude of the wave at the centre of the envelope, positive.

    goodness : ndarray of shape (n_filters,)
        1 - (sum of squared residuals) / (sum of squares of the filter). It is 1 for a Gabor
        function, and 0 for a filter that no Gabor function explains. The squares are not centred by
        the mean.

    image_shape : tuple (height, width)
        Shape of one filter.

    See Also
    --------
    fit_gabor : Fit Gabor functions to filters.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm.inspection import fit_gabor
    >>> line = np.outer([0, 0, 1, 0, 0], [1, 2, 3, 2, 1])  # horizontal, in the third row
    >>> noise = np.random.default_rng(0).standard_normal((5, 5))
    >>> fit = fit_gabor(np.stack([line.ravel(), noise.ravel()]))
    >>> fit.is_good()
    array([ True, False])
    >>> print(np.degrees(fit.orientation[fit.is_good()]).round() % 180)
    [0.]
    """

    row: np.ndarray
    column: np.ndarray
    orientation: np.ndarray
    frequency: np.ndarray
    phase: np.ndarray
    width_across: np.ndarray
    width_along: np.ndarray
    amplitude: np.ndarray
    goodness: np.ndarray
    image_shape: tuple

    def evaluate(self) -> Array:
        """Compute the fitted functions at the pixels of the picture.

        Returns
        -------
        ndarray of shape (n_filters, n_features)
            Fitted functions, one per row. Zeros if the filter is zero.
        """
        pixels = np.indices(self.image_shape, dtype=np.float64).reshape(2, -1)
        return _gabor_or_zero(self._parameters(), pixels)

    def is_good(self, threshold: float = 0.8) -> Array:
        """Return which filters are well described by Gabor functions.

        Parameters
        ----------
        threshold : float, default=0.8
            Minimum goodness. In patches of 12 x 12 pixels, filters of white noise have a goodness
            of about 0.15.

        Returns
        -------
        ndarray of bool, of shape (n_filters,)
            Whether the goodness is at least the threshold.
        """
        return self.goodness >= threshold

    def _parameters(self):
        """Return the parameters as an array of shape (n_filters, 8) for the functions below."""
        cosine, sine = self.amplitude * np.cos(self.phase), -self.amplitude * np.sin(self.phase)
        envelope = (self.width_across, self.width_along)
        columns = (self.row, self.column, self.orientation, self.frequency, *envelope, cosine, sine)
        return np.stack(columns, axis=1)


def _grey_shape(image_shape, n_features):
    shape = tile_shape(image_shape, n_features)
    if len(shape) == 3:
        raise ValueError(
            f"image_shape must be (height, width), got {shape}: Gabor functions have no colours."
        )
    return shape


# Below, the last axis of `parameters` has 8 entries: row, column, orientation, frequency, width
# across, width along, weight of the cosine, weight of the sine. `shape` is the first 6 of them.


def _waves(shape, pixels):
    """Return u and v, and the cosine and sine under the envelope, each (..., n_features)."""
    row, column, orientation, frequency, across, along = shape.T[..., None]
    y, x = pixels[0] - row, pixels[1] - column
    u = y * np.cos(orientation) + x * np.sin(orientation)
    v = x * np.cos(orientation) - y * np.sin(orientation)
    envelope = np.exp(-0.5 * ((u / across) ** 2 + (v / along) ** 2))
    angle = 2 * np.pi * frequency * u
    return u, v, envelope * np.cos(angle), envelope * np.sin(angle)


def _gabor(parameters, pixels):
    """Return Gabor functions at the pixels, (..., n_features)."""
    _, _, cosine, sine = _waves(parameters[..., :6], pixels)
    return parameters[..., 6, None] * cosine + parameters[..., 7, None] * sine


def _gabor_or_zero(parameters, pixels):
    """Return Gabor functions, and zeros for filters of zeros."""
    return np.nan_to_num(_gabor(parameters, pixels), nan=0.0)


def _jacobian(parameters, pixels):
    """Return the derivatives of a Gabor function g with respect to its parameters, (n_features, 8).

    Let h be the wave under the envelope, a quarter of a cycle ahead. Then dg/du = 2 pi frequency h
    - u g / across^2 and dg/dv = -v g / along^2. Row and column change u and v in the opposite
    direction of y and x; du/dorientation = v and dv/dorientation = -u.
    """
    _, _, orientation, frequency, across, along, cosine_weight, sine_weight = parameters
    u, v, cosine, sine = _waves(parameters[:6], pixels)
    gabor = cosine_weight * cosine + sine_weight * sine
    quarter_on = sine_weight * cosine - cosine_weight * sine
    by_u = 2 * np.pi * frequency * quarter_on - u / across**2 * gabor
    by_v = -v / along**2 * gabor
    derivatives = (
        np.sin(orientation) * by_v - np.cos(orientation) * by_u,
        -np.sin(orientation) * by_u - np.cos(orientation) * by_v,
        v * by_u - u * by_v,
        2 * np.pi * u * quarter_on,
        u**2 / across**3 * gabor,
        v**2 / along**3 * gabor,
        cosine,
        sine,
    )
    return np.stack(derivatives, axis=1)


def _best_on_grid(targets, image_shape, pixels, n_starts):
    """Return initial shapes (n_targets, n_starts, 6), each with another orientation or frequency.

    Neighbours on the grid would converge to the same optimum. Therefore, only the best position and
    widths of each orientation and frequency are candidates.
    """
    shapes, explained = [], []
    for grid in _grids(image_shape):
        scores = _explained(targets, grid, pixels)
        best = scores.argmax(axis=1)
        shapes.append(grid[best])
        explained.append(scores[np.arange(len(targets)), best])
    order = np.argsort(-np.stack(explained, axis=1), axis=1, kind="stable")[:, :n_starts]
    return np.take_along_axis(np.stack(shapes, axis=1), order[..., None], axis=1)


def _grids(image_shape):
    """Yield shapes (n, 6) of all positions and widths, for each orientation and frequency."""
    longest = max(image_shape)
    n_frequencies = 1 + int(np.log(HIGHEST_FREQUENCY * 2 * longest) / np.log(FREQUENCY_RATIO))
    for frequency in HIGHEST_FREQUENCY / FREQUENCY_RATIO ** np.arange(max(n_frequencies, 1)):
        for orientation in np.arange(N_ORIENTATIONS) * np.pi / N_ORIENTATIONS:
            yield np.concatenate(
                [
                    _places(image_shape, orientation, frequency, across, along)
                    for across, along in _grid_widths(frequency, longest)
                ]
            )


def _grid_widths(frequency, longest):
    """Return pairs of widths across and along in pixels, without duplicates at high frequencies."""
    widths = np.array(WIDTHS_IN_CYCLES) / frequency
    return np.unique(np.clip(widths, LEAST_GRID_WIDTH, max(LEAST_GRID_WIDTH, longest / 2)), axis=0)


def _places(image_shape, orientation, frequency, across, along):
    """Return one shape at positions whose distance is at most the width of the envelope."""
    step = max(1.0, min(across, along))
    rows, columns = (
        (np.arange(n_places) + 0.5) * length / n_places - 0.5
        for length, n_places in ((length, int(np.ceil(length / step))) for length in image_shape)
    )
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    rest = np.tile([orientation, frequency, across, along], (len(places), 1))
    return np.hstack([places, rest])


def _explained(targets, shapes, pixels):
    """Return the sum of squares that each quadrature pair explains, (n_targets, n_shapes)."""
    _, _, cosine, sine = _waves(shapes, pixels)
    cosine /= np.linalg.norm(cosine, axis=1, keepdims=True)
    sine /= np.maximum(np.linalg.norm(sine, axis=1, keepdims=True), RANK_TOLERANCE)
    sine -= (sine * cosine).sum(axis=1, keepdims=True) * cosine
    sine /= np.maximum(np.linalg.norm(sine, axis=1, keepdims=True), RANK_TOLERANCE)
    return (targets @ cosine.T) ** 2 + (targets @ sine.T) ** 2


def _bounds(image_shape):
    """Return lower and upper bounds of the parameters."""
    height, width = image_shape
    longest = max(image_shape)
    free = np.inf
    lower = [
        -MARGIN,
        -MARGIN,
        -free,
        LEAST_CYCLES / longest,
        LEAST_WIDTH,
        LEAST_WIDTH,
        -free,
        -free,
    ]
    upper = [height - 1 + MARGIN, width - 1 + MARGIN, free, NYQUIST, longest, longest, free, free]
    return np.array(lower), np.array(upper, dtype=np.float64)


def _refined(target, shape, pixels, bounds):
    """Return the least-squares solution from one initial shape."""
    _, _, cosine, sine = _waves(shape, pixels)
    pair, *_ = np.linalg.lstsq(np.stack([cosine, sine], axis=1), target)
    return least_squares(
        lambda parameters: _gabor(parameters, pixels) - target,
        np.concatenate([shape, pair]),
        jac=lambda parameters: _jacobian(parameters, pixels),
        bounds=bounds,
        ftol=COST_TOLERANCE,
        max_nfev=MAX_EVALUATIONS,
    )


def _goodness(filters, fitted):
    """Return 1 - residual sum of squares / sum of squares, or 0 for filters of zeros."""
    scale = abs(filters).max(axis=1, keepdims=True)
    scale = np.where(scale > 0, scale, 1)  # so that squares neither overflow nor underflow
    total = ((filters / scale) ** 2).sum(axis=1)
    residual = (((filters - fitted) / scale) ** 2).sum(axis=1)
    return np.where(total > 0, 1 - residual / np.where(total > 0, total, 1), 0.0)


def _described(parameters, goodness, image_shape):
    """Return the fit with the public parameters, and orientations from 0 to below pi."""
    row, column, angle, frequency, across, along, cosine, sine = parameters.T
    half_turns = np.floor(angle / np.pi)
    # a tiny negative angle would be rounded up to pi
    orientation = np.minimum(angle - half_turns * np.pi, np.nextafter(np.pi, 0))
    # half a turn changes the signs of u and of the sine
    sine = np.where(half_turns % 2 == 0, sine, -sine)
    return GaborFit(
        row=row,
        column=column,
        orientation=orientation,
        frequency=frequency,
        phase=np.arctan2(-sine, cosine),
        width_across=across,
        width_along=along,
        amplitude=np.hypot(cosine, sine),
        goodness=goodness,
        image_shape=image_shape,
    )
