"""Print the lowest supported versions as constraints for pip: `python tools/lowest_versions.py`.

The versions are the lower bounds in pyproject.toml of all that users need: the dependencies and the
extras of USED. Tools of the tests have the newest version.
"""

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
USED = ("plot", "demo")
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[[\w,-]*\])?(?:>=(?P<version>[\w.]+))?")


def constraints(project):
    """Return lines `name==version` for the table `project` of pyproject.toml.

    Raises
    ------
    ValueError
        If a requirement has no lower bound.
    """
    extras = project["optional-dependencies"]
    requirements = [*project["dependencies"], *(each for name in USED for each in extras[name])]
    found = [REQUIREMENT.fullmatch(each.replace(" ", "")) for each in requirements]
    ours = {project["name"]}
    missing = [text for text, match in zip(requirements, found, strict=True) if match is None]
    missing += [match[0] for match in found if match and not match["version"]]
    missing = [text for text in missing if text.partition("[")[0] not in ours]
    if missing:
        raise ValueError(f"Each requirement must have the form name>=version, got {missing}.")
    return [f"{match['name']}=={match['version']}" for match in found if match["version"]]


if __name__ == "__main__":
    with open(PYPROJECT, "rb") as file:
        print("\n".join(constraints(tomllib.load(file)["project"])))
