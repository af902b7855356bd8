"""Difficult lasso problems for property tests, drawn by a seed."""

from typing import Any, NamedTuple

import numpy as np
from scipy.fft import dct

from sklearn_ebm import GroupPenalty

N_SAMPLES = 8


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def peaks(rng, n_components, n_features):
    """Return shifted Gaussians: each atom is almost a mean of its neighbours."""
    centres = rng.uniform(0, n_features, (n_components, 1))
    widths = rng.choice([1.0, 2.0, 4.0], (n_components, 1))
    return unit(np.exp(-(((np.arange(n_features) - centres) / widths) ** 2) / 2))


def peaks_of_two_widths(n_components, n_features):
    """Return nearly dependent narrow and broad peaks at all positions."""
    places = np.linspace(0, n_features, n_components // 2)[:, None]
    distance = np.arange(n_features) - places
    return unit(np.concatenate([np.exp(-((distance / w) ** 2) / 2) for w in (2, 6)]))


def raw_patches(rng, n_components, n_features):
    """Return smooth and positive atoms, close to their mean."""
    walk = np.cumsum(rng.standard_normal((n_components, n_features)), axis=1)
    return unit(1 + 0.3 * walk / np.sqrt(n_features))


def cosines_and_spikes(rng, n_components, n_features):
    """Return a union of two bases, for which some samples have several optimal codes."""
    both = np.concatenate([dct(np.eye(n_features), norm="ortho", axis=0), np.eye(n_features)])
    return both[rng.permutation(len(both))[:n_components]]


def ill_conditioned(rng, n_components, n_features):
    """Return atoms with singular values from one down to 1e-2, 1e-4 or 1e-8."""
    rank = min(n_components, n_features)
    left, _ = np.linalg.qr(rng.standard_normal((n_components, rank)))
    right, _ = np.linalg.qr(rng.standard_normal((n_features, rank)))
    return unit((left * np.logspace(0, -rng.choice([2, 4, 8]), rank)) @ right.T)


def duplicates(rng, n_components, n_features):
    """Half of the atoms are copies of the other half, or their negatives."""
    atoms = random_atoms(rng, n_components, n_features)
    half = n_components // 2
    atoms[half : 2 * half] = atoms[:half] * rng.choice([1, -1], (half, 1))
    return atoms


def near_duplicates(rng, n_components, n_features):
    atoms = duplicates(rng, n_components, n_features)
    size = 10.0 ** -rng.choice([2, 4, 7])
    return unit(atoms + size * rng.standard_normal(atoms.shape))


def collinear(rng, n_components, n_features):
    """Return multiples of the same atoms, of any sign and size."""
    atoms = duplicates(rng, n_components, n_features)
    return atoms * rng.uniform(0.1, 2, (n_components, 1))


def of_all_sizes(rng, n_components, n_features):
    return peaks(rng, n_components, n_features) * 10 ** rng.uniform(-3, 3, (n_components, 1))


def with_ties(rng, n_components, n_features):
    """Return entries of one and minus one, for which many correlations are equal."""
    return rng.choice([-1.0, 1.0], (n_components, n_features))


def in_few_dimensions(rng, n_components, n_features):
    basis, _ = np.linalg.qr(rng.standard_normal((n_features, 3)))
    return unit(rng.standard_normal((n_components, 3))) @ basis.T


def random_atoms(rng, n_components, n_features):
    return unit(rng.standard_normal((n_components, n_features)))


DICTIONARIES = (
    peaks, raw_patches, cosines_and_spikes, ill_conditioned, duplicates, near_duplicates, collinear,
    of_all_sizes, with_ties, in_few_dimensions, random_atoms,
)  # fmt: skip


class Case(NamedTuple):
    """A problem and the options of `sparse_encode`."""

    X: Any
    dictionary: Any
    alpha: float
    positive: bool
    tol: float
    kind: str

    @property
    def dtype(self):
        return self.X.dtype

    @property
    def rounding(self):
        """Tolerance of claims, relative to 1/2 ||x||^2."""
        return 1e-12 if self.dtype == np.float64 else 1e-7

    @property
    def half_norm(self):
        return (self.X.astype(np.float64) ** 2).sum(axis=1) / 2

    def share_of(self, energy):
        """Return an energy in units of 1/2 ||x||^2."""
        return energy / np.where(self.half_norm > 0, self.half_norm, 1)

    def energy(self, code):
        """Return E(x, z) in double precision."""
        X, code, atoms = (
            np.asarray(array, np.float64) for array in (self.X, code, self.dictionary)
        )
        misfit = ((X - code @ atoms) ** 2).sum(axis=1) / 2
        return misfit + self.alpha * np.abs(code).sum(axis=1)


def draw(seed, smallest_share=1e-6):
    """Return the case of a seed, which selects the kind of dictionary."""
    rng = np.random.default_rng(seed)
    make = DICTIONARIES[seed % len(DICTIONARIES)]
    n_features, n_components = int(rng.choice([3, 8, 17, 32])), int(rng.choice([1, 5, 16, 33, 64]))
    if make is cosines_and_spikes:
        n_components = min(n_components, 2 * n_features)
    atoms = make(rng, n_components, n_features)
    size = np.linalg.norm(atoms, axis=1).mean()
    code = rng.standard_normal((N_SAMPLES, n_components))
    code *= rng.uniform(size=code.shape) < 0.2
    noise = size * 10.0 ** rng.choice([-4, -2, 0])
    X = code @ atoms + noise * rng.standard_normal((N_SAMPLES, n_features))
    if make is with_ties:
        X = np.round(X)
    X[0] = 0
    dtype = rng.choice([np.float32, np.float64])
    X, atoms, positive = X.astype(dtype), atoms.astype(dtype), bool(rng.uniform() < 0.25)
    correlation = X.astype(np.float64) @ atoms.astype(np.float64).T
    largest = (correlation if positive else np.abs(correlation)).max()
    share = max(smallest_share, rng.choice([1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1]))
    alpha = share * max(largest, 1e-3)
    tol = float(rng.choice([1e-3, 1e-4, 1e-6]))
    return rng, Case(X, atoms, alpha, positive, tol, make.__name__)


def draw_start(rng, case, code):
    """Return initial codes: noise of any size, codes near the optimum, or ridge regression.

    The last two have less energy than zero, and are on all atoms, even dependent ones.
    """
    noise = rng.standard_normal(code.shape)
    kind = rng.integers(3)
    if kind == 0:
        return 10 ** rng.uniform(-2, 12) * noise
    if kind == 1:
        return code + 10 ** rng.uniform(-4, 0) * np.abs(code).max() * noise
    atoms = case.dictionary.astype(np.float64)
    gram = atoms @ atoms.T
    ridge = 10 ** rng.uniform(-6, 0) * np.trace(gram) / len(gram)
    return case.X @ atoms.T @ np.linalg.inv(gram + ridge * np.eye(len(gram)))


def draw_groups(rng, n_components, overlapping):
    """Return a penalty on disjoint groups, or on overlapping neighbours."""
    if overlapping:
        groups = [
            list(range(first, min(first + 3, n_components)))
            for first in range(0, max(1, n_components - 1), 2)
        ]
    else:
        n_cuts = min(n_components - 1, max(1, n_components // 4))
        cuts = np.sort(rng.choice(np.arange(1, n_components), n_cuts, replace=False))
        groups = [list(map(int, part)) for part in np.split(rng.permutation(n_components), cuts)]
    return GroupPenalty(groups)
