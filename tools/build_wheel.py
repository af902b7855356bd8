"""Build a wheel with compiled kernels, so that a first `fit` compiles nothing.

    python tools/build_wheel.py [--out dist] [--levels x86-64-v3 x86-64-v4] [--models PSD ...]

The wheel contains the kernels of `sklearn_ebm.precompile` for each level of processors that this
machine can run. They are used with the versions of Python and Numba that built them; with others,
and on other processors, Numba compiles as usual. The tool needs an environment with the package.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from sklearn_ebm.backends.numba._shipped import LEVELS, runs_here

ROOT = Path(__file__).resolve().parents[1]
COMPILED = Path("sklearn_ebm", "backends", "numba", "compiled")
SUFFIXES = (".nbi", ".nbc")  # Numba's index and data files


def main():
    options = _options()
    levels = [level for level in LEVELS if level.cpu in options.levels and runs_here(level)]
    if not levels:
        sys.exit(f"this machine runs none of {', '.join(options.levels)}")
    with tempfile.TemporaryDirectory() as scratch:
        unpacked = _unpacked_wheel(Path(scratch))
        for level in levels:
            collect_kernels(unpacked, level, Path(scratch, level.cpu), options.models)
        packed = _packed_wheel(unpacked, Path(scratch, "packed"))
        options.out.mkdir(parents=True, exist_ok=True)
        print(shutil.copy(packed, options.out))


def _options():
    names = [level.cpu for level in LEVELS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--levels", nargs="+", choices=names, default=names)
    parser.add_argument("--models", nargs="+", default=[], help="as for sklearn_ebm.precompile")
    return parser.parse_args()


def _unpacked_wheel(scratch):
    """Build the wheel without kernels, and return the folder of its files."""
    _run("pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", scratch / "pure", ROOT)
    (wheel,) = (scratch / "pure").glob("*.whl")
    _run("wheel", "unpack", "--dest", scratch / "unpacked", wheel)
    (unpacked,) = (scratch / "unpacked").iterdir()
    return unpacked


def collect_kernels(package, level, cache, models=()):
    """Compile kernels for a level of processors, and put them into a package.

    Parameters
    ----------
    package : Path
        Folder that contains `sklearn_ebm`, whose kernels are compiled.
    level : Level
        Level of processors.
    cache : Path
        Folder for the cache of Numba.
    models : sequence of str, default=()
        Names of models, as for `sklearn_ebm.precompile`; empty stands for all.
    """
    environment = os.environ | {
        "PYTHONPATH": str(package),
        "NUMBA_CACHE_DIR": str(cache),
        "NUMBA_CPU_NAME": level.cpu,
        "NUMBA_CPU_FEATURES": level.features,
    }
    chosen = ["--models", *models] if models else []
    _run("sklearn_ebm.precompile", *chosen, cwd=package, env=environment)
    folder = package / COMPILED / level.cpu
    folder.mkdir(parents=True)
    for path in cache.rglob("*"):
        if path.suffix in SUFFIXES:
            shutil.copy(path, folder)


def _packed_wheel(unpacked, folder):
    """Pack the files into a wheel of this platform and version of Python."""
    for rest in unpacked.rglob("__pycache__"):
        shutil.rmtree(rest)
    folder.mkdir()
    _run("wheel", "pack", "--dest-dir", folder, unpacked)
    (wheel,) = folder.iterdir()
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    tags = ["--python-tag", python, "--platform-tag", _platform()]
    _run("wheel", "tags", "--remove", *tags, wheel)
    (wheel,) = folder.iterdir()
    return wheel


def _platform():
    """Return the platform tag. On Linux it is that of Numba's wheels, which the kernels need."""
    if sys.platform == "linux":
        return f"manylinux_2_28_{platform.machine()}"
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def _run(module, *arguments, **options):
    subprocess.run([sys.executable, "-m", module, *map(str, arguments)], check=True, **options)


if __name__ == "__main__":
    main()
