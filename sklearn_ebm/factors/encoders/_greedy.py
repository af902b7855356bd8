"""Unrolled greedy coordinate descent, LCoD (Gregor & LeCun 2010, algorithms 3 and 4)."""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, diagonal, multiply_into
from sklearn_ebm.factors.encoders._encoder import placed
from sklearn_ebm.factors.encoders._lateral import LateralEncoder, units_of

GREEDY_SHARE = 0.1  # changes are propagated in full here, while ISTA scales them by 1 / L


class GreedySteps:
    """From b = x W and z = 0, each step sets one z_k to sh_theta(b_k) and adds its change of S_k.

    Each step selects the component with the largest change. The final code is sh_theta(b).
    """

    def first(self, dictionary, lipschitz, alpha, n_steps, tied):
        """Return the parameters and units of n_steps greedy steps and a step for all components.

        With q = x D' - z G and G = D D', b_j = q_j / G_jj + z_j minimises the energy along z_j
        without the penalty. A unit change of z_k changes b_j by -G_kj / G_jj if j != k, and does
        not change b_k: W = D' / diag G, S = I - G / diag G, theta = alpha / diag G.
        """
        if not tied:
            raise ValueError(
                "tied=False requires encoder='lista' or encoder='lfista', because the steps of "
                "encoder='lcod' share one matrix S."
            )
        xp = array_namespace(dictionary)
        gram = dictionary @ dictionary.T
        curvature = diagonal(gram)
        overlap = gram / curvature
        first = {
            "weights": dictionary.T / curvature,
            "lateral": xp.eye(gram.shape[0], dtype=gram.dtype) - overlap,
            "threshold": alpha / curvature,
        }
        units = units_of(**{**first, "lateral": overlap})
        units = {name: GREEDY_SHARE * unit for name, unit in units.items()}
        parameters = {name: placed(value, dictionary) for name, value in first.items()}
        return parameters, units

    def _descend(self, network, X, backend, tape, code):
        """Fill `code`; the tape stores the steps for `gradients`."""
        parameters = network.parameters
        state = multiply_into(X, parameters["weights"], tape.array("state", code.shape, X))
        shape = (X.shape[0], network.n_steps)
        steps = [tape.array("chosen", shape, X, "int64")]
        steps += [tape.array(name, shape, X) for name in ("change", "sign")]
        backend.greedy_steps(state, parameters["lateral"], parameters["threshold"], code, *steps)
        return steps

    def write(self, network, X, backend, tape, code):
        """Fill `code`; the tape is scratch memory."""
        self._descend(network, X, backend, tape, code)

    def record(self, network, X, backend, tape):
        """Return the codes; the tape stores the arrays for `gradients`."""
        code = tape.array("code", (X.shape[0], network.parameters["threshold"].shape[0]), X)
        steps = self._descend(network, X, backend, tape, code)
        tape.kept = {"x": X, "code": code, "steps": steps, "backend": backend}
        return code

    def gradients(self, network, tape, dy, input_gradient=True):
        """Return the gradients with respect to x (or None), and to each parameter."""
        x, code, steps = (tape.kept[name] for name in ("x", "code", "steps"))
        parameters = network.parameters
        gradients = {
            name: tape.zeros(f"{name} gradient", value) for name, value in parameters.items()
        }
        slope = tape.array("slope", code.shape, code)
        slope[...] = dy
        tape.kept["backend"].greedy_steps_backward(
            slope, parameters["lateral"], code, *steps, gradients["lateral"], gradients["threshold"]
        )
        multiply_into(x.T, slope, gradients["weights"])
        return slope @ parameters["weights"].T if input_gradient else None, gradients


@stored
class GreedyEncoder(LateralEncoder):
    """LCoD: greedy coordinate descent, unrolled."""

    steps = GreedySteps()
