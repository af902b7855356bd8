"""Peak memory of learning from and encoding 1,000,000 x 144 float32 in a memory-mapped file.

The same is measured for 20,000 x 50,000 float32 with 0.5 % of non-zero entries, a CSR array. There,
each array of the size of the dictionary takes 19 MiB: the atoms and their moments, the moments of
the two pieces of a batch, the atoms in both memory orders and precisions for certificates, and the
encoder of PSD with its gradients, its optimizer and a copy of the best parameters. PSD needs up to
20 such arrays at a time. The bound is 25 arrays, independent of the number of samples.

The measure is anonymous memory, since the system can drop pages of the mapped file at any time,
although they are part of the resident size while there is enough memory. A thread reads RssAnon
every 5 ms. The peak is relative to its value after the imports and one small fit.
"""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from scipy import sparse

from benchmarks import _common

N_FEATURES = 144
N_WORDS = 50_000
DENSITY = 5e-3
N_ATOMS = 100  # of sparse texts
N_ARRAYS = 25  # of the size of the dictionary of sparse texts
BATCH = 10_000
MEGABYTE = 2**20


def main():
    if "--work" in sys.argv:
        return work()
    options = _common.options(__doc__)
    report = _common.Report(
        "memory", "Memory for 1,000,000 x 144 float32 from a memory map, and for sparse text"
    )
    path = memory_map(100_000 if options.quick else 1_000_000)
    for job in ("SparseCoder fit", "SparseCoder partial_fit", "PSD fit", "PSD partial_fit"):
        found = measured(job, path)
        report.add(job + ", transform", "peak above imports", found["peak"], "MiB", at_most=250)
        report.add(job + ", transform", "seconds", found["seconds"], "s")
        report.add(job, "arrays that are not float32", len(found["promoted"]), at_most=0)
        if found["promoted"]:
            report.note(f"{job}: {', '.join(found['promoted'])}")
    Path(path).unlink()
    n_texts = 2000 if options.quick else 20_000
    dense = n_texts * N_WORDS * 4 // MEGABYTE
    for name in ("SparseCoder", "PSD"):
        found = measured(f"{name} text", str(n_texts))
        job = f"{name} fit, transform, {n_texts} sparse texts ({dense} MiB if dense)"
        bound = N_ARRAYS * N_ATOMS * N_WORDS * 4 / MEGABYTE
        report.add(job, "peak above imports", found["peak"], "MiB", at_most=bound)
        report.add(job, "seconds", found["seconds"], "s")
    report.note("anonymous memory (RssAnon), sampled every 5 ms; codes are dropped batch by batch")
    report.save(options.results)


def measured(job, source):
    """Return what a new process prints about a job."""
    options = ["-W", "ignore", "-m", "benchmarks.speed.memory", "--work", job, source]
    command = [sys.executable, *options]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def memory_map(n_samples):
    """Create a file of patches whose pages are not anonymous memory of this process."""
    path = _common.cache_folder() / "patches.f4"
    some = _common.natural_patches(50_000, dtype=np.float32)
    data = np.memmap(path, dtype=np.float32, mode="w+", shape=(n_samples, N_FEATURES))
    for start in range(0, n_samples, len(some)):
        data[start : start + len(some)] = some[: n_samples - start]
    data.flush()
    return str(path)


# -------------------------------------------------------------------------------- in a new process
def work():
    """Fit and transform in batches; print the peak and the dtypes of the fitted attributes."""
    job, source = sys.argv[-2:]
    name, method = job.split()
    if method == "text":
        X = text(int(source))
        learn(name, method, X[:600, :N_FEATURES])
    else:
        X = np.memmap(source, dtype=np.float32, mode="r").reshape(-1, N_FEATURES)
        learn(name, method, np.array(X[:2000]))  # initialises kernels, threads and BLAS buffers
    with AnonymousMemory() as memory:
        seconds, (model, code) = _common.stopwatch(lambda: learn(name, method, X))
    promoted = [] if code.dtype == np.float32 else ["codes"]
    promoted += [key for key, dtype in float_types(model) if dtype != np.float32]
    found = {"peak": memory.peak / MEGABYTE, "seconds": seconds, "promoted": promoted}
    print(json.dumps(found))


def learn(name, method, X):
    import sklearn_ebm

    alpha, n_components = (0.1, N_ATOMS) if method == "text" else ("scale", 256)
    model = getattr(sklearn_ebm, name)(n_components, alpha=alpha, max_iter=1, tol=0, random_state=0)
    if method != "partial_fit":
        model.fit(X)
    else:
        for start in range(0, X.shape[0], BATCH):
            model.partial_fit(X[start : start + BATCH])
    for start in range(0, X.shape[0], BATCH):
        code = model.transform(X[start : start + BATCH])
    return model, code


def text(n_texts):
    """Return texts of three topics each, as rows of unit norm: a few words are frequent."""
    random = np.random.default_rng(0)
    n_words = int(DENSITY * N_WORDS)
    topics = (N_WORDS * random.random((60, 4 * n_words)) ** 2.5).astype(np.int32)
    chosen = topics[random.integers(60, size=(n_texts, 3))].reshape(n_texts, -1)
    place = random.integers(chosen.shape[1], size=(n_texts, n_words))
    words = np.take_along_axis(chosen, place, axis=1).ravel()
    values = random.uniform(0.2, 1.2, words.size).astype(np.float32)
    X = sparse.csr_array((values, words, np.arange(n_texts + 1) * n_words), (n_texts, N_WORDS))
    X.sum_duplicates()
    norms = np.sqrt(X.power(2).sum(axis=1))
    X.data /= np.repeat(norms, np.diff(X.indptr))
    return X


# Learning curves are sums over samples and may be in double precision.
HISTORY = ("objective_curve_", "seconds_curve_", "sparsity_curve_", "usage_", "curves")


def float_types(model):
    """Yield (name, dtype) of every float array of a model, including its parts."""
    for key, value in vars(model).items():
        if key in HISTORY:
            continue
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            yield key, value.dtype
        elif hasattr(value, "__dict__") and type(value).__module__.startswith("sklearn_ebm"):
            yield from ((f"{key}.{inner}", dtype) for inner, dtype in float_types(value))


class AnonymousMemory:
    """Peak anonymous memory of this process above its initial value, in bytes."""

    def __enter__(self):
        self._start = self._highest = _anonymous()
        self._running = True
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self):
        while self._running:
            self._highest = max(self._highest, _anonymous())
            time.sleep(0.005)

    def __exit__(self, *_):
        self._running = False
        self._thread.join()

    @property
    def peak(self):
        return self._highest - self._start


def _anonymous():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise OSError("this system does not tell anonymous memory apart (RssAnon)")


if __name__ == "__main__":
    main()
