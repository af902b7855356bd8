"""Run all benchmarks, each in its own process, and print one table.

    python -m benchmarks.run [--quick] [--only NAME ...] [--threads 2] [--seed 0]

`benchmarks/speed` compares the package with its peers, `benchmarks/papers` with published numbers.
Tables and plots of a full run are saved to `benchmarks/results`, and those of a quick run to a
temporary folder.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SPEED = (
    "exact_codes",
    "fista",
    "curves",
    "dictionary_learning",
    "small",
    "cold_start",
    "grid_search",
    "memory",
    "dask",
    "cores",
    "lista_speed",
    "groups",
    "pursuit",
    "penalties",
    "inhibition_codes",
    "rbm",
    "conv_codes",
    "conv_solvers",
    "conv_learning",
    "conv_signals",
    "conv_rank_one",
    "conv_encoder",
    "conv_memory",
    "conv_volumes",
    "backward",
    "auto_encoder",
    "drsae_speed",
)
PAPERS = (
    "mnist",
    "joint_training",
    "lista",
    "lista_mnist",
    "topography",
    "inhibition",
    "what_where",
    "local_psd",
    "groups_classification",
    "rbm_likelihood",
    "rbm_features",
    "conv_maps",
    "mnist_hierarchy",
    "few_labels",
    "dense_tuning",
    "caltech101",
    "outliers",
    "energy_model",
    "auto_encoders",
    "reconstruction_ica",
    "drsae",
)
FOLDERS = dict.fromkeys(SPEED, "speed") | dict.fromkeys(PAPERS, "papers")
NAMES = (*SPEED, *PAPERS)


def main():
    chosen = _options()
    failed = [name for name in chosen.only if not _run(name, chosen)]
    from benchmarks import _common

    folder = chosen.results or _common.results_folder(chosen.quick)
    (folder / "README.md").write_text(_common.summary(_common.saved_rows(folder, NAMES)))
    _common.print_table(_common.saved_rows(folder, chosen.only))
    print(f"\n{_common.machine()}\nTables and plots: {folder}")
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run?")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, help="folder of the tables and plots")
    return parser.parse_args()


def _run(name, chosen):
    """Run one benchmark in a new process; return False if it fails."""
    print(f"\n== {name}", flush=True)
    command = [sys.executable, "-m", f"benchmarks.{FOLDERS[name]}.{name}"]
    command += ["--threads", str(chosen.threads), "--seed", str(chosen.seed)]
    command += ["--quick"] if chosen.quick else []
    command += ["--results", str(chosen.results.resolve())] if chosen.results else []
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, cwd=ROOT, env=environment).returncode == 0


if __name__ == "__main__":
    main()
