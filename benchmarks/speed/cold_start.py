"""The first fit of each model: with no kernel compiled, with a filled cache, and a later call.

Each case is a small model in float32 that is fitted and applied once, as `sklearn_ebm.precompile`
does. The environment variable SKLEARN_EBM_PACKAGE may name a folder with another copy of the
package, for instance an unpacked wheel that brings its kernels along.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import _common
from sklearn_ebm.precompile import MODELS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(os.environ.get("SKLEARN_EBM_PACKAGE", ROOT))
CALLS = """
import json, logging, sys, time
import sklearn.linear_model, sklearn.pipeline
from sklearn_ebm.precompile import compile_kernels
logging.disable()
seconds = []
for _ in range(3):
    start = time.process_time()
    compile_kernels(sys.argv[1], "float32")
    seconds.append(time.process_time() - start)
print(json.dumps([seconds[0], seconds[-1]]))
"""


def main():
    options = _common.options(__doc__)
    report = _common.Report("cold_start", "First fit and transform, seconds of processors")
    for model in ["AutoEncoder", "PSD"] if options.quick else MODELS:
        with tempfile.TemporaryDirectory() as cache:
            first, _ = _calls(model, cache)
            filled, later = _calls(model, cache)
        report.add(model, "no cache", first, "s", at_most=3)
        report.add(model, "filled cache, above a later call", filled - later, "s", at_most=0.3)
        report.add(model, "later call", later, "s")
    report.save(options.results)


def _calls(model, cache):
    """Return the processor seconds of the first and of a later call in a new process."""
    environment = os.environ | {"NUMBA_CACHE_DIR": cache, "PYTHONPATH": str(PACKAGE)}
    command = [sys.executable, "-c", CALLS, model]
    result = subprocess.run(
        command, env=environment, cwd=PACKAGE, check=True, capture_output=True, text=True
    )
    return json.loads(result.stdout)


if __name__ == "__main__":
    main()
