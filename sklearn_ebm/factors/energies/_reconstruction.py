"""The energy of an auto-encoder: the loss of its reconstruction.

    E(x) = loss(x, o(f(x) V + c)),    V = W' if weights are tied

`f` is an encoder, V the dictionary of a linear decoder, and `o` an output unit with a bias c.
`OUTPUTS` maps the name of a loss to the kind of output unit that has this loss.
"""

import copy

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, multiply_into, resolve_backend
from sklearn_ebm.factors._tape import Tape
from sklearn_ebm.factors.decoders import LinearDecoder
from sklearn_ebm.factors.decoders._linear import half_norm
from sklearn_ebm.factors.encoders import (
    LinearEncoder,
    LogisticEncoder,
    ReluEncoder,
    SaturatedLinearEncoder,
    ShrinkageEncoder,
    TanhEncoder,
    placed,
)
from sklearn_ebm.protocols import ModuleMixin

ACTIVATIONS = {
    "sigmoid": LogisticEncoder,
    "tanh": TanhEncoder,
    "relu": ReluEncoder,
    "saturated_linear": SaturatedLinearEncoder,
    "shrinkage": ShrinkageEncoder,
    "linear": LinearEncoder,
}
# Factors of initial weights (Glorot & Bengio 2010, section 4.2; for relu, He et al. 2015, eq. 10).
STEEPNESS = {"sigmoid": 4.0, "relu": 2**0.5}
FIRST_VALUES = {  # initial values of parameters other than weights; others are zero
    "tanh": {"gain": 1.0},
    "saturated_linear": {"bias": 0.5},  # the middle of the interval
    "shrinkage": {"threshold": 0.1},
}


class Output:
    """Output units with the signal u = z V as input.

    Parameters
    ----------
    bias : array of shape (n_features,)
        c.
    """

    is_bounded = False  # whether data must lie between 0 and 1
    _backend = None

    def __init__(self, bias):
        self.bias = bias

    def __getstate__(self):
        return {"bias": self.bias}

    def on(self, backend):
        """Return the units with the kernels of a backend, and with the same bias."""
        units = copy.copy(self)
        units._backend = backend
        return units

    def _backend_for(self, signal):
        return resolve_backend("auto", signal) if self._backend is None else self._backend


@stored
class LinearOutput(Output):
    """o(u) = u + c, with the loss 1/2 ||x - o(u)||^2."""

    def mean(self, signal):
        """Return o(u), in place of the signal."""
        signal += self.bias
        return signal

    def loss_and_slope(self, x, signal):
        """Return the loss of each sample and its gradient with respect to u."""
        slope = self.mean(signal)
        slope -= x
        return half_norm(slope), slope

    def input_slope(self, x, signal):
        """Return the gradient of the loss with respect to x, for a given signal."""
        return x - signal - self.bias

    def usual_loss(self, x):
        """Return the sum of the losses for u = 0 and c = 0."""
        return float(array_namespace(x).sum(half_norm(x)))


@stored
class LogisticOutput(Output):
    """o(u) = 1 / (1 + exp(-u - c)), with the cross-entropy of x in [0, 1].

    The cross-entropy -x log o - (1 - x) log(1 - o) is log(1 + exp(u + c)) - x (u + c).
    """

    is_bounded = True

    def mean(self, signal):
        """Return o(u), in place of the signal."""
        return self._backend_for(signal).bernoulli_mean(signal, self.bias)

    def loss_and_slope(self, x, signal):
        """Return the loss of each sample and its gradient with respect to u."""
        xp = array_namespace(x)
        loss = self._backend_for(signal).softplus_sums(signal, self.bias)
        loss -= xp.sum(x * signal, axis=1) + x @ self.bias
        slope = self.mean(signal)
        slope -= x
        return loss, slope

    def input_slope(self, x, signal):
        """Return the gradient of the loss with respect to x, for a given signal."""
        return -signal - self.bias

    def usual_loss(self, x):
        """Return the sum of the losses for u = 0 and c = 0."""
        xp = array_namespace(x)
        return x.shape[0] * x.shape[1] * float(xp.log(xp.asarray(2.0)))


OUTPUTS = {"squared_error": LinearOutput, "cross_entropy": LogisticOutput}


class TiedDecoder(ModuleMixin):
    """The linear decoder z W' whose parameter is W itself, the weights of the encoder.

    Its gradient has the layout of the encoder's, so that both are added without a transposition.

    Parameters
    ----------
    weights : array of shape (n_features, n_components)
        W.
    """

    def __init__(self, weights):
        self.parameters = {"weights": weights}

    def forward(self, x, tape=None, stream=None):
        """Return the reconstructions of codes."""
        if tape is not None:
            tape.kept = x
        return x @ self.parameters["weights"].T

    def backward(self, tape, dy, input_gradient=True):
        """Return the gradients with respect to the codes (or None), and to W."""
        weights = self.parameters["weights"]
        room = tape.array("weights", weights.shape, dy)
        gradients = {"weights": multiply_into(dy.T, tape.kept, room)}
        return dy @ weights if input_gradient else None, gradients


@stored
class ReconstructionEnergy:
    """An energy of x only: the reconstruction loss of an auto-encoder.

    Parameters
    ----------
    encoder : encoder factor
        f.
    output : Output
        o.
    dictionary : array of shape (n_components, n_features) or None, default=None
        V. With None, V is the transposed weights of the encoder.
    """

    def __init__(self, encoder, output, dictionary=None):
        self.encoder = encoder
        self.output = output
        self.dictionary = dictionary

    @classmethod
    def of(cls, values, activation, loss):
        """Return an energy with copies of the given parameters.

        Parameters
        ----------
        values : dict of str to array
            Arrays by the names of `parameters`. Without "dictionary", weights are tied.
        activation : str
            Name in `ACTIVATIONS`.
        loss : str
            Name in `OUTPUTS`.
        """
        values = {name: placed(value) for name, value in values.items()}
        dictionary, output = (
            values.pop("dictionary", None),
            OUTPUTS[loss](values.pop("output_bias")),
        )
        return cls(ACTIVATIONS[activation](values), output, dictionary)

    @property
    def parameters(self):
        """Trained arrays by name."""
        own = {} if self.dictionary is None else {"dictionary": self.dictionary}
        return {**self.encoder.parameters, **own, "output_bias": self.output.bias}

    @property
    def scales(self):
        """Units of the parameters."""
        return self.encoder.scales

    @property
    def decoder(self):
        """The decoder z V. If weights are tied, it shares memory with the encoder."""
        if self.dictionary is None:
            return TiedDecoder(self.encoder.parameters["weights"])
        return LinearDecoder(self.dictionary)

    def with_encoder(self, encoder):
        """Return the energy with another encoder, and copies of all other parameters."""
        dictionary = None if self.dictionary is None else placed(self.dictionary)
        output = type(self.output)(placed(self.output.bias))
        return ReconstructionEnergy(encoder, output, dictionary)

    def copy(self):
        """Return the energy with copies of the parameters."""
        return self.with_encoder(self.encoder.copy())

    def astype(self, dtype):
        """Return the energy with parameters in a dtype; the same object if they have it."""
        if self.output.bias.dtype == dtype:
            return self
        bias = self.output.bias.astype(dtype)
        dictionary = None if self.dictionary is None else self.dictionary.astype(dtype)
        return ReconstructionEnergy(self.encoder.astype(dtype), type(self.output)(bias), dictionary)

    def on(self, backend):
        """Return the energy with the kernels of a backend, and with the same parameters."""
        encoder, output = self.encoder.on(backend), self.output.on(backend)
        return ReconstructionEnergy(encoder, output, self.dictionary)

    def reconstruct(self, code):
        """Return the reconstructions of codes."""
        return self.output.mean(self.decoder.forward(code))

    def value(self, x, z=None):
        """Return the loss of the reconstruction of each sample; z is None."""
        signal = self.decoder.forward(self.encoder.forward(x))
        return self.output.loss_and_slope(x, signal)[0]

    def input_gradient(self, x, z=None):
        """Return the gradient of E with respect to x, both direct and through the encoder."""
        first, second, decoder = Tape(), Tape(), self.decoder
        signal = decoder.forward(self.encoder.forward(x, first), second)
        direct = self.output.input_slope(x, signal)
        _, slope = self.output.loss_and_slope(x, signal)
        by_code, _ = decoder.backward(second, slope)
        return direct + self.encoder.backward(first, by_code)[0]

    def parameter_gradients(self, x, z, weight):
        """Return the gradients of sum_n weight_n E(x_n), by the names of `parameters`."""
        return self.value_and_gradients(x, x, weight, (Tape(), Tape()))[2]

    def value_and_gradients(self, x, seen, weight, tapes, regularizer=None):
        """Return losses and gradients; the encoder may receive corrupted samples.

        Parameters
        ----------
        x : array of shape (n_samples, n_features)
            Clean samples, with which reconstructions are compared.
        seen : array of shape (n_samples, n_features)
            Input of the encoder, such as corrupted samples.
        weight : array of shape (n_samples,) or None
            Weight of each sample in the gradients.
        tapes : pair of Tape
            Tapes of the encoder and of the decoder.
        regularizer : Regularizer or None, default=None
            Term of the codes that is added to the losses.

        Returns
        -------
        losses : array of shape (n_samples,)
            Losses of the reconstructions.
        terms : array of shape (n_samples,) or None
            Values of the regulariser.
        gradients : dict of str to array
            Weighted sums over the samples, by the names of `parameters`.
        """
        first, second = tapes
        decoder = self.decoder
        code = self.encoder.forward(seen, first)
        signal = decoder.forward(code, second)
        losses, slope = self.output.loss_and_slope(x, signal)
        if weight is not None:
            slope *= weight[:, None]
        by_code, outer = decoder.backward(second, slope)
        terms, direct = None, {}
        if regularizer is not None:
            terms, change, direct = regularizer.differentiate(self.encoder, code, weight)
            by_code += change
        _, gradients = self.encoder.backward(first, by_code, input_gradient=False)
        gradients["output_bias"] = array_namespace(slope).sum(slope, axis=0)
        for name, gradient in (*direct.items(), *outer.items()):
            if name in gradients:
                gradients[name] += gradient
            else:
                gradients[name] = gradient
        return losses, terms, gradients

    def project(self):
        """Project the parameters onto their allowed range."""
        self.encoder.project()


def random_values(shape, activation, is_tied, random_state):
    """Return initial parameters of a `ReconstructionEnergy` by name.

    Parameters
    ----------
    shape : tuple of int
        Number of features and of hidden units.
    activation : str
        Name in `ACTIVATIONS`.
    is_tied : bool
        Whether the decoder shares the weights of the encoder.
    random_state : numpy.random.RandomState
        Generator of the weights.

    Returns
    -------
    dict of str to ndarray
    """
    n_features, n_components = shape
    bound = STEEPNESS.get(activation, 1.0) * (6 / (n_features + n_components)) ** 0.5
    values = {
        "weights": random_state.uniform(-bound, bound, shape),
        "bias": np.zeros(n_components),
        "output_bias": np.zeros(n_features),
    }
    for name, value in FIRST_VALUES.get(activation, {}).items():
        values[name] = np.full(n_components, value)
    if not is_tied:
        values["dictionary"] = random_state.uniform(-bound, bound, shape[::-1])
    return values
