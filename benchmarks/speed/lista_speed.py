"""Codes of equal error: LISTA compared with exact solvers, and the time of its training.

10 x 10 natural patches of unit variance, alpha 0.5, 400 atoms, float32. The error is the mean of
||z - z*||^2 over held-out patches. It is set by LISTA with 3 steps. LCoD has the fewest steps that
reach it; the active set and FISTA have the loosest tolerance that reaches it. SPAMS's LARS has no
tolerance and is run as it is, so the active set is also run with its default tolerance.
"""

import time
import warnings
from functools import partial

import numpy as np

from benchmarks import _common

N_COMPONENTS, ALPHA = 400, 0.5
N_STEPS = 3
GREEDY_STEPS = (8, 10, 12, 16, 20)
TOLERANCE = 1e-4
SEEDS = 5
MICROSECOND = 1e6
FASTER = 5  # ratio to the best exact solver, with batches of 10,000
MINUTES = 3  # for training on 200,000 patches
SPREAD = 0.05  # of the errors of five seeds


def main():
    options = _common.options(__doc__)
    report = _common.Report("lista_speed", "Codes of equal error, and training")
    n_train = 4_000 if options.quick else 200_000
    train = _common.natural_patches(n_train, seed=options.seed + 1, size=10, dtype=np.float32)
    X = _common.natural_patches(10_000, seed=options.seed + 99, size=10, dtype=np.float32)
    warnings.simplefilter("ignore")  # the number of passes is the intended stop
    from sklearn_ebm import SparseCoder

    coder = SparseCoder(N_COMPONENTS, alpha=ALPHA, max_iter=3, tol=0, random_state=options.seed)
    dictionary = coder.fit(train[:50_000]).components_
    yardstick = Yardstick(X, dictionary)
    encoder = training(report, yardstick, train, dictionary, options)
    contenders = equal_contenders(report, yardstick, train, encoder, options)
    for n_threads in (1, options.threads):
        for n_samples in (len(X), 1):
            compare(report, contenders, dictionary, X, n_samples, n_threads)
    report.save(options.results)


class Yardstick:
    """The error of codes, relative to exact codes in float64."""

    def __init__(self, X, dictionary):
        self.X, self.dictionary = X, dictionary
        double = dictionary.astype(np.float64)
        self.optimum = _common.encode(X.astype(np.float64), double, ALPHA, tol=1e-9)

    def error(self, code):
        return float(np.mean(np.sum((code - self.optimum) ** 2, axis=1)))


def trained(train, dictionary, options, seed=0, **settings):
    from sklearn_ebm import LISTAEncoder

    passes = {"max_iter": 3, "tol": 0} if options.quick else {}
    encoder = LISTAEncoder(
        dictionary=dictionary, alpha=ALPHA, random_state=seed, **passes, **settings
    )
    return encoder.fit(train)


def training(report, yardstick, train, dictionary, options):
    """Return the encoder of the first of five seeds; report seconds and errors with defaults."""
    encoders, errors, seconds = [], [], []
    for seed in range(2 if options.quick else SEEDS):
        began = time.perf_counter()
        encoder = trained(train, dictionary, options, seed=options.seed + seed, n_steps=N_STEPS)
        seconds.append(time.perf_counter() - began)
        encoders.append(encoder)
        errors.append(yardstick.error(encoder.transform(yardstick.X)))
        curve = encoder.validation_curve_
        assert curve.argmin() > 0, "training did not come below the start"
        report.note(
            f"seed {options.seed + seed}: {encoder.n_iter_} passes, held-out loss from "
            f"{curve[0]:.3g} to {curve.min():.3g}, squared error {errors[-1]:.4g}"
        )
    case = f"training, {len(train):,} patches, T = {N_STEPS}, exact codes included"
    report.add(case, "longest of the seeds", max(seconds) / 60, "min", at_most=MINUTES)
    spread = max(errors) / min(errors) - 1
    report.add(case, f"{len(errors)} seeds, largest error over least", spread, at_most=SPREAD)
    return encoders[0]


def equal_contenders(report, yardstick, train, encoder, options):
    """Return name -> (X, n_threads) -> codes, for contenders that reach the error of LISTA."""
    error = yardstick.error(encoder.transform(yardstick.X))
    report.add("LISTA", f"squared error, T = {N_STEPS}", error)
    greedy = cheapest_greedy(report, yardstick, train, error, options)
    contenders = {"LISTA": encoder.transform, "LCoD": greedy.transform}
    for solver in ("active_set", "fista"):
        tol = loosest(yardstick, solver, error)
        coder = exact(yardstick.dictionary, solver, tol)
        report.add(solver, f"squared error, tol {tol:.2g}", yardstick.error(coder(yardstick.X)))
        contenders[f"{solver}, equal error"] = coder
    contenders[f"active_set, gap {TOLERANCE:g}"] = exact(
        yardstick.dictionary, "active_set", TOLERANCE
    )
    return contenders


def cheapest_greedy(report, yardstick, train, error, options):
    """Return LCoD with the fewest steps that reach the error."""
    for n_steps in GREEDY_STEPS[:1] if options.quick else GREEDY_STEPS:
        encoder = trained(train, yardstick.dictionary, options, n_steps=n_steps, encoder="lcod")
        reached = yardstick.error(encoder.transform(yardstick.X))
        report.add("LCoD", f"squared error, T = {n_steps}", reached)
        if reached <= error:
            break
    return encoder


def exact(dictionary, solver, tol):
    """Return transform of a SparseCoder with given atoms."""
    from sklearn_ebm import SparseCoder

    coder = SparseCoder(alpha=ALPHA, dictionary=dictionary, solver=solver, code_tol=tol)
    return coder.fit(dictionary).transform


def loosest(yardstick, solver, error):
    """Return the largest tolerance of a solver that reaches the error, by bisection."""
    low, high = 1e-4, 1.0
    for _ in range(12):
        middle = np.sqrt(low * high)
        reached = yardstick.error(exact(yardstick.dictionary, solver, middle)(yardstick.X))
        low, high = (middle, high) if reached <= error else (low, middle)
    return low


def compare(report, contenders, dictionary, X, n_samples, n_threads):
    """Report microseconds per sample, interleaved, and ratios to the fastest other contender."""
    contenders = contenders | {
        "SPAMS's LARS": partial(
            _common.spams_lasso, dictionary=dictionary, alpha=ALPHA, threads=n_threads
        )
    }
    with limited(n_threads):
        seconds = {}
        if n_samples == 1:
            for name, call in contenders.items():
                each = [_common.best_of(partial(call, X[i : i + 1])) for i in range(5)]
                seconds[name] = float(np.mean(each))
        else:
            calls = {name: partial(call, X[:n_samples]) for name, call in contenders.items()}
            timings = _common.interleave(calls, rounds=9)
            seconds = {name: timing.best for name, timing in timings.items()}
    case = f"batch of {n_samples:,}, {n_threads} threads"
    for name, value in seconds.items():
        report.add(case, name, value / n_samples * MICROSECOND, "us a sample")
    solvers = {name: value for name, value in seconds.items() if name not in ("LISTA", "LCoD")}
    equal = min(solvers, key=solvers.get)
    best_exact = seconds[f"active_set, gap {TOLERANCE:g}"]
    for network in ("LISTA", "LCoD"):
        goal = {"at_least": FASTER} if n_samples > 1 else {}
        report.add(case, f"{network}, times as fast as {equal}", solvers[equal] / seconds[network],
                   "x", **goal)  # fmt: skip
        report.add(case, f"{network}, times as fast as exact codes", best_exact / seconds[network],
                   "x", **goal)  # fmt: skip


def limited(n_threads):
    """Limit the threads of BLAS, OpenMP and our kernels."""
    import numba
    from threadpoolctl import threadpool_limits

    numba.set_num_threads(n_threads)
    return threadpool_limits(n_threads)


if __name__ == "__main__":
    main()
