"""What encoders with lateral weights share: x W, a matrix S between components, thresholds."""

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


class LateralEncoder(Encoder):
    """Steps that begin with x W and pass through S; a subclass says what a step is.

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

    def __init__(self, parameters, *, n_steps, units, mask=None, scale=UNSCALED):
        super().__init__(parameters, n_steps=n_steps, units=units, mask=mask, scale=scale)
        self.n_steps = n_steps
        self.mask = mask

    @property
    def is_tied(self):
        """Whether all steps share their weights."""
        return self.parameters["threshold"].ndim == 1

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

    @staticmethod
    def _units_of(**first):
        return {name: root_mean_square(value) / USUAL_SIZE for name, value in first.items()}

    def forward(self, x, tape=None, stream=None):
        """Return the codes, shape (n_samples, n_components).

        Without a tape they are computed piece by piece, in the memory of a few.
        """
        backend = self._backend_for(x)
        if tape is not None:
            return self._record(x, backend, tape)
        shape = x.shape[0], self.parameters["threshold"].shape[-1]
        code = array_namespace(x).empty(shape, dtype=x.dtype)
        spare = []

        def work(first, last):
            scratch = spare.pop() if spare else Tape()
            self._write(x[first:last, :], backend, scratch, code[first:last, :])
            spare.append(scratch)

        backend.map_pieces(work, x.shape[0], PIECE_ROWS)
        return code

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
