"""A batch of lasso problems min_z 1/2 z H z' - c z' + penalty(z), H explicit or an operator.

Both give `correlation` (c, one row a sample), `half_norm` (the energy of z = 0), `penalty` and
`product(code)` (z H). Solvers that need H itself ask for `gram`.
"""

import copy

import numpy as np
from scipy.linalg import eigvalsh
from scipy.sparse.linalg import eigsh

from sklearn_ebm.backends import array_namespace, to_host
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._certificate import relative_gap
from sklearn_ebm.backends._problems import Lasso

SMALL = 64  # rows of a matrix whose eigenvalues are all found as fast as one
ACCURACY = 5e-3  # of the Lanczos iteration
SAFETY = 1.01  # it approaches the largest eigenvalue from below


def largest_eigenvalue(gram):
    """Upper estimate of the largest eigenvalue of a symmetric matrix, by Lanczos iteration."""
    matrix = to_host(gram)
    bound = np.abs(matrix).sum(axis=0).max()
    if matrix.shape[0] <= SMALL:
        largest = eigvalsh(matrix / bound)[-1]
    else:
        start = np.random.RandomState(0).standard_normal(matrix.shape[0]).astype(matrix.dtype)
        scaled = matrix / bound  # of size one, whatever the atoms' units are
        (largest,) = eigsh(
            scaled, k=1, which="LA", v0=start, tol=ACCURACY, return_eigenvectors=False
        )
    return float(min(SAFETY * largest, 1.0) * bound)


class GramProblem:
    """H given as a matrix; `lipschitz` is called where its largest eigenvalue is needed."""

    def __init__(self, gram, correlation, half_norm, penalty, lipschitz):
        self.gram = gram
        self.correlation = correlation
        self.half_norm = half_norm
        self.penalty = penalty
        self._lipschitz = lipschitz

    def on(self, backend):
        """The problem with a penalty whose sums are those of a backend, where it has any."""
        if not hasattr(self.penalty, "on"):
            return self
        problem = copy.copy(self)
        problem.penalty = self.penalty.on(backend)
        return problem

    def new_code(self):
        """Room for the codes of all samples."""
        return array_namespace(self.correlation).empty_like(self.correlation)

    @property
    def unit(self):
        """What a gap is relative to: 1/2 ||x||^2, and one where that is zero or underflows."""
        xp = array_namespace(self.half_norm)
        return xp.where(self.half_norm > 0, self.half_norm, xp.ones_like(self.half_norm))

    @property
    def lipschitz(self):
        """Largest eigenvalue of H, from above."""
        return self._lipschitz()

    def product(self, code):
        """Rows of z H."""
        return code @ self.gram

    def rows(self, index):
        """The problem of some of the samples."""
        xp = array_namespace(self.correlation)
        return type(self)(
            self.gram,
            xp.take(self.correlation, index, axis=0),
            xp.take(self.half_norm, index),
            self.penalty,
            self._lipschitz,
        )

    def as_lasso(self):
        """The arrays that a fused kernel takes."""
        return Lasso(self.gram, self.correlation, self.unit, self.penalty.rule(1, float))

    def as_group_lasso(self):
        """The same for kernels that go from group to group."""
        rule = self.penalty.group_rule(self.correlation)
        return Lasso(self.gram, self.correlation, self.unit, rule)

    def relative_gap(self, code, eta=None):
        """Duality gap over 1/2 ||x||^2, the certificate; shape (n_samples,)."""
        q = self.correlation - self.product(code)
        return relative_gap(self.penalty, self.correlation, self.unit, code, q, eta)

    def energy(self, code, backend=reference):
        """1/2 z H z' - c z' + 1/2 ||x||^2 + penalty(z); shape (n_samples,)."""
        quadratic = self._quadratic(code, backend)
        return self.half_norm + quadratic + self.penalty.value(code)

    def _quadratic(self, code, backend):
        return backend.quadratic(self.gram, self.correlation, code)


class MaskedProblem(GramProblem):
    """H of each sample is D M D' + ridge I, its own mask M of observed features; never formed."""

    def __init__(self, dictionary, mask, correlation, half_norm, penalty, lipschitz, ridge=0.0):
        super().__init__(None, correlation, half_norm, penalty, lipschitz)
        self._dictionary = dictionary
        self._mask = mask
        self._ridge = ridge

    def product(self, code):
        """Rows of ((z D) M) D' + ridge z."""
        product = ((code @ self._dictionary) * self._mask) @ self._dictionary.T
        return product + self._ridge * code if self._ridge else product

    def _quadratic(self, code, backend):
        xp = array_namespace(code)
        return xp.sum(code * (self.product(code) / 2 - self.correlation), axis=1)

    def rows(self, index):
        """The problem of some of the samples."""
        xp = array_namespace(self.correlation)
        return MaskedProblem(
            self._dictionary,
            xp.take(self._mask, index, axis=0),
            xp.take(self.correlation, index, axis=0),
            xp.take(self.half_norm, index),
            self.penalty,
            self._lipschitz,
            self._ridge,
        )
