"""A penalty on the components of maps, summed over all positions."""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.protocols import offers


def at_every_position(penalty, n_components):
    """Return the penalty of maps as flat rows, in which the components of a position are adjacent.

    Parameters
    ----------
    penalty : PenaltyFactor
        Penalty of a single position.
    n_components : int
        Number of maps.

    Returns
    -------
    PenaltyFactor
        The penalty itself if it is elementwise: it has a `rule` or a `tangent`, or its factor
        without the ridge or without the weights has a rule.

    Raises
    ------
    ValueError
        If the model would have to learn parameters of the penalty.
    """
    if offers(penalty, "learned"):
        raise ValueError(
            f"{penalty.name} with structure='learned' requires a model whose samples are rows. "
            "Pass strength, or use structure='map' or 'tree'."
        )
    inner = (getattr(penalty, name, None) for name in ("without_ridge", "unweighted"))
    if offers(penalty, "tangent") or any(offers(each, "rule") for each in (penalty, *inner)):
        return penalty
    return PositionwisePenalty(penalty, n_components)


@stored
class PositionwisePenalty:
    """sum_p P(z_p) over the positions p of maps.

    The proximal operator and the gradient are those of P at each position. The conjugate is the sum
    of the conjugates over positions, and the dual norm is the maximum of the dual norms. Methods
    that P lacks are None.

    Parameters
    ----------
    penalty : PenaltyFactor
        P.
    n_components : int
        Number of maps.
    """

    def __init__(self, penalty, n_components):
        self.penalty = penalty
        self.n_components = n_components

    @property
    def name(self):
        """Name of the penalty in error messages."""
        return getattr(self.penalty, "name", type(self.penalty).__name__)

    @property
    def convex(self):
        """Whether P is convex; True unless P declares otherwise."""
        return getattr(self.penalty, "convex", True)

    @property
    def separable(self):
        """Whether P is a sum over components; None if P does not declare it."""
        return getattr(self.penalty, "separable", None)

    def on(self, backend):
        """Return the penalty with the sums of a backend, if P has any."""
        if not offers(self.penalty, "on"):
            return self
        return PositionwisePenalty(self.penalty.on(backend), self.n_components)

    def value(self, code):
        """Return the penalty of each row, shape (n_samples,)."""
        return _sums(self.penalty.value(self._positions(code)), code)

    @property
    def prox(self):
        """The proximal operator."""
        return self._prox if offers(self.penalty, "prox") else None

    def _prox(self, code, step_size):
        return _rows(self.penalty.prox(self._positions(code), step_size), code)

    @property
    def gradient(self):
        """A subgradient."""
        return self._gradient if offers(self.penalty, "gradient") else None

    def _gradient(self, code):
        return _rows(self.penalty.gradient(self._positions(code)), code)

    @property
    def conjugate(self):
        """The conjugate of each row."""
        return self._conjugate if offers(self.penalty, "conjugate") else None

    def _conjugate(self, correlation):
        return _sums(self.penalty.conjugate(self._positions(correlation)), correlation)

    @property
    def dual_norm(self):
        """The dual norm of each row."""
        return self._dual_norm if offers(self.penalty, "dual_norm") else None

    def _dual_norm(self, correlation, code=None, eta=None):
        position = None if code is None else self._positions(code)
        norms = self.penalty.dual_norm(self._positions(correlation), position, eta)
        xp = array_namespace(correlation)
        return xp.max(_rows(norms, correlation), axis=1)

    @property
    def majorant(self):
        """A function that maps a code to a majorant."""
        return self._majorant if offers(self.penalty, "majorant") else None

    def _majorant(self, code, neglected):
        positions = self._positions(code)
        majorant = self.penalty.majorant(positions, self._shared(neglected, code))
        return PositionwiseMajorant(majorant, self.n_components)

    @property
    def settled(self):
        """A function that sets entries of a code to zero if smoothing alone keeps them on."""
        return self._settled if offers(self.penalty, "settled") else None

    def _settled(self, code, neglected):
        settled, eta = self.penalty.settled(self._positions(code), self._shared(neglected, code))
        return _rows(settled, code), eta

    def _positions(self, rows):
        return _positions(rows, self.n_components)

    def _shared(self, neglected, code):
        """Return an equal share of the neglected energy for each position."""
        xp, n_positions = array_namespace(code), code.shape[1] // self.n_components
        shares = neglected[:, None] * xp.ones((1, n_positions), dtype=code.dtype) / n_positions
        return xp.reshape(shares, (-1,))


class PositionwiseMajorant:
    """The sum over positions of a majorant.

    Parameters
    ----------
    majorant : penalty with `prox` and `curvature`
        Majorant for all positions, one per row.
    n_components : int
        Number of maps.
    """

    def __init__(self, majorant, n_components):
        self.majorant = majorant
        self.n_components = n_components

    @property
    def curvature(self):
        """Weight of the squared distance that `prox` does not include."""
        return self.majorant.curvature

    def prox(self, code, step_size):
        """Return argmin_z 1/2 ||z - code||^2 + step_size * majorant(z)."""
        return _rows(self.majorant.prox(_positions(code, self.n_components), step_size), code)


def _positions(rows, n_components):
    """Return maps as one row for each position."""
    return array_namespace(rows).reshape(rows, (-1, n_components))


def _rows(values, like):
    """Return the values of all positions as one row for each sample."""
    return array_namespace(values).reshape(values, (like.shape[0], -1))


def _sums(values, like):
    """Return the sums over the positions of each sample."""
    return array_namespace(values).sum(_rows(values, like), axis=1)
