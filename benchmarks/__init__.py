"""Benchmarks. Importing any of them first limits the processors, before numpy is loaded.

The number of processors is that of `--threads` on the command line, by default 2. If the system can
bind a process to processors, this is how they are limited: every thread pool derives its size from
it, and joblib workers still have smaller pools, which environment variables would prevent.
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
# For worker processes: a peer warns for each sample that its iterations were insufficient.
os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning")
