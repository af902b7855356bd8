"""Unrolled ISTA and FISTA: z_0 = sh_theta(x W), z_{k+1} = sh_theta(x W + y_k S), K steps.

sh is soft thresholding, or, for codes that are not negative, max(v - theta, 0), which is the
rectifier of Rolfe & LeCun (2013) with the biases -theta.

y_k is z_k in LISTA (Gregor & LeCun 2010, eq. 3 and algorithm 2), and z_k + w_k (z_k - z_{k-1}) in
unrolled FISTA. Initially W = D' / L, S = I - D D' / L and theta = alpha / L, so that K steps equal
K + 1 steps of the solver.
"""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, multiply_into
from sklearn_ebm.backends._rules import WeightedPositiveSoftThreshold, WeightedSoftThreshold
from sklearn_ebm.factors.encoders._encoder import placed
from sklearn_ebm.factors.encoders._lateral import LateralEncoder, units_of


class UnrolledSteps:
    """Steps of ISTA, with weights that all steps share or, untied, with weights for each step.

    Untied parameters have an additional leading axis, of length K + 1 for "weights" and
    "threshold", and K for "lateral".

    Attributes
    ----------
    rule : type
        Rule of the shrinkage, constructed with the threshold 1 and a weight for each component.
    """

    rule = WeightedSoftThreshold

    def first(self, dictionary, lipschitz, alpha, n_steps, tied):
        """Return the parameters, and their units, that equal n_steps + 1 steps of the solver."""
        xp = array_namespace(dictionary)
        n_components = dictionary.shape[0]
        overlap = dictionary @ dictionary.T / lipschitz
        first = {
            "weights": dictionary.T / lipschitz,
            "lateral": xp.eye(n_components, dtype=dictionary.dtype) - overlap,
            "threshold": xp.ones(n_components, dtype=dictionary.dtype)
            * xp.asarray(alpha / lipschitz, dtype=dictionary.dtype),
        }
        units = units_of(**{**first, "lateral": overlap})
        if not tied:
            repeats = {"weights": n_steps + 1, "lateral": n_steps, "threshold": n_steps + 1}
            first = {
                name: xp.broadcast_to(value, (repeats[name], *value.shape))
                for name, value in first.items()
            }
        parameters = {name: placed(value, dictionary) for name, value in first.items()}
        return parameters, units

    def _unfold(self, network, X, backend, tape, codes, starts):
        """Fill `codes` step by step; a subclass stores y_1, y_2, ... in `starts`."""
        base, parameters = None, network.parameters
        for k, code in enumerate(codes):
            if k == 0 or not network.is_tied:
                weights = layer(network, parameters, "weights", k)
                base = multiply_into(X, weights, tape.array("base", code.shape, X))
            start = lateral = None
            if k > 0:
                start = self._start(parameters, k, codes, starts)
                lateral = layer(network, parameters, "lateral", k)
            threshold = layer(network, parameters, "threshold", k)
            backend.unrolled_step(start, base, lateral, self.rule(1.0, threshold), code)

    def _start(self, parameters, k, codes, starts):
        return codes[k - 1]

    def _starts(self, tape, codes):
        """Return all y_k for the backward pass, stacked."""
        return codes[:-1, ...]

    def write(self, network, X, backend, tape, code):
        """Fill `code`; the tape is scratch memory."""
        pair = tape.array("pair", (2, *code.shape), X)
        codes = [pair[k % 2, ...] for k in range(network.n_steps)]
        self._unfold(network, X, backend, tape, [*codes, code], self._scratch(tape, code))

    def _scratch(self, tape, code):
        return None

    def record(self, network, X, backend, tape):
        """Return the codes; the tape stores the arrays for `gradients`."""
        n_codes, n_components = network.n_steps + 1, network.parameters["threshold"].shape[-1]
        codes = tape.array("codes", (n_codes, X.shape[0], n_components), X)
        starts = self._starts(tape, codes)
        self._unfold(network, X, backend, tape, [codes[k, ...] for k in range(n_codes)], starts)
        tape.kept = {"x": X, "codes": codes, "starts": starts, "backend": backend}
        return codes[network.n_steps, ...]

    def gradients(self, network, tape, dy, input_gradient=True):
        """Return the gradients with respect to x (or None), and to each parameter."""
        x, codes = tape.kept["x"], tape.kept["codes"]
        backend, parameters = tape.kept["backend"], network.parameters
        gradients = {
            name: tape.zeros(f"{name} gradient", value) for name, value in parameters.items()
        }
        slopes = tape.array("slopes", codes.shape, codes)
        by_base = tape.zeros("by base", codes[0, ...])
        slopes[network.n_steps, ...] = dy
        for k in range(network.n_steps, -1, -1):
            by_threshold = layer(network, gradients, "threshold", k)
            backend.unrolled_step_backward(codes[k, ...], slopes[k, ...], by_base, by_threshold)
            if k > 0:
                lateral = layer(network, parameters, "lateral", k)
                multiply_into(slopes[k, ...], lateral.T, slopes[k - 1, ...])
                self._start_backward(network, k, tape, slopes, gradients)
        _sum_outer_products(network, x, tape.kept["starts"], slopes, by_base, gradients)
        return _input_gradient(network, slopes, by_base) if input_gradient else None, gradients

    def _start_backward(self, network, k, tape, slopes, gradients):
        """Replace the gradient at y_k, in slopes[k - 1], by the gradient at z_{k-1}."""


def layer(network, values, name, k):
    """Return the parameter or gradient of step k; the first step has no S."""
    if network.is_tied:
        return values[name]
    return values[name][k - 1 if name == "lateral" else k, ...]


def _sum_outer_products(network, X, starts, slopes, by_base, gradients):
    """Compute the gradients of W and S; in one product over all steps if they are tied."""
    xp, width = array_namespace(slopes), slopes.shape[-1]
    if not network.is_tied:
        multiply_into(X.T, slopes, gradients["weights"])
        if network.n_steps > 0:
            across = xp.matrix_transpose(starts)
            multiply_into(across, slopes[1:, ...], gradients["lateral"])
        return
    multiply_into(X.T, by_base, gradients["weights"])
    if network.n_steps > 0:
        above, below = (xp.reshape(rows, (-1, width)) for rows in (starts, slopes[1:, ...]))
        multiply_into(above.T, below, gradients["lateral"])


def _input_gradient(network, slopes, by_base):
    xp, weights = array_namespace(slopes), network.parameters["weights"]
    if network.is_tied:
        return by_base @ weights.T
    return xp.sum(slopes @ xp.matrix_transpose(weights), axis=0)


class PositiveSteps(UnrolledSteps):
    """Steps of ISTA for codes that are not negative (Rolfe & LeCun 2013, eq. 2)."""

    rule = WeightedPositiveSoftThreshold


class MomentumSteps(UnrolledSteps):
    """Steps of FISTA: each starts from an extrapolated code, with a "momentum" w_k.

    The initial momenta are Beck & Teboulle's (2009), w_k = (t_k - 1) / t_{k+1}.
    """

    def first(self, dictionary, lipschitz, alpha, n_steps, tied):
        """Return the parameters of LISTA with momenta, and their units."""
        parameters, units = super().first(dictionary, lipschitz, alpha, n_steps, tied)
        xp, weights, t = array_namespace(dictionary), [], 1.0
        for _ in range(n_steps):
            following = (1 + (1 + 4 * t * t) ** 0.5) / 2
            weights.append((t - 1) / following)
            t = following
        return {**parameters, "momentum": xp.asarray(weights, dtype=dictionary.dtype)}, units

    def _start(self, parameters, k, codes, starts):
        """Return z + w (z - z_before), with z_before = 0 at the first step."""
        weight, ahead = parameters["momentum"][k - 1], starts[(k - 1) % starts.shape[0], ...]
        ahead[...] = codes[k - 1]
        if k > 1:
            ahead -= codes[k - 2]
        ahead *= weight
        ahead += codes[k - 1]
        return ahead

    def _starts(self, tape, codes):
        return tape.array("starts", (codes.shape[0] - 1, *codes.shape[1:]), codes)

    def _scratch(self, tape, code):
        return tape.array("starts", (1, *code.shape), code)

    def _start_backward(self, network, k, tape, slopes, gradients):
        """Given g, the gradient at y_k, add g . (z_{k-1} - z_{k-2}) to w_k, (1 + w_k) g to z_{k-1}.

        The gradient -w_k g at z_{k-2} is stored in "owed" until the previous step is processed.
        """
        xp, codes = array_namespace(slopes), tape.kept["codes"]
        weight, slope = network.parameters["momentum"][k - 1], slopes[k - 1, ...]
        moved = tape.array("moved", slope.shape, slope)
        moved[...] = codes[k - 1, ...]
        if k > 1:
            moved -= codes[k - 2, ...]
        moved *= slope
        gradients["momentum"][k - 1] = xp.sum(moved)
        moved[...] = slope
        moved *= -weight
        slope -= moved
        owed = tape.array("owed", slope.shape, slope)
        if k < network.n_steps:
            slope += owed
        owed[...] = moved


@stored
class UnrolledEncoder(LateralEncoder):
    """LISTA: ISTA unrolled."""

    steps = UnrolledSteps()


@stored
class PositiveEncoder(LateralEncoder):
    """The encoder of the discriminative recurrent sparse auto-encoder: positive ISTA unrolled."""

    steps = PositiveSteps()


@stored
class MomentumEncoder(LateralEncoder):
    """FISTA unrolled: LISTA whose steps start from extrapolated codes, with one "momentum" each."""

    steps = MomentumSteps()
