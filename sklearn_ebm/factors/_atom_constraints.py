"""Sets of atoms in place of the unit ball, and the projections on them.

Both sets are {d : ||d||^2 + gamma R(d) <= 1}. The update of an atom minimises A_jj ||d - u||^2 over
the set, in which u is the minimum without the constraint (Mairal et al. 2010, algorithm 2). Its
solution is the projection of u.

For R(d) = ||d||_1, the projection is S(u, gamma v) / (1 + 2 v), with the soft threshold S and a
multiplier v >= 0. With w = v + v^2 and a_i = u_i^2 + gamma |u_i|, the constraint is

    sum_i max(a_i - gamma^2 w, 0) = 1 + 4 w,

a piecewise linear equation, which is solved by sorting, as for the simplex. For R(d) equal to
||grad d||^2, the constraint is d M d' <= 1 with M = I + gamma L and the Laplacian L of a grid,
whose eigenvectors are cosines. The projection is u (I + v M)^-1, and Newton's method finds v.
"""

import functools
import math
from numbers import Integral, Real

import numpy as np

from sklearn_ebm._typing import Array
from sklearn_ebm.backends import array_namespace, cumulated, squared_norms
from sklearn_ebm.factors.penalties._specification import Specification

NEWTON_STEPS = 50  # maximum number; each step is a lower bound, and about six are needed
ROUNDINGS = 8  # accuracy of the constraint


class _AtomConstraint(Specification):
    parameter = "atom_constraint"

    def _checked_gamma(self):
        is_number = isinstance(self.gamma, Real) and not isinstance(self.gamma, bool | np.bool_)
        if not (is_number and 0 <= float(self.gamma) < math.inf):
            raise ValueError(f"gamma must be a non-negative number, got {self.gamma!r}.")
        if self.gamma > self.largest_gamma:
            raise ValueError(f"gamma must be at most {self.largest_gamma:g}, got {self.gamma!r}.")
        return float(self.gamma)


class SparseAtoms(_AtomConstraint):
    """Constraint ||d||^2 + gamma ||d||_1 <= 1 on the atoms of a dictionary, which are then sparse.

    Parameters
    ----------
    gamma : float, default=0.5
        Weight of the L1 norm, from 0 to 1000. Larger values give atoms with fewer non-zero entries.
        With 0, the constraint is the unit ball.

    See Also
    --------
    SmoothAtoms : A constraint for smooth atoms.

    Notes
    -----
    Models such as sparse principal component analysis have sparse atoms and dense codes. With this
    constraint, `alpha` determines the sparsity of the codes, and `gamma` that of the atoms. The
    constraint can be combined with ``positive_dictionary=True``.

    References
    ----------
    J. Mairal, F. Bach, J. Ponce, G. Sapiro (2010). Online learning for matrix factorization and
    sparse coding, section 5.2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ebm import SparseAtoms, SparseCoder
    >>> X = load_digits().data / 16
    >>> coder = SparseCoder(
    ...     16, alpha=0.1, atom_constraint=SparseAtoms(gamma=1.0), max_iter=5, tol=0, random_state=0
    ... ).fit(X)
    >>> bool(np.mean(coder.components_ == 0) > 0.5)
    True
    """

    largest_gamma = 1e3  # norms of atoms are at most 1 / gamma
    keeps_signs = True  # the projection of positive parts is that on the non-negative atoms

    def __init__(self, gamma: float = 0.5) -> None:
        super().__init__(gamma=gamma)

    def project(self, atoms: Array) -> Array:
        """Return the closest atoms in the set.

        Parameters
        ----------
        atoms : array of shape (n_atoms, n_features)
            Atoms, not changed.

        Returns
        -------
        array of shape (n_atoms, n_features)
            Projections.

        Raises
        ------
        ValueError
            If `gamma` is not a number in its range.
        """
        gamma, xp = self._checked_gamma(), array_namespace(atoms)
        size = xp.asarray(abs(atoms), dtype=xp.float64)  # terms of very different sizes cancel
        terms = size * size + gamma * size
        ordered = xp.flip(xp.sort(terms, axis=1), axis=1)
        count = xp.arange(1, atoms.shape[1] + 1, dtype=size.dtype)
        solutions = (cumulated(ordered) - 1) / (4 + count * gamma**2)
        n_on = xp.count_nonzero(ordered > gamma**2 * solutions, axis=1)[:, None]
        last = xp.maximum(n_on - 1, xp.zeros_like(n_on))
        solution = xp.take_along_axis(solutions, last, axis=1)
        solution = xp.maximum(solution, xp.zeros_like(solution))
        multiplier = 2 * solution / (1 + xp.sqrt(1 + 4 * solution))  # without cancellation
        shrunk = xp.maximum(size - gamma * multiplier, xp.zeros_like(size)) / (1 + 2 * multiplier)
        return xp.sign(atoms) * xp.asarray(shrunk, dtype=atoms.dtype)


class SmoothAtoms(_AtomConstraint):
    """Constraint ||d||^2 + gamma ||grad d||^2 <= 1 on the atoms of a dictionary.

    The gradient consists of the differences of adjacent entries, so that atoms become smooth.

    Parameters
    ----------
    shape : tuple of int or None, default=None
        Shape of the samples: (n_rows, n_columns) for images, or (n_times,) for signals. If the
        number of features is a multiple of their number, the features of each position are
        channels, such as colours, and only equal channels are compared. None is a signal of all
        features.
    gamma : float, default=1.0
        Weight of the squared differences, from 0 to 1e9. Larger values give smoother atoms. With 0,
        the constraint is the unit ball.

    See Also
    --------
    SparseAtoms : A constraint for sparse atoms.

    Notes
    -----
    The norm of an atom is smaller, the more it varies, so that atoms that vary need larger codes.
    The constraint cannot be combined with ``positive_dictionary=True``.

    References
    ----------
    J. Mairal, F. Bach, J. Ponce, G. Sapiro (2010). Online learning for matrix factorization and
    sparse coding, algorithm 2 and section 5.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ebm import SmoothAtoms, SparseCoder
    >>> X = load_digits().data / 16
    >>> smooth = SmoothAtoms(shape=(8, 8), gamma=2.0)
    >>> coder = SparseCoder(
    ...     16, alpha=0.1, atom_constraint=smooth, max_iter=5, tol=0, random_state=0
    ... ).fit(X)
    >>> coder.components_.shape
    (16, 64)
    """

    largest_gamma = 1e9  # for which single precision is accurate
    keeps_signs = False

    def __init__(self, shape: tuple[int, ...] | None = None, gamma: float = 1.0) -> None:
        super().__init__(shape=shape, gamma=gamma)

    def project(self, atoms: Array) -> Array:
        """Return the closest atoms in the set.

        Parameters
        ----------
        atoms : array of shape (n_atoms, n_features)
            Atoms, not changed.

        Returns
        -------
        array of shape (n_atoms, n_features)
            Projections.

        Raises
        ------
        ValueError
            If `gamma` is not a number in its range, or if the number of features is not a multiple
            of the product of `shape`.
        """
        gamma, xp = self._checked_gamma(), array_namespace(atoms)
        rows, columns = self._checked_shape(atoms.shape[1])
        bases = [xp.asarray(_cosines(length), dtype=atoms.dtype) for length in (rows, columns)]
        curvature = xp.asarray(1 + gamma * _eigenvalues(rows, columns), dtype=atoms.dtype)
        waves = _transformed(atoms, *(basis.T for basis in bases))
        curvature = xp.repeat(curvature, atoms.shape[1] // (rows * columns))
        return _transformed(_shortened(waves, curvature), *bases)

    def _checked_shape(self, n_features):
        shape = (n_features,) if self.shape is None else self.shape
        is_shape = isinstance(shape, tuple | list) and len(shape) in (1, 2)
        if not (is_shape and all(isinstance(n, Integral) and n > 0 for n in shape)):
            raise ValueError(
                "shape must be a tuple of one or two positive integers, or None, got "
                f"{self.shape!r}."
            )
        if n_features % math.prod(shape):
            raise ValueError(
                f"The product of shape={self.shape!r} must divide the number of features, "
                f"{n_features}."
            )
        return (*shape, 1)[:2]


@functools.lru_cache(maxsize=16)
def _cosines(length):
    """Return the eigenvectors of the Laplacian of a path, one in each column."""
    wave, place = np.arange(length), np.arange(length)[:, None]
    basis = np.cos(np.pi * wave * (place + 0.5) / length) * math.sqrt(2 / length)
    basis[:, 0] = math.sqrt(1 / length)
    return basis


def _eigenvalues(n_rows, n_columns):
    """Return the eigenvalues of the Laplacian of a grid, row by row."""
    first, second = (2 - 2 * np.cos(np.pi * np.arange(n) / n) for n in (n_rows, n_columns))
    return (first[:, None] + second).ravel()


def _transformed(atoms, of_rows, of_columns):
    """Multiply the rows and the columns of each atom by matrices."""
    xp, n_rows, n_columns = array_namespace(atoms), of_rows.shape[0], of_columns.shape[0]
    product = of_rows @ xp.reshape(atoms, (atoms.shape[0], n_rows, -1))
    product = of_columns @ xp.reshape(product, (atoms.shape[0] * n_rows, n_columns, -1))
    return xp.reshape(product, atoms.shape)


def _shortened(waves, curvature):
    """Return the projections of rows u on {d : sum_i m_i d_i^2 <= 1}.

    The norm of the projection is a function h of the multiplier, and 1 / sqrt(h) is concave, so
    that Newton's steps towards one increase the multiplier and never exceed the solution.
    """
    xp = array_namespace(waves)
    multiplier = xp.zeros_like(waves[:, :1])
    accuracy = ROUNDINGS * float(xp.finfo(waves.dtype).eps)
    for _ in range(NEWTON_STEPS):
        share = 1 / (1 + multiplier * curvature)
        terms = curvature * (waves * share) ** 2
        square = xp.sum(terms, axis=1, keepdims=True)
        slope = xp.sum(terms * share * curvature, axis=1, keepdims=True)  # minus half of h'
        is_outside = square > 1 + accuracy
        if not bool(xp.any(is_outside)):
            break
        step = square * (xp.sqrt(square) - 1) / xp.where(is_outside, slope, xp.ones_like(slope))
        multiplier = multiplier + xp.where(is_outside, step, xp.zeros_like(step))
    shortened = waves / (1 + multiplier * curvature)
    norm = xp.sqrt(squared_norms(shortened * xp.sqrt(curvature)))[:, None]
    return shortened / xp.maximum(norm, xp.ones_like(norm))
