"""Codes with group penalties, and GroupSparsePSD: time compared with SPAMS, skglm and PSD.

Disjoint groups of four on 256 atoms and 12 x 12 natural patches of unit variance, with 5 % of the
codes non-zero. SPAMS's fistaFlat processes all samples at once, with one and two threads, since two
are not always faster; skglm's GroupBCD is called for each sample. Each uses the loosest tolerance
for which the largest relative gap of all samples, recomputed in float64 by its definition, is at
most 1e-4. For overlapping pools on a torus, the measure is samples per second.
"""

import time
import warnings
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import _common

N_COMPONENTS, SIZE, DENSITY = 256, 4, 0.05
GAP = 1e-4
TOLERANCES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6)
EXACT = {"spams": 1e-18, "skglm": 1e-12, "ours": 1e-15}
MAP = {"map_shape": (16, 16), "pool_shape": (6, 6)}
MICROSECOND = 1e6


def main():
    options = _common.options(__doc__)
    report = _common.Report("groups", "Group sparsity: disjoint groups, and pools that overlap")
    warnings.simplefilter(
        "ignore"
    )  # the number of passes is limited on purpose; skglm announces its next version
    X = _common.natural_patches(500 if options.quick else 5_000, seed=options.seed + 7)
    disjoint(report, X, options)
    psd, pooled = train(report, options)
    overlapping(report, pooled, options)
    encoders(report, psd, pooled, options)
    report.save(options.results)


# -------------------------------------------------------------------------------- disjoint groups
def disjoint(report, X, options):
    dictionary = grouped_dictionary(4 if options.quick else 25, options.seed)
    alpha = alpha_for_density(X[:500], dictionary)
    n_peers = 100 if options.quick else 1000  # number of samples for the slower contenders
    for dtype in (np.float32, np.float64):
        data = X.astype(dtype), dictionary.astype(dtype), alpha
        ours = loosest(partial(encode, *data), data, len(X))
        case = f"groups of {SIZE}, {DENSITY:.0%} on, {np.dtype(dtype)}"
        report.add(case, f"ours, {ours.text}", ours.microseconds, "us a sample")
        few = data[0][:n_peers], *data[1:]
        peers = {
            "SPAMS fistaFlat, 1 thread": partial(spams, *few),
            "SPAMS fistaFlat, 2 threads": partial(spams, *few, n_threads=2),
        }
        if dtype is np.float64:
            peers["skglm GroupBCD in a loop"] = partial(skglm, *few)
        for name, solve in peers.items():
            peer = loosest(solve, few, n_peers)
            report.add(case, f"{name}, {peer.text}", peer.microseconds, "us a sample")
            ratio = peer.microseconds / ours.microseconds
            report.add(case, f"{name} / ours", ratio, "x", at_least=3)
    agreement(report, X[:100], dictionary, alpha)


def grouped_dictionary(seconds, seed):
    """Return learned atoms, ordered such that each group contains the most similar ones."""
    dictionary = _common.learned_dictionary(N_COMPONENTS, seconds=seconds, seed=seed)
    likeness = np.abs(dictionary @ dictionary.T)
    left, order = list(range(N_COMPONENTS)), []
    while left:
        members = sorted(left, key=lambda atom: -likeness[left[0], atom])[:SIZE]
        order += members
        left = [atom for atom in left if atom not in members]
    return dictionary[order]


def alpha_for_density(X, dictionary):
    low, high = 0.1, 50.0
    for _ in range(14):
        middle = float(np.sqrt(low * high))
        share = np.mean(encode(X, dictionary, middle, 1e-4) != 0)
        low, high = (middle, high) if share > DENSITY else (low, middle)
    return middle


def encode(X, dictionary, alpha, tol, penalty=SIZE):
    from sklearn_ebm import GroupPenalty

    penalty = GroupPenalty(penalty) if isinstance(penalty, int) else penalty
    return _common.encode(X, dictionary, alpha, tol=tol, max_iter=10_000, penalty=penalty)


def spams(X, dictionary, alpha, tol, n_threads=1):
    import spams

    start = np.zeros((N_COMPONENTS, len(X)), X.dtype, order="F")
    solve = partial(
        spams.fistaFlat,
        np.asfortranarray(X.T),
        np.asfortranarray(dictionary.T),
        start,
        numThreads=n_threads,
        lambda1=alpha,
        loss="square",
        regul="group-lasso-l2",
        groups=np.repeat(np.arange(1, N_COMPONENTS // SIZE + 1, dtype=np.int32), SIZE),
        max_it=100_000,
        tol=tol,
        compute_gram=True,
        intercept=False,
        verbose=False,
    )
    with threadpool_limits(1 if n_threads > 1 else None, user_api="blas"):
        return np.ascontiguousarray(solve().T)


def skglm(X, dictionary, alpha, tol):
    """Call it once per sample; its objective is ours divided by the number of features."""
    from skglm.datafits import QuadraticGroup
    from skglm.penalties import WeightedGroupL2
    from skglm.solvers import GroupBCD
    from skglm.utils.data import grp_converter
    from skglm.utils.jit_compilation import compiled_clone

    members, starts = grp_converter(SIZE, N_COMPONENTS)
    n_features = X.shape[1]
    weights = np.ones(N_COMPONENTS // SIZE)
    penalty = compiled_clone(WeightedGroupL2(alpha / n_features, weights, starts, members))
    datafit = compiled_clone(QuadraticGroup(starts, members))
    solver = GroupBCD(max_iter=500, max_epochs=50_000, tol=tol, fit_intercept=False)
    atoms = np.asfortranarray(dictionary.T)
    codes = []
    for x in X:
        datafit.initialize(atoms, x)
        codes.append(solver.solve(atoms, x, datafit, penalty)[0])
    return np.array(codes)


class Found:
    """The loosest tolerance that reaches the gap, its time, and its result."""

    def __init__(self, tol, gap, code, seconds, n_samples):
        self.microseconds = seconds / n_samples * MICROSECOND
        share = np.mean(code != 0)
        self.text = f"tol {tol:.0e}, gap max {gap.max():.0e}, {share:.1%} on"


def loosest(solve, data, n_samples):
    solve(TOLERANCES[0])  # compiles kernels and starts thread pools
    for tol in TOLERANCES:
        code = solve(tol)
        gap = group_gap(*data[:2], code, data[2])
        if gap.max() <= GAP:
            seconds = min(_common.stopwatch(partial(solve, tol))[0] for _ in range(3))
            return Found(tol, gap, code, seconds, n_samples)
    raise AssertionError("no tolerance reaches the gap")


def group_gap(X, dictionary, code, alpha):
    """Return the duality gap over 1/2 ||x||^2 for consecutive groups, in float64."""
    X, dictionary, code = (np.asarray(array, np.float64) for array in (X, dictionary, code))
    residual = X - code @ dictionary
    size = np.linalg.norm((residual @ dictionary.T).reshape(len(X), -1, SIZE), axis=2)
    theta = residual / np.maximum(1, size.max(axis=1) / alpha)[:, None]
    half = 0.5 * np.sum(X**2, axis=1)
    dual = half - 0.5 * np.sum((X - theta) ** 2, axis=1)
    return (group_energy(X, dictionary, code, alpha) - dual) / half


def group_energy(X, dictionary, code, alpha):
    norms = np.linalg.norm(code.reshape(len(X), -1, SIZE), axis=2)
    return 0.5 * np.sum((X - code @ dictionary) ** 2, axis=1) + alpha * norms.sum(axis=1)


def agreement(report, X, dictionary, alpha):
    """Compare codes in float64 at the highest accuracy of each contender."""
    ours = encode(X, dictionary, alpha, EXACT["ours"])
    for name, solve in (("spams", spams), ("skglm", skglm)):
        difference = np.abs(ours - solve(X, dictionary, alpha, EXACT[name])).max()
        report.add("groups, float64", f"largest difference from {name}", difference, at_most=1e-6)


# --------------------------------------------------------------------------------- pools on a map
def train(report, options):
    """Train PSD and GroupSparsePSD of the same size on the same patches."""
    from sklearn_ebm import PSD, GroupSparsePSD

    n_train, passes = (5_000, 2) if options.quick else (200_000, 10)
    X = _common.natural_patches(n_train, seed=options.seed + 1, dtype=np.float32)
    settings = {"max_iter": passes, "tol": 0, "random_state": options.seed}
    pooled = GroupSparsePSD(**MAP, **settings)
    began = time.perf_counter()
    pooled.fit(X)
    minutes = (time.perf_counter() - began) / 60
    report.add(f"{n_train} patches, {passes} passes", "training", minutes, "min", at_most=10)
    report.note(f"energy after each pass: {np.round(pooled.objective_curve_, 3).tolist()}")
    psd = PSD(N_COMPONENTS, **settings | {"max_iter": 2})
    return psd.fit(X[:50_000]), pooled


def overlapping(report, model, options):
    """Time optimal codes, without and with the prediction."""
    from sklearn_ebm import GroupPenalty

    X = _common.natural_patches(
        500 if options.quick else 10_000, seed=options.seed + 99, dtype=np.float32
    )
    penalty = GroupPenalty(**MAP)
    for dtype in (np.float32, np.float64):
        data, dictionary = X.astype(dtype), model.components_.astype(dtype)
        seconds = _common.best_of(partial(encode, data, dictionary, 1.0, 1e-3, penalty), rounds=3)
        report.add(
            f"6 x 6 pools on a 16 x 16 torus, gap 1e-3, {np.dtype(dtype)}", "optimal codes",
            len(X) / seconds, "samples/s", at_least=2000,
        )  # fmt: skip
    model.set_params(inference="optimal", code_tol=1e-3)
    seconds = _common.best_of(lambda: model.transform(X), rounds=3)
    model.set_params(inference="encoder", code_tol=1e-4)
    report.add(
        "the same with the prediction term, float32", "optimal codes", len(X) / seconds,
        "samples/s", at_least=2000,
    )  # fmt: skip


def encoders(report, psd, pooled, options):
    """Time transform by the encoder: codes of PSD, and pooled features of GroupSparsePSD."""
    n_samples = 1_000 if options.quick else 20_000
    X = _common.natural_patches(n_samples, seed=options.seed + 98, dtype=np.float32)
    models = {"PSD": psd, "pooled": pooled}
    contenders = {name: lambda model=model: model.transform(X) for name, model in models.items()}
    timings = _common.interleave(contenders, rounds=30)
    for name, timing in timings.items():
        report.add("encoder", name, timing.best / n_samples * MICROSECOND, "us a sample")
    ratio = timings["pooled"].best / timings["PSD"].best
    report.add("encoder", "pooled / PSD", ratio, "x", at_most=1.5)


if __name__ == "__main__":
    main()
