"""What encoders with lateral weights share: x W, a matrix S between components, thresholds."""

from typing import Any, NamedTuple

from sklearn_ebm.backends import array_namespace, to_host
from sklearn_ebm.factors._tape import Tape
from sklearn_ebm.factors.encoders._encoder import (
    UNSCALED,
    USUAL_SIZE,
    Encoder,
    keep_at_least,
    root_mean_square,
)

PIECE_ROWS = 256  # what a thread takes at a time: its codes stay in a core's cache


class Network(NamedTuple):
    """What the steps of an encoder compute with.

    Attributes
    ----------
    parameters : dict of str to array
        "weights" W, "lateral" S, "threshold" theta, and others.
    n_steps : int
        Steps through S.
    """

    parameters: Any
    n_steps: int

    @property
    def is_tied(self):
        """Whether all steps share their weights."""
        return self.parameters["threshold"].ndim == 1


class LateralEncoder(Encoder):
    """Steps that begin with x W and pass through S; a subclass names the kind of steps.

    The steps have `first(dictionary, lipschitz, alpha, n_steps, tied)`, which returns the first
    parameters and their units, `write(network, x, backend, tape, code)`, which fills `code`,
    `record(network, x, backend, tape)`, which returns codes and fills the tape, and
    `gradients(network, tape, dy, input_gradient)`.

    Parameters
    ----------
    parameters : dict of str to array
        "weights" W, "lateral" S, "threshold" theta, and the subclass's own.
    n_steps : int
        Steps through S.
    units : dict of str to float
        Units of the parameters; one for those that are not named.
    mask : array of the shape of S or None
        One where S may differ from zero; None where it may everywhere.
    scale : Scale, default=(1.0, 1.0)
        Typical size of data and codes.
    """

    steps = None

    def __init__(self, parameters, *, n_steps, units, mask=None, scale=UNSCALED):
        super().__init__(parameters, n_steps=n_steps, units=units, mask=mask, scale=scale)
        self.n_steps = n_steps
        self.mask = mask

    @classmethod
    def from_dictionary(cls, dictionary, lipschitz, alpha, scale=UNSCALED, n_steps=3, tied=True):
        """The network whose steps are those of the solver that it is unrolled from."""
        parameters, units = cls.steps.first(dictionary, lipschitz, alpha, n_steps, tied)
        return cls(parameters, n_steps=n_steps, units=units, scale=scale)

    @property
    def _network(self):
        return Network(self.parameters, self.n_steps)

    @property
    def is_tied(self):
        """Whether all steps share their weights."""
        return self._network.is_tied

    @property
    def filters(self):
        """What each component looks for first, shape (n_components, n_features)."""
        weights = self.parameters["weights"]
        return weights.T if self.is_tied else weights[0, ...].T

    @property
    def _units(self):
        """Sizes that the arrays had at the start.

        The entries of S are a hundredth of those of its diagonal, and thresholds are as large as
        alpha: one learning rate for all would blow one up before another has moved.
        """
        return self.settings["units"]

    def rescaled(self):
        """Return the encoder itself: its units are sizes of the arrays already."""
        return self

    def forward(self, x, tape=None, stream=None):
        """Return the codes, shape (n_samples, n_components).

        Without a tape they are computed piece by piece, in the memory of a few.
        """
        backend = self._backend_for(x)
        if tape is not None:
            return self.steps.record(self._network, x, backend, tape)
        shape = x.shape[0], self.parameters["threshold"].shape[-1]
        code = array_namespace(x).empty(shape, dtype=x.dtype)
        spare, network = [], self._network

        def work(first, last):
            scratch = spare.pop() if spare else Tape()
            self.steps.write(network, x[first:last, :], backend, scratch, code[first:last, :])
            spare.append(scratch)

        backend.map_pieces(work, x.shape[0], PIECE_ROWS)
        return code

    def backward(self, tape, dy, input_gradient=True):
        """Return the gradients with respect to x, or None, and to each parameter."""
        return self.steps.gradients(self._network, tape, dy, input_gradient)

    def project(self):
        """Thresholds stay at or above zero, and what was taken out of S stays out."""
        keep_at_least(self.parameters["threshold"], 0)
        if self.mask is not None:
            self.parameters["lateral"] *= self.mask

    def with_sparse_lateral(self, fraction):
        """The encoder with the largest entries of S alone, a share `fraction` of them."""
        lateral = self.parameters["lateral"]
        xp = array_namespace(lateral)
        size = abs(to_host(lateral)).ravel()
        n_kept = round(fraction * size.size)
        mask = xp.zeros(size.size, dtype=lateral.dtype)
        mask[xp.asarray(size.argsort(kind="stable")[size.size - n_kept :])] = 1
        settings = {**self.settings, "mask": mask.reshape(lateral.shape)}
        sparse = type(self)(self.copy().parameters, **settings)
        sparse.project()
        return sparse


def units_of(**first):
    """Return the units of parameters that have these first values."""
    return {name: root_mean_square(value) / USUAL_SIZE for name, value in first.items()}
