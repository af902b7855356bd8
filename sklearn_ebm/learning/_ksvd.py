"""K-SVD: each atom is replaced by the best one for the samples that use it (Aharon et al. 2006)."""

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import (
    array_namespace,
    copied,
    put_rows,
    squared_norms,
    stored_entries,
    take_rows,
)
from sklearn_ebm.learning._online_dictionary import as_atoms
from sklearn_ebm.learning._samples import Rows

POWER_STEPS = 100  # largest number of power iterations for the leading singular vector of an atom
USUAL = 1e-3, 1e3  # magnitudes whose products neither overflow nor underflow in any sum


@stored
class KSVD:
    """A dictionary with unit rows, which `update` fits to the codes of the last batch.

    The residual without atom j, of the samples that use it, is E_j = X - sum_{i != j} z_i d_i. The
    new atom and its coefficients are the leading singular vectors of E_j. The other methods and
    attributes are those of `OnlineDictionary`, but nothing is kept from one batch to the next.

    Parameters
    ----------
    dictionary : array of shape (n_components, n_features)
        Atoms of unit norm, changed in place by `update`.
    """

    is_positive = False
    fits_codes = True
    n_power_steps = POWER_STEPS

    def __init__(self, dictionary):
        self.dictionary = dictionary
        self.n_replaced = 0
        self._batch = None

    def __getstate__(self):
        return {"dictionary": self.dictionary, "n_replaced": self.n_replaced}

    def __setstate__(self, state):
        self.__init__(state["dictionary"])
        self.n_replaced = state["n_replaced"]

    def weigh(self, exponent):
        """Do nothing: the unit of the weights does not matter within a batch."""

    def contribution(self, decoder, X, mask, code, weight, backend, tape=None):
        """Return the residuals, codes and weights of a piece.

        On the host, codes are sparse: those of a batch would otherwise need most of its memory.
        """
        residual = backend.residuals(X, code, self.dictionary)
        code = backend.to_csr(code) if array_namespace(code) is np else copied(code)
        return {"samples": Rows(residual, code, weight)}

    def absorb(self, samples):
        """Take the residuals, codes and weights of a batch."""
        self._batch = samples.arrays

    def is_due(self):
        """Return False: atoms are replaced by samples of the batch that `absorb` has taken."""
        return False

    def update(self, used, candidates, backend, decoder=None):
        """Update the atoms in one sweep; atoms without use become the samples with large errors."""
        residual, code, weight = self._batch
        self._batch = None
        self._replace_unused(used, residual, code, weight)
        entries = stored_entries(code)
        unit = max(map(_largest_magnitude, (residual, entries)))
        if unit > 0 and not USUAL[0] < unit < USUAL[1]:
            residual /= unit
            entries /= unit
        backend.update_atoms_by_svd(self.dictionary, residual, code, weight, self.n_power_steps)

    def _replace_unused(self, used, residual, code, weight):
        """Replace atoms that no sample uses, which leaves the residuals as they are."""
        xp = array_namespace(residual)
        unused = xp.nonzero(used == 0)[0]
        if unused.shape[0] == 0:
            return
        misfit = squared_norms(residual) * weight
        worst = xp.argsort(-misfit)[: unused.shape[0]]
        samples = xp.take(residual, worst, axis=0)
        samples = samples + take_rows(code, worst) @ self.dictionary
        atoms, good = as_atoms(samples)
        put_rows(self.dictionary, unused[: good.shape[0]], atoms)
        self.n_replaced += int(good.shape[0])


def _largest_magnitude(values):
    """Return max |v|, without an array of magnitudes; zero without values."""
    xp = array_namespace(values)
    if 0 in values.shape:
        return 0.0
    return max(float(xp.max(values)), -float(xp.min(values)))


@stored
class ApproximateKSVD(KSVD):
    """K-SVD with one power iteration for each atom (Rubinstein, Zibulevsky & Elad 2008)."""

    n_power_steps = 1
