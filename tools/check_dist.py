"""Build the source distribution and the wheel, and check what they contain.

`python tools/check_dist.py [FOLDER]` builds into a folder, by default `dist`, with the installed
setuptools. The source distribution must hold every file that git tracks except for those of
LEFT_OUT; the wheel must hold the files of the package and nothing else; both must pass
`twine check --strict`.
"""

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "sklearn_ebm/"
LEFT_OUT = (".ci/", ".github/", ".gitignore", "benchmarks/results/", "doc/.gitignore")
BUILT = ("PKG-INFO", "setup.cfg", "sklearn_ebm.egg-info/")  # setuptools writes them into the sdist


def complaints(tracked, sdist, wheel):
    """Yield one line of text for each file that is missing or must not be there.

    Parameters
    ----------
    tracked : iterable of str
        Paths of the files that git tracks.
    sdist, wheel : iterable of str
        Paths in the distributions, relative to their top.
    """
    tracked, sdist, wheel = set(tracked), set(sdist), set(wheel)
    expected = {path for path in tracked if not path.startswith(LEFT_OUT)}
    package = {path for path in tracked if path.startswith(PACKAGE)}
    wheel = {path for path in wheel if ".dist-info/" not in path}
    more = {path for path in sdist - expected if not path.startswith(BUILT)}
    for name, missing, extra in (
        ("sdist", expected - sdist, more),
        ("wheel", package - wheel, wheel - package),
    ):
        yield from (f"The {name} lacks {path}" for path in sorted(missing))
        yield from (f"The {name} must not contain {path}" for path in sorted(extra))


def _names(folder):
    """Return the paths in the sdist and in the wheel of a folder."""
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    with tarfile.open(sdist) as archive:
        files = [each.name.partition("/")[2] for each in archive.getmembers() if each.isfile()]
    with zipfile.ZipFile(wheel) as archive:
        return files, archive.namelist()


def _export(folder):
    """Write the tracked files to a folder, since old build folders would slip into the wheel."""
    listed = _run("git", "ls-files").splitlines()
    tracked = [path for path in listed if (ROOT / path).is_file()]
    for path in tracked:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / path).read_bytes())
    return tracked


def _run(*command):
    """Return what a command prints. If it fails, exit with all of its output."""
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def main(target="dist"):
    target = (ROOT / target).resolve()
    for old in (*target.glob("sklearn_ebm-*.whl"), *target.glob("sklearn_ebm-*.tar.gz")):
        old.unlink()
    python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        tracked = _export(Path(folder))
        _run(python, "-m", "build", "--no-isolation", "--outdir", str(target), folder)
    built = sorted(map(str, target.glob("sklearn_ebm-*")))
    _run(python, "-m", "twine", "check", "--strict", *built)
    found = list(complaints(tracked, *_names(target)))
    print("\n".join(found or built))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
