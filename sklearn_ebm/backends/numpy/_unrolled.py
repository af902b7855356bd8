"""Steps of unrolled inference: z <- sh_theta(x W + z S), and greedy coordinate descent.

Forward steps write the arrays that the backward steps read; the caller allocates all arrays.
"""

from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends._rules import SoftThreshold


def unrolled_step(before, base, lateral, rule, code):
    """Compute code = sh(base + before S), a step of LISTA (Gregor & LeCun 2010, eq. 3).

    Parameters
    ----------
    before : array of shape (n_samples, n_components) or None
        Code before the step. None means zero.
    base : array of shape (n_samples, n_components)
        x W.
    lateral : array of shape (n_components, n_components) or None
        S. None if `before` is None.
    rule : WeightedSoftThreshold or WeightedPositiveSoftThreshold
        sh, with a threshold of 1 and the thresholds of the components as weights.
    code : array of shape (n_samples, n_components)
        Receives the result; must not share memory with `before`.

    Returns
    -------
    code : array of shape (n_samples, n_components)
        The same array.
    """
    preactivation = base if before is None else before @ lateral + base
    code[...] = rule.prox(preactivation)
    return code


def unrolled_step_backward(code, gradient, base_gradient, threshold_gradient):
    """Replace a gradient with respect to the code by that with respect to the preactivation.

    It is unchanged if the code is non-zero, and d sh / d theta = -sign(code), with both rules.

    Parameters
    ----------
    code : array of shape (n_samples, n_components)
        Result of the step.
    gradient : array of shape (n_samples, n_components)
        Gradient with respect to the code, replaced by the gradient by base + before S.
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
    """Make a step of unrolled greedy coordinate descent for each column of `chosen`.

    From z = 0, each step selects the component whose value sh_theta(b) is farthest from z, sets z
    to this value, and adds the change times the component's row of S to the state b. The result is
    sh_theta of the last state (Gregor & LeCun 2010, algorithm 3).

    Parameters
    ----------
    state : array of shape (n_samples, n_components)
        b, initially x W; replaced by its final value.
    lateral : array of shape (n_components, n_components)
        S.
    threshold : array of shape (n_components,)
        theta.
    code : array of shape (n_samples, n_components)
        Receives the result.
    chosen : integer array of shape (n_samples, n_steps)
        Receives the component that each step changed.
    change, sign : array of shape (n_samples, n_steps)
        Receive the changes, and the signs of the new values.

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
    """Replace a gradient at the result of `greedy_steps` by the gradient at the initial state.

    The chosen components are treated as constants. Let g be the gradient at the state and h the
    gradient at z. If a step changed component k by d, the derivative of the loss by d is
    e = g . S_k. If the new value is on, h_k + e is added to g_k, and theta_k receives it with
    the opposite sign of the value. For the old value, h_k = -e.
    -e.

    Parameters
    ----------
    gradient : array of shape (n_samples, n_components)
        Gradient with respect to the code, replaced by the gradient with respect to x W.
    lateral : array of shape (n_components, n_components)
        S.
    code, chosen, change, sign : array
        Results of `greedy_steps`.
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
