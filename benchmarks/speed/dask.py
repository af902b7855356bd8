"""Learning from Dask arrays: two single-threaded workers against one, and what more would cost.

Both clusters exist all the time, and are timed in turn. The last rows are computed, not measured:
the time of a step on 10, 100 and 1,000 workers follows from the measured time of the work on 4,096
samples, the measured sizes of what travels, the measured time per task of the scheduler, and a
network of 1 GB/s.
"""

import copy
import os
import pickle
import time
import uuid
from contextlib import contextmanager

import dask.array as da
import numpy as np
from dask.delayed import Delayed
from distributed import Client, LocalCluster, wait

from benchmarks import _common
from benchmarks.speed import rbm_peers
from sklearn_ebm.datasets import fetch_mnist

N_COMPONENTS = 256
ALPHA = 2.0  # about 7 % of the entries of codes are not zero
ROWS = 4096  # of a task
CHUNK = 8 * ROWS  # rows of a chunk of patches
DIGITS = 7500  # rows of a chunk of digits
N_CHUNKS = 8
PASSES = 3
BANDWIDTH = 1e9  # bytes per second, between any two machines
FAN_IN = 8  # sums that one task merges


def main():
    options = _common.options(__doc__)
    report = _common.Report("dask", "Learning from Dask arrays: one and two workers")
    n_chunks = 2 if options.quick else N_CHUNKS
    X = _common.natural_patches(n_chunks * CHUNK, seed=options.seed, dtype=np.float32)
    digits = rbm_peers.digits(options.seed, n_chunks * DIGITS)[1]
    labels = fetch_mnist(return_X_y=True)[1][: len(digits)]
    n_repeats = 1 if options.quick else 3
    with cluster(1) as one, cluster(2) as two, Client(one) as first, Client(two) as second:
        contest = Contest(report, [first, second], n_repeats)
        with contest.holding(X, CHUNK):
            for batch_size in (ROWS, 4 * ROWS, 16 * ROWS):
                contest.fits(f"SparseCoder, batches of {batch_size:,}", coder(batch_size))
            contest.fits(f"PSD, batches of {4 * ROWS:,}", psd(4 * ROWS))
            contest.transforms("SparseCoder, transform", coder(4 * ROWS))
        with contest.holding(digits, DIGITS, labels):
            contest.fits("RBM of 1,024 units, batches of 4,096", rbm())
            tuned = classifier(digits[:1000], labels[:1000])
            contest.fits("FineTunedClassifier of 1,024 units, batches of 4,096", tuned)
        overhead = seconds_per_task(second)
    report.add("scheduler", "time per task", 1e3 * overhead, "ms")
    costs(report, X[:ROWS], overhead)
    report.note(
        f"{n_chunks} chunks of {CHUNK:,} patches of 144 features and 256 atoms, or of {DIGITS:,} "
        f"digits of 784 pixels, float32; {PASSES} passes; a task has at most 4,096 patches or 668 "
        "digits"
    )
    report.note(
        "larger batches make fewer steps in a pass, so that the objective is higher; it is the "
        "same for any number of workers"
    )
    report.note(
        "times of fits include the look at all chunks; without Dask, one thread learns from an "
        "array in memory"
    )
    report.note(
        "two workers, the scheduler and the caller share the processors of the machine; the ratio "
        "of processor times is the speed-up with free processors, apart from the time that workers "
        "wait for each other"
    )
    report.note(f"load of the machine at the end: {os.getloadavg()[0]:.1f} processes")
    report.save(options.results)


def cluster(n_workers):
    """Return a cluster of processes with one thread each."""
    return LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None)


def coder(batch_size):
    from sklearn_ebm import SparseCoder

    return SparseCoder(N_COMPONENTS, alpha=ALPHA, batch_size=batch_size, **FIT)


def psd(batch_size):
    from sklearn_ebm import PSD

    return PSD(N_COMPONENTS, alpha=ALPHA, batch_size=batch_size, **FIT)


def rbm():
    from sklearn_ebm import RBM

    return RBM(1024, batch_size=ROWS, **FIT)


def classifier(X, y):
    """Return a classifier on a fitted network: only the training with all labels remains."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from sklearn_ebm import AutoEncoder, FineTunedClassifier

    stack = make_pipeline(AutoEncoder(1024, max_iter=1, random_state=0), LogisticRegression())
    stack.fit(X, y)
    settings = {"max_iter": PASSES, "n_iter_no_change": PASSES, "random_state": 0}
    return FineTunedClassifier(stack, prefit=True, batch_size=ROWS, **settings)


FIT = {"max_iter": PASSES, "tol": 0, "random_state": 0}


class Contest:
    """Times one worker, two workers, and one thread without Dask, in turn.

    Parameters
    ----------
    report : Report
        Table.
    clients : list of Client
        Client of the cluster with one worker, and of that with two workers.
    n_repeats : int
        Number of rounds, of which the shortest times count, after one that loads modules.
    """

    def __init__(self, report, clients, n_repeats):
        self.report = report
        self.clients = clients
        self.n_repeats = n_repeats

    @contextmanager
    def holding(self, X, rows, y=None):
        """Hold the chunks of an array on all workers."""
        self.X, self.targets, self.arrays = X, [] if y is None else [y], []
        for client in self.clients:
            with client.as_current():
                array = da.from_array(X, chunks=(rows, X.shape[1])).persist()
                wait(array)
                self.arrays.append(array)
        yield
        self.arrays.clear()

    def fits(self, case, model):
        """Record the seconds of fits, and objectives."""
        one, two = self._record(case, lambda X: copy.deepcopy(model).fit(X, *self.targets))
        for label, fitted in (("Dask array", two), ("array in memory", one)):
            curve = getattr(fitted, "objective_curve_", None)
            if curve is not None:
                self.report.add(case, f"objective, {label}", curve[-1])

    def transforms(self, case, model):
        """Record the seconds in which codes are computed and averaged."""
        fitted = model.fit(self.X[:CHUNK])
        self._record(case, lambda X: np.asarray(abs(fitted.transform(X)).mean(axis=0)))

    def _record(self, case, call):
        seconds, busy = [[], [], []], [[], []]
        for _ in range(self.n_repeats + 1):
            for number, (array, client) in enumerate(zip(self.arrays, self.clients, strict=True)):
                with client.as_current():
                    before = client.run(time.process_time)
                    taken, found = _common.stopwatch(lambda a=array: call(a))
                    after = client.run(time.process_time)
                seconds[number].append(taken)
                busy[number].append(max(after[worker] - before[worker] for worker in after))
            with one_thread():
                taken, local = _common.stopwatch(lambda: call(self.X))
            seconds[2].append(taken)
        one, two, without = (min(each[1:]) for each in seconds)
        self.report.add(case, "one worker", one, "s")
        self.report.add(case, "one worker / no Dask, one thread", one / without, "x", at_most=1.1)
        self.report.add(case, "one worker / two workers", one / two, "x", at_least=1.7)
        one, two = (min(each[1:]) for each in busy)
        self.report.add(case, "processor time of one worker / of the busier of two", one / two, "x")
        return local, found


@contextmanager
def one_thread():
    """Let kernels and products use one thread."""
    import numba
    from threadpoolctl import threadpool_limits

    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        numba.set_num_threads(before)


def seconds_per_task(client):
    """Return the seconds that the scheduler needs for a task that does nothing."""
    n_tasks = 1000
    with client.as_current():
        taken = [_common.stopwatch(lambda: _nothing(n_tasks).compute())[0] for _ in range(5)]
    return min(taken) / n_tasks


def _nothing(n_tasks):
    """Return a delayed object that depends on tasks without work."""
    name = uuid.uuid4().hex
    keys = [f"{name}-{number}" for number in range(n_tasks)]
    return Delayed(name, {**{key: (abs, 1) for key in keys}, name: (sum, keys)})


def costs(report, X, overhead):
    """Record what a step measures on this machine, and the time of a step on more workers."""
    from sklearn_ebm.learning._memory import Memory
    from sklearn_ebm.learning._samples import Batch
    from sklearn_ebm.learning._work import Work

    fitted = coder(ROWS).set_params(max_iter=1).fit(X)
    work, batch = Work(fitted._learner.criterion), Batch(X)
    with one_thread():
        taken = []
        for _ in range(6):
            start = time.perf_counter()
            sums, _ = work.sums(work.criterion.prepare(batch), batch, Memory())
            taken.append(time.perf_counter() - start)
        seconds = min(taken)
    there, back = len(pickle.dumps(fitted._learner.criterion.online)), len(pickle.dumps(sums))
    report.add("4,096 samples, one thread", "time of the work", seconds, "s")
    report.add("4,096 samples, one thread", "parameters and moments", there / 2**20, "MiB")
    report.add("4,096 samples, one thread", "sums", back / 2**20, "MiB")
    for n_workers in (10, 100, 1000):
        n_tasks = n_workers * (1 + 1 / (FAN_IN - 1))
        levels = np.log(n_workers) / np.log(FAN_IN)
        travel = np.log2(n_workers) * there / BANDWIDTH + levels * FAN_IN * back / BANDWIDTH
        for n_samples in (ROWS, 16 * ROWS):
            own = seconds * n_samples / ROWS
            step = own + n_tasks * overhead + travel
            case = f"{n_workers:,} workers, {n_samples:,} samples each"
            report.add(case, "time of a step (computed)", step, "s")
            report.add(case, "share of the time that is work (computed)", 100 * own / step, "%")


if __name__ == "__main__":
    main()
