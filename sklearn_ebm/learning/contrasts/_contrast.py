"""Base class of contrasts: what a loss compares the data with."""

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.backends._random import Key
from sklearn_ebm.protocols import offers


class Contrast:
    """A loss of an energy of x on samples, with its gradients.

    The loss lowers the energy of the samples, and raises it elsewhere: at neighbours, at noise, at
    the model's own samples, or by the curvature of the energy. A contrast holds no parameters of
    the energy.

    Attributes
    ----------
    requires : tuple of str
        Capabilities that the energy must offer (see `sklearn_ebm.protocols.Energy`), apart from
        those of a sampler.
    takes_binary, takes_real : bool
        Whether the loss is defined for samples of zeros and ones, and for other samples.
    is_deterministic : bool
        Whether the loss does not depend on random numbers, so that "auto" selects L-BFGS.
    takes_densities : bool
        Whether the loss compares densities, so that exp(-E) must have a finite integral.
    has_chains : bool
        Whether Markov chains estimate the gradient. There is then no objective that a line search
        could decrease, and a batch is one piece.
    n_draws : int
        Number of keys that `compare` takes from a stream.
    parameters : dict of str to array
        Trained arrays that belong to the contrast, by names that energies do not use.
    """

    requires: tuple = ()
    takes_binary = takes_real = True
    is_deterministic = True
    takes_densities = False
    has_chains = False
    n_draws = 0
    seed = (0, 0)  # of the fixed draws for a line search

    @property
    def parameters(self):
        """Trained arrays of the contrast."""
        return {}

    def prepare(self, energy):
        """Return what all pieces of a step share; None by default."""

    def project(self, energy):
        """Keep parameters of the energy in the range where the loss estimates a density."""

    def compare(self, energy, shared, batch, backend, stream=None, shard=None):
        """Return the losses of samples, and gradients.

        Parameters
        ----------
        energy : Energy
            The energy, with the kernels of the backend.
        shared : object
            Result of `prepare`.
        batch : Batch
            Samples, which may have weights.
        backend : module
            Backend that draws random numbers.
        stream : Stream or None, default=None
            Random numbers. With None, each row has the same numbers in every call.
        shard : object or None, default=None
            State of chains.

        Returns
        -------
        losses : array of shape (n_samples,)
            Loss of each sample.
        gradients : dict of str to array
            Gradients of the weighted sum of the losses, by name.
        shard : object or None
            Successor of the shard.
        """
        raise NotImplementedError

    def _key(self, stream, number, batch):
        """Return the key of a draw for the rows of a batch."""
        key = Key(self.seed, 1 + number) if stream is None else stream.key()
        return key.from_row(batch.first)


def weights_of(batch):
    """Return the weights of samples as an array; ones if they are equal."""
    X = batch.X
    if batch.weight is not None:
        return batch.weight
    return array_namespace(X).ones(X.shape[0], dtype=X.dtype)


class At:
    """An energy at some samples, for energies that do not offer `at`.

    Parameters
    ----------
    energy : Energy
        An energy of x alone.
    x : array of shape (n_samples, n_features)
        Samples.
    """

    def __init__(self, energy, x):
        self.energy = energy
        self.x = x

    def value(self):
        """Return E(x) of each sample."""
        return self.energy.value(self.x, None)

    def parameter_gradients(self, weight):
        """Return the gradients of sum_n weight_n E(x_n), by name."""
        return dict(self.energy.parameter_gradients(self.x, None, weight))


def at(energy, x):
    """Return an object with the values of an energy at samples, and with their gradients."""
    return energy.at(x) if offers(energy, "at") else At(energy, x)
