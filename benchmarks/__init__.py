"""Benchmarks; importing any of them limits the processors first, before numpy is loaded.

The number is that of `--threads` on the command line, 2 unless told. Where the system can bind a
process to processors, that is the limit: every thread pool takes its size from it, and workers of
joblib still get their own smaller pools, which environment variables would spoil.
"""

import os
import sys


def _asked_threads(default="2"):
    return sys.argv[sys.argv.index("--threads") + 1] if "--threads" in sys.argv else default


THREADS = int(_asked_threads())
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
else:
    for _library in ("OMP", "OPENBLAS", "MKL", "NUMBA", "BLIS", "VECLIB_MAXIMUM"):
        os.environ[f"{_library}_NUM_THREADS"] = str(THREADS)
# Of worker processes: a peer warns of every sample that its iterations did not suffice for.
os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning")
