"""What and where: units that are shared by the frames of a window (Gregor & LeCun 2010, 2011).

The papers show pictures and no numbers. The targets below quantify what the pictures show.

Patches of 12 x 12 pixels move over photographs by one pixel per frame. They are whitened, and the
contrast of each patch is normalised. Windows of three frames train 100 atoms and 25 units. The
control has the same frames in random order, so that the frames of a window are unrelated.

- Orientation: the peak direction of the spectrum of each atom is doubled and averaged over the
  atoms of a unit, with the squares of its weights. The length of this mean is one if all atoms of a
  unit have one orientation, and near zero for all atoms together.
- Variance over time: the variance of a feature within held-out sequences of eight frames, relative
  to its variance over all frames, averaged over features.

A further case trains on the frames of the film vtest.avi (PETS 2009) at fixed positions, if PyAV
is installed and the folder SKLEARN_EBM_DATA contains the film.
"""

import os
import warnings
from pathlib import Path

import numpy as np

from benchmarks import _common
from benchmarks.papers.topography import photographs

SIZE, N_ATOMS, N_WHAT, N_FRAMES, PASSES, SEEDS = 12, 100, 25, 3, 12, 3
N_TRAIN, N_TEST, LONG = 5_000, 500, 8
GAMMAS = (2.0, 3.0, 6.0)
PAD = 48  # width of the padded atoms whose spectrum is computed
PART_NAMES = ("photographs", "gamma", "film")
FRAMES = (0, 400), (450, 795)  # frames of the film to learn from, and to test on


def main():
    options = _common.options(__doc__, _add_options)
    warnings.simplefilter("ignore")  # the number of passes is the intended stop
    report = _common.Report("what_where", "What and where: units shared by successive frames")
    images = [np.asarray(image, dtype=np.float32) for image in photographs()]
    if "photographs" in options.parts:
        for seed in range(1 if options.quick else SEEDS):
            of_photographs(report, options, images, options.seed + seed)
        report.note("pictures of seed 0: what_where.png, what_where_shuffled.png")
    if "gamma" in options.parts:
        of_gammas(report, options, images)
    if "film" in options.parts:
        of_film(report, options)
    report.keep_saved(options.results)
    report.save(options.results)


def _add_options(parser):
    parser.add_argument("--parts", nargs="+", default=PART_NAMES, choices=PART_NAMES)


def of_photographs(report, options, images, seed):
    from sklearn_ebm.inspection import WhatWhereDisplay

    data = Films(images, options, seed)
    for case, order in (("frames in order", None), ("shuffled frames", seed + 1)):
        model = learned(report, f"{case}, seed {seed}", data, options, seed, order)
        targets = order is None
        measure(report, f"{case}, seed {seed}", model, data, targets)
        if seed == options.seed:
            name = "what_where.png" if order is None else "what_where_shuffled.png"
            display = WhatWhereDisplay.from_estimator(model)
            display.figure_.savefig(options.results / name, dpi=110)
    if seed == options.seed:
        model = learned(report, "product", data, options, seed, None, coupling="product")
        measure(report, "product", model, data, False)


def of_gammas(report, options, images):
    data = Films(images, options, options.seed)
    for gamma in GAMMAS[: 1 if options.quick else None]:
        case = f"gamma {gamma:g}"
        measure(report, case, learned(report, case, data, options, options.seed, gamma=gamma), data)


def of_film(report, options):
    frames = film()
    if frames is None:
        report.note("the film was not read: PyAV or vtest.avi is missing")
        return
    train, test = (frames[first:last] for first, last in FRAMES)
    data = Films(train, options, options.seed, test, film=True, shift=0.0)
    fitted = learned(report, "film", data, options, options.seed)
    measure(report, "film", fitted, data, targets=True)
    report.note("film: learned from frames 1 to 400, measured on frames 451 to 795")


def film():
    """Return the grey frames of the film, or None."""
    path = Path(os.environ.get("SKLEARN_EBM_DATA", ".")) / "pets09_s2l1" / "vtest.avi"
    try:
        import av
    except ImportError:
        return None
    if not path.exists():
        return None
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    return np.stack(frames).astype(np.float32)


class Films:
    """Sequences of whitened patches with normalised contrast, to learn from and to test on."""

    def __init__(self, images, options, seed, test_images=None, **how):
        from sklearn_ebm import ZCAWhitener
        from sklearn_ebm.datasets import normalize_patches, sample_moving_patches

        n_train, n_test = (1_000, 100) if options.quick else (N_TRAIN, N_TEST)
        how = {"min_variance": 100.0, **how}
        X, self.groups = sample_moving_patches(images, SIZE, n_train, random_state=seed, **how)
        test, self.test_groups = sample_moving_patches(
            images if test_images is None else test_images, SIZE, n_test,
            n_frames=LONG, random_state=seed + 1000, **how,
        )  # fmt: skip
        whitener = ZCAWhitener().fit(X - X.mean(axis=1, keepdims=True))
        self.X, self.test = (
            normalize_patches(whitener.transform(part - part.mean(axis=1, keepdims=True)))
            for part in (X, test)
        )


def learned(report, case, data, options, seed, order=None, **parameters):
    """Return a model that was fitted on the frames, or on the frames in random order."""
    from sklearn_ebm import WhatWherePSD

    X = data.X if order is None else np.random.default_rng(order).permutation(data.X)
    passes = 2 if options.quick else PASSES
    model = WhatWherePSD(
        N_ATOMS, n_what=N_WHAT, n_frames=N_FRAMES, max_iter=passes, tol=0, random_state=seed,
        **parameters,
    )  # fmt: skip
    seconds, model = _common.stopwatch(lambda: model.fit(X, groups=data.groups))
    report.add(case, f"{passes} passes over {len(X) // N_FRAMES} windows", seconds, "s")
    return model


def measure(report, case, model, data, targets=False):
    """Report orientations and variances over time, with targets for frames in order."""
    of_units, of_all = concentrations(model)
    least, most = ({"at_least": 0.45}, {"at_most": 0.65}) if targets else ({}, {})
    report.add(case, "orientation, concentration in units", of_units, **least)
    report.add(case, "orientation, concentration of all atoms", of_all)
    variance = {}
    for output in ("what", "simple"):
        features = model.set_params(output=output).transform(data.test, groups=data.test_groups)
        variance[output] = over_time(features)
        report.add(case, f"variance over time, {output}", variance[output])
        report.add(case, f"active features, {output}", 100 * np.mean(features > 0), "%")
    report.add(case, "variance over time, what / simple", variance["what"] / variance["simple"],
               **most)  # fmt: skip


def concentrations(model):
    """Return the concentration of orientations in units, averaged over them, and of all atoms."""
    direction = orientations(model.components_)
    share = model.what_components_**2
    of_units = abs(share @ direction) / share.sum(axis=1)
    return of_units.mean(), abs(direction.mean())


def orientations(atoms):
    """Return exp(2 i theta), with the mean direction theta of the spectrum of each atom."""
    power = np.abs(np.fft.fft2(atoms.reshape(-1, SIZE, SIZE), (PAD, PAD))) ** 2
    down, right = np.meshgrid(np.fft.fftfreq(PAD), np.fft.fftfreq(PAD), indexing="ij")
    mean = np.sum(power * np.exp(2j * np.arctan2(down, right)), axis=(1, 2))
    return mean / abs(mean)


def over_time(features):
    """Return the variance within sequences over that of all frames, averaged over features.

    The first windows of a sequence contain repeated frames, and are left out.
    """
    films = features.reshape(-1, LONG, features.shape[1])[:, N_FRAMES - 1 :]
    total = films.reshape(-1, films.shape[2]).var(axis=0)
    used = total > 0
    return np.mean(films.var(axis=1).mean(axis=0)[used] / total[used])


if __name__ == "__main__":
    import matplotlib

    matplotlib.use("Agg")
    main()
