"""Elastic net, weights, limits, groups, paths, non-negative codes and factors, and peers.

Contrast-normalised natural 12x12 patches and a learned dictionary, with alpha such that 5 % of the
exact lasso codes are non-zero. Each contender receives data in its dtype and preferred memory
order. Energies are recomputed in float64, and the tolerances of this package are such that its
energies are not above those of SPAMS. SPAMS's weights are a matrix with a column for each sample.
The limits of ||z||_1 and of the error are those of the median lasso code. With a limit, the energy
is what is minimised: 1/2 ||x - zD||^2 or ||z||_1. A limit is exceeded by rounding at most.

Groups of ten consecutive samples share a support, by the L2,1 norm or by simultaneous orthogonal
matching pursuit. SPAMS's `l1L2BCD` minimises twice the error, with a penalty that is multiplied by
the root of the number of samples of a group.

A path of 20 alphas, down to a hundredth of the largest, is compared with a call for its last alpha.

Sparse non-negative factors are compared with scikit-learn's `NMF` with L1 penalties on MNIST. Its
factors have no norm constraint; several weights of its penalty on the components are tried, and the
best is compared. The objective is that of this package, with components scaled to norm one and
optimal codes. The time is that in which this package reaches the objective of scikit-learn.
"""

import warnings
from functools import partial

import numpy as np

from benchmarks import _common

N_COMPONENTS = 256
DENSITY = 0.05
GROUP_SIZE = 10  # samples that share a support
N_ON_PATH = 2_000  # samples
N_ATOMS = 10  # of a group, by matching pursuit
TOLERANCE = {"float32": 1e-5, "float64": 1e-6}
NMF_ALPHA = 0.5
NMF_WEIGHTS = (1e-4, 1e-3, 1e-2)  # of scikit-learn's penalty on the components


def main():
    options = _common.options(__doc__)
    warnings.simplefilter("ignore")  # numbers of passes are limited on purpose
    report = _common.Report("penalties", "Elastic net, weights, limits, non-negative codes")
    n_samples = 2_000 if options.quick else 20_000
    X = _common.natural_patches(n_samples, seed=options.seed + 7)
    seconds = 4 if options.quick else 25
    atoms = _common.learned_dictionary(N_COMPONENTS, seconds=seconds, seed=options.seed)
    alpha = _common.alpha_for_density(X[:1000], atoms, DENSITY)
    for dtype in ("float32", "float64"):
        for name, problem in problems(X, atoms, alpha).items():
            encoders(report, f"{name}, {dtype}", problem, dtype, options)
        groups(report, X, atoms, alpha, dtype, options)
        paths(report, X[:N_ON_PATH], atoms, dtype, options)
    report.note(f"{n_samples} samples; best of interleaved rounds")
    factors(report, options)
    report.save(options.results)


# --------------------------------------------------------------------------------- codes of SPAMS
class Problem:
    """One problem for both packages.

    Parameters
    ----------
    X, atoms : ndarray
        Samples and atoms, one per row.
    alpha : float
        Weight of ||z||_1.
    ridge : float, default=0.0
        Weight of 1/2 ||z||^2.
    weights : ndarray of shape (n_components,) or (n_samples, n_components) or None, default=None
        Factors of alpha.
    positive : bool, default=False
        Whether codes are non-negative.
    """

    excess = staticmethod(lambda code: 0.0)

    def __init__(self, X, atoms, alpha, *, ridge=0.0, weights=None, positive=False):
        self.X, self.atoms, self.alpha = X, atoms, alpha
        self.ridge, self.weights, self.positive = ridge, weights, positive

    def ours(self, dtype):
        from sklearn_ebm import ElasticNetPenalty, L1Penalty, sparse_encode

        weights = None if self.weights is None else self.weights.astype(dtype)
        penalty, alpha = L1Penalty(weights=weights), self.alpha
        if self.ridge:
            alpha = self.alpha + self.ridge
            penalty = ElasticNetPenalty(self.alpha / alpha)
        X, atoms = self.X.astype(dtype), self.atoms.astype(dtype)
        settings = {"penalty": penalty, "positive": self.positive, "tol": TOLERANCE[dtype]}
        return lambda: sparse_encode(X, atoms, alpha, **settings)

    def spams(self, dtype, threads):
        import spams

        X, atoms = (np.asfortranarray(each.T, dtype=dtype) for each in (self.X, self.atoms))
        settings = {"D": atoms, "lambda1": float(self.alpha), "mode": 2, "pos": self.positive}
        if self.weights is None:
            return lambda: spams.lasso(X, lambda2=float(self.ridge), numThreads=threads, **settings)
        shape = len(self.X), len(self.atoms)
        weights = np.asfortranarray(np.broadcast_to(self.weights, shape).T, dtype=dtype)
        return lambda: spams.lassoWeighted(X, W=weights, numThreads=threads, **settings)

    def energy(self, code):
        """Return the mean energy in float64."""
        code = code.astype(np.float64)
        weights = 1.0 if self.weights is None else self.weights
        penalty = self.alpha * np.sum(weights * np.abs(code), axis=1)
        error = np.sum((self.X - code @ self.atoms) ** 2, axis=1)
        return np.mean(error / 2 + penalty + self.ridge / 2 * np.sum(code**2, axis=1))


class Limited:
    """The least error with a limit of ||z||_1, or the least ||z||_1 with a limit of the error.

    Parameters
    ----------
    X, atoms : ndarray
        Samples and atoms, one per row.
    norm : float or None, default=None
        Limit of ||z||_1.
    error : float or None, default=None
        Limit of ||x - zD||^2.
    """

    def __init__(self, X, atoms, *, norm=None, error=None):
        self.X, self.atoms, self.norm, self.error = X, atoms, norm, error

    def ours(self, dtype):
        from sklearn_ebm import L1Constraint, sparse_encode

        X, atoms = self.X.astype(dtype), self.atoms.astype(dtype)
        penalty = L1Constraint(norm=self.norm, tol=self.error)
        return lambda: sparse_encode(X, atoms, penalty=penalty, tol=TOLERANCE[dtype])

    def spams(self, dtype, threads):
        import spams

        X, atoms = (np.asfortranarray(each.T, dtype=dtype) for each in (self.X, self.atoms))
        limit, mode = (self.norm, 0) if self.error is None else (self.error, 1)
        settings = {"lambda1": float(limit), "mode": mode, "numThreads": threads}
        return lambda: spams.lasso(X, D=atoms, **settings)

    def energy(self, code):
        """Return the mean of what is minimised, in float64."""
        return np.mean(_norms(code) if self.norm is None else self._errors(code) / 2)

    def excess(self, code):
        """Return the largest share by which a code exceeds the limit."""
        if self.norm is None:
            return np.max(self._errors(code)) / self.error - 1
        return np.max(_norms(code)) / self.norm - 1

    def _errors(self, code):
        return np.sum((self.X - code.astype(np.float64) @ self.atoms) ** 2, axis=1)


def _norms(code):
    return np.sum(np.abs(code), axis=1, dtype=np.float64)


def problems(X, atoms, alpha):
    """Return problems by name."""
    from sklearn_ebm import sparse_encode

    random = np.random.default_rng(0)
    code = sparse_encode(X[:1000].astype(np.float64), atoms.astype(np.float64), alpha)
    errors = np.sum((X[:1000] - code @ atoms) ** 2, axis=1)
    each = random.uniform(0.5, 2, (len(X), len(atoms)))
    return {
        "elastic net": Problem(X, atoms, alpha, ridge=0.1 * alpha),
        "weights": Problem(X, atoms, alpha, weights=random.uniform(0.5, 2, len(atoms))),
        "weights of samples": Problem(X, atoms, alpha, weights=each),
        "positive": Problem(X, atoms, alpha, positive=True),
        "limited norm": Limited(X, atoms, norm=float(np.median(_norms(code)))),
        "limited error": Limited(X, atoms, error=float(np.median(errors))),
    }


def encoders(report, name, problem, dtype, options):
    timings = _common.interleave(
        {"ours": problem.ours(dtype), "SPAMS": problem.spams(dtype, options.threads)},
        rounds=2 if options.quick else 7,
    )
    energies = {}
    for who, timing in timings.items():
        code = _common.dense(timing.result, len(problem.X))
        energies[who] = problem.energy(code)
        shown = f"{who}, {np.mean(code != 0):.1%} non-zero, energy {energies[who]:.8g}"
        if excess := problem.excess(code):
            shown += f", limit exceeded by {excess:.1g}"
        report.add(name, shown, timing.best, "s")
    ratio = timings["SPAMS"].best / timings["ours"].best
    report.add(name, "SPAMS / ours", ratio, "x", at_least=3)
    report.add(name, "energy, ours / SPAMS - 1", energies["ours"] / energies["SPAMS"] - 1)


# ------------------------------------------------------------------------------- groups of samples
def groups(report, X, atoms, alpha, dtype, options):
    """Compare codes of groups of samples by both methods."""
    import spams

    from sklearn_ebm import L0Penalty, sparse_encode

    labels = np.repeat(np.arange(len(X) // GROUP_SIZE), GROUP_SIZE)
    root, X, atoms = GROUP_SIZE**0.5, X.astype(dtype), atoms.astype(dtype)
    alpha, tol, penalty = float(alpha * root), TOLERANCE[dtype], L0Penalty(N_ATOMS, optimized=True)
    given = {"X": np.asfortranarray(X.T), "D": np.asfortranarray(atoms.T)}
    given["list_groups"] = np.arange(0, len(X), GROUP_SIZE, dtype=np.int32)
    given["numThreads"] = options.threads

    def descent():
        start = np.zeros((len(atoms), len(X)), dtype, order="F")
        settings = {"lambda1": 2 * alpha / root, "mode": 2, "itermax": 1000, "tol": tol}
        return spams.l1L2BCD(alpha0=start, **given, **settings).T

    def energy(code):
        code, error = group_norms(code), X - code @ atoms
        return (np.sum(error**2) / 2 + alpha * np.sum(code)) / len(X)

    def square(code):
        return np.sum((X - code @ atoms) ** 2) / len(X)

    pairs = {
        "groups, L2,1": (
            lambda: sparse_encode(X, atoms, alpha, groups=labels, tol=tol), descent, energy, 3
        ),
        "groups, pursuit": (
            lambda: sparse_encode(X, atoms, penalty=penalty, groups=labels),
            lambda: spams.somp(L=N_ATOMS, eps=0.0, **given).T,
            square,
            1.5,
        ),
    }  # fmt: skip
    for name, (ours, theirs, measure, at_least) in pairs.items():
        rounds = 2 if options.quick else 5
        timings = _common.interleave({"ours": ours, "SPAMS": theirs}, rounds=rounds)
        values = {}
        for who, timing in timings.items():
            code = _common.dense(timing.result, len(X)).astype(np.float64)
            values[who] = measure(code)
            shown = f"{who}, {np.mean(code != 0):.1%} non-zero, objective {values[who]:.8g}"
            report.add(f"{name}, {dtype}", shown, timing.best, "s")
        ratio = timings["SPAMS"].best / timings["ours"].best
        report.add(f"{name}, {dtype}", "SPAMS / ours", ratio, "x", at_least=at_least)
        gain = values["ours"] / values["SPAMS"] - 1
        report.add(f"{name}, {dtype}", "objective, ours / SPAMS - 1", gain)


def group_norms(code):
    """Return the norm of each atom's coefficients in each group."""
    return np.linalg.norm(code.reshape(-1, GROUP_SIZE, code.shape[1]), axis=1)


# ----------------------------------------------------------------------------------------- paths
def paths(report, X, atoms, dtype, options):
    """Compare paths with calls for their last alpha, at the same tolerance."""
    from sklearn_ebm import ElasticNetPenalty, L1Penalty, alpha_path, sparse_encode

    random = np.random.default_rng(options.seed)
    X, atoms = X.astype(dtype), atoms.astype(dtype)
    penalties = {
        "L1": L1Penalty(),
        "weights": L1Penalty(random.uniform(0.5, 2, len(atoms))),
        "weights of samples": L1Penalty(random.uniform(0.5, 2, (len(X), len(atoms)))),
        "elastic net, 0.9": ElasticNetPenalty(0.9),
        "elastic net, 0.5": ElasticNetPenalty(0.5),
        "elastic net, 0.1": ElasticNetPenalty(0.1),
    }
    for name, penalty in penalties.items():
        alphas, _, _ = alpha_path(X, atoms, n_alphas=20, penalty=penalty)
        calls = {
            "path": partial(alpha_path, X, atoms, alphas=alphas, penalty=penalty),
            "last alpha": partial(sparse_encode, X, atoms, alphas[-1], penalty=penalty),
        }
        timings = _common.interleave(calls, rounds=2 if options.quick else 7)
        for who, timing in timings.items():
            report.add(f"{name}, path, {dtype}", who, timing.best, "s")
        ratio = timings["path"].best / timings["last alpha"].best
        report.add(f"{name}, path, {dtype}", "path / last alpha", ratio, "x", at_most=2)


# ---------------------------------------------------------------------------- non-negative factors
def factors(report, options):
    from sklearn_ebm.datasets import fetch_mnist

    n_samples, n_components = (2_000, 16) if options.quick else (20_000, 64)
    X = fetch_mnist(return_X_y=True)[0][:n_samples].reshape(n_samples, -1) / np.float32(255)
    our_factors(X, n_components, 1, options)  # compiles
    name = f"non-negative factors, {n_samples} digits, {n_components} atoms"
    candidates = [scikit_learn(X, n_components, weight, options) for weight in NMF_WEIGHTS]
    weight, seconds, target = min(candidates, key=lambda each: each[-1])
    report.add(name, f"scikit-learn, weight {weight:g}, objective {target:.5g}", seconds, "s")
    reached = None
    for n_iter in (1, 2, 3, 5, 8, 12):
        spent, value = our_factors(X, n_components, n_iter, options)
        report.add(name, f"ours, {n_iter} passes, objective {value:.5g}", spent, "s")
        reached = spent if reached is None and value <= target else reached
    ratio = seconds / reached if reached else 0.0
    report.add(name, "scikit-learn / ours, same objective", ratio, "x", at_least=2)


def our_factors(X, n_components, n_iter, options):
    """Return the seconds of a fit and its objective."""
    from sklearn_ebm import SparseCoder

    coder = SparseCoder(
        n_components, alpha=NMF_ALPHA, positive=True, positive_dictionary=True, max_iter=n_iter,
        tol=0, random_state=options.seed,
    )  # fmt: skip
    seconds, coder = _common.stopwatch(lambda: coder.fit(X))
    return seconds, objective(X, coder.components_)


def scikit_learn(X, n_components, weight, options):
    """Return the weight, the seconds of a fit and its objective."""
    from sklearn.decomposition import NMF

    model = NMF(
        n_components, init="nndsvda", alpha_W=NMF_ALPHA / X.shape[1], alpha_H=weight, l1_ratio=1.0,
        max_iter=50 if options.quick else 200, tol=1e-4, random_state=options.seed,
    )  # fmt: skip
    seconds, model = _common.stopwatch(lambda: model.fit(X))
    norms = np.linalg.norm(model.components_, axis=1, keepdims=True)
    atoms = model.components_[norms[:, 0] > 0] / norms[norms > 0][:, None]
    return weight, seconds, objective(X, atoms) if len(atoms) else np.inf


def objective(X, atoms):
    from sklearn_ebm import sparse_encode

    X, atoms = X.astype(np.float64), np.ascontiguousarray(atoms, dtype=np.float64)
    code = sparse_encode(X, atoms, NMF_ALPHA, positive=True)
    return np.mean(np.sum((X - code @ atoms) ** 2, axis=1) / 2 + NMF_ALPHA * code.sum(axis=1))


if __name__ == "__main__":
    main()
