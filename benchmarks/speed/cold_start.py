"""The first fit of each model: with no kernel compiled, with a filled cache, and afterwards.

    python -m benchmarks.speed.cold_start [--package FOLDER]

Each row is a small model in float32 that is fitted and applied once, as `sklearn_ebm.precompile`
does. `--package` names a folder with another copy of the package, for instance an unpacked wheel
that brings its kernels along.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sklearn_ebm.precompile import MODELS

ROOT = Path(__file__).resolve().parents[2]
CALLS = """
import json, logging, sys, time
import sklearn.linear_model, sklearn.pipeline
from sklearn_ebm.precompile import compile_kernels
logging.disable()
seconds = []
for _ in range(3):
    processor = time.process_time()
    elapsed = compile_kernels(sys.argv[1], "float32")
    seconds.append((elapsed, time.process_time() - processor))
print(json.dumps([seconds[0], seconds[-1]]))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--package", type=Path, default=ROOT)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=[*MODELS])
    options = parser.parse_args()
    print(f"{'model':<22}{'no cache':>22}{'filled cache':>22}{'later call':>12}")
    for model in options.models:
        with tempfile.TemporaryDirectory() as cache:
            first, _ = _calls(model, cache, options.package)
            filled, later = _calls(model, cache, options.package)
        print(f"{model:<22}{_shown(first)}{_shown(filled)}{later[0]:>10.2f} s", flush=True)
    print("seconds elapsed (seconds of processors)")


def _calls(model, cache, package):
    """Return elapsed and processor seconds of the first and the last call in a new process."""
    environment = os.environ | {"NUMBA_CACHE_DIR": cache, "PYTHONPATH": str(package)}
    command = [sys.executable, "-c", CALLS, model]
    result = subprocess.run(
        command, env=environment, cwd=package, check=True, capture_output=True, text=True
    )
    return json.loads(result.stdout)


def _shown(seconds):
    return f"{seconds[0]:>12.2f} ({seconds[1]:>5.2f}) s"


if __name__ == "__main__":
    main()
