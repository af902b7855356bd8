"""Learning from Dask arrays: two single-threaded workers against one, and what more would cost.

Both clusters exist all the time, and are timed in turn. The last rows are computed, not measured:
the time of a step on 10, 100 and 1,000 workers follows from the measured time of the work on 4,096
samples, the measured sizes of what travels, the measured time per task of the scheduler, and a
network of 1 GB/s.
"""

import os
import pickle
import time
import uuid

import dask.array as da
import numpy as np
from dask.delayed import Delayed
from distributed import Client, LocalCluster

from benchmarks import _common

N_COMPONENTS = 256
ALPHA = 2.0  # about 7 % of the entries of codes are not zero
ROWS = 4096  # of a chunk
BANDWIDTH = 1e9  # bytes per second, between any two machines
FAN_IN = 8  # sums that one task merges


def main():
    options = _common.options(__doc__)
    report = _common.Report("dask", "Learning from Dask arrays of 144 features, 256 atoms, float32")
    n_chunks = 4 if options.quick else 8
    X = _common.natural_patches(n_chunks * ROWS, seed=options.seed, dtype=np.float32)
    with cluster(1) as one, cluster(2) as two, Client(one) as first, Client(two) as second:
        clients = [first, second]
        arrays = [_persisted(X, client) for client in clients]
        for batch_size in (512, ROWS, 4 * ROWS):
            compare(report, X, arrays, clients, batch_size, 1 if options.quick else 2)
        overhead = seconds_per_task(second)
    report.add("scheduler", "time per task", 1e3 * overhead, "ms")
    costs(report, X[:ROWS], overhead)
    report.note(
        "larger batches make fewer steps in two passes, so that the objective is higher; it is the "
        "same for any number of workers"
    )
    report.note(
        "the ratio of processor times is the speed-up on a machine with free processors, apart "
        "from the time that workers wait for each other"
    )
    report.note(f"load of the machine at the end: {os.getloadavg()[0]:.1f} processes")
    report.note("times of a pass are the shortest of several, and include the look at all chunks")
    report.save(options.results)


def cluster(n_workers):
    """Return a cluster of processes with one thread each."""
    return LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None)


def _persisted(X, client):
    with client.as_current():
        return da.from_array(X, chunks=(ROWS, X.shape[1])).persist()


def model(batch_size, max_iter):
    from sklearn_ebm import SparseCoder

    return SparseCoder(
        N_COMPONENTS, alpha=ALPHA, batch_size=batch_size, max_iter=max_iter, tol=0, random_state=0
    )


def compare(report, X, arrays, clients, batch_size, n_repeats):
    """Record the seconds of two passes with one and two workers, and the objective."""
    seconds, busy = [[], []], [[], []]
    for _ in range(n_repeats + 1):  # the first fit loads modules and kernels
        for number, (array, client) in enumerate(zip(arrays, clients, strict=True)):
            with client.as_current():
                before = client.run(time.process_time)
                taken, fitted = _common.stopwatch(lambda a=array: model(batch_size, 2).fit(a))
                after = client.run(time.process_time)
            seconds[number].append(taken)
            busy[number].append(max(after[worker] - before[worker] for worker in after))
    one, two = (min(each[1:]) for each in seconds)
    case = f"batches of {batch_size:,}"
    report.add(case, "two passes, one worker", one, "s")
    report.add(case, "one worker / two workers", one / two, "x")
    one, two = (min(each[1:]) for each in busy)
    report.add(case, "processor time of one worker / of the busier of two", one / two, "x")
    report.add(case, "objective after two passes", fitted.objective_curve_[-1])
    in_memory = model(batch_size, 2).fit(X)
    report.add(case, "objective, array in memory", in_memory.objective_curve_[-1])


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
    from threadpoolctl import threadpool_limits

    from sklearn_ebm.learning._memory import Memory
    from sklearn_ebm.learning._samples import Batch
    from sklearn_ebm.learning._work import Work

    fitted = model(ROWS, 1).fit(X)
    work, batch = Work(fitted._learner.criterion), Batch(X)
    with threadpool_limits(1):
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
