"""Exact sparse codes: our active set, SPAMS's LARS and scikit-learn's coordinate descent.

Contrast-normalised natural 12x12 patches. Each contender receives data in its dtype and preferred
memory order, prepared in advance. Duality gaps are recomputed in float64.

The coherent cases are sums of overlapping Gaussian peaks, and raw 8x8 patches of a photograph.
There, SPAMS computes in float64 for both of our dtypes, since its codes in float32 are mostly NaN.
"""

import warnings

import numpy as np

from benchmarks import _common

CASES = ((256, 0.05), (256, 0.15), (1024, 0.05))
SKLEARN_SAMPLES = 2_000
TOLERANCE = {"float32": 1e-5, "float64": 1e-6}
COHERENT_TOLERANCE = 1e-4


def main():
    options = _common.options(__doc__)
    report = _common.Report("exact_codes", "Exact sparse codes")
    n_samples = 2_000 if options.quick else 20_000
    X = _common.natural_patches(n_samples, seed=options.seed + 7)
    for n_components, density in CASES:
        seconds = 4 if options.quick else 25
        dictionary = _common.learned_dictionary(n_components, seconds=seconds, seed=options.seed)
        alpha = _common.alpha_for_density(X[:1000], dictionary, density)
        for dtype in ("float32", "float64"):
            name = f"{n_components} atoms, {density:.0%}, {dtype}"
            problem = X.astype(dtype), dictionary.astype(dtype), alpha
            seconds = against_spams(report, name, *problem, options)
            against_sklearn(report, name, *problem, seconds)
    for name, *problem in coherent_problems(options):
        for dtype in ("float32", "float64"):
            on_coherent_atoms(report, f"{name}, {dtype}", *problem, dtype, options)
    report.note(f"{n_samples} samples; best of interleaved rounds")
    report.note(f"scikit-learn codes {SKLEARN_SAMPLES} of them; the ratio is one of throughputs")
    report.save(options.results)


def against_spams(report, name, X, dictionary, alpha, options):
    import spams

    columns, atoms = np.asfortranarray(X.T), np.asfortranarray(dictionary.T)
    timings = _common.interleave(
        {
            "ours": lambda: encode(X, dictionary, alpha),
            "SPAMS": lambda: spams.lasso(
                columns, D=atoms, lambda1=float(alpha), mode=2, numThreads=options.threads
            ),
        },
        rounds=2 if options.quick else 5,
    )
    codes = {who: _common.dense(timing.result, len(X)) for who, timing in timings.items()}
    assert codes["ours"].dtype == X.dtype
    gaps = {who: _common.relative_gap(X, code, dictionary, alpha) for who, code in codes.items()}
    for who, timing in timings.items():
        report.add(name, f"{who}, {describe(codes[who], gaps[who])}", timing.best, "s")
    report.add(name, "SPAMS / ours", timings["SPAMS"].best / timings["ours"].best, "x", at_least=3)
    report.add(name, "largest gap, ours", gaps["ours"].max(), at_most=TOLERANCE[X.dtype.name])
    report.add(name, "first call of ours, above", timings["ours"].first - timings["ours"].best, "s")
    return timings["ours"].best


def coherent_problems(options):
    """Yield name, data, dictionary and alpha of problems with nearly dependent atoms."""
    from sklearn.datasets import load_sample_image
    from sklearn.feature_extraction.image import extract_patches_2d

    from sklearn_ebm import SparseCoder

    n_peaks, n_patches = (300, 500) if options.quick else (3_000, 5_000)
    X, atoms = _common.peaks(n_peaks, seed=options.seed)
    grey = load_sample_image("china.jpg").mean(axis=2) / 255
    patches = extract_patches_2d(grey, (8, 8), max_patches=n_patches, random_state=options.seed)
    patches = patches.reshape(n_patches, 64)
    learner = SparseCoder(100, alpha=0.1, max_iter=5, tol=0, random_state=options.seed)
    yield "peaks, alpha 1e-3", X, atoms, 1e-3
    yield "peaks, alpha 0.1", X, atoms, 0.1
    yield "raw patches, alpha 0.1", patches, learner.fit(patches).components_, 0.1


def on_coherent_atoms(report, name, X, dictionary, alpha, dtype, options):
    import spams

    columns, atoms = np.asfortranarray(X.T), np.asfortranarray(dictionary.T)
    ours = X.astype(dtype), dictionary.astype(dtype), alpha
    timings = _common.interleave(
        {
            "ours": lambda: _common.encode(*ours, tol=COHERENT_TOLERANCE),
            "SPAMS": lambda: spams.lasso(
                columns, D=atoms, lambda1=alpha, mode=2, numThreads=options.threads
            ),
        },
        rounds=3 if options.quick else 9,
    )
    given = {"ours": ours, "SPAMS": (X, dictionary, alpha)}
    for who, timing in timings.items():
        code, (data, own_atoms, _) = _common.dense(timing.result, len(X)), given[who]
        gap = _common.relative_gap(data, code, own_atoms, alpha)
        n_above = np.sum(~(gap <= 1.01 * COHERENT_TOLERANCE))
        report.add(name, f"{who}, {describe(code, gap)}", timing.best, "s")
        limit = {"at_most": 0} if who == "ours" else {}
        report.add(name, f"{who}, samples above {COHERENT_TOLERANCE:g}", n_above, **limit)
    ratio = timings["SPAMS"].best / timings["ours"].best
    report.add(name, "SPAMS in float64 / ours", ratio, "x", at_least=2)


def against_sklearn(report, name, X, dictionary, alpha, our_seconds):
    """Time scikit-learn on a part of the samples, with the faster of one and several workers."""
    from sklearn.decomposition import sparse_encode

    our_throughput = len(X) / our_seconds
    X = X[:SKLEARN_SAMPLES]

    def lasso(n_jobs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # samples for which its 1000 sweeps are insufficient
            return sparse_encode(X, dictionary, algorithm="lasso_cd", alpha=alpha, n_jobs=n_jobs)

    timings = _common.interleave(
        {"one worker": lambda: lasso(1), "workers": lambda: lasso(_common.THREADS)}, rounds=2
    )
    how, best = min(timings.items(), key=lambda item: item[1].best)
    gap = _common.relative_gap(X, best.result, dictionary, alpha)
    report.add(name, f"scikit-learn, {how}, {describe(best.result, gap)}", best.best, "s")
    ratio = our_throughput / (len(X) / best.best)
    report.add(name, "scikit-learn / ours", ratio, "x", at_least=15)


def encode(X, dictionary, alpha):
    return _common.encode(X, dictionary, alpha, tol=TOLERANCE[X.dtype.name])


def describe(code, gap):
    return f"{np.mean(code != 0):.1%} non-zero, gap max {gap.max():.0e} mean {gap.mean():.0e}"


if __name__ == "__main__":
    main()
