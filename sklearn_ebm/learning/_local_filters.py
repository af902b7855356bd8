"""Learning of local filters along the gradient of the energy of optimal codes.

The moments of codes, with which other dictionaries are learned, would be as large as the square of
a map for filters that differ between places.
"""

import copy

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.learning._first_atoms import unit_rows
from sklearn_ebm.learning._optimizers import Adam

UNIT = 10.0  # step at a learning rate of one, as a multiple of the usual size of an entry


@stored
class LocalFilters:
    """Filters of unit norm, and the state of their learning.

    A snapshot of this object is complete: after steps that diverged, learning continues from it.

    Parameters
    ----------
    dictionary : array of shape (n_units, height, width, n_channels)
        Filters of unit norm, changed in place by `step`.

    Attributes
    ----------
    n_steps : int
        Number of steps that have led to these filters.
    vectors : array or None
        Directions of large curvature in the last step; see `LocalDecoder.curvature`.
    """

    n_replaced = 0

    def __init__(self, dictionary):
        self.n_steps = 0
        self.vectors = None
        self.parameters = {"dictionary": dictionary}  # files keep dictionaries shared, not arrays
        usual_size = dictionary[0, ...].size ** -0.5
        self.optimizer = Adam(self.parameters, units={"dictionary": UNIT * usual_size})

    @property
    def dictionary(self):
        """The current filters."""
        return self.parameters["dictionary"]

    def contributor(self):
        """Return a copy without the state of the optimizer, which offers `contribution`."""
        light = copy.copy(self)
        light.optimizer = None
        return light

    def weigh(self, exponent):
        """Ignore the unit of sample weights: gradients are means over samples."""

    def is_due(self):
        """Return False: no filter is replaced."""
        return False

    def contribution(self, decoder, X, mask, code, weight, backend, tape=None):
        """Return the gradient of the energies of some images and their codes."""
        decoder = decoder.on(backend)
        error = (decoder.decode(code) - X) * weight[:, None]
        if mask is not None:
            error *= mask
        gradient = array_namespace(code).zeros_like(self.dictionary)
        return {"dictionary": decoder.add_filter_gradient(code, error, gradient)}

    def absorb(self, dictionary):
        """Keep nothing of a batch."""

    def update(self, used, candidates, backend, decoder=None):
        """Change nothing: `step` updates the filters, because it depends on the learning rate."""

    def step(self, gradient, backend, rate):
        """Make a step along the gradient of the mean energy, and scale filters to norm one."""
        self.n_steps += 1
        self.optimizer.step({"dictionary": gradient}, backend, rate)
        xp, filters = array_namespace(gradient), self.dictionary
        rows = xp.reshape(filters, (filters.shape[0], -1))
        filters[...] = xp.reshape(unit_rows(rows), filters.shape)

    def restart(self):
        """Reset the moments of the optimizer."""
        self.optimizer.restart()
