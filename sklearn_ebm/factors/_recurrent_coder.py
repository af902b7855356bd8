"""Discriminative recurrent sparse auto-encoder (Rolfe & LeCun 2013).

    z_0 = max(x W - b, 0),   z_{t+1} = max(x W + z_t S - b, 0),   z = z_K
    E(x, z) = 1/2 ||x - z D||^2 + alpha ||z||_1 - label_weight log softmax_y(z C' / ||z||)

The gradient of the energy at z is propagated back through all steps.
"""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors._direction_head import DirectionHead
from sklearn_ebm.factors._score_losses import cross_entropy
from sklearn_ebm.factors._tape import Tape
from sklearn_ebm.factors.decoders import LinearDecoder
from sklearn_ebm.factors.decoders._linear import half_norm, shorten
from sklearn_ebm.factors.encoders import PositiveEncoder, placed

ENCODER_NORM = 1.25  # of a filter of the encoder, times the number of codes (appendix A)
ENCODER_GAIN = 0.8  # initial norm of such a filter, times the number of codes
LARGEST_GAIN = 0.2  # and at most this, because few steps need no small ones
FIRST_THRESHOLD = 1e-5
OF_ENCODER = ("weights", "lateral", "threshold")


@stored
class RecurrentCoder:
    """The encoder, the decoder and the scores of the classes, with common parameters.

    Parameters
    ----------
    parameters : dict of str to array
        "weights" W, "lateral" S, "threshold" b, "dictionary" D, and "coefficients" C of the
        classes.
    n_steps : int
        Number of steps that apply S.
    """

    def __init__(self, parameters, n_steps):
        self.parameters = parameters
        self.n_steps = n_steps
        own = {name: parameters[name] for name in OF_ENCODER}
        self.encoder = PositiveEncoder(own, n_steps=n_steps, units={})
        self.decoder = LinearDecoder(parameters["dictionary"])
        self.head = DirectionHead(parameters["coefficients"])

    def __getstate__(self):
        return {"parameters": self.parameters, "n_steps": self.n_steps}

    def __setstate__(self, state):
        parameters = {name: placed(value) for name, value in state["parameters"].items()}
        self.__init__(parameters, state["n_steps"])

    @classmethod
    def first(cls, dictionary, n_classes, n_steps):
        """Return the initial model for atoms of norm one: W = r D', S = I - r D D', C = 0.

        The first steps then are about those of a solver, with the step size r.
        """
        xp, n_components = array_namespace(dictionary), dictionary.shape[0]
        gain = xp.asarray(min(ENCODER_GAIN / (n_steps + 1), LARGEST_GAIN), dtype=dictionary.dtype)
        parameters = {
            "weights": gain * dictionary.T,
            "lateral": xp.eye(n_components, dtype=dictionary.dtype)
            - gain * (dictionary @ dictionary.T),
            "threshold": xp.full(n_components, FIRST_THRESHOLD, dtype=dictionary.dtype),
            "dictionary": dictionary,
            "coefficients": xp.zeros((n_classes, n_components), dtype=dictionary.dtype),
        }
        return cls({name: placed(value, dictionary) for name, value in parameters.items()}, n_steps)

    def with_parameters(self, parameters):
        """Return the model with other parameters."""
        return type(self)(parameters, self.n_steps)

    def copy(self):
        """Return the model with copies of the parameters."""
        return self.with_parameters({k: placed(value) for k, value in self.parameters.items()})

    def astype(self, dtype):
        """Return the model with parameters in a dtype; the same object if they have it."""
        if self.parameters["dictionary"].dtype == dtype:
            return self
        xp = array_namespace(self.parameters["dictionary"])
        cast = {k: placed(xp.asarray(v, dtype=dtype)) for k, v in self.parameters.items()}
        return self.with_parameters(cast)

    @property
    def longest_filter(self):
        """Upper limit of the norm of a filter of the encoder."""
        return ENCODER_NORM / (self.n_steps + 1)

    def project(self):
        """Move the parameters to the nearest allowed values: limited norms, and thresholds >= 0."""
        self.encoder.project()
        self.decoder.project()
        self.head.project()
        shorten(self.parameters["weights"].T, self.longest_filter)

    # -------------------------------------------------------------------------------------- values
    def codes(self, x, backend, all_steps=False):
        """Return the codes of the last step, or those of all steps, stacked."""
        if not all_steps:
            return self.encoder.on(backend).forward(x)
        tape = Tape()
        self.encoder.on(backend).forward(x, tape)
        return tape.kept["codes"]

    def value(self, x, code, alpha):
        """Return the energy of samples and codes, without labels."""
        fit = self.decoder.squared_errors(x, code) / 2
        return fit + alpha * array_namespace(code).sum(code, axis=1)

    def losses(self, x, target, alpha, label_weight, backend):
        """Return the energies of samples with their labels, and the scores of the classes.

        Parameters
        ----------
        x : array of shape (n_samples, n_features)
            Samples.
        target : array of shape (n_samples, n_classes) or None
            1 for the class of a sample, 0 for the others. None omits the term of the labels.
        alpha, label_weight : float
            Weights of the terms.
        backend : module
            Module of kernels.

        Returns
        -------
        losses : array of shape (n_samples,)
        scores : array of shape (n_samples, n_classes) or None
        """
        code = self.codes(x, backend)
        losses = self.value(x, code, alpha)
        if target is None:
            return losses, None
        scores = self.head.forward(code)
        return losses + label_weight * cross_entropy(scores, target)[0], scores

    def losses_and_gradients(self, x, target, weight, alpha, label_weight, tapes, backend):
        """Return the energies, the scores, and the gradients of the weighted sum of the energies.

        Parameters
        ----------
        x, target, alpha, label_weight, backend
            As for `losses`.
        weight : array of shape (n_samples,) or None
            Weights of the samples.
        tapes : sequence of Tape
            Tapes of the encoder and of the head.
        """
        encoder = self.encoder.on(backend)
        code = encoder.forward(x, tapes[0])
        residual = x - self.decoder.decode(code)
        xp = array_namespace(code)
        losses = half_norm(residual) + alpha * xp.sum(code, axis=1)
        slope, scores, gradients = alpha - residual @ self.decoder.dictionary.T, None, {}
        share = 1 if weight is None else weight[:, None]
        if target is not None:
            scores = self.head.forward(code, tapes[1])
            entropies, by_score = cross_entropy(scores, target)
            losses = losses + label_weight * entropies
            own, gradients = self.head.backward(tapes[1], label_weight * share * by_score)
            slope = slope * share + own
        else:
            slope = slope * share
        gradients["dictionary"] = -(code.T @ (residual * share))
        _, by_step = encoder.backward(tapes[0], slope, input_gradient=False)
        return losses, scores, {**gradients, **by_step}
