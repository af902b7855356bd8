"""Compare the speed of this checkout with that of another one.

    git worktree add ../before REVISION
    python tools/compare_speed.py ../before [--only codes rbm] [--rounds 25]

One process per checkout runs the same short cases, in turns, so that both meet the same changes of
the machine's speed. For each case, the tool prints the median times, the ratio of the medians and
the ratio of the shortest times. It exits with 1 if both ratios of a case are above 1.05. Run it
with nothing else on the machine, and run a case again before you call it slower: on a shared
machine, the time of a short call can double from one process to the next.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

HERE = Path(__file__).resolve().parents[1]
SLOWER = 1.05
PASSES = {"max_iter": 2, "tol": 0, "random_state": 0}


def main():
    options = _options()
    names = [name for name in CASES if not options.only or name.startswith(tuple(options.only))]
    checkouts = [_start(options.other), _start(HERE)]
    slower = [name for name in names if _compare(name, checkouts, options.rounds)]
    sys.exit(f"slower by more than 5 %: {', '.join(slower)}" if slower else 0)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path, help="root of the other checkout")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="starts of names of cases")
    parser.add_argument("--rounds", type=int, default=25)
    return parser.parse_args()


def _start(root):
    """Return a process that times cases with the package of one checkout."""
    root = root.resolve()
    environment = os.environ | {
        "PYTHONPATH": str(root),
        "NUMBA_CACHE_DIR": str(root / ".numba_cache" / "speed"),
    }
    command = [sys.executable, __file__, SERVE]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=root, env=environment, **pipes)


def _compare(name, checkouts, rounds):
    """Time one case in both checkouts, print a row, and return whether this checkout is slower."""
    times = [], []
    for checkout in checkouts:
        _seconds(checkout, name)  # compiles the kernels
    for i in range(rounds):
        for which in (0, 1) if i % 2 else (1, 0):
            times[which].append(_seconds(checkouts[which], name))
    before, after = (1e3 * statistics.median(row) for row in times)
    ratios = after / before, min(times[1]) / min(times[0])
    print(
        f"{name:28} {before:9.3f} -> {after:9.3f} ms   medians {ratios[0]:.2f}   "
        f"shortest {ratios[1]:.2f}",
        flush=True,
    )
    return min(ratios) > SLOWER


def _seconds(checkout, name):
    checkout.stdin.write(f"{name}\n")
    checkout.stdin.flush()
    return float(checkout.stdout.readline())


# In the process of one checkout

SERVE = "--serve"


def serve():
    """Read names of cases, and print the seconds that each takes."""
    warnings.simplefilter("ignore")
    calls = {}
    for line in sys.stdin:
        name = line.strip()
        if name not in calls:
            calls[name] = CASES[name]()
        start = time.perf_counter()
        calls[name]()
        print(time.perf_counter() - start, flush=True)


def patches(n_samples, dtype="float32"):
    """Return sums of few of 256 random atoms, with noise, and the atoms."""
    rng = np.random.default_rng(0)
    dictionary = rng.standard_normal((256, 144))
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    code = rng.laplace(size=(n_samples, 256)) * (rng.random((n_samples, 256)) < 0.05)
    X = code @ dictionary + 0.1 * rng.standard_normal((n_samples, 144))
    return (X / X.std()).astype(dtype), dictionary.astype(dtype)


def digit_images():
    """Return 300 standardised images of digits."""
    images = load_digits().images[:300]
    return ((images - images.mean()) / images.std()).astype(np.float32)


def encode(dtype, **how):
    from sklearn_ebm import sparse_encode

    return partial(sparse_encode, *patches(10_000, dtype), **how)


def fit(name, n_components, X, **how):
    import sklearn_ebm

    model = getattr(sklearn_ebm, name)(n_components, **PASSES | how)
    return partial(model.fit, X)


def transform_rows(name, n_components, n_rows=1, repeat=1, **how):
    X = patches(4_000)[0]
    model = fit(name, n_components, X, **how)()
    return lambda: [model.transform(X[:n_rows]) for _ in range(repeat)]


def transform_images(name):
    images = digit_images()
    model = fit(name, 8, images, kernel_size=5, alpha=0.5)()
    return partial(model.transform, np.tile(images[:40], (1, 4, 4)))


def groups():
    import sklearn_ebm

    return transform_rows(
        "SparseCoder", 64, 3_000, alpha=0.5, penalty=sklearn_ebm.GroupPenalty(groups=4)
    )


def fine_tuning():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    import sklearn_ebm

    X, y = load_digits(return_X_y=True)
    stages = make_pipeline(sklearn_ebm.PSD(64, alpha=0.5, **PASSES), LogisticRegression(C=0.1))
    classifier = sklearn_ebm.FineTunedClassifier(stages, max_iter=2, random_state=0)
    return partial(classifier.fit, (X / 8).astype(np.float32), y)


def rbm():
    import sklearn_ebm

    X = (load_digits().data / 16).astype(np.float32)
    return partial(sklearn_ebm.RBM(128, max_iter=5, random_state=0).fit, X)


CASES = {
    "codes float32, alpha=1": partial(encode, "float32", alpha=1.0, tol=1e-5),
    "codes float32, alpha=0.3": partial(encode, "float32", alpha=0.3, tol=1e-5),
    "codes float64, alpha=1": partial(encode, "float64", alpha=1.0, tol=1e-6),
    "codes float64, alpha=0.3": partial(encode, "float64", alpha=0.3, tol=1e-6),
    "codes by fista": partial(encode, "float32", alpha=1.0, solver="fista", tol=1e-3),
    "one sample, PSD": partial(transform_rows, "PSD", 64, repeat=200, alpha=0.5),
    "one sample, SparseCoder": partial(transform_rows, "SparseCoder", 64, repeat=100, alpha=0.5),
    "groups": groups,
    "fit PSD": lambda: fit("PSD", 64, patches(4_000)[0], alpha=0.5),
    "fit SparseCoder": lambda: fit("SparseCoder", 128, patches(4_000)[0], alpha=0.5),
    "fit RBM": rbm,
    "fit ConvSparseCoder": lambda: fit(
        "ConvSparseCoder", 8, digit_images(), kernel_size=5, alpha=0.5
    ),
    "conv codes": partial(transform_images, "ConvSparseCoder"),
    "conv encoder": partial(transform_images, "ConvPSD"),
    "fine-tuning": fine_tuning,
}

if __name__ == "__main__":
    serve() if SERVE in sys.argv else main()
