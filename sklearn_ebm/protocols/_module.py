"""The contract of modules: maps with trainable parameters, and their derivatives.

Encoders, decoders, layers, fixed maps, pooled features and linear heads are modules, so a network
is a list of modules. `tests/contracts/test_modules.py` checks every implementation.
"""

from typing import Any, Protocol


class Tape(Protocol):
    """Values that the forward pass of one module stores for its backward pass.

    A tape belongs to one module and one piece of a batch at a time. The next piece fills it again
    and reuses its memory, so that no memory is allocated for pieces of the same size.
    """

    kept: Any
    """Values that `forward` stores and `backward` reads."""

    def array(self, name, shape, like, dtype=None):
        """Return uninitialised memory of this name, with the dtype and the device of `like`."""

    def zeros(self, name, like):
        """Return memory of this name, with the shape and the dtype of `like`, filled with zeros."""


class Stream(Protocol):
    """Random numbers for the rows of one piece. It starts at the first row of the piece."""

    def uniform(self, shape):
        """Return numbers in [0, 1), a NumPy array whose first axis is the rows of the piece.

        The numbers of a row do not depend on how the batch is divided into pieces. Each call starts
        at the same position, so a module draws once in a pass.
        """


class Module(Protocol):
    """A map y = f(x) of samples, with parameters that gradients can train.

    The first axis of x and y is the samples. A module computes in the dtype and on the device of
    x, and preserves float32. The parameters have the same dtype.

    Several threads may call `forward` and `backward` at once, each with a piece of the samples and
    its own tape. Therefore a call changes nothing but its tape.
    """

    parameters: dict
    """Trained arrays by name. Optimizers change the arrays in place."""

    scales: dict
    """Units of parameters by name, as floats. A name that is missing has the unit one.

    Optimizers take steps in proportion to the unit, so that training does not depend on the units
    of the data.
    """

    def forward(self, x, tape=None, stream=None):
        """Return y.

        Parameters
        ----------
        x : array of shape (n_samples, ...)
            A piece of the samples.
        tape : Tape or None, default=None
            Receives the values that `backward` needs. The result may be memory of the tape, which
            is valid until the tape is filled again. With None, nothing is recorded.
        stream : Stream or None, default=None
            Random numbers of a module that is random in training. With None, nothing is random.
        """

    def backward(self, tape, dy, input_gradient=True):
        """Return the derivatives of a scalar with respect to x and to the parameters.

        Parameters
        ----------
        tape : Tape
            Filled by `forward`.
        dy : array of the shape of y
            Derivative of the scalar with respect to y. It is not changed.
        input_gradient : bool, default=True
            Whether the derivative with respect to x is needed.

        Returns
        -------
        dx : array of the shape of x, or None
            None without `input_gradient`.
        gradients : dict of str to array
            Sums over the samples, by the names of `parameters`. They may be memory of the tape.
        """

    def project(self):
        """Move parameters in place to the nearest allowed values, after a step of an optimizer."""

    def on(self, backend):
        """Return the module with the kernels of a backend, and with the same parameters.

        Without this call, the module uses the backend of x. The backend is not pickled.
        """


class ModuleMixin:
    """Defaults for modules without parameters or without kernels."""

    parameters: dict = {}
    scales: dict = {}

    def project(self):
        """Move parameters to the nearest allowed values; here all values are allowed."""

    def on(self, backend):
        """Use the kernels of a backend; this module calls none.

        Parameters
        ----------
        backend : module
            One of the backends.

        Returns
        -------
        object
            The module itself.
        """
        return self
