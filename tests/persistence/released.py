"""Files of fitted models, one of each class, for each released version of the package.

Before a release, ``python -m tests.persistence.released`` writes the models of the present version
to ``tests/persistence/released/VERSION``. Later versions must load them.
"""

import pickle
import warnings
from pathlib import Path

import sklearn_ebm
from tests.registries.estimators import CASES, TYPICAL, fitted, output

FOLDER = Path(__file__).parent / "released"


def write_models(folder):
    """Write the models of the present version and their output to a folder."""
    folder.mkdir(parents=True)
    for name in TYPICAL:
        model = fitted(name)
        _, X, y = CASES[name]
        entry = {"name": name, "model": model, "X": X, "y": y, "output": output(name, model)}
        with open(folder / f"{name}.pickle", "wb") as file:
            pickle.dump(entry, file, protocol=5)


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_models(FOLDER / sklearn_ebm.__version__)
