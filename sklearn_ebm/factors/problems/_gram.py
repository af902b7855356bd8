"""A batch of lasso problems min_z 1/2 z H z' - c z' + penalty(z), H explicit or an operator.

Both provide `correlation` (c, one row per sample), `half_norm` (the energy of z = 0), `penalty`
and `product(code)` (z H). Solvers that require H use `gram`.
"""

import copy
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.linalg import eigvalsh
from scipy.sparse.linalg import eigsh

from sklearn_ebm.backends import (
    array_namespace,
    diagonal,
    in_type,
    new_array,
    squared_norms,
    take_rows,
    to_host,
)
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._certificate import gap_of_misfit, relative_gap
from sklearn_ebm.backends._problems import Lasso
from sklearn_ebm.backends._rules import with_type_of
from sklearn_ebm.factors.penalties._ridge import without_ridge
from sklearn_ebm.protocols import offers, rows_of

SMALL = 64  # for matrices with up to this many rows, computing all eigenvalues is as fast
ACCURACY = 5e-3  # relative tolerance of the Lanczos iteration
SAFETY = 1.01  # the iteration approaches the largest eigenvalue from below


def largest_eigenvalue(gram):
    """Return an upper estimate of the largest eigenvalue of a symmetric matrix, by Lanczos.

    The estimate is one for a matrix of zeros, so that step sizes can be divided by it.
    """
    matrix = to_host(gram)
    bound = np.abs(matrix).sum(axis=0).max()
    if not bound > 0:
        return 1.0
    if matrix.shape[0] <= SMALL:
        largest = eigvalsh(matrix / bound)[-1]
    else:
        start = np.random.RandomState(0).standard_normal(matrix.shape[0]).astype(matrix.dtype)
        scaled = matrix / bound  # of size one, for any unit of the atoms
        (largest,) = eigsh(
            scaled, k=1, which="LA", v0=start, tol=ACCURACY, return_eigenvectors=False
        )
    return float(min(SAFETY * largest, 1.0) * bound)


def positive_range(values):
    """Return the smallest positive value, or zero if there is none, and the largest value."""
    xp = array_namespace(values)
    smallest, largest = float(xp.min(values)), xp.max(values)
    if not smallest > 0:
        smallest = float(xp.min(xp.where(values > 0, values, largest)))
    return smallest, float(largest)


class Source(NamedTuple):
    """The data of a problem min_z 1/2 ||(x - zD) m||^2 + ridge/2 ||z - f||^2 + excess/2 ||f||^2."""

    decoder: Any  # computes zD and its adjoint
    X: Any  # (n_samples, n_features), zero for unobserved entries; may be sparse without a mask
    prediction: Any = None  # (n_samples, n_components), f; None for zeros
    ridge: float = 0.0
    mask: Any = None  # (n_samples, n_features), m
    excess: float = 0.0  # of a term that does not depend on z

    @classmethod
    def of(cls, decoder, X, prediction, beta, mask, ridge):
        """Return the data of 1/2 ||(x - zD) m||^2 + beta/2 ||z - p||^2 + ridge/2 ||z||^2.

        With f = p beta / (beta + ridge), the two quadratic terms are (beta + ridge)/2 ||z - f||^2
        plus beta ridge / (2 (beta + ridge)) ||p||^2.
        """
        if prediction is None:
            return cls(decoder, X, None, ridge, mask)
        if not ridge:
            return cls(decoder, X, prediction, beta, mask)
        total = beta + ridge
        return cls(decoder, X, prediction * (beta / total), total, mask, ridge * total / beta)

    def rows(self, index):
        """Return the data of some of the samples."""
        X, prediction, mask = (
            _taken(array, index) for array in (self.X, self.prediction, self.mask)
        )
        return self._replace(X=X, prediction=prediction, mask=mask)

    def astype(self, dtype):
        """Return the same data in another dtype."""
        X, prediction, mask = (
            _cast(array, dtype) for array in (self.X, self.prediction, self.mask)
        )
        decoder = self.decoder.astype(dtype)
        return self._replace(decoder=decoder, X=X, prediction=prediction, mask=mask)

    def problem(self, penalty, products=None, tape=None):
        """Return the inference problem with a penalty; `products` is X D' if it is known.

        If a tape is given, the problem may use its memory.
        """
        return self.decoder.problem(self, penalty, products, tape)

    @property
    def half_norm(self):
        """1/2 ||x||^2 plus the prediction term: the energy of z = 0."""
        half_norm = squared_norms(self.X) / 2
        if self.prediction is not None:
            half_norm += (self.ridge + self.excess) * squared_norms(self.prediction) / 2
        return half_norm

    @property
    def constant(self):
        """excess/2 ||f||^2, the term that does not depend on z; zero if there is none."""
        return self.excess * squared_norms(self.prediction) / 2 if self.excess else 0.0

    def distance(self, code):
        """Return f - z."""
        return -code if self.prediction is None else self.prediction - code

    def judge(self, code):
        """Return the smooth terms of the energy, 1/2 ||x - zD||^2 + ..., and q = c - z H."""
        misfit, q = self._judge_reconstruction(code)
        if self.ridge:
            distance = self.distance(code)
            misfit += self.ridge * squared_norms(distance) / 2
            q += self.ridge * distance
        return misfit, q

    def _judge_reconstruction(self, code):
        """Return 1/2 ||x - zD||^2 and (x - zD) D'."""
        if sparse.issparse(self.X):
            square, q = self.decoder.errors_of_sparse(self.X, code)
            return square / 2, q
        residual = self.X - self.decoder.decode(code)
        if self.mask is not None:
            residual = residual * self.mask
        return squared_norms(residual) / 2, self.decoder.correlate(residual)


def _taken(array, index):
    return None if array is None else take_rows(array, index)


def _cast(array, dtype):
    return None if array is None else in_type(array, dtype)


class GramProblem:
    """A problem with H as a matrix; `lipschitz` is a function that computes its largest eigenvalue.

    `source` is the data of the problem, for certificates and for double precision.
    """

    source = None
    size = 1  # number of samples in a row
    descent = "block_descent"  # the kernel for a penalty with `group_rule`

    def __init__(self, gram, correlation, half_norm, penalty, lipschitz, source=None):
        self.gram = gram
        self._correlation = correlation
        self.half_norm = half_norm
        self.penalty = penalty
        self.source = source
        self._lipschitz = lipschitz

    @property
    def correlation(self):
        """c, shape (n_samples, n_components)."""
        return self._correlation

    def on(self, backend):
        """Return the problem with a penalty that uses a backend, if the penalty supports it."""
        if not offers(self.penalty, "on"):
            return self
        problem = copy.copy(self)
        problem.penalty = self.penalty.on(backend)
        return problem

    def new_code(self):
        """Return uninitialised memory for the codes of all samples."""
        return array_namespace(self.correlation).empty_like(self.correlation)

    @property
    def unit(self):
        """Unit of gaps: 1/2 ||x||^2, or one if it is zero."""
        xp = array_namespace(self.half_norm)
        return xp.where(self.half_norm > 0, self.half_norm, xp.ones_like(self.half_norm))

    @property
    def lipschitz(self):
        """Upper bound of the largest eigenvalue of H."""
        return self._lipschitz()

    def product(self, code):
        """Return z H."""
        return code @ self.gram

    def rows(self, index):
        """Return the problem of some of the samples."""
        xp = array_namespace(self.correlation)
        part = copy.copy(self)
        part._correlation = xp.take(self.correlation, index, axis=0)
        part.half_norm = xp.take(self.half_norm, index)
        part.penalty = rows_of(self.penalty, index)
        part.source = None if self.source is None else self.source.rows(index)
        return part

    def in_double(self):
        """Return the problem in double precision, recomputed from its data if necessary."""
        double = array_namespace(self.half_norm).float64
        if self.half_norm.dtype == double:
            return self
        if self.source is not None:
            return self.source.astype(double).problem(self.penalty)
        problem = copy.copy(self)
        for name in ("gram", "_correlation", "half_norm"):
            setattr(problem, name, _cast(getattr(self, name), double))
        return problem

    def with_penalty(self, factor):
        """Return the problem with another penalty, whose quadratic part replaces that of another.

        The quadratic terms of the problem are the same if the penalty has none.
        """
        penalty, ridge = without_ridge(factor)
        if self.source is not None and ridge and ridge != self.source.ridge:
            products = self.correlation if self.source.prediction is None else None
            return self.source._replace(ridge=ridge).problem(penalty, products)
        problem = copy.copy(self)
        problem.penalty = penalty
        return problem

    @property
    def weights(self):
        """w if the penalty is one of the variables w_j z_j; None if `unweighted` is unavailable."""
        if not offers(self.penalty, "unweighted"):
            return None
        return self.penalty.weights_of(self.correlation)

    def unweighted(self):
        """Return the problem in the variables w_j z_j, whose codes have the same gaps."""
        inverse = 1 / self.weights
        gram = new_array(self.gram.shape, self.gram)
        gram[...] = self.gram * (inverse[:, None] * inverse[None, :])
        correlation, penalty = self.correlation * inverse, self.penalty.unweighted
        return GramProblem(
            gram, correlation, self.half_norm, penalty, lambda: largest_eigenvalue(gram)
        )

    @property
    def curvatures(self):
        """The smallest positive entry and the largest entry of the diagonal of H."""
        if self.source is None:
            return positive_range(diagonal(self.gram))
        smallest, largest = self.source.decoder.curvatures
        return smallest + self.source.ridge, largest + self.source.ridge

    @property
    def largest_atom(self):
        """The largest norm of an atom."""
        return self.curvatures[1] ** 0.5

    def certificate(self, code):
        """Return `relative_gap` computed from x, z and D in double precision."""
        xp = array_namespace(code)
        source = self.source.astype(xp.float64)
        code = xp.asarray(code, dtype=xp.float64)
        misfit, q = source.judge(code)
        return gap_of_misfit(self.penalty, misfit, source.half_norm, code, q)

    def as_lasso(self):
        """Return the arrays for a fused kernel."""
        rule = with_type_of(self.correlation, self.penalty.rule(1, float))
        return Lasso(self.gram, self.correlation, self.unit, rule)

    def as_group_lasso(self):
        """Return the arrays for kernels that process one group at a time."""
        rule = self.penalty.group_rule(self.correlation)
        return Lasso(self.gram, self.correlation, self.unit, rule)

    def relative_gap(self, code, eta=None):
        """Return the duality gap over 1/2 ||x||^2, the certificate; shape (n_samples,)."""
        q = self.correlation - self.product(code)
        return relative_gap(self.penalty, self.correlation, self.unit, code, q, eta)

    def energy(self, code, backend=reference):
        """Return 1/2 z H z' - c z' + 1/2 ||x||^2 + penalty(z); shape (n_samples,)."""
        quadratic = self._quadratic(code, backend)
        return self.half_norm + quadratic + self.penalty.value(code)

    def _quadratic(self, code, backend):
        return backend.quadratic(self.gram, self.correlation, code)


class MaskedProblem(GramProblem):
    """H = D M D' + ridge I, with the mask M of observed features of each sample; never formed."""

    @property
    def weights(self):
        """None: problems in the variables w_j z_j require a matrix."""

    def product(self, code):
        """Return ((z D) M) D' + ridge z."""
        decoder, ridge = self.source.decoder, self.source.ridge
        product = decoder.correlate(decoder.decode(code) * self.source.mask)
        return product + ridge * code if ridge else product

    @property
    def largest_atom(self):
        """The largest norm of an atom."""
        atoms = self.source.decoder.dictionary
        return float(array_namespace(atoms).max(squared_norms(atoms))) ** 0.5

    def _quadratic(self, code, backend):
        xp = array_namespace(code)
        return xp.sum(code * (self.product(code) / 2 - self.correlation), axis=1)
