"""Where compiled kernels are kept: `.numba_cache/<hash of the sources of the backends>`.

Numba notices an edit in a kernel's own file, but not in a file that the kernel calls into, and goes
on with the stale binary. Kernels call only functions of `sklearn_ebm/backends`, since only this
subpackage may import Numba, so a directory named by a hash of its sources cannot be stale. An edit
elsewhere compiles nothing again.
Run as a script it prints the directory, for `make` to hand over as NUMBA_CACHE_DIR.
"""

import hashlib
import os
import shutil
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHES = ROOT / ".numba_cache"
SECONDS_KEPT = 24 * 3600  # a run in another terminal may still be writing to a younger directory


def source_hash(root=ROOT):
    """Sixteen hexadecimal digits that change with each edit, rename or new file in the backends."""
    digest = hashlib.sha256()
    for path in sorted((root / "sklearn_ebm" / "backends").rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def open_cache(caches=CACHES, root=ROOT):
    """Make the directory of the present sources, mark it as used, drop those long out of use."""
    current = caches / source_hash(root)
    current.mkdir(parents=True, exist_ok=True)
    os.utime(current)
    for other in caches.iterdir():
        if other.is_dir() and time.time() - other.stat().st_mtime > SECONDS_KEPT:
            shutil.rmtree(other, ignore_errors=True)
    return current


if __name__ == "__main__":
    print(open_cache())
