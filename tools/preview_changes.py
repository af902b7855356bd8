"""Preview the next version in CHANGES.md from fragments: `python tools/preview_changes.py`.

The fragments remain until a release, when `towncrier build` gathers them below the preview and
removes them; the preview is then empty.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHANGES = ROOT / "CHANGES.md"
START, END = "<!-- preview of the next version -->", "<!-- towncrier release notes start -->"


def with_preview(text, preview):
    """Return the text of CHANGES.md with a new preview between the two markers."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    middle = f"{preview.strip()}\n\n" if preview else ""
    return f"{before}{START}\n\n{middle}{END}{after}"


def draft(version):
    """Return the news of a version from the fragments; nothing if there are none."""
    if not any(path.name != "README.md" for path in (ROOT / "changes").glob("*.md")):
        return ""
    command = [sys.executable, "-m", "towncrier", "build", "--draft"]
    options = ["--version", version, "--date", "not released yet"]
    done = subprocess.run(
        [*command, *options], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return done.stdout


def main():
    version = _version()
    CHANGES.write_text(with_preview(CHANGES.read_text(), draft(version)))


def _version():
    for line in (ROOT / "sklearn_ebm" / "__init__.py").read_text().splitlines():
        if line.startswith("__version__"):
            return tomllib.loads(line)["__version__"]
    raise ValueError("sklearn_ebm/__init__.py has no __version__.")


if __name__ == "__main__":
    main()
