"""The steps of unrolled inference, z <- sh_theta(x W + z S) and greedy coordinate descent.

Forward steps leave what their backward halves read; both write to arrays of the caller's.
"""

from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends._rules import SoftThreshold


def unrolled_step(before, base, lateral, threshold, code):
    """code = sh_theta(base + before S), one step of unrolled ISTA (Gregor & LeCun 2010, eq. 3).

    Parameters
    ----------
    before : array of shape (n_samples, n_components) or None
        Where the step starts; None stands for zero.
    base : array of shape (n_samples, n_components)
        x W.
    lateral : array of shape (n_components, n_components) or None
        S; None where `before` is.
    threshold : array of shape (n_components,)
        theta.
    code : array of shape (n_samples, n_components)
        Replaced by the result; not the memory of `before`.

    Returns
    -------
    code : array of shape (n_samples, n_components)
        The same array.
    """
    preactivation = base if before is None else before @ lateral + base
    code[...] = SoftThreshold(threshold).prox(preactivation)
    return code


def unrolled_step_backward(code, gradient, base_gradient, threshold_gradient):
    """From a loss's gradient at a step's result to that at its preactivation, in place.

    The gradient passes where the code is on, d sh / d theta = -sign(code) there.

    Parameters
    ----------
    code : array of shape (n_samples, n_components)
        The step's result.
    gradient : array of shape (n_samples, n_components)
        With respect to the code, replaced by that with respect to base + before S.
    base_gradient : array of shape (n_samples, n_components)
        The new gradient is added to it.
    threshold_gradient : array of shape (n_components,)
        The gradient with respect to the thresholds is added to it.

    Returns
    -------
    gradient : array of shape (n_samples, n_components)
        The same array.
    """
    xp = array_namespace(code)
    sign = xp.sign(code)
    gradient *= sign * sign
    base_gradient += gradient
    threshold_gradient -= xp.sum(sign * gradient, axis=0)
    return gradient


def greedy_steps(state, lateral, threshold, code, chosen, change, sign):
    """As many steps of unrolled greedy coordinate descent as `chosen` has columns.

    From z = 0, each step takes the component whose value sh_theta(b) is farthest from z, sets z to
    it there, and adds the change times that component's row of S to the state b. The result is
    sh_theta of the last state (Gregor & LeCun 2010, algorithm 3).

    Parameters
    ----------
    state : array of shape (n_samples, n_components)
        b, first x W; replaced by its last value.
    lateral : array of shape (n_components, n_components)
        S.
    threshold : array of shape (n_components,)
        theta.
    code : array of shape (n_samples, n_components)
        Replaced by the result.
    chosen : integer array of shape (n_samples, n_steps)
        Replaced by the component that each step changed.
    change, sign : array of shape (n_samples, n_steps)
        Replaced by its change, and by the sign of the value it got.

    Returns
    -------
    state : array of shape (n_samples, n_components)
        The same array.
    """
    xp, rule = array_namespace(code), SoftThreshold(threshold)
    reached, every = xp.zeros_like(code), xp.arange(code.shape[1])[None, :]
    for step in range(chosen.shape[1]):
        wished = rule.prox(state)
        component = xp.argmax(xp.abs(wished - reached), axis=1)
        value = xp.take_along_axis(wished, component[:, None], axis=1)
        moved = value - xp.take_along_axis(reached, component[:, None], axis=1)
        chosen[:, step] = component
        change[:, step] = moved[:, 0]
        sign[:, step] = xp.sign(value[:, 0])
        reached = xp.where(every == component[:, None], value, reached)
        state += moved * xp.take(lateral, component, axis=0)
    code[...] = rule.prox(state)
    return state


def greedy_steps_backward(
    gradient, lateral, code, chosen, change, sign, lateral_gradient, threshold_gradient
):
    """From a loss's gradient at the result of `greedy_steps` to that at their first state.

    The chosen components count as constants. With g the gradient at the state and h that at z, a
    step that chose k with the change d has a loss that grows by e = g . S_k for each unit of d. Its
    new value, if on, passes h_k + e on to g_k and to theta_k; its old value gets h_k = -e.

    Parameters
    ----------
    gradient : array of shape (n_samples, n_components)
        With respect to the code, replaced by that with respect to x W.
    lateral : array of shape (n_components, n_components)
        S.
    code, chosen, change, sign : array
        As `greedy_steps` left them.
    lateral_gradient : array of shape (n_components, n_components)
        The gradient with respect to S is added to it.
    threshold_gradient : array of shape (n_components,)
        The gradient with respect to the thresholds is added to it.

    Returns
    -------
    gradient : array of shape (n_samples, n_components)
        The same array.
    """
    xp = array_namespace(code)
    unrolled_step_backward(code, gradient, xp.zeros_like(code), threshold_gradient)
    owed = xp.zeros_like(code)
    for row in range(code.shape[0]):
        slope, owed_row = gradient[row, :], owed[row, :]
        for step in range(chosen.shape[1] - 1, -1, -1):
            k = int(chosen[row, step])
            by_change = xp.sum(slope * lateral[k, :])
            lateral_gradient[k, :] += change[row, step] * slope
            by_value = owed_row[k] + by_change
            owed_row[k] = -by_change
            slope[k] += by_value * sign[row, step] * sign[row, step]
            threshold_gradient[k] -= by_value * sign[row, step]
    return gradient
