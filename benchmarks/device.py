"""The same computations on a CUDA device and on the host's processor, and torch on the same device.

Requires a CUDA device, CuPy and torch with CUDA. Data are on the device that is used, timing
includes synchronisation, and everything is in float32.

- FISTA codes of natural patches, 256 and 1,024 atoms, to a mean relative suboptimality of 1e-3:
  ours on the device and on the host, the host's default exact codes, and a torch loop.
- A pass of PSD over patches, and a pass of an RBM over MNIST compared with a torch loop.
- Forward and backward passes of batches of digits and photographs through two convolutional stages,
  compared with torch.
"""

import os

import numpy as np

from benchmarks import _common
from benchmarks.speed import backward
from benchmarks.speed.fista import GOAL, fewest_steps, loosest_tolerance
from benchmarks.speed.rbm_peers import TorchRBM, digits
from benchmarks.speed.torch_fista import TorchFista

ALPHA = 1.0
SIZES = (256, 1024)
EXACT = 1e-6


def main():
    options = _common.options(__doc__)
    import cupy
    import torch

    report = _common.Report("device", "A CUDA device and the host")
    rounds = 1 if options.quick else 5
    name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    report.note(f"device: {name}, CuPy {cupy.__version__}, torch {torch.__version__}")
    report.note(f"host: {os.cpu_count()} cores, {options.threads} threads of each library")
    try:
        for n_components in SIZES:
            codes(report, n_components, cupy, options, rounds)
        pass_of_psd(report, cupy, options, rounds)
        for case in backward.CASES:
            both_ways(report, case, cupy, options, rounds)
        pass_of_rbm(report, cupy, options, rounds)  # last, since its torch loop disables gradients
    finally:
        report.save(options.results)


def on_device(cupy, work):
    """Return the work followed by a synchronisation."""

    def waited():
        result = work()
        cupy.cuda.Device().synchronize()
        return result

    return waited


def compare(report, case, contenders, rounds):
    """Report the seconds of all contenders, and the ratios of the device and the others."""
    timings = _common.interleave(contenders, rounds)
    for name, timing in timings.items():
        report.add(case, name, 1e3 * timing.best, "ms")
    ours, *others = timings
    for name in others:
        report.add(case, f"{name} / {ours}", timings[name].best / timings[ours].best, "x")
    return timings


# ------------------------------------------------------------------------------------------ models
def codes(report, n_components, cupy, options, rounds):
    from sklearn_ebm import SparseCoder
    from sklearn_ebm.backends import to_host

    patches = _common.natural_patches(3_000 if options.quick else 40_000, seed=options.seed)
    X, alpha = patches.astype(np.float32), ALPHA
    coder = SparseCoder(n_components, alpha=alpha, max_iter=1, tol=0, random_state=options.seed)
    dictionary = coder.fit(X[:20_000]).components_
    best = _common.encode(patches, dictionary.astype(float), alpha, tol=EXACT)
    optimum = _common.energy(patches, best, dictionary, alpha)
    away = cupy.asarray(X), cupy.asarray(dictionary)

    def excess(code):
        return float(np.mean(_common.energy(X, code, dictionary, alpha) / optimum - 1))

    def ours(X, dictionary, tol):
        return _common.encode(X, dictionary, alpha, solver="fista", tol=tol, max_iter=5000)

    tol = loosest_tolerance(lambda tol: excess(to_host(ours(*away, tol))))
    theirs = TorchFista(X, dictionary, alpha, "cuda")
    steps = fewest_steps(lambda steps: excess(theirs(steps).cpu().numpy()))
    case = f"codes of {len(X):,} patches, {n_components} atoms"
    timings = compare(
        report, case,
        {
            "device": on_device(cupy, lambda: ours(*away, tol)),
            "host, FISTA": lambda: ours(X, dictionary, tol),
            "host, exact": lambda: _common.encode(X, dictionary, alpha),
            "torch, device": on_device(cupy, lambda: theirs(steps)),
        },
        rounds,
    )  # fmt: skip
    reached = excess(to_host(timings["device"].result))
    report.add(case, "suboptimality on the device", reached, at_most=GOAL)
    report.note(f"{case}: {np.mean(best != 0):.1%} on, tol {tol:.1e}, torch {steps} steps")


def pass_of_psd(report, cupy, options, rounds):
    from sklearn_ebm import PSD

    n_samples = 5_000 if options.quick else 100_000
    X = _common.natural_patches(n_samples, seed=options.seed, dtype=np.float32)
    model = PSD(256, alpha=1.0, max_iter=1, tol=0, batch_size=1000, random_state=options.seed)
    away = cupy.asarray(X)
    timings = compare(
        report, f"a pass of PSD, {n_samples:,} patches, 256 atoms",
        {
            "device": on_device(cupy, lambda: model.set_params(solver="fista").fit(away)
                                .objective_curve_[-1]),
            "host": lambda: model.set_params(solver="auto").fit(X).objective_curve_[-1],
        },
        rounds,
    )  # fmt: skip
    ratio = timings["device"].result / timings["host"].result
    report.add("a pass of PSD", "mean energy, device / host", ratio)


def pass_of_rbm(report, cupy, options, rounds):
    from sklearn_ebm import RBM

    _, X, _ = digits(options.seed, 6_000 if options.quick else 60_000)
    model = RBM(1024, max_iter=1, random_state=options.seed)
    away, theirs = cupy.asarray(X), TorchRBM(1024, X, 0.05, options.seed, "cuda")
    compare(
        report, f"a pass of an RBM, {len(X):,} digits, 1,024 hidden units",
        {
            "device": on_device(cupy, lambda: model.fit(away)),
            "host": lambda: model.fit(X),
            "torch, device": on_device(cupy, theirs.epoch),
        },
        rounds,
    )  # fmt: skip


# --------------------------------------------------------------------------------------- networks
def both_ways(report, case, cupy, options, rounds):
    from sklearn_ebm.backends import resolve_backend, to_host

    rng = np.random.default_rng(options.seed)
    X = rng.standard_normal((case.n_images, case.size, case.size, 1)).astype(np.float32)
    host = backward.Ours(case, "smooth_shrinkage", X, rng)
    dy = rng.standard_normal((len(X), *host.output_shape)).astype(np.float32)
    expected = host.gradients(X, dy)[0, "weights"]
    device = backward.Ours(case, "smooth_shrinkage", X, np.random.default_rng(options.seed))
    device.encoders = [_moved(encoder, cupy) for encoder in host.encoders]
    device.backend = resolve_backend("cupy", None)
    away = cupy.asarray(X), cupy.asarray(dy)
    theirs = [backward.Torch(host, X, dy, layout, "cuda") for layout in backward.FORMATS]
    title = f"{case.name}, {case.n_images} images, both ways"
    compare(
        report, title,
        {
            "device": on_device(cupy, lambda: device.gradients(*away)),
            "host": lambda: host.gradients(X, dy),
            **{
                f"torch, device, {layout}": on_device(cupy, network.gradients)
                for layout, network in zip(backward.FORMATS, theirs, strict=True)
            },
        },
        rounds,
    )  # fmt: skip
    for name, value in (
        ("ours", to_host(device.gradients(*away)[0, "weights"])),
        ("torch", theirs[0].gradients()[0].cpu().numpy()),
    ):
        error = np.abs(value - expected).max() / np.abs(expected).max()
        report.add(title, f"difference of gradients, {name}", error, at_most=backward.AGREEMENT)


def _moved(encoder, cupy):
    parameters = {name: cupy.asarray(value) for name, value in encoder.parameters.items()}
    return type(encoder)(parameters, **encoder.settings)


if __name__ == "__main__":
    main()
