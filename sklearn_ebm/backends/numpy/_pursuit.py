"""Orthogonal matching pursuit (Pati, Rezaiifar & Krishnaprasad 1993) on the Gram matrix."""

from sklearn_ebm.backends._namespace import array_namespace, diagonal

ROUNDINGS = 16  # squares of residuals below this many roundings of ||x||^2 may be rounding errors


def pursue(lasso, code, most):
    """Add one atom after another to the support of each sample, and project on its span.

    The next atom is the one that is most correlated with the residual, relative to its norm. If
    `lasso.rule.optimized`, it is the one whose addition leaves the smallest residual (Rebollo-Neira
    & Lowe 2002): its norm is then that of its part outside the span of the support. A sample ends
    with `most` atoms, if the squared norm of its residual is at most `lasso.rule.tol`, or if no
    atom is outside the span.

    A row may contain several samples, one after another, which then share a support (Tropp, Gilbert
    & Strauss 2006): squares of correlations, of norms and of residuals are sums over its samples.

    Parameters
    ----------
    lasso : Lasso
        Gram matrix, correlations, half squared norms, and a `SupportRule`.
    code : array of shape (n_rows, n_samples * n_components)
        Receives the codes.
    most : int
        Largest number of atoms in a support.

    Returns
    -------
    int
        Number of atoms in the largest support.
    """
    xp = array_namespace(code)
    batch = _Batch(lasso)
    while batch.n_steps < most and bool(xp.any(batch.goes_on)):
        batch.step()
    batch.write(code)
    return batch.n_steps


def least_squares(like):
    """Return shares of the squares of a sample and of an atom that may be rounding errors."""
    eps = float(array_namespace(like).finfo(like.dtype).eps)
    return ROUNDINGS * eps, eps ** (2 / 3)  # coherent supports magnify errors of the latter


class _Batch:
    """The supports of all samples. Rows that have ended have a mask of zero in later steps."""

    def __init__(self, lasso):
        xp = array_namespace(lasso.gram)
        self.lasso = lasso
        least, self.least = least_squares(lasso.gram)
        n_rows, n_atoms = lasso.correlation.shape[0], lasso.gram.shape[0]
        shape = n_rows, lasso.correlation.shape[1] // n_atoms, n_atoms
        self.target = xp.reshape(lasso.correlation, shape)
        self.square = 2 * lasso.half_norm
        floor = least * self.square
        self.limit = xp.where(floor > lasso.rule.tol, floor, xp.full_like(floor, lasso.rule.tol))
        self.goes_on = self.square > self.limit
        self.residual_correlation = self.target
        self.atom_square = xp.tile(diagonal(lasso.gram)[None, :], (n_rows, 1))
        self.atoms = xp.zeros((n_rows, 0), dtype=xp.int64)
        self.is_on = xp.zeros((n_rows, 0), dtype=self.goes_on.dtype)
        self.value = xp.zeros((n_rows, 0, shape[1]), dtype=lasso.gram.dtype)
        self.rows = xp.zeros((n_rows, 0, n_atoms), dtype=lasso.gram.dtype)

    @property
    def n_steps(self):
        """Number of atoms in the largest support."""
        return self.atoms.shape[1]

    def step(self):
        """Add the best atom of each row that goes on, and project."""
        xp, gram = array_namespace(self.square), self.lasso.gram
        atom = xp.argmax(self._scores(), axis=1)[:, None]
        first = xp.take_along_axis(self.atom_square, atom, axis=1)[:, 0]
        self.goes_on = self.goes_on & (self._pivot(atom) > self.least * first)
        if not bool(xp.any(self.goes_on)):
            return
        self.atoms = xp.concat([self.atoms, atom], axis=1)
        self.is_on = xp.concat([self.is_on, self.goes_on[:, None]], axis=1)
        self.rows = xp.concat([self.rows, xp.take(gram, atom[:, 0], axis=0)[:, None, :]], axis=1)
        atoms = xp.tile(self.atoms[:, None, :], (1, self.target.shape[1], 1))
        target = xp.take_along_axis(self.target, atoms, axis=2)
        self.value = self._solve(xp.permute_dims(target, (0, 2, 1)))
        transposed = xp.permute_dims(self.value, (0, 2, 1))
        explained = xp.sum(transposed * target, axis=(1, 2))
        self.residual_correlation = self.target - transposed @ self.rows
        self.square = 2 * self.lasso.half_norm - explained
        self.goes_on = self.goes_on & (self.square > self.limit)

    def _scores(self):
        """Return the square correlations of the residual with normalised atoms."""
        xp, square = array_namespace(self.square), self.atom_square
        if self.lasso.rule.optimized and self.n_steps:
            square = square - xp.sum(self.rows * self._solve(self.rows), axis=1)
        is_outside = square > self.least * self.atom_square
        total = xp.sum(self.residual_correlation**2, axis=1)
        scores = total / xp.where(is_outside, square, xp.ones_like(square))
        return xp.where(is_outside, scores, xp.zeros_like(scores))

    def _pivot(self, atom):
        """Return the square norm of the part of an atom that is outside the span."""
        xp = array_namespace(self.square)
        square = xp.take_along_axis(self.atom_square, atom, axis=1)[:, 0]
        if not self.n_steps:
            return square
        products = xp.take_along_axis(self.rows, atom[:, None, :], axis=2)
        return square - xp.sum(products * self._solve(products), axis=(1, 2))

    def _solve(self, right):
        """Return the solutions of the equations of each support; zero for atoms that are off."""
        xp, index = array_namespace(self.square), self.atoms[:, None, :]
        index = index * xp.ones_like(self.atoms)[:, :, None]
        matrix = xp.take_along_axis(self.rows, index, axis=2)
        both = self.is_on[:, :, None] & self.is_on[:, None, :]
        identity = xp.eye(self.n_steps, dtype=matrix.dtype)[None, :, :]
        matrix = xp.where(both, matrix, identity * xp.ones_like(matrix))
        right = xp.where(self.is_on[:, :, None], right, xp.zeros_like(right))
        return xp.linalg.solve(matrix, right)

    def write(self, code):
        """Write the codes."""
        xp = array_namespace(code)
        components = xp.arange(self.target.shape[2])
        rows = xp.zeros_like(self.target)
        for s in range(self.n_steps):
            is_here = (self.atoms[:, s][:, None] == components) & self.is_on[:, s][:, None]
            value = self.value[:, s, :][:, :, None]
            rows = xp.where(is_here[:, None, :], value, rows)
        code[...] = xp.reshape(rows, code.shape)
