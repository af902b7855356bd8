"""Single samples, the encoder compared with NumPy, PSD with SparseCoder, import, first fit."""

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import _common

N_COMPONENTS = 256
MILLISECOND = 1e3

IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
FIRST_FIT = """
import time
import numpy as np
from sklearn_ebm import SparseCoder, PSD
X = np.random.default_rng(0).standard_normal((2000, 144)).astype(np.float32)
model = {}(64, max_iter=2, tol=0, random_state=0)
for _ in range(3):
    start = time.perf_counter()
    model.fit(X)
    print(time.perf_counter() - start)
"""

NOTHING = """
from numba import njit
@njit(cache=True)
def nothing(x):
    return x
"""
BARE_NUMBA = """
import sys, time
import numpy, sklearn.decomposition
sys.path.insert(0, {!r})
start = time.perf_counter()
import nothing
nothing.nothing(1.0)
print(time.perf_counter() - start)
"""


def main():
    options = _common.options(__doc__)
    report = _common.Report("small", "Latencies and start")
    X = _common.natural_patches(10_000, seed=options.seed + 7, dtype=np.float32)
    psd = fitted("PSD", X[:2000], encoder="shrinkage")
    one_optimal_code(report, X)
    encoder_transform(report, psd, X)
    one_encoded_sample(report, psd, X)
    psd_beside_sparse_coder(report, X[: 2_000 if options.quick else None])
    import_time(report, rounds=3 if options.quick else 15)
    first_fit(report)
    bare_numba(report)
    report.save(options.results)


def fitted(name, X, **how):
    """Return a model after two passes, which is sufficient to time its transform."""
    import warnings

    import sklearn_ebm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = getattr(sklearn_ebm, name)(N_COMPONENTS, max_iter=2, tol=0, random_state=0, **how)
        return model.fit(X)


def one_optimal_code(report, X):
    """Time SparseCoder.transform of one row with given atoms, and with learned atoms."""
    from sklearn_ebm import SparseCoder

    dictionary = _common.learned_dictionary(N_COMPONENTS, seconds=4).astype(np.float32)
    for alpha in (1.0, 2.0):
        coder = SparseCoder(alpha=alpha, dictionary=dictionary).fit(X)
        share = np.mean(coder.transform(X[:500]) != 0)
        case = f"transform of one sample, optimal, {share:.0%} non-zeros"
        samples = [X[i : i + 1] for i in range(5)]
        seconds = np.mean([_common.best_of(partial(coder.transform, one)) for one in samples])
        report.add(case, "mean of 5 samples", seconds * MILLISECOND, "ms", at_most=0.2)


def encoder_transform(report, psd, X):
    """Time the encoder of a fitted PSD, and the NumPy expression of a shrinkage."""
    W = np.ascontiguousarray(psd.encoder_components_.T)
    bias = np.zeros(N_COMPONENTS, dtype=np.float32)
    threshold = np.full(N_COMPONENTS, 0.5, dtype=np.float32)

    def bare():
        u = X @ W + bias
        return np.sign(u) * np.maximum(np.abs(u) - threshold, 0)

    timings = _common.interleave({"ours": lambda: psd.transform(X), "NumPy": bare}, rounds=25)
    ours, theirs = timings["ours"].best, timings["NumPy"].best
    case = "encoder, 10000 x 144 -> 256, float32"
    report.add(case, "bare NumPy", theirs * MILLISECOND, "ms")
    report.add(case, "ours", ours * MILLISECOND, "ms")
    report.add(case, "ours / NumPy", ours / theirs, "x", at_most=1.3)


def one_encoded_sample(report, psd, X):
    from sklearn.preprocessing import StandardScaler

    scaler, one = StandardScaler().fit(X), X[:1]
    ours = _common.best_of(lambda: psd.transform(one), at_least=1)
    theirs = _common.best_of(lambda: scaler.transform(one), at_least=1)
    case = "encoder, one sample"
    report.add(case, "StandardScaler", theirs * MILLISECOND, "ms")
    report.add(case, "ours", ours * MILLISECOND, "ms")
    report.add(case, "ours above it", (ours - theirs) * MILLISECOND, "ms", at_most=0.15)


def psd_beside_sparse_coder(report, X):
    contenders = {
        f"PSD, {encoder}": lambda encoder=encoder: fitted("PSD", X, encoder=encoder)
        for encoder in ("shrinkage", "tanh", "smooth_shrinkage")
    }
    contenders["SparseCoder"] = lambda: fitted("SparseCoder", X)
    timings = _common.interleave(contenders, rounds=3)
    base = timings.pop("SparseCoder").best
    case = f"fit, 2 passes over {len(X)} patches"
    report.add(case, "SparseCoder", base, "s")
    for name, timing in timings.items():
        report.add(case, f"{name} / SparseCoder", timing.best / base, "x", at_most=2)


def import_time(report, rounds):
    """Import scikit-learn without and with ours in new processes; compare the best times."""
    # The imports of scikit-learn's users; `import sklearn` loads almost nothing.
    modules = ("sklearn.decomposition", "sklearn.decomposition, sklearn_ebm")
    names = ("sklearn.decomposition, sklearn_ebm; sklearn_ebm.SparseCoder; sklearn_ebm.PSD",)
    times = {module: [] for module in (*modules, *names)}
    for _ in range(rounds):
        for module, seconds in times.items():
            seconds.append(float(_python(IMPORT.format(module))))
    base, bare, used = (min(seconds) * MILLISECOND for seconds in times.values())
    report.add("import", "scikit-learn (sklearn.decomposition)", base, "ms")
    report.add("import", "sklearn_ebm, above it", bare - base, "ms", at_most=50)
    report.add("import", "its estimators, above it", used - base, "ms", at_most=50)


def first_fit(report):
    """Time the first fit of a new process and later ones, with a cold and a warm Numba cache."""
    for name in ("SparseCoder", "PSD"):
        with tempfile.TemporaryDirectory() as cache:
            script, place = FIRST_FIT.format(name), {"NUMBA_CACHE_DIR": cache}
            cold = [float(line) for line in _python(script, place).split()]
            warm = [[float(x) for x in _python(script, place).split()] for _ in range(3)]
        above = min(first - min(later) for first, *later in warm)
        report.add(f"first fit, {name}", "later fit", min(cold[1:]), "s")
        report.add(f"first fit, {name}", "warm cache, above it", above, "s", at_most=0.3)
        report.add(f"first fit, {name}", "cold cache", cold[0], "s", at_most=10)


def bare_numba(report):
    """Import Numba and load an empty kernel from the cache: the lower bound of a first fit."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "nothing.py").write_text(NOTHING)
        place = {"NUMBA_CACHE_DIR": folder}
        script = BARE_NUMBA.format(folder)
        seconds = [float(_python(script, place)) for _ in range(4)][1:]
    report.add("first fit, any", "of which Numba's own start", min(seconds), "s")


def _python(script, variables=()):
    environment = {**os.environ, **dict(variables), "PYTHONPATH": str(_common.ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", script]
    return subprocess.run(
        command, env=environment, cwd=_common.ROOT, check=True, capture_output=True, text=True
    ).stdout


if __name__ == "__main__":
    main()
