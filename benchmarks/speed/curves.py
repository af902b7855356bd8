"""Suboptimality over time of all solvers of sparse codes, by benchopt (folder code_curves)."""

import subprocess
import sys

from benchmarks import _common

MARK = 1e-3
CASES = ((256, 0.05), (256, 0.15))


def main():
    options = _common.options(__doc__)
    report = _common.Report("curves", "Suboptimality of sparse codes over time, float32")
    for n_components, density in CASES[: 1 if options.quick else None]:
        curves = measure(n_components, density, options.quick)
        title = f"{n_components} atoms, {density:.0%} non-zeros"
        for name, points in sorted(curves.items()):
            seconds = min((t for t, value in points if value <= MARK), default=float("nan"))
            report.add(title, f"{name}: time to {MARK:g}", seconds, "s")
        _common.plot_curves(
            curves,
            options.results / f"curves_{n_components}_{density:.2f}.png",
            ylabel="mean of E(z) / E(z*) - 1",
            title=f"Sparse codes, {title}, {_common.THREADS} threads",
        )
    report.note("benchopt runs the solvers one after another; ratios come from interleaved runs")
    report.save(options.results)


def measure(n_components, density, quick):
    """Return name -> sorted list of (seconds, suboptimality)."""
    import pandas

    output = _common.cache_folder() / "curves.parquet"
    output.unlink(missing_ok=True)  # otherwise benchopt would choose another name
    n_samples = 2_000 if quick else 20_000
    data = f"n_samples={n_samples},n_components={n_components},density={density}"
    command = [
        sys.executable,
        "-m",
        "benchopt",
        "run",
        str(_common.ROOT / "benchmarks/speed/code_curves"),
    ]
    command += ["-d", f"natural_patches[{data}]", "--output", str(output), "--no-html", "--no-plot"]
    command += ["--no-cache", "--max-runs", "8" if quick else "16", "--timeout", "12"]
    subprocess.run(command, check=True, cwd=_common.cache_folder())
    table = pandas.read_parquet(output)
    points = table.groupby("solver_name")[["time", "objective_value"]]
    return {name: _best_so_far(group.to_numpy()) for name, group in points}


def _best_so_far(points):
    """Return points better than all faster ones; float32 cannot resolve less than 1e-9."""
    kept, best = [], float("inf")
    for seconds, value in sorted((float(t), max(float(value), 1e-9)) for t, value in points):
        if seconds > 0 and value < best:
            best = value
            kept.append((seconds, value))
    return kept


if __name__ == "__main__":
    main()
