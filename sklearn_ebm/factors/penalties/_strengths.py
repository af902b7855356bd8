"""Matrices of strengths of lateral inhibition: checks, distances, and projections."""

import numpy as np

from sklearn_ebm.inputs._checks import numbers_of

NEWTON_STEPS = 100  # usually fewer than ten
RESOLVED = 1e-10  # error of the sum of a row, relative to the sum
SHORTEST = 2.0**-30  # step of a line search


def checked_strength(strength, n_components, name="strength"):
    """Return S as an array of float64, and refuse matrices that are not strengths of inhibition.

    Parameters
    ----------
    strength : array-like
        S.
    n_components : int
        Number of components.
    name : str, default="strength"
        Name of the matrix in error messages.

    Returns
    -------
    ndarray of shape (n_components, n_components)

    Raises
    ------
    ValueError
        If S has another shape, is not symmetric, or has negative entries or a diagonal.
    """
    strength = numbers_of(strength, name)
    if strength.shape != (n_components, n_components):
        raise ValueError(
            f"{name} must have shape {(n_components, n_components)} for "
            f"n_components={n_components}, got {strength.shape}."
        )
    if not (np.all(strength >= 0) and np.all(np.isfinite(strength))):  # false for NaN
        raise ValueError(
            f"{name} must be non-negative and finite, got entries from {strength.min():g} to "
            f"{strength.max():g}."
        )
    if np.any(np.diag(strength)):
        raise ValueError(
            f"{name} must have zeros on the diagonal, got up to {np.diag(strength).max():g}: a "
            "component cannot inhibit itself."
        )
    difference = np.abs(strength - strength.T).max(initial=0.0)
    if difference > 0:
        raise ValueError(
            f"{name} must be symmetric, got entries that differ from their transpose by up to "
            f"{difference:g}. Pass (S + S.T) / 2."
        )
    return strength


def map_distances(map_shape, torus):
    """Return the distances between all pairs of components on a map, in rows and columns.

    Parameters
    ----------
    map_shape : tuple of two ints
        Rows and columns.
    torus : bool
        Whether distances wrap around the edges.

    Returns
    -------
    ndarray of shape (n_components, n_components)
        Euclidean distances.
    """
    squares = np.zeros((map_shape[0] * map_shape[1],) * 2)
    for places, size in zip(np.indices(map_shape).reshape(2, -1), map_shape, strict=True):
        distance = np.abs(places[:, None] - places)
        if torus:
            distance = np.minimum(distance, size - distance)
        squares += distance**2
    return np.sqrt(squares)


def tree_parents(n_nodes, branching):
    """Return the parent of each node of a tree whose nodes are numbered level by level.

    Parameters
    ----------
    n_nodes : int
        Number of nodes; the last level may be incomplete.
    branching : int or tuple of ints
        Number of children of each node, or of each node of a level.

    Returns
    -------
    ndarray of shape (n_nodes,)
        Parents; -1 for the root, node 0.
    """
    if np.ndim(branching) == 0:
        children = np.full(n_nodes, branching)
    else:
        sizes = np.cumprod([1, *branching])  # of the levels
        children = np.repeat([*branching, 0], sizes)
    return np.concatenate([[-1], np.repeat(np.arange(len(children)), children)])[:n_nodes]


def tree_levels(parents):
    """Return the number of edges from the root to each node."""
    levels = np.zeros(len(parents), dtype=int)
    for node in range(1, len(parents)):
        levels[node] = levels[parents[node]] + 1
    return levels


def tree_distances(parents):
    """Return the number of edges on the path between each pair of nodes.

    Parameters
    ----------
    parents : ndarray of shape (n_nodes,)
        Parent of each node, which has a smaller number; -1 for the root.

    Returns
    -------
    ndarray of int of shape (n_nodes, n_nodes)
    """
    distance = np.zeros((len(parents),) * 2, dtype=int)
    for node in range(1, len(parents)):
        distance[node, :node] = distance[parents[node], :node] + 1
        distance[:node, node] = distance[node, :node]
    return distance


def uniform_strength(n_components, total):
    """Return the matrix with row sums of `total` whose entries off the diagonal are equal."""
    return total / max(1, n_components - 1) * (1 - np.eye(n_components))


def projected_strength(strength, total, largest):
    """Return the closest symmetric matrix with given row sums and entries from 0 to `largest`.

    The diagonal of the result is zero. With a multiplier u_i for the sum of each row, the result is
    clip(S_ij + u_i + u_j, 0, largest). The multipliers maximise the dual function, which is concave
    and piecewise quadratic, by Newton steps with a line search.

    Parameters
    ----------
    strength : ndarray of shape (n_components, n_components)
        Symmetric matrix S.
    total : float
        Sum of each row of the result, at most ``largest * (n_components - 1)``.
    largest : float
        Upper bound of the entries.

    Returns
    -------
    ndarray of shape (n_components, n_components)
    """
    u, off_diagonal = np.zeros(len(strength)), ~np.eye(len(strength), dtype=bool)

    def matrix(u):
        return np.clip(strength + (u[:, None] + u[None, :]), 0, largest) * off_diagonal

    def dual(u, result):
        shifted = strength + (u[:, None] + u[None, :])
        lagrangian = (result / 2 - shifted) * result  # without a constant, and twice for each pair
        return lagrangian.sum() / 2 + total * u.sum()

    result = matrix(u)
    for _ in range(NEWTON_STEPS):
        missing = total - result.sum(axis=1)
        if np.abs(missing).max() <= RESOLVED * total:
            break
        is_free = (result > 0) & (result < largest)
        hessian = is_free + np.diag(is_free.sum(axis=1) + 1e-3)
        step, height = np.linalg.solve(hessian, missing), dual(u, result)
        length = 1.0
        while length > SHORTEST:
            result = matrix(u + length * step)
            if dual(u + length * step, result) >= height:
                break
            length /= 2
        u = u + length * step
    return result
