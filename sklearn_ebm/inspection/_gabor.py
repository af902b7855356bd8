"""Gabor functions fitted to filters: plane waves under Gaussian envelopes.

At the pixel (i, j) of a picture, with y = i - row and x = j - column,

    g = amplitude exp(-u^2 / (2 width_across^2) - v^2 / (2 width_along^2))
        cos(2 pi frequency u + phase),
    u = y cos(orientation) + x sin(orientation),  across the stripes,
    v = x cos(orientation) - y sin(orientation),  along them.

The wave is cosine cos(2 pi frequency u) + sine sin(2 pi frequency u), with cosine = amplitude
cos(phase) and sine = -amplitude sin(phase): linear in this pair of weights. So a coarse grid needs
no phases and no amplitudes, for what a grid point explains of a filter is its squared projection on
the two waves of a quadrature pair. The best grid points, each of another orientation or frequency,
are refined by least squares.
"""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from scipy.optimize import least_squares
from sklearn.utils import check_array, check_scalar

from sklearn_ebm.backends import to_host
from sklearn_ebm.inspection._mosaic import tile_shape

LEAST_WIDTH = 0.5  # pixels: a narrower envelope lights a single pixel, whatever stands in it
LEAST_CYCLES = 0.25  # in the picture's longer side: a wave as long as that is a slope, or flat
MARGIN = 1.0  # pixels that a centre may lie outside the picture
NYQUIST = 0.5  # cycles a pixel

# The grid. Simple cells, and filters learned from photographs, have envelopes of about 0.2 to 0.6
# cycles across the stripes and of 0.2 to 1 along them (Ringach 2002).
N_ORIENTATIONS = 8
HIGHEST_FREQUENCY = 0.4
FREQUENCY_RATIO = 1.5
WIDTHS_IN_CYCLES = ((0.25, 0.25), (0.25, 0.5), (0.5, 0.5), (0.5, 1.0))  # across, along
LEAST_GRID_WIDTH = 0.7
RANK_TOLERANCE = 1e-6  # below this share of a wave, what its partner leaves of it is rounding

MAX_EVALUATIONS = 100  # a fit takes about 20
COST_TOLERANCE = 1e-4  # of the residual sum of squares: the goodness is then right to 1e-4


def fit_gabor(filters, image_shape=None, *, n_starts=3):
    """Fit a Gabor function, a plane wave under a Gaussian envelope, to each filter.

    At the pixel (i, j), with y = i - row and x = j - column, it is

    amplitude * exp(-u^2 / (2 width_across^2) - v^2 / (2 width_along^2))
    * cos(2 pi frequency u + phase)

    where u = y cos(orientation) + x sin(orientation) runs across the stripes, and
    v = x cos(orientation) - y sin(orientation) along them. A grid of 48 orientations and
    frequencies, each at many places and widths, gives the starts; the best are refined by least
    squares. Nothing is drawn at random.

    Parameters
    ----------
    filters : array-like of shape (n_filters, n_features)
        The filters, one per row, such as the atoms of a dictionary.

    image_shape : tuple (height, width), default=None
        Shape of one filter. By default a square, if n_features is the square of a number.

    n_starts : int, default=3
        Starts that are refined for each filter, the best on the grid. More of them take longer and
        may end in a better fit of filters that are no Gabor functions.

    Returns
    -------
    GaborFit
        The parameters of the fitted functions, and how good they are. A filter of zeros has
        goodness 0, and NaN for its parameters.

    Raises
    ------
    ValueError
        If filters is not two-dimensional, or holds NaN or infinity; if image_shape does not fit, or
        has channels.

    See Also
    --------
    TopographicMapDisplay : Filters in their places on a map, framed by their orientations.

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
    >>> stripes = np.cos(2 * np.pi * 0.2 * (columns - 3))  # upright, bright in column 3
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
    targets = filters[there] / scale[there, None]  # tolerances then mean the same for all filters
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
    """Gabor functions fitted to filters, by :func:`fit_gabor`: arrays with an entry per filter.

    A filter of zeros has goodness 0, and NaN for its parameters.

    Parameters
    ----------
    row, column : ndarray of shape (n_filters,)
        Centre of the envelope in pixels; (0, 0) is the middle of the pixel in the upper left
        corner. It may lie up to one pixel outside the picture.

    orientation : ndarray of shape (n_filters,)
        Direction of the stripes in radians, from 0 to below pi: the angle from the horizontal to
        the direction along which the wave is constant, counter-clockwise as pictures are seen, the
        first row on top. Stripes that lie have 0, those rising to the right pi / 4, upright ones
        pi / 2, those falling to the right 3 pi / 4. It means nothing for a round blob.

    frequency : ndarray of shape (n_filters,)
        Cycles a pixel, up to 0.5, and at least a quarter of a cycle in the picture's longer side.

    phase : ndarray of shape (n_filters,)
        Phase of the wave at the centre in radians, from -pi to pi: at 0 the centre is in the middle
        of a bright stripe, at -pi / 2 on an edge that brightens along u.

    width_across, width_along : ndarray of shape (n_filters,)
        Standard deviations of the envelope across and along the stripes in pixels, from 0.5 to the
        picture's longer side.

    amplitude : ndarray of shape (n_filters,)
        Height of the wave under the top of the envelope, positive.

    goodness : ndarray of shape (n_filters,)
        1 - sum of squared residuals / sum of squares of the filter, about zero and not about the
        mean: 1 for a Gabor function, 0 for a filter that is explained by none.

    image_shape : tuple (height, width)
        Shape of one filter.

    See Also
    --------
    fit_gabor : Fits them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm.inspection import fit_gabor
    >>> line = np.outer([0, 0, 1, 0, 0], [1, 2, 3, 2, 1])  # lies in the third row
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

    def evaluate(self):
        """Compute the fitted functions at the pixels of the picture.

        Returns
        -------
        ndarray of shape (n_filters, n_features)
            The fitted filters, one per row; zeros where the filter was zero.
        """
        pixels = np.indices(self.image_shape, dtype=np.float64).reshape(2, -1)
        return _gabor_or_zero(self._parameters(), pixels)

    def is_good(self, threshold=0.8):
        """Tell which filters are Gabor functions.

        Parameters
        ----------
        threshold : float, default=0.8
            Least goodness. In patches of 12 x 12 pixels, filters of white noise have about 0.15.

        Returns
        -------
        ndarray of bool, of shape (n_filters,)
            Whether the goodness is at least the threshold.
        """
        return self.goodness >= threshold

    def _parameters(self):
        """The parameters as the functions below take them, (n_filters, 8)."""
        cosine, sine = self.amplitude * np.cos(self.phase), -self.amplitude * np.sin(self.phase)
        envelope = (self.width_across, self.width_along)
        columns = (self.row, self.column, self.orientation, self.frequency, *envelope, cosine, sine)
        return np.stack(columns, axis=1)


def _grey_shape(image_shape, n_features):
    shape = tile_shape(image_shape, n_features)
    if len(shape) == 3:
        raise ValueError(
            f"Gabor functions have no colours: image_shape must be (height, width); got {shape}."
        )
    return shape


# Below, `parameters` end with 8 entries: row, column, orientation, frequency, width across, width
# along, weight of the cosine, weight of the sine. `shape` is the first 6 of them.


def _waves(shape, pixels):
    """Coordinates u and v, cosine and sine under the envelope: each (..., n_features)."""
    row, column, orientation, frequency, across, along = shape.T[..., None]
    y, x = pixels[0] - row, pixels[1] - column
    u = y * np.cos(orientation) + x * np.sin(orientation)
    v = x * np.cos(orientation) - y * np.sin(orientation)
    envelope = np.exp(-0.5 * ((u / across) ** 2 + (v / along) ** 2))
    angle = 2 * np.pi * frequency * u
    return u, v, envelope * np.cos(angle), envelope * np.sin(angle)


def _gabor(parameters, pixels):
    """Gabor functions at the pixels, (..., n_features)."""
    _, _, cosine, sine = _waves(parameters[..., :6], pixels)
    return parameters[..., 6, None] * cosine + parameters[..., 7, None] * sine


def _gabor_or_zero(parameters, pixels):
    """Gabor functions, and zeros where there was nothing to fit."""
    return np.nan_to_num(_gabor(parameters, pixels), nan=0.0)


def _jacobian(parameters, pixels):
    """Derivatives of one Gabor function g by its parameters, (n_features, 8).

    With h the wave a quarter of a cycle on, under the envelope, dg/du = 2 pi frequency h - u g /
    across^2 and dg/dv = -v g / along^2. Row and column move u and v as y and x do, the other way;
    du/dorientation = v and dv/dorientation = -u.
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
    """Shapes to start from, (n_targets, n_starts, 6), each of another orientation or frequency.

    Neighbours on the grid would end in one optimum, so each orientation and frequency sends its
    best place and widths alone.
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
    """Yield for each orientation and frequency shapes (n, 6) in all places and widths."""
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
    """Pairs of widths across and along in pixels; at high frequencies the narrow ones coincide."""
    widths = np.array(WIDTHS_IN_CYCLES) / frequency
    return np.unique(np.clip(widths, LEAST_GRID_WIDTH, max(LEAST_GRID_WIDTH, longest / 2)), axis=0)


def _places(image_shape, orientation, frequency, across, along):
    """One shape in places that lie no further apart than the envelope is wide."""
    step = max(1.0, min(across, along))
    rows, columns = (
        (np.arange(n_places) + 0.5) * length / n_places - 0.5
        for length, n_places in ((length, int(np.ceil(length / step))) for length in image_shape)
    )
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    rest = np.tile([orientation, frequency, across, along], (len(places), 1))
    return np.hstack([places, rest])


def _explained(targets, shapes, pixels):
    """Sum of squares of each target that each quadrature pair explains, (n_targets, n_shapes)."""
    _, _, cosine, sine = _waves(shapes, pixels)
    cosine /= np.linalg.norm(cosine, axis=1, keepdims=True)
    sine /= np.maximum(np.linalg.norm(sine, axis=1, keepdims=True), RANK_TOLERANCE)
    sine -= (sine * cosine).sum(axis=1, keepdims=True) * cosine
    sine /= np.maximum(np.linalg.norm(sine, axis=1, keepdims=True), RANK_TOLERANCE)
    return (targets @ cosine.T) ** 2 + (targets @ sine.T) ** 2


def _bounds(image_shape):
    """Lower and upper bounds of the parameters."""
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
    """The least-squares solution that is reached from one shape."""
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
    """1 - residual sum of squares / sum of squares; 0 for filters of zeros."""
    scale = abs(filters).max(axis=1, keepdims=True)
    scale = np.where(scale > 0, scale, 1)  # so that no square overflows or vanishes
    total = ((filters / scale) ** 2).sum(axis=1)
    residual = (((filters - fitted) / scale) ** 2).sum(axis=1)
    return np.where(total > 0, 1 - residual / np.where(total > 0, total, 1), 0.0)


def _described(parameters, goodness, image_shape):
    """The fit in the terms that users read, orientations from 0 to below pi."""
    row, column, angle, frequency, across, along, cosine, sine = parameters.T
    half_turns = np.floor(angle / np.pi)
    # a tiny negative angle would round up to pi itself
    orientation = np.minimum(angle - half_turns * np.pi, np.nextafter(np.pi, 0))
    # half a turn takes u to -u, and the sine with it
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
