"""Orthogonal matching pursuit against SPAMS and scikit-learn, and K-SVD against dictlearn.

Contrast-normalised natural 12x12 patches, and as many of them, scaled to norm one, as atoms. The
`omp` of SPAMS selects the atom that leaves the smallest error, as `L0Penalty(optimized=True)`;
scikit-learn's `orthogonal_mp_gram` selects the most correlated atom, as the default does. Each
receives data in its dtype and preferred memory order. Codes are sparse arrays, as those of SPAMS
always are. scikit-learn encodes some of the samples, and
the ratio is one of throughputs. For K-SVD, each learner starts from the same atoms, and the time is
that in which this package reaches the error that dictlearn reaches in its last pass.
"""

import warnings

import numpy as np

from benchmarks import _common

N_FEW = 200  # samples of scikit-learn
SPARSITIES = (5, 10)
KSVD = {"ksvd": "ksvd", "approximate_ksvd": "aksvd"}  # our names and those of dictlearn


def main():
    options = _common.options(__doc__)
    warnings.simplefilter("ignore")  # numbers of passes are limited on purpose
    report = _common.Report("pursuit", "Orthogonal matching pursuit and K-SVD")
    n_samples = 2_000 if options.quick else 20_000
    X = _common.natural_patches(n_samples, seed=options.seed + 7)
    for n_components in (256,) if options.quick else (256, 1024):
        atoms = _common.natural_patches(n_components, seed=options.seed, norm=1.0)
        for dtype in (np.float32, np.float64):
            for k in SPARSITIES:
                encoders(report, X.astype(dtype), atoms.astype(dtype), k, options)
    report.note(f"{n_samples} samples, {N_FEW} with scikit-learn; best of interleaved rounds")
    learners(report, options)
    report.save(options.results)


def encoders(report, X, atoms, k, options):
    import spams
    from sklearn.linear_model import orthogonal_mp_gram

    columns, columns_of_atoms = np.asfortranarray(X.T), np.asfortranarray(atoms.T)

    def scikit_learn():
        few = X[:N_FEW]
        return orthogonal_mp_gram(atoms @ atoms.T, atoms @ few.T, n_nonzero_coefs=k).T

    timings = _common.interleave(
        {
            "ours": lambda: encode(X, atoms, k),
            "ours, optimized": lambda: encode(X, atoms, k, optimized=True),
            "SPAMS": lambda: spams.omp(
                columns, D=columns_of_atoms, L=k, eps=0.0, numThreads=options.threads
            ),
            "scikit-learn": scikit_learn,
        },
        rounds=2 if options.quick else 7,
    )
    name = f"{len(atoms)} atoms, {k} non-zero, {X.dtype}"
    codes = {who: dense(timing.result, X) for who, timing in timings.items()}
    for who, timing in timings.items():
        error = np.mean(np.sum((X[: len(codes[who])] - codes[who] @ atoms) ** 2, axis=1))
        report.add(name, f"{who}, squared error {error:.4g}", timing.best, "s")
    best = {who: timing.best for who, timing in timings.items()}
    best["scikit-learn"] *= len(X) / N_FEW
    ratio = best["SPAMS"] / best["ours, optimized"]
    report.add(name, "SPAMS / ours, optimized", ratio, "x", at_least=2)
    report.add(name, "scikit-learn / ours", best["scikit-learn"] / best["ours"], "x", at_least=10)
    for ours, theirs in (("ours, optimized", "SPAMS"), ("ours", "scikit-learn")):
        pairs = zip(codes[ours] != 0, codes[theirs] != 0, strict=False)
        same = np.mean([np.array_equal(*pair) for pair in pairs])
        report.add(name, f"share of supports as in {theirs}", same)


def encode(X, atoms, k, **selection):
    from sklearn_ebm import L0Penalty, sparse_encode

    return sparse_encode(X, atoms, penalty=L0Penalty(k, **selection), sparse_output=True)


def dense(code, X):
    """Return codes as an array with one row for each sample."""
    if isinstance(code, np.ndarray):
        return code
    return code.toarray() if code.shape[0] == len(X) else code.toarray().T


def learners(report, options):
    n_samples, n_iter = (2_000, 2) if options.quick else (100_000, 3)
    X = _common.natural_patches(n_samples, seed=options.seed + 1, size=8)
    start = _common.natural_patches(256, seed=options.seed, size=8, norm=1.0)
    our_learner(X[:500], start, "ksvd", 1)  # compiles
    for ours, theirs in KSVD.items():
        seconds, learner = _common.stopwatch(lambda name=theirs: dictlearn(X, start, name, n_iter))
        target = error(X, learner.components_)
        curve = [our_learner(X, start, ours, n) for n in (1, 2, 3, 6)]
        reached = [(spent, err) for spent, err in curve if err <= target]
        name = f"{ours}, {n_samples} patches, 256 atoms, 5 non-zero"
        report.add(name, f"dictlearn, {n_iter} passes, squared error {target:.4g}", seconds, "s")
        for spent, err in curve:
            report.add(name, f"ours, squared error {err:.4g}", spent, "s")
        ratio = seconds / reached[0][0] if reached else 0.0
        report.add(name, "dictlearn / ours, same error", ratio, "x", at_least=5)


def dictlearn(X, start, name, n_iter):
    from dictlearn import DictionaryLearning

    return DictionaryLearning(
        len(start), fit_algorithm=name, n_nonzero_coefs=5, max_iter=n_iter, dict_init=start
    ).fit(X)


def our_learner(X, start, optimizer, n_iter):
    """Return the seconds of a fit and its error."""
    from sklearn_ebm import L0Penalty, SparseCoder

    coder = SparseCoder(
        dictionary_init=start, penalty=L0Penalty(5), optimizer=optimizer, max_iter=n_iter, tol=0
    )
    seconds, coder = _common.stopwatch(lambda: coder.fit(X))
    return seconds, error(X, coder.components_)


def error(X, atoms):
    return np.mean(np.sum((X - encode(X, atoms, 5) @ atoms) ** 2, axis=1))


if __name__ == "__main__":
    main()
