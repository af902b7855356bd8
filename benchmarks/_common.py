"""Common parts of the benchmarks: data, dictionaries, evaluation, interleaved timing, reports.

Energies are E(x, z) = 1/2 ||x - zD||^2 + alpha ||z||_1. They and their duality gaps are recomputed
in float64 for every contender, independently of its own stopping criterion.
"""

import argparse
import json
import os
import platform
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np

from benchmarks import THREADS

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "numba",
    "spams-bin",
    "skglm",
    "torch",
    "sporco",
    "alphacsc",
    "dictlearn",
    "python-picard",
)


# --------------------------------------------------------------------------- options and reports
def options(description, extend=None):
    """Parse the options that are common to all benchmarks, and those that extend(parser) adds."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run?")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, help="folder of the tables and plots")
    if extend is not None:
        extend(parser)
    chosen = parser.parse_args()
    if chosen.results is None:
        chosen.results = results_folder(chosen.quick)
    chosen.results.mkdir(parents=True, exist_ok=True)
    return chosen


def results_folder(quick):
    """Return the folder of results; quick runs do not overwrite the results of full runs."""
    return cache_folder() / "quick_results" if quick else ROOT / "benchmarks" / "results"


def cache_folder():
    """Return the folder of learned dictionaries, outside of the repository."""
    default = Path(tempfile.gettempdir()) / "sklearn_ebm_benchmarks"
    folder = Path(os.environ.get("SKLEARN_EBM_BENCHMARK_CACHE", default))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass
class Row:
    """One measured number and its target; `passed` is None without a target."""

    case: str
    measure: str
    value: float
    unit: str = ""
    target: str = ""
    passed: bool | None = None

    def cells(self):
        verdict = {True: "pass", False: "SHORT", None: ""}[self.passed]
        return (
            self.case,
            self.measure,
            f"{self.value:.4g} {self.unit}".strip(),
            self.target,
            verdict,
        )


HEADER = ("case", "measure", "value", "target", "")


@dataclass
class Report:
    """The rows of one benchmark, printed immediately and saved as Markdown and JSON."""

    name: str
    title: str
    rows: list = field(default_factory=list)
    notes: list = field(default_factory=list)

    def add(self, case, measure, value, unit="", *, at_least=None, at_most=None):
        """Record a number; `at_least` or `at_most` is its target."""
        target, passed = "", None
        if at_least is not None:
            target, passed = f">= {at_least:g}", bool(value >= at_least)
        if at_most is not None:
            target, passed = f"<= {at_most:g}", bool(value <= at_most)
        row = Row(case, measure, float(value), unit, target, passed)
        self.rows.append(row)
        print(" | ".join(cell for cell in row.cells() if cell), flush=True)

    def note(self, text):
        """Record a sentence that explains the numbers."""
        self.notes.append(text)
        print(f"  ({text})", flush=True)

    def keep_saved(self, folder):
        """Add the saved rows and notes of the parts that this run left out, before its own."""
        path = folder / f"{self.name}.json"
        if not path.exists():
            return
        saved, known = json.loads(path.read_text()), {(row.case, row.measure) for row in self.rows}
        others = [Row(**row) for row in saved["rows"]]
        self.rows[:0] = [row for row in others if (row.case, row.measure) not in known]
        self.notes[:0] = [text for text in saved["notes"] if text not in self.notes]

    def save(self, folder):
        lines = [f"# {self.title}", "", markdown(row.cells() for row in self.rows), ""]
        lines += [f"- {text}" for text in [*self.notes, machine()]]
        (folder / f"{self.name}.md").write_text("\n".join(lines) + "\n")
        (folder / f"{self.name}.json").write_text(json.dumps(asdict(self), indent=1))


def saved_rows(folder, names):
    """Return the saved rows of benchmarks in a folder, with the name of the benchmark."""
    rows = []
    for name in names:
        path = folder / f"{name}.json"
        if path.exists():
            rows += [(name, Row(**row)) for row in json.loads(path.read_text())["rows"]]
    return rows


def summary(rows):
    """Return a page of the numbers with a target."""
    cells = [(name, *row.cells()) for name, row in rows if row.target]
    table = markdown(cells, header=("benchmark", *HEADER))
    return f"# Benchmarks: numbers with a target\n\n{table}\n\n{machine()}\n"


def print_table(rows):
    """Print the numbers with a target on the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*("benchmark", *HEADER))
    for name, row in rows:
        if row.target:
            table.add_row(name, *row.cells(), style=None if row.passed else "bold red")
    Console(width=130).print(table)


def markdown(rows, header=HEADER):
    """Return a Markdown table of rows of text."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine():
    """Return CPU, threads and versions as one line."""
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return f"{_cpu()}, {THREADS} threads; Python {platform.python_version()}, {versions}"


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"


def _cpu():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    model = fields.get("model name", platform.machine())
    return f"{model} (family {fields.get('cpu family', '?')}, model {fields.get('model', '?')})"


# ------------------------------------------------------------------------------------------- data
def natural_patches(n_samples, *, seed=0, size=12, dtype=np.float64, norm=None):
    """Return natural patches (n_samples, size**2), normalised to unit variance or to `norm`."""
    patches = _from_images(n_samples, seed, size)
    if patches is None:
        patches = _from_photographs(n_samples, seed, size)
    patches = patches.reshape(len(patches), -1).astype(np.float64)
    patches -= patches.mean(axis=1, keepdims=True)
    patches /= patches.std(axis=1, keepdims=True)
    if norm is not None:
        patches *= norm / size  # unit variance means norm `size`
    return np.ascontiguousarray(patches, dtype=dtype)


def _from_images(n_samples, seed, size):
    """Return patches from the folder SKLEARN_EBM_DATA; None if it is not set."""
    if "SKLEARN_EBM_DATA" not in os.environ:
        return None
    from benchmarks._images import campus
    from sklearn_ebm.datasets import sample_patches

    return sample_patches(campus(), size, n_samples, min_variance=25.0, random_state=seed)


def _from_photographs(n_samples, seed, size):
    from sklearn_ebm.datasets import load_natural_patches

    return load_natural_patches(n_samples, patch_size=size, random_state=seed)


def peaks(n_samples, *, seed=0, n_features=128):
    """Return noisy sums of Gaussian peaks, and their dictionary of unit-norm atoms."""
    rng = np.random.default_rng(seed)
    places = np.arange(n_features)
    distance = places - places[:, None]
    atoms = np.concatenate([np.exp(-((distance / width) ** 2) / 2) for width in (3.0, 8.0)])
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    weights = rng.uniform(0.3, 2, (n_samples, len(atoms)))
    weights *= rng.uniform(size=weights.shape) < 6 / len(atoms)
    X = weights @ atoms + 0.01 * rng.standard_normal((n_samples, n_features))
    return X / np.linalg.norm(X, axis=1, keepdims=True), atoms


def learned_dictionary(n_components, *, seconds, seed=0, alpha=0.08):
    """Return a cached dictionary with unit rows, learned by SPAMS from natural patches."""
    path = cache_folder() / f"dictionary_{n_components}_{seconds}s_{seed}.npy"
    if path.exists():
        return np.load(path)
    import spams

    patches = natural_patches(100_000, seed=seed + 1, norm=1.0)
    atoms = spams.trainDL(
        np.asfortranarray(patches.T),
        K=n_components,
        lambda1=alpha,
        iter=-seconds,
        batchsize=512,
        numThreads=THREADS,
        verbose=False,
    )
    dictionary = np.ascontiguousarray(atoms.T)
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    np.save(path, dictionary)
    return dictionary


def alpha_for_density(X, dictionary, density, *, n_steps=16):
    """Return the alpha with a share `density` of non-zeros in the exact codes, by bisection."""
    low, high = 1e-3, float(np.abs(X @ dictionary.T).max())
    for _ in range(n_steps):
        middle = float(np.sqrt(low * high))
        share = spams_lasso(X, dictionary, middle).nnz / (len(X) * len(dictionary))
        low, high = (middle, high) if share > density else (low, middle)
    return middle


# -------------------------------------------------------------------------------------- yardstick
def spams_lasso(X, dictionary, alpha, *, threads=THREADS):
    """Return sparse codes of SPAMS's LARS, (n_components, n_samples)."""
    import spams

    return spams.lasso(
        np.asfortranarray(X.T),
        D=np.asfortranarray(dictionary.T),
        lambda1=float(alpha),
        mode=2,
        numThreads=threads,
    )


def encode(X, dictionary, alpha, *, warn=True, **how):
    """Return our sparse codes; `warn=False` if max_iter is the intended stop."""
    from sklearn.exceptions import ConvergenceWarning

    from sklearn_ebm import sparse_encode

    with warnings.catch_warnings():
        if not warn:
            warnings.simplefilter("ignore", ConvergenceWarning)
        return sparse_encode(X, dictionary, alpha, **how)


def dense(code, n_samples):
    """Return codes as (n_samples, n_components); SPAMS returns them sparse and transposed."""
    if hasattr(code, "toarray"):
        code = code.toarray()
        code = code if code.shape[0] == n_samples else code.T
    return np.asarray(code)


def energy(X, code, dictionary, alpha):
    """Return E(x, z) of each sample, in float64."""
    code = code.astype(np.float64)
    residual = X.astype(np.float64) - code @ dictionary.astype(np.float64)
    return 0.5 * np.sum(residual**2, axis=1) + alpha * np.abs(code).sum(axis=1)


def relative_gap(X, code, dictionary, alpha):
    """Return the duality gap of each sample over 1/2 ||x||^2, in float64.

    With theta = s r, s = min(1, alpha / max_j |d_j . r|), the gap
    E - 1/2 ||x||^2 + 1/2 ||x - theta||^2 is computed as a sum of non-negative terms.
    """
    X, code, dictionary = (np.asarray(array, dtype=np.float64) for array in (X, code, dictionary))
    residual = X - code @ dictionary
    correlation = residual @ dictionary.T
    largest = np.abs(correlation).max(axis=1)
    scale = np.minimum(1, alpha / np.maximum(largest, np.finfo(float).tiny))[:, None]
    gap = 0.5 * np.sum(((1 - scale) * residual) ** 2, axis=1)
    gap += np.sum(alpha * np.abs(code) - scale * code * correlation, axis=1)
    return gap / (0.5 * np.sum(X**2, axis=1))


def optimal_energy(X, dictionary, alpha):
    """Return the minimum energy of each sample, by SPAMS's LARS in float64."""
    X, dictionary = X.astype(np.float64), dictionary.astype(np.float64)
    code = dense(spams_lasso(X, dictionary, alpha), len(X))
    return energy(X, code, dictionary, alpha)


# ----------------------------------------------------------------------------------------- timing
@dataclass
class Timing:
    """Seconds of the first call and of later calls of one contender, and its last result."""

    first: float
    later: list
    result: object

    @property
    def best(self):
        return min(self.later)


def stopwatch(call):
    """Return (seconds, result) of one call."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def interleave(contenders, rounds):
    """Time each callable once per round, so that other load of the machine affects all of them.

    The first call of each (compilation, thread pools, caches) is a warm-up, recorded separately.
    """
    timings = {}
    for name, call in contenders.items():
        seconds, result = stopwatch(call)
        timings[name] = Timing(seconds, [], result)
    for _ in range(rounds):
        for name, call in contenders.items():
            timings[name].later.append(stopwatch(call)[0])
    return timings


def best_of(call, *, rounds=7, at_least=0.2):
    """Return the best seconds per call of a short function, over loops of `at_least` seconds."""
    call()
    once = max(stopwatch(call)[0], 1e-7)
    repeats = max(1, int(at_least / rounds / once))
    return min(_loop(call, repeats) for _ in range(rounds))


def _loop(call, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


# ------------------------------------------------------------------------------------------ plots
def plot_curves(curves, path, *, ylabel, title, logarithmic=True):
    """Plot values over seconds: name -> list of (seconds, value); one point is a marker."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for name, points in curves.items():
        seconds, values = zip(*points, strict=True)
        marker, size = ("o", 4) if len(points) > 1 else ("*", 12)
        axes.plot(seconds, values, marker=marker, ms=size, lw=1.3, label=name)
    axes.set(xlabel="seconds", ylabel=ylabel, title=title, xscale="log")
    if logarithmic:
        axes.set_yscale("log")
    axes.grid(alpha=0.3, which="both", lw=0.4)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)
