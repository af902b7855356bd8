"""A chain of modules, the loss of its output, and the gradients of both.

A batch is divided into pieces, which threads propagate forwards and backwards. Gradients are
summed in the order of the rows, so results do not depend on the number of threads.
"""

import math

import numpy as np

from sklearn_ebm.backends import new_array, resolve_backend
from sklearn_ebm.learning._memory import Memory
from sklearn_ebm.learning._merging import Merger

PIECE_NUMBERS = 2**20  # in the outputs of all modules for one piece, which fit into a cache
SMALLEST_PIECE = 64  # of a network with few parameters. Each piece adds to the gradients of all
LARGEST_PIECE = 256  # parameters: if these are more than the outputs, a piece has more samples


class RowStream:
    """Random numbers of the rows of a piece; see `sklearn_ebm.protocols.Stream`.

    Parameters
    ----------
    seed : int or list of int
        Seed of the batch and of the module that draws.
    first : int, default=0
        First row of the piece in the batch.
    """

    def __init__(self, seed, first=0):
        self.seed = seed
        self.first = first

    def uniform(self, shape):
        """Return numbers in [0, 1). The numbers of a row do not depend on the piece."""
        bits = np.random.PCG64(self.seed)
        bits.advance(self.first * math.prod(shape[1:]))
        return np.random.Generator(bits).random(shape)


class Network:
    """A chain of modules, and the loss of the output of the last module.

    Parameters
    ----------
    modules : dict of hashable to Module
        The modules by name, in order. The last one returns an array of two dimensions.
    loss : callable
        Maps outputs and targets to losses and their gradient; see `SCORE_LOSSES`.
    backend : module
        Module of kernels.
    seeds : dict of hashable to int, default={}
        Seeds of the modules that are random in training, by name.
    """

    def __init__(self, modules, loss, backend, seeds=None):
        self.loss = loss
        self.backend = backend
        self.seeds = {} if seeds is None else seeds
        self._modules = {name: module.on(backend) for name, module in modules.items()}
        trained = [k for k, module in enumerate(self._modules.values()) if module.parameters]
        self._first_trained = min(trained)
        self._piece_rows = self._n_outputs = None

    def __getstate__(self):
        """Store the backend by name, since a Python module cannot be pickled."""
        modules = {name: module.on(None) for name, module in self._modules.items()}
        return {**vars(self), "backend": self.backend.name, "_modules": modules}

    def __setstate__(self, state):
        vars(self).update(state)
        self.backend = resolve_backend(self.backend, None)
        self._modules = {name: each.on(self.backend) for name, each in self._modules.items()}

    @classmethod
    def of_steps(cls, steps, loss, backend):
        """Return the network of the steps of a pipeline; see `sklearn_ebm.learning._modules`."""
        modules, seeds = {}, {}
        for step in steps:
            own = {(step.name, number): each for number, each in enumerate(step.modules)}
            modules |= own
            seeds |= {} if step.seed is None else dict.fromkeys(own, step.seed)
        return cls(modules, loss, backend, seeds)

    @property
    def head(self):
        """The last module."""
        return next(reversed(self._modules.values()))

    @property
    def parameters(self):
        """All parameters, by the name of the module followed by their own."""
        return self._by_name("parameters")

    @property
    def scales(self):
        """Units of the parameters, by the same names."""
        return self._by_name("scales")

    def _by_name(self, kind):
        return {
            (*name, key): value
            for name, module in self._modules.items()
            for key, value in getattr(module, kind).items()
        }

    def project(self):
        """Move all parameters to the nearest allowed values."""
        for module in self._modules.values():
            module.project()

    def piece_rows(self, x):
        """Return the number of samples in a piece, given the size of outputs and parameters."""
        if self._piece_rows is None:
            n_numbers, y = 0, x[:1, ...]
            for module in self._modules.values():
                y = module.forward(y)
                n_numbers += math.prod(y.shape)
            n_parameters = sum(math.prod(value.shape) for value in self.parameters.values())
            enough = min(max(SMALLEST_PIECE, n_parameters // n_numbers), LARGEST_PIECE)
            self._piece_rows = max(1, min(enough, PIECE_NUMBERS // n_numbers))
            self._n_outputs = y.shape[1]
        return self._piece_rows

    def scores(self, x):
        """Return the output, shape (n_samples, n_outputs)."""
        piece_rows = self.piece_rows(x)
        scores = new_array((x.shape[0], self._n_outputs), x)

        def work(first, last):
            y = x[first:last, ...]
            for module in self._modules.values():
                y = module.forward(y)
            scores[first:last, ...] = y

        self.backend.map_pieces(work, x.shape[0], piece_rows)
        return scores

    def losses_and_gradients(self, x, target, weight, place=(1, 0), memory=None):
        """Return losses and output of each sample, and the gradients of the weighted mean loss.

        Parameters
        ----------
        x : array of shape (n_samples, n_features) or (n_samples, height, width, n_channels)
            A batch.
        target : array of shape (n_samples, n_outputs)
            Targets of the loss.
        weight : array of shape (n_samples,)
            Weights of the losses. Their weighted sum is divided by n_samples.
        place : tuple of int, default=(1, 0)
            Number of the batch, and number of the first sample in it, which determine the random
            numbers of modules.
        memory : Memory or None, default=None
            Memory of the pieces, in which the gradients lie.

        Returns
        -------
        losses : array of shape (n_samples,)
        scores : array of shape (n_samples, n_outputs)
        gradients : dict
            Gradients by the names of `parameters`.
        """
        losses, scores = new_array((x.shape[0],), x), new_array(target.shape, x)
        share, merger = weight / x.shape[0], Merger((memory or Memory()).part)
        n_batch, start = place

        def work(first, last):
            rows = slice(first, last)

            def contribute(memory):
                tapes = [memory.part(name).tape for name in self._modules]
                scores[rows, ...] = self._forward(x[rows, ...], tapes, (n_batch, start + first))
                losses[rows], dy = self.loss(scores[rows, ...], target[rows, ...])
                return self._backward(tapes, dy * share[rows][:, None])

            merger.add(first, last, contribute)

        self.backend.map_pieces(work, x.shape[0], self.piece_rows(x))
        return losses, scores, merger.sums

    def _forward(self, x, tapes, place):
        n_batch, first = place
        for (name, module), tape in zip(self._modules.items(), tapes, strict=True):
            stream = None
            if name in self.seeds:
                stream = RowStream([self.seeds[name], n_batch], first)
            x = module.forward(x, tape, stream)
        return x

    def _backward(self, tapes, dy):
        """Return the gradients by name, which lie in the memory of the tapes."""
        gradients, modules = {}, list(self._modules.items())
        for place in reversed(range(self._first_trained, len(modules))):
            name, module = modules[place]
            dy, own = module.backward(tapes[place], dy, place > self._first_trained)
            gradients |= {(*name, key): value for key, value in own.items()}
        return gradients
