"""One accelerated proximal step for a batch of codes, y -> z = prox(y - step * gradient)."""

from sklearn_ebm.backends._namespace import array_namespace


def proximal_step(product, correlation, code, extrapolated, momentum, step_size, penalty):
    """Make a proximal step, with momentum and restart, for each row in place.

    The gradient at the extrapolated point is `product - correlation`. If the step of a row opposes
    its momentum, (y - z_new) . (z_new - z_old) > 0, the momentum is reset
    (O'Donoghue & Candes 2015, eq. 12).

    Parameters
    ----------
    product, correlation : array of shape (n_samples, n_components)
        y H and c.
    code, extrapolated : array of shape (n_samples, n_components)
        z and y; both are updated in place.
    momentum : array of shape (n_samples,) or None
        t_k of each row, replaced by t_{k+1}. None makes a plain proximal step (ISTA).
    step_size : float
        1 / L.
    penalty : penalty factor
        Provides `prox(code, step_size)`.
    """
    xp = array_namespace(code)
    updated = penalty.prox(extrapolated - step_size * (product - correlation), step_size)
    if momentum is None:
        code[...] = updated
        extrapolated[...] = updated
        return
    moved = updated - code
    restart = xp.sum((extrapolated - updated) * moved, axis=1) > 0
    following = (1 + xp.sqrt(1 + 4 * momentum * momentum)) / 2
    weight = xp.where(restart, xp.zeros_like(momentum), (momentum - 1) / following)
    momentum[...] = xp.where(restart, xp.ones_like(momentum), following)
    extrapolated[...] = updated + weight[:, None] * moved
    code[...] = updated
