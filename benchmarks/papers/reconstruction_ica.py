"""Reconstruction ICA of natural patches: Gabor functions, also without whitening, and on a map.

Filters of 16 x 16 patches of unit norm are learned by AutoEncoder with linear units, tied weights
and the smooth L1 norm of Le et al. (2011), by L-BFGS. Whitened patches have the principal
components with 95 % of the variance; 400 filters are then three times overcomplete. Pooled
reconstruction ICA has the norms of 3 x 3 neighbours on a map of 20 x 20 filters instead. A filter
counts as a Gabor function if the fit has an R^2 above 0.8. Orientations of neighbours on the map
are compared with those of all pairs.
"""

import warnings
from typing import NamedTuple

import numpy as np

from benchmarks import _common

SIZE = 16
MAP = (20, 20)
VARIANCE = 0.95  # share of the variance that whitened patches have
N_SAMPLES, PASSES = 20_000, 150
EDGES = 50.0  # least percentage of overcomplete filters that a Gabor function fits
ORDER = 0.75  # largest ratio of orientations, neighbours to all pairs, on the map
SHOWN = 100  # filters of each model in the picture


class Case(NamedTuple):
    """Number of filters, whether patches are whitened, weight of the penalty, and pools."""

    n_components: int | None  # None: as many as features
    is_white: bool
    alpha: float
    is_map: bool = False


CASES = {
    "whitened, 400 filters": Case(400, True, 2.0),
    "whitened, complete": Case(None, True, 2.0),
    "whitened, 20 x 20 filters in 3 x 3 pools": Case(400, True, 3.0, True),
    "not whitened, 400 filters": Case(400, False, 0.5),
}


def main():
    options = _common.options(__doc__)
    report = _common.Report("reconstruction_ica", "Reconstruction ICA of 16 x 16 natural patches")
    warnings.simplefilter("ignore")  # the number of passes is the intended stop
    patches = _common.natural_patches(
        1_000 if options.quick else N_SAMPLES, seed=options.seed + 1, size=SIZE
    )
    white, basis = whitened(patches)
    filters = {}
    for name, case in CASES.items():
        X = white if case.is_white else patches
        model = estimator(case, X.shape[1], options)
        seconds, _ = _common.stopwatch(lambda model=model, X=X: model.fit(unit_norm(X)))
        filters[name] = model.components_ @ basis if case.is_white else model.components_
        report.add(name, f"{model.n_iter_} passes over {len(X):,} patches", seconds, "s")
        describe(report, name, case, filters[name], options.quick)
    draw(filters, options.results / "reconstruction_ica.png")
    for name, case in CASES.items():
        report.note(f"{name}: alpha {case.alpha:g}")
    report.save(options.results)


def whitened(patches):
    """Return whitened patches, and the basis that maps filters to pixels."""
    from sklearn.decomposition import PCA

    pca = PCA(VARIANCE, whiten=True).fit(patches)
    return pca.transform(patches), pca.components_


def unit_norm(X):
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)


def estimator(case, n_features, options):
    from sklearn_ebm import AutoEncoder, GroupPenalty

    pools = {"penalty": GroupPenalty(map_shape=MAP, pool_shape=(3, 3))} if case.is_map else {}
    return AutoEncoder(
        case.n_components or n_features,
        regularizer="sparse",
        activation="linear",
        loss="squared_error",
        alpha=case.alpha,
        optimizer="lbfgs",
        max_iter=5 if options.quick else PASSES,
        tol=0,
        random_state=options.seed,
        **pools,
    )


def describe(report, name, case, filters, is_quick):
    """Report the share of Gabor functions, and the order of orientations on a map."""
    from sklearn_ebm.inspection import fit_gabor
    from sklearn_ebm.metrics import topographic_order

    fit = fit_gabor(filters, (SIZE, SIZE))
    good = fit.is_good()
    target = {"at_least": EDGES} if name == "whitened, 400 filters" else {}
    report.add(name, "filters that a Gabor function fits", 100 * good.mean(), "%", **target)
    if case.is_map and not is_quick:
        found = topographic_order(np.degrees(fit.orientation), MAP, valid=good, period=180)
        report.add(name, "orientation, neighbours / all pairs", found.ratio, at_most=ORDER)


def draw(filters, path):
    """Draw some filters of each model; all of those on the map."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(filters), figsize=(16, 4.4), layout="constrained")
    for one, (name, rows) in zip(axes, filters.items(), strict=True):
        n_rows = MAP[0] if CASES[name].is_map else int(SHOWN**0.5)
        one.imshow(tiles(rows[: n_rows**2], n_rows), cmap="gray")
        one.set_title(name, fontsize=10)
        one.axis("off")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def tiles(filters, n_rows):
    """Return an image of filters in rows, each scaled to its largest value, with gaps."""
    scaled = filters / np.abs(filters).max(axis=1, keepdims=True)
    padded = np.pad(scaled.reshape(n_rows, n_rows, SIZE, SIZE), [(0, 0), (0, 0), (0, 1), (0, 1)])
    return padded.transpose(0, 2, 1, 3).reshape(n_rows * (SIZE + 1), -1)


if __name__ == "__main__":
    main()
