"""Coordinates of visible units: the data v, or standardized data u = (v - origin) / unit."""

import math

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace

FAR = 1e15  # large values whose squares are finite in single precision
GRID = 2.0**-7  # of u during learning: a quarter of the smallest deviation given the hidden units


@stored
class Unchanged:
    """u = v."""

    origin, unit = 0.0, 1.0
    log_volume = 0.0

    def inward(self, visible):
        """Return the rows themselves."""
        return visible

    def states_of(self, visible):
        """Return the rows themselves."""
        return visible

    def farthest(self, visible, size):
        """Return the bound on |v|."""
        return size

    def outward(self, state):
        """Return the rows themselves."""
        return state

    def fits(self, limit):
        """Return True, since there are no parameters."""
        return True

    def astype(self, dtype):
        """Return the coordinates themselves."""
        return self


@stored
class Standardized:
    """u = (v - origin) / unit.

    Parameters
    ----------
    origin : array of shape (n_units,)
        Mean of each feature.
    unit : array of shape (n_units,)
        Standard deviation of each feature, greater than zero.
    """

    def __init__(self, origin, unit):
        xp = array_namespace(unit)
        self.origin = origin
        self.unit = unit
        self._largest_origin = float(xp.max(xp.abs(origin)))
        self._smallest_unit = float(xp.min(unit))

    @classmethod
    def from_moments(cls, mean, deviation):
        """Return coordinates in which features have mean zero and standard deviation one.

        A constant feature has no scale. Its unit is the geometric mean of the other deviations, so
        that a later change of the feature has as much influence as changes of the others.
        """
        xp = array_namespace(mean)
        unit = xp.where(deviation > 0, deviation, xp.full_like(mean, _typical(mean, deviation)))
        return cls(mean, unit)

    @property
    def log_volume(self):
        """log of the volume of v per unit volume of u."""
        xp = array_namespace(self.unit)
        return xp.sum(xp.log(self.unit))

    def inward(self, visible):
        """Return u for each row."""
        return (visible - self.origin) / self.unit

    def states_of(self, visible):
        """Return u for each row, rounded to a grid, for learning.

        The rounding error of u depends on the offset and on the unit of measurement. Stochastic
        learning amplifies such errors: without the grid, an error of 1e-16 grows to a few percent
        of the weights within a few thousand steps.
        """
        xp = array_namespace(visible)
        return GRID * xp.round(self.inward(visible) / GRID)

    def farthest(self, visible, size):
        """Return a bound of |u| for |v| up to `size`: the actual maximum if that bound is large."""
        bound = (size + self._largest_origin) / self._smallest_unit
        if bound < FAR:
            return bound
        xp = array_namespace(visible)
        return float(xp.max(xp.abs(self.inward(visible))))

    def outward(self, state):
        """Convert rows of u to rows of v, in place."""
        state *= self.unit
        state += self.origin
        return state

    def fits(self, limit):
        """Return whether origin and unit are below a limit, and unit is above its inverse."""
        largest = max(float(array_namespace(self.unit).max(self.unit)), self._largest_origin)
        return largest < limit and self._smallest_unit > 1 / limit

    def astype(self, dtype):
        """Return the coordinates in a dtype."""
        xp = array_namespace(self.unit)
        return Standardized(xp.astype(self.origin, dtype), xp.astype(self.unit, dtype))


def _typical(mean, deviation):
    """Return the geometric mean of the positive deviations, or the size of mean without any."""
    xp = array_namespace(mean)
    varies = deviation > 0
    n_varying = int(xp.count_nonzero(varies))
    if not n_varying:
        return float(xp.sqrt(xp.mean(mean * mean))) or 1.0
    logs = xp.log(xp.where(varies, deviation, xp.ones_like(deviation)))
    return math.exp(float(xp.sum(logs)) / n_varying)
