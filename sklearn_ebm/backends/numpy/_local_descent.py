"""Coordinate descent of convolutional codes: positions too far apart to interact side by side."""

from itertools import product
from math import prod

from sklearn_ebm.backends._certificate import relative_gap
from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends.numpy._convolution import correlate, synthesize


def local_descent(lasso, code, tol, max_iter):
    """Minimise over one coordinate after another, in place, until the relative gap is at most tol.

    Parameters
    ----------
    lasso : ConvolutionalLasso
        Kernels, images and all that the energy is made of.
    code : array of shape (n_samples, map_height, map_width, n_components)
        Start, replaced by the solution.
    tol : float
        Relative duality gap at which an image is done.
    max_iter : int
        Sweeps over all coordinates.

    Returns
    -------
    gap : array of shape (n_samples,)
        Relative duality gap.
    n_iter : int
        Sweeps made.
    """
    xp = array_namespace(code)
    correlation = correlation_of(lasso, lasso.images, xp.empty_like(code))
    if lasso.prediction is not None:
        correlation += lasso.ridge * lasso.prediction
    curvature = _curvature(lasso, code)
    for n_iter in range(max_iter + 1):
        slope = correlation - hessian_product(lasso, code)
        gap = _gap(lasso, code, correlation, slope)
        if n_iter == max_iter or bool(xp.all(gap <= tol)):
            return gap, n_iter
        for place in _places(lasso, code):
            slope = correlation[place] - hessian_product(lasso, code)[place]
            bend = curvature[place]
            safe = xp.where(bend > 0, bend, xp.ones_like(bend))
            updated = lasso.rule.prox(slope + bend * code[place]) / safe
            code[place] = xp.where(bend > 0, updated, code[place])


def correlation_of(lasso, images, maps):
    """D' of observed pixels, in the shape of the code."""
    observed = images if lasso.mask is None else images * lasso.mask
    return correlate(observed, lasso.kernels, lasso.border, maps)


def hessian_product(lasso, code):
    """z H, with H = D M D' + ridge I."""
    xp = array_namespace(code)
    images = synthesize(code, lasso.kernels, lasso.border, xp.empty_like(lasso.images))
    product_ = correlation_of(lasso, images, xp.empty_like(code))
    return product_ + lasso.ridge * code


def _curvature(lasso, code):
    """Diagonal of H: the norm of what is observed of a kernel at each position."""
    xp = array_namespace(code)
    seen = xp.ones_like(lasso.images) if lasso.mask is None else lasso.mask
    squares = correlate(seen, lasso.kernels**2, lasso.border, xp.empty_like(code))
    return squares + lasso.ridge


def _places(lasso, code):
    """One component at positions a kernel's size apart, each position once."""
    _, height, width, _ = code.shape
    rows, columns = lasso.kernels.shape[1:3]
    step_rows, step_columns = _apart(height, rows, lasso), _apart(width, columns, lasso)
    for k, i, j in product(range(code.shape[3]), range(step_rows), range(step_columns)):
        yield slice(None), slice(i, height, step_rows), slice(j, width, step_columns), k


def _apart(size, reach, lasso):
    """A distance at which kernels do not overlap, around a circular border either."""
    if not lasso.border.circular:
        return min(reach, size)
    return next(step for step in range(min(reach, size), size + 1) if size % step == 0)


def _gap(lasso, code, correlation, slope):
    xp = array_namespace(code)
    shape = code.shape[0], prod(code.shape[1:])  # -1 is not known of no images
    correlation, code, slope = (xp.reshape(maps, shape) for maps in (correlation, code, slope))
    return relative_gap(lasso.rule, correlation, lasso.half_norm, code, slope)
