"""Coordinate descent for convolutional codes, simultaneous at positions that do not interact."""

from itertools import product
from math import prod

from sklearn_ebm.backends._certificate import gap_of_misfit
from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends._rules import positive_or_one
from sklearn_ebm.backends.numpy._convolution import correlate, synthesize

LONGEST_WALK = 10  # sweeps before descent stops on dense codes
PROGRESS = 0.9  # factor by which the gap must fall to count as progress
LEAST_PROGRESS = 1 - 1e-9  # the same for the energy
PATIENCE = 20  # sweeps without progress before descent stops, in addition to as many as before them


def local_descent(lasso, code, tol, max_iter, densest=1.0):
    """Minimise over one coordinate after another, in place, until the relative gap is at most tol.

    Descent stops early if neither gaps nor energies improve in the precision of the code. Gaps are
    computed in double precision from images, filters and codes.

    Parameters
    ----------
    lasso : ConvolutionalLasso
        Filters, images and the other terms of the energy.
    code : array of shape (n_samples, map_height, map_width, n_components)
        Initial codes, replaced by the solution.
    tol : float
        Relative duality gap below which an image has converged.
    max_iter : int
        Maximum number of sweeps over all coordinates.
    densest : float, default=1.0
        Share of non-zero codes above which descent on an image stops after a few sweeps.

    Returns
    -------
    gap : array of shape (n_samples,)
        Relative duality gap.
    n_iter : int
        Number of sweeps.
    """
    xp = array_namespace(code)
    correlation = correlation_of(lasso, lasso.images, xp.empty_like(code))
    if lasso.prediction is not None:
        correlation += lasso.ridge * lasso.prediction
    curvature = _curvature(lasso, code)
    exact, progress = _in_double_precision(lasso), _Progress(code)
    for n_iter in range(max_iter + 1):
        gap, energy = _certificate(exact, xp.asarray(code, dtype=xp.float64))
        goes_on = (gap > tol) & progress.goes_on(gap, energy, n_iter)
        if n_iter >= LONGEST_WALK:
            share_on = xp.mean(xp.asarray(code != 0, dtype=xp.float64), axis=(1, 2, 3))
            goes_on = goes_on & (share_on <= densest)
        if n_iter == max_iter or not bool(xp.any(goes_on)):
            return gap, n_iter
        for place in _places(lasso, code):
            slope = correlation[place] - hessian_product(lasso, code)[place]
            bend = curvature[place]
            updated = lasso.rule.prox(slope + bend * code[place]) / positive_or_one(bend)
            code[place] = xp.where(bend > 0, updated, xp.zeros_like(updated))


class _Progress:
    """Tracks the images that made progress in the second half of the sweeps."""

    def __init__(self, code):
        xp = array_namespace(code)
        self.gap = xp.full(code.shape[:1], xp.inf, dtype=xp.float64)
        self.energy = xp.full(code.shape[:1], xp.inf, dtype=xp.float64)
        self.gained = xp.zeros(code.shape[:1], dtype=xp.int64)

    def goes_on(self, gap, energy, n_iter):
        """Record gaps and energies; return False for images without progress."""
        xp = array_namespace(gap)
        better = (gap < PROGRESS * self.gap) | (energy < LEAST_PROGRESS * self.energy)
        self.gap = xp.where(better, xp.minimum(gap, self.gap), self.gap)
        self.energy = xp.where(better, xp.minimum(energy, self.energy), self.energy)
        self.gained = xp.where(better, xp.full_like(self.gained, n_iter), self.gained)
        return n_iter <= 2 * self.gained + PATIENCE


def _in_double_precision(lasso):
    """Return the problem with arrays in double precision."""
    xp = array_namespace(lasso.images)
    names = "kernels", "images", "mask", "prediction", "half_norm"
    arrays = {name: getattr(lasso, name) for name in names}
    return lasso._replace(
        **{
            name: None if array is None else xp.asarray(array, dtype=xp.float64)
            for name, array in arrays.items()
        }
    )


def correlation_of(lasso, images, maps):
    """Return D' applied to the observed pixels, in the shape of the code."""
    observed = images if lasso.mask is None else images * lasso.mask
    return correlate(observed, lasso.kernels, lasso.border, maps)


def hessian_product(lasso, code):
    """Return z H, with H = D M D' + ridge I."""
    xp = array_namespace(code)
    images = synthesize(code, lasso.kernels, lasso.border, xp.empty_like(lasso.images))
    product_ = correlation_of(lasso, images, xp.empty_like(code))
    return product_ + lasso.ridge * code


def _curvature(lasso, code):
    """Return the diagonal of H: the squared norm of the observed part of each shifted filter."""
    xp = array_namespace(code)
    seen = xp.ones_like(lasso.images) if lasso.mask is None else lasso.mask
    squares = correlate(seen, lasso.kernels**2, lasso.border, xp.empty_like(code))
    return squares + lasso.ridge


def _places(lasso, code):
    """Yield components and positions that are a filter's size apart, each position once."""
    _, height, width, _ = code.shape
    rows, columns = lasso.kernels.shape[1:3]
    step_rows, step_columns = _apart(height, rows, lasso), _apart(width, columns, lasso)
    for k, i, j in product(range(code.shape[3]), range(step_rows), range(step_columns)):
        yield slice(None), slice(i, height, step_rows), slice(j, width, step_columns), k


def _apart(size, reach, lasso):
    """Return a distance at which filters do not overlap, also across a circular border."""
    if not lasso.border.circular:
        return min(reach, size)
    return next(step for step in range(min(reach, size), size + 1) if size % step == 0)


def _certificate(lasso, code):
    """Return the relative gap and the energy of each image."""
    xp = array_namespace(code)
    residual = lasso.images - synthesize(
        code, lasso.kernels, lasso.border, xp.empty_like(lasso.images)
    )
    if lasso.mask is not None:
        residual *= lasso.mask
    slope = correlate(residual, lasso.kernels, lasso.border, xp.empty_like(code))
    misfit = xp.sum(residual * residual, axis=(1, 2, 3)) / 2
    if lasso.prediction is not None:
        off = lasso.prediction - code
        slope += lasso.ridge * off
        misfit += lasso.ridge * xp.sum(off * off, axis=(1, 2, 3)) / 2
    shape = code.shape[0], prod(code.shape[1:])  # -1 is undefined if there are no images
    code, slope = (xp.reshape(maps, shape) for maps in (code, slope))
    gap = gap_of_misfit(lasso.rule, misfit, lasso.half_norm, code, slope)
    return gap, misfit + xp.sum(code * lasso.rule.gradient(code), axis=1)
