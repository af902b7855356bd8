"""Local, unshared filters: maps of orientation with pinwheels (Gregor & LeCun 2010).

The paper and the talk show pictures and no numbers. The targets below quantify what they show:
adjacent units of the map have similar orientations, and there are fewer pinwheels than on a map
with the same filters in random order.

Windows of photographs are rotated by random angles, because most edges of the photographs are
horizontal or vertical. They are whitened as in Olshausen & Field (1997), with unit variance. Their
local contrast is not normalised: codes of regions without edges can then be zero. New windows are
drawn for each round of learning, and the learning rate decays to zero over the minutes that the
command asks for.

    python -m benchmarks.papers.local_psd [--cases small talk_115 talk_119] [--minutes 10]

The case "talk_119" shares no filters. Each of its 10,000 units learns from a single position of an
image, so that it takes hours, and is not among the default cases.

The state of a run is kept in the cache folder after each round, so that a run that was stopped
continues where it was. A finished run is measured again without learning.
"""

import pickle
import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks import _common, _images

IMAGE = 119  # height and width of images, as in the talk
MARGIN = 8  # pixels around an image, where the whitening filter sees the opposite edge
CUTOFF = 0.35  # cycles per pixel
LEAST_DEVIATION = 10.0  # grey levels; flatter windows contain mainly camera noise
RATE = 3e-2
THRESHOLD = 0.5  # goodness of a Gabor function
SHUFFLES = 100
PART = 12  # rows and columns of the part of a map whose filters are drawn
IMAGES_IN_ROUND = 200


@dataclass
class Case:
    """Parameters of a model, and the size of its images."""

    parameters: dict
    size: int = IMAGE


CASES = {
    "small": Case(
        {"kernel_size": 11, "tile_shape": 12, "crop_size": 34, "pool_sigma": 1.5, "alpha": 2.0}
    ),
    "talk_115": Case(
        {"n_components": 4, "kernel_size": 15, "tile_shape": 20, "pool_sigma": 2.0, "alpha": 2.0},
        115,
    ),
    "talk_119": Case({"kernel_size": 20, "tile_shape": None, "pool_sigma": 5.0, "alpha": 2.0}),
}
DEFAULT_CASES = ("small", "talk_115")
QUICK = {"kernel_size": 7, "tile_shape": 6, "crop_size": 20, "pool_sigma": 1.5, "alpha": 2.0}


@dataclass
class State:
    """A model that learns, the time that it took, and its energy after each round."""

    model: Any
    n_rounds: int = 0
    n_images: int = 0
    seconds: float = 0.0
    energies: list = field(default_factory=list)


def main():
    options = _common.options(__doc__, extend)
    warnings.simplefilter("ignore")  # each round is a single pass on purpose
    report = _common.Report("local_psd", "Local filters: maps of orientation with pinwheels")
    for name in options.cases:
        case = Case(QUICK, 40) if options.quick else CASES[name]
        state = learned(name, case, options)
        report_learning(report, name, state)
        draw(name, state.model, measured(report, name, state.model), options.results)
        if options.quick:
            break
    report.note(
        "pictures: local_psd_{case}.png (orientations), local_psd_{case}_filters.png (part)"
    )
    report.keep_saved(options.results)
    report.save(options.results)


def extend(parser):
    parser.add_argument("--cases", nargs="+", default=DEFAULT_CASES, choices=CASES)
    parser.add_argument("--minutes", type=float, default=10.0, help="of learning, for each case")


# ------------------------------------------------------------------------------------------ images
def rotated(photographs, size, n_images, seed):
    """Return whitened windows (n_images, size, size) of photographs, rotated at random."""
    random = np.random.default_rng(seed)
    windows = [window(photographs, size + 2 * MARGIN, random) for _ in range(n_images)]
    images = whitened(np.stack(windows))[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    return np.ascontiguousarray(images / images.std(axis=(1, 2), keepdims=True), dtype=np.float32)


def whitened(windows):
    """Return windows whose spectrum is flat up to the cutoff, for a spectrum of 1 / frequency."""
    size = windows.shape[1]
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    gain = frequency * np.exp(-((frequency / CUTOFF) ** 4))
    return np.fft.irfft2(np.fft.rfft2(windows) * gain, s=windows.shape[1:])


def window(photographs, size, random):
    """Return a window of a photograph at a random angle and place, with sufficient contrast."""
    from scipy.ndimage import affine_transform

    middle = np.full(2, (size - 1) / 2)
    reach = size / np.sqrt(2)  # from the centre to a corner of the window
    while True:
        photograph = photographs[random.integers(len(photographs))].astype(np.float32)
        angle = random.uniform(0, 2 * np.pi)
        centre = [random.uniform(reach, length - 1 - reach) for length in photograph.shape]
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        found = affine_transform(
            photograph, turn, centre - turn @ middle, output_shape=(size, size), order=1
        )
        if found.std() >= LEAST_DEVIATION:
            return found


# ---------------------------------------------------------------------------------------- learning
def learned(name, case, options):
    """Return the state after the minutes of learning, from where the last run has stopped."""
    kind = "quick" if options.quick else "full"
    path = (
        _common.cache_folder() / f"local_psd_{kind}_{name}_{options.minutes:g}_{options.seed}.pkl"
    )
    if path.exists():
        state = pickle.loads(path.read_bytes())
    else:
        state = State(new_model(case, options.seed))
    photographs = _images.campus()
    budget = 1.0 if options.quick else 60 * options.minutes
    while state.seconds < budget:
        n_images = 10 if options.quick else IMAGES_IN_ROUND
        images = rotated(photographs, case.size, n_images, options.seed + state.n_rounds)
        began = time.perf_counter()
        rate = RATE * max(1 - state.seconds / budget, 0.01)
        state.model.set_params(learning_rate=lambda _, rate=rate: rate).fit(images)
        state.model.set_params(learning_rate=RATE)  # a function cannot be pickled
        state.seconds += time.perf_counter() - began
        state.n_rounds += 1
        state.n_images += n_images
        state.energies.append(float(state.model.objective_curve_[-1]))
        print(f"  {name}: {state.seconds:.0f} s, energy {state.energies[-1]:.1f}", flush=True)
        path.write_bytes(pickle.dumps(state))
    return state


def new_model(case, seed):
    from sklearn_ebm import LocalPSD

    return LocalPSD(**case.parameters, max_iter=1, tol=0, warm_start=True, random_state=seed)


def report_learning(report, name, state):
    report.add(name, "time of learning", state.seconds / 60, "min")
    report.add(name, "images, each seen in one pass", state.n_images)
    report.add(name, "units with filters of their own", len(state.model.components_))
    report.add(name, "mean energy per crop, first round", state.energies[0])
    report.add(name, "mean energy per crop, last round", state.energies[-1])


# ----------------------------------------------------------------------------------------- measures
def measured(report, name, model):
    """Report the order of orientations beside shuffled maps, and return the display."""
    from sklearn_ebm.inspection import OrientationMapDisplay
    from sklearn_ebm.metrics import pinwheels, topographic_order

    display = OrientationMapDisplay.from_estimator(model, threshold=THRESHOLD)
    gabor, shape = display.gabor, display.map_shape
    good = gabor.is_good(THRESHOLD)
    report.add(
        name, f"filters that a Gabor function fits (R2 {THRESHOLD:g})", 100 * good.mean(), "%"
    )
    how = {"torus": display.torus, "valid": good}
    order = topographic_order(np.degrees(gabor.orientation), shape, period=180, **how)
    report.add(name, "orientation, adjacent units differ by", order.adjacent, "degrees")
    report.add(name, "orientation, any two units differ by", order.all_pairs, "degrees")
    report.add(name, "orientation, adjacent / any two", order.ratio, at_most=0.65)
    numbers = [
        len(pinwheels(shuffled(gabor.orientation, good, seed), shape, **how).signs)
        for seed in range(SHUFFLES)
    ]
    report.add(name, "pinwheels of shuffled maps, mean", np.mean(numbers))
    report.add(name, "pinwheels of shuffled maps, least", min(numbers))
    number = len(display.pinwheels_.signs)
    report.add(name, "pinwheels", number)
    report.add(name, "pinwheels / those of shuffled maps", number / np.mean(numbers), at_most=0.75)
    return display


def shuffled(orientation, good, seed):
    """Return the orientations with those of good fits in random order."""
    orientation = orientation.copy()
    orientation[good] = np.random.default_rng(seed).permutation(orientation[good])
    return orientation


def draw(name, model, display, folder):
    """Save the orientation map, and the filters of its first rows and columns."""
    from sklearn_ebm.inspection import TopographicMapDisplay

    display.figure_.savefig(folder / f"local_psd_{name}.png", dpi=100)
    units = np.arange(len(model.components_)).reshape(model.map_shape_)[:PART, :PART]
    part = TopographicMapDisplay(model.components_[units.ravel()], units.shape)
    part.plot(threshold=THRESHOLD).figure_.savefig(
        folder / f"local_psd_{name}_filters.png", dpi=100
    )


if __name__ == "__main__":
    import matplotlib

    matplotlib.use("Agg")
    main()
