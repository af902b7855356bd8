"""What an encoder's codes are trained to make small; `LOSSES` names them.

`value_and_gradient` gives the loss of each sample and its gradient with respect to the code.
"""

from sklearn_ebm.factors.decoders._linear import half_norm
from sklearn_ebm.protocols import require


class CodeLoss:
    """1/2 ||z - z*||^2, the squared distance from optimal codes (Gregor & LeCun 2010, eq. 5)."""

    needs_optimum = True

    def __init__(self, energy):
        pass

    def value_and_gradient(self, X, code, optimum, mask=None):
        """Distances (n_samples,), and z - z*."""
        error = code - optimum
        return half_norm(error), error

    def of_zero(self, X, optimum):
        """Loss of the code zero, (n_samples,)."""
        return half_norm(optimum)


class EnergyLoss:
    """E(x, z) itself, which needs no optimal codes; the encoder's prediction term left out."""

    needs_optimum = False

    def __init__(self, energy):
        require(energy.penalty, "gradient", "loss='energy' requires a penalty", "Use loss='codes'.")
        self.energy = energy

    def value_and_gradient(self, X, code, optimum=None, mask=None):
        """Energies (n_samples,), and their gradient."""
        energy = self.energy
        return energy.value(X, code, mask=mask), energy.gradient(X, code, mask)

    def of_zero(self, X, optimum=None):
        """Energy of the code zero, (n_samples,)."""
        return half_norm(X)


LOSSES = {"codes": CodeLoss, "energy": EnergyLoss}
