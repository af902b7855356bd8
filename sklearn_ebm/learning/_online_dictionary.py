"""Online dictionary learning from sufficient statistics (Mairal et al. 2009)."""

import copy

from scipy import sparse

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, put_rows, squared_norms, take_rows
from sklearn_ebm.factors import LinearDecoder, Tape

FORGETTING = 1.5  # rho in (1 - 1/t)^rho, the share of the past that the t-th batch keeps
PATIENCE = 50  # number of batches without use after which an atom is replaced


@stored
class OnlineDictionary:
    """A dictionary with unit rows, and the moments A = sum z'z, B = sum z'x for its updates.

    Parameters
    ----------
    dictionary : array of shape (n_components, n_features)
        Atoms of unit norm, or of the set of the constraint, changed in place by `update`.
    constraint : object with the method `project` or None, default=None
        Set of the atoms in place of the atoms of unit norm.
    """

    constraint = None
    is_positive = False  # whether atoms are non-negative
    fits_codes = False  # whether updates fit the codes as well, without a penalty on their size
    forgetting = FORGETTING

    def __init__(self, dictionary, constraint=None):
        xp = array_namespace(dictionary)
        n_components = dictionary.shape[0]
        self.dictionary = dictionary
        self.constraint = constraint
        self.code_moment, self.cross_moment = self._new_moments()
        self.idle = xp.zeros(n_components, dtype=xp.int64)
        self.n_batches = 0
        self.n_replaced = 0
        self.weight_exponent = None  # the moments are in units of 2**weight_exponent
        self.weight_unit = 1.0  # unit of the next batches, in units of the moments

    @property
    def moments(self):
        """The moments A and B."""
        return self.code_moment, self.cross_moment

    def _new_moments(self, tape=None):
        """Return moments of no samples."""
        dictionary, tape = self.dictionary, tape or Tape()
        n_components = dictionary.shape[0]
        code_moment = tape.array("code_moment", (n_components, n_components), dictionary)
        code_moment[...] = 0
        return code_moment, tape.zeros("cross_moment", dictionary)

    def contributor(self):
        """Return a copy without moments, which offers `contribution`."""
        light = copy.copy(self)
        light.code_moment = light.cross_moment = None
        return light

    def weigh(self, exponent):
        """Measure the sample weights of the next batches in units of 2**exponent.

        The moments are stored in the largest unit so far. Smaller weights may underflow, which is
        negligible, but no weight can overflow.
        """
        if self.weight_exponent is None:
            self.weight_exponent = exponent
        if exponent > self.weight_exponent:
            for moment in self.moments:
                moment *= 2.0 ** (self.weight_exponent - exponent)
            self.weight_exponent = exponent
        self.weight_unit = 2.0 ** (exponent - self.weight_exponent)

    def absorb(self, code_moment, cross_moment):
        """Add the moments of a batch to the moments of earlier batches, which decay."""
        self.n_batches += 1
        if self.weight_unit != 1:
            code_moment, cross_moment = (
                self.weight_unit * moment for moment in (code_moment, cross_moment)
            )
        keep = (1 - 1 / self.n_batches) ** self.forgetting
        self.code_moment *= keep
        self.code_moment += code_moment
        self.cross_moment *= keep
        self.cross_moment += cross_moment

    def contribution(self, decoder, X, mask, code, weight, backend, tape=None):
        """Return the moments of some samples and their codes, by the parameters of `absorb`.

        If a tape is given, the moments lie in its memory.
        """
        if mask is not None:  # missing values are replaced by the reconstruction
            X = X + (1 - mask) * decoder.decode(code)
        moments = self._new_moments(tape)
        backend.add_moments(*moments, code, X, weight)
        return {"code_moment": moments[0], "cross_moment": moments[1]}

    def is_due(self):
        """Whether an atom is replaced if the next batch does not use it."""
        return bool(array_namespace(self.idle).any(self.idle >= PATIENCE - 1))

    def update(self, used, candidates, backend, decoder=None):
        """Update the atoms in one sweep, and replace the atoms that have been unused for too long.

        Parameters
        ----------
        used : array of shape (n_components,)
            Number of codes of the batch that use each atom.
        candidates : tuple or None
            Samples of the batch, their codes and their weights or None. Some of the samples replace
            unused atoms. With None, no atom is replaced.
        backend : module
            Module of kernels.
        decoder : decoder or None, default=None
            Decoder of the batch, for subclasses.
        """
        self._count_idle(used)
        if self.constraint is None:
            backend.update_atoms(self.dictionary, *self.moments, self.is_positive)
        else:
            backend.update_projected_atoms(self.dictionary, *self.moments, self._projected)
        if candidates is not None:
            self._replace_idle(*candidates)

    def _projected(self, atoms):
        """Return the closest atoms that meet the constraints."""
        xp = array_namespace(atoms)
        if self.is_positive:  # first, since projections keep the signs
            atoms = xp.maximum(atoms, xp.zeros_like(atoms))
        return projected(self.constraint, atoms)

    def _count_idle(self, used):
        xp = array_namespace(self.idle)
        self.idle = xp.where(used > 0, xp.zeros_like(self.idle), self.idle + 1)

    def _replace_idle(self, X, code, sample_weight):
        """Replace atoms that have long been unused by the samples with the largest errors."""
        xp = array_namespace(code)
        idle = xp.nonzero(self.idle >= PATIENCE)[0]
        if idle.shape[0] == 0:
            return
        misfit = LinearDecoder(self.dictionary).squared_errors(X, code)
        if sample_weight is not None:
            misfit = misfit * sample_weight
        worst = xp.argsort(-misfit)[: idle.shape[0]]
        idle = idle[: worst.shape[0]]
        samples = take_rows(X, worst)
        if sparse.issparse(samples):
            samples = samples.toarray()
        if self.is_positive:
            samples = xp.maximum(samples, xp.zeros_like(samples))
        atoms, good = as_atoms(samples)
        if self.constraint is not None:
            atoms = self._projected(atoms)
        idle = xp.take(idle, good)
        put_rows(self.dictionary, idle, atoms)
        for rows in (self.code_moment, self.cross_moment, self.code_moment.T, self.idle):
            put_rows(rows, idle, xp.zeros((idle.shape[0], *rows.shape[1:]), dtype=rows.dtype))
        self.n_replaced += int(idle.shape[0])


def projected(constraint, atoms):
    """Return the projections of atoms, in their dtype; refuse results that are not.

    Raises
    ------
    ValueError
        If the result has another shape, or contains NaN.
    """
    xp = array_namespace(atoms)
    result = xp.asarray(constraint.project(atoms), dtype=atoms.dtype)
    if result.shape != atoms.shape or bool(xp.isnan(xp.sum(result))):
        raise ValueError(
            f"{type(constraint).__name__}.project must return finite atoms of shape "
            f"{atoms.shape}, got shape {result.shape} or NaN."
        )
    return result


def as_atoms(samples):
    """Return the samples other than zero, scaled to norm one, and their indices."""
    xp = array_namespace(samples)
    norm = xp.sqrt(squared_norms(samples))
    good = xp.nonzero(norm > 0)[0]
    return xp.take(samples, good, axis=0) / xp.take(norm, good)[:, None], good


@stored
class PositiveDictionary(OnlineDictionary):
    """A dictionary with non-negative atoms (Mairal et al. 2010, section 5.1)."""

    is_positive = True
