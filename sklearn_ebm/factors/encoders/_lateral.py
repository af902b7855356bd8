"""Base class of encoders with lateral weights: x W, a matrix S between components, thresholds."""

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

PIECE_ROWS = 256  # samples that a thread processes at a time; their codes fit into a core's cache


class Network(NamedTuple):
    """Parameters and settings for the steps of an encoder.

    Attributes
    ----------
    parameters : dict of str to array
        "weights" W, "lateral" S, "threshold" theta, and others.
    n_steps : int
        Number of steps that apply S.
    """

    parameters: Any
    n_steps: int

    @property
    def is_tied(self):
        """Whether all steps share their weights."""
        return self.parameters["threshold"].ndim == 1


class LateralEncoder(Encoder):
    """An encoder of steps that start from x W and apply S; a subclass defines the steps.

    The steps have `first(dictionary, lipschitz, alpha, n_steps, tied)`, which returns the initial
    parameters and their units, `write(network, x, backend, tape, code)`, which fills `code`,
    `record(network, x, backend, tape)`, which returns codes and fills the tape, and
    `gradients(network, tape, dy, input_gradient)`.

    Parameters
    ----------
    parameters : dict of str to array
        "weights" W, "lateral" S, "threshold" theta, and those of the subclass.
    n_steps : int
        Number of steps that apply S.
    units : dict of str to float
        Units of parameters by name; 1 for other parameters.
    mask : array of the shape of S or None
        1 for entries of S that may differ from zero, else 0. None allows all entries.
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
        """Return the network whose steps equal those of the unrolled solver."""
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
        """Filters of the components in the first step, shape (n_components, n_features)."""
        weights = self.parameters["weights"]
        return weights.T if self.is_tied else weights[0, ...].T

    @property
    def _units(self):
        """Return the initial sizes of the arrays.

        The entries of S are a hundredth of its diagonal, and thresholds are as large as alpha: with
        a single learning rate, one array would diverge before another has changed.
        """
        return self.settings["units"]

    def rescaled(self):
        """Return the encoder itself: its units already are the sizes of the arrays."""
        return self

    def forward(self, x, tape=None, stream=None):
        """Return the codes, shape (n_samples, n_components).

        Without a tape, codes are computed piece by piece to save memory.
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
        """Return the gradients with respect to x (or None), and to each parameter."""
        return self.steps.gradients(self._network, tape, dy, input_gradient)

    def project(self):
        """Set negative thresholds to zero, and apply the mask to S."""
        keep_at_least(self.parameters["threshold"], 0)
        if self.mask is not None:
            self.parameters["lateral"] *= self.mask

    def with_sparse_lateral(self, fraction):
        """Return the encoder with only the largest entries of S, a share `fraction` of them."""
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
    """Return the units of parameters with the given initial values."""
    return {name: root_mean_square(value) / USUAL_SIZE for name, value in first.items()}
