"""Peak memory of learning 64 filters from 100 images of 720 x 480, in float32, in a new process.

The measure is the memory of the whole process: images, imports, filters and buffers of learning.
"""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks import _common
from benchmarks.speed.memory import float_types

N_IMAGES, HEIGHT, WIDTH = 100, 480, 720
N_COMPONENTS, KERNEL = 64, 11
LIMIT = 1.5
GIGABYTE = 2**30


def main():
    if "--work" in sys.argv:
        return work()
    options = _common.options(__doc__)
    report = _common.Report("conv_memory", "Memory of 100 images of 720 x 480, 64 kernels")
    n_images = 4 if options.quick else N_IMAGES
    for name in ("ConvSparseCoder", "ConvPSD"):
        for what in ("crops", "images"):
            command = [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "benchmarks.speed.conv_memory",
                "--work",
            ]
            command += [name, what, str(n_images)]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            found = json.loads(output.splitlines()[-1])
            case = f"{name}, learned from {what}"
            limit = {"at_most": LIMIT} if what == "crops" else {}
            report.add(case, "peak resident memory", found["peak"], "GiB", **limit)
            report.add(case, "a pass over the images", found["seconds"], "s")
            report.add(case, "arrays that are not float32", len(found["promoted"]), at_most=0)
            if found["promoted"]:
                report.note(f"{case}: {', '.join(found['promoted'])}")
    report.note("crops are the default; whole images, one a step, are a tenth of the images")
    report.save(options.results)


def work():
    """Fit and print the peak; images are shifted crops of enlarged photographs."""
    from benchmarks import _images
    from sklearn_ebm import estimators

    name, what, n_images = sys.argv[-3:]
    X = enlarged(_images.normalised(), int(n_images))
    options = {} if what == "crops" else {"crop_size": None, "batch_size": 1}
    X = X if what == "crops" else X[: max(1, len(X) // 10)]
    model = getattr(estimators, name)(
        N_COMPONENTS, kernel_size=KERNEL, max_iter=1, tol=0, random_state=0, **options
    )
    with ResidentMemory() as memory:
        began = time.perf_counter()
        model.fit(X)
        seconds = time.perf_counter() - began
    promoted = [key for key, dtype in float_types(model) if dtype != np.float32]
    print(json.dumps({"peak": memory.peak / GIGABYTE, "seconds": seconds, "promoted": promoted}))


def enlarged(images, n_images):
    """Return images mirrored at the edges and shifted, so that they are different."""
    canvas = np.empty((n_images, HEIGHT, WIDTH), np.float32)
    rows = np.pad(images, ((0, 0), (0, HEIGHT - 426), (0, WIDTH - 640)), mode="reflect")
    for n in range(n_images):
        canvas[n] = np.roll(rows[n % len(rows)], 7 * n, axis=(0, 1))
    return canvas


class ResidentMemory:
    """Peak resident memory of this process, in bytes."""

    def __enter__(self):
        self.peak, self._running = _resident(), True
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self):
        while self._running:
            self.peak = max(self.peak, _resident())
            time.sleep(0.005)

    def __exit__(self, *reason):
        self._running = False
        self._thread.join()


def _resident():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError("no VmRSS in /proc/self/status")


if __name__ == "__main__":
    main()
