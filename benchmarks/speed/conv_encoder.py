"""The encoder of ConvPSD: its speed compared with torch, and the quality of its codes.

Speed: 16 images of 256 x 256, 64 filters of 9 x 9, float32: our `transform` compared with torch's
conv2d and the same smooth shrinkage, in torch functions without compilation. Also the optimal codes
of the same images.

Quality: filters and encoder trained jointly on locally normalised photographs, compared with an
encoder that is trained afterwards on the optimal codes of fixed filters. The measure is the energy
of f(x) without the prediction term, relative to the minimum, on held-out photographs.
"""

import warnings

import numpy as np

from benchmarks import _common, _images

N_IMAGES, SIZE, N_COMPONENTS, KERNEL = 16, 256, 64, 9
SLOWER = 1.5
TINY = 1e-3  # weight of a prediction without effect on codes


def main():
    options = _common.options(__doc__)
    report = _common.Report("conv_encoder", "The convolutional encoder")
    warnings.simplefilter("ignore")
    images = _images.normalised()
    speed(report, images, options)
    quality(report, images, options)
    report.save(options.results)


# ------------------------------------------------------------------------------------------ speed
def speed(report, images, options):
    import torch

    from sklearn_ebm import ConvPSD

    torch.set_num_threads(options.threads)
    X = _images.crops(images, 64 if options.quick else SIZE, N_IMAGES, options.seed)
    passes = {"max_iter": 1, "tol": 0, "random_state": 0}
    settings = {"kernel_size": KERNEL, "border": "same", "encoder": "smooth_shrinkage"}
    psd = ConvPSD(N_COMPONENTS, **settings, **passes).fit(X[:2])
    with torch.inference_mode():
        timings = _common.interleave(
            {
                "ours": lambda: psd.transform(X),
                "torch": lambda: by_torch(psd.encoder_.parameters, X, smooth=True),
                "torch, convolution alone": lambda: by_torch(psd.encoder_.parameters, X, False),
                "torch, with its softshrink": lambda: by_torch(psd.encoder_.parameters, X, None),
            },
            rounds=2 if options.quick else 7,
        )
    error = np.abs(timings["ours"].result - timings["torch"].result).max()
    case = f"{len(X)} images of {X.shape[1]} x {X.shape[2]}"
    for who, timing in timings.items():
        report.add(case, who, timing.best, "s")
    report.add(case, "largest difference of the codes", error, at_most=1e-4)
    ratio = timings["ours"].best / timings["torch"].best
    report.add(case, "ours / torch", ratio, "x", at_most=SLOWER)
    plain = timings["ours"].best / timings["torch, with its softshrink"].best
    report.add(case, "ours / torch with its softshrink", plain, "x", at_most=SLOWER)
    some = X[:2]
    seconds = _common.stopwatch(lambda: psd.set_params(inference="optimal").transform(some))[0]
    seconds *= len(X) / len(some)
    report.add(case, "optimal codes, by two of the images", seconds, "s")
    report.add(case, "optimal codes / encoder", seconds / timings["ours"].best, "x")


def by_torch(parameters, X, smooth):
    """Return codes (n_samples, n_components), as ours; `smooth` None uses torch's softshrink."""
    import torch
    from torch.nn import functional

    filters = torch.from_numpy(np.ascontiguousarray(np.moveaxis(parameters["weights"], 3, 1)))
    images = torch.from_numpy(X)[:, None]
    u = functional.conv2d(images, filters, torch.from_numpy(parameters["bias"]), padding="same")
    if smooth is None:
        u = functional.softshrink(u, 0.1)
    elif smooth:
        s, b = (torch.from_numpy(parameters[name])[:, None, None] for name in ("slope", "location"))
        size = u.abs()
        larger = torch.maximum(size, b)
        excess = torch.log1p(torch.exp(-s * (size - b).abs()) - torch.exp(-s * larger))
        u = u.sign() * (larger - b + excess / s)
    return u.movedim(1, 3).numpy()


# ---------------------------------------------------------------------------------------- quality
def quality(report, images, options):
    from sklearn_ebm import ConvPSD, ConvSparseCoder

    n_train, passes = (2, 1) if options.quick else (12, 6)
    train, X = images[:n_train], _images.crops(images[-4:], 192, 4, options.seed)
    n_components = 16
    common = {"kernel_size": KERNEL, "tol": 0, "max_iter": passes, "random_state": 0}
    coder = ConvSparseCoder(n_components, **common).fit(train)
    models = {
        "joint": ConvPSD(n_components, **common).fit(train),
        "afterwards": ConvPSD(dictionary=coder.components_, beta=TINY, **common).fit(train),
    }
    for name, psd in models.items():
        optimal = ConvSparseCoder(dictionary=psd.components_).fit(X)
        code = psd.transform(X)
        rebuilt = psd.inverse_transform(code)
        energy = 0.5 * np.sum((X - rebuilt) ** 2, axis=(1, 2)) + np.abs(code).sum((1, 2, 3))
        zero = 0.5 * np.sum(X**2, axis=(1, 2))
        least = optimal.energy(X)
        report.add(name, "energy of f(x) over the least", energy.sum() / least.sum())
        report.add(name, "energy of zero over the least", zero.sum() / least.sum())
        scaled = best_scale(X, code, rebuilt)
        report.add(name, "energy of f(x), rescaled by one number", scaled / least.sum())
        distance = np.sum((code - optimal.transform(X)) ** 2) / np.sum(optimal.transform(X) ** 2)
        report.add(name, "squared distance to the optimal codes, relative", distance)
        report.add(name, "least energy over 1/2 x'x", least.sum() / zero.sum())


def best_scale(X, code, rebuilt):
    """Return the minimum energy of c f(x) over c: a lasso with one coefficient."""
    along, square = np.sum(X * rebuilt), np.sum(rebuilt**2)
    scale = max(along - np.abs(code).sum(), 0) / square
    return 0.5 * np.sum((X - scale * rebuilt) ** 2) + scale * np.abs(code).sum()


if __name__ == "__main__":
    main()
