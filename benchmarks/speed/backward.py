"""Forward and backward passes through two convolutional stages: ours and torch, with equal threads.

Each stage is a bank of filters with a shrinkage, the absolute value, local contrast normalisation
and average pooling. There are two networks in float32: one for digits, and one for photographs as
in Jarrett et al. (2009). Ours processes the batch in pieces, as in training, and sums their
gradients in order; torch processes the whole batch, in the faster of its two memory formats.
"""

import collections
import functools
from typing import NamedTuple

import numpy as np

from benchmarks import _common

SLOWER = 2.0  # maximum ratio of our time and torch's time for both passes
AGREEMENT = 1e-3
ALPHA = 0.3  # threshold of the filters
FORMATS = ("contiguous_format", "channels_last")  # of torch


class Stage(NamedTuple):
    """Filters, the window of the contrast normalisation, and the windows of the pooling."""

    n_filters: int
    kernel: int
    border: str
    pool: int
    stride: int
    window: int = 9


class Case(NamedTuple):
    """Images and stages."""

    name: str
    n_images: int
    size: int
    piece: int  # images that one of our threads processes at a time
    stages: tuple


CASES = (
    Case("digits", 100, 28, 10, (Stage(32, 5, "same", 2, 2), Stage(128, 5, "same", 4, 2))),
    Case("photographs", 8, 143, 1, (Stage(64, 9, "valid", 10, 5), Stage(256, 9, "valid", 6, 4))),
)


def main():
    import torch

    options = _common.options(__doc__)
    torch.set_num_threads(options.threads)
    report = _common.Report("backward", "Forwards and backwards through two stages")
    for case in CASES:
        few = case._replace(n_images=2) if options.quick else case
        for encoder in ("shrinkage", "smooth_shrinkage"):
            compare(report, few, encoder, options)
    report.note("torch: eager, the better of contiguous and channels_last")
    report.save(options.results)


def compare(report, case, encoder, options):
    """Compare outputs, gradients and seconds of one network."""
    rng = np.random.default_rng(options.seed)
    X = rng.standard_normal((case.n_images, case.size, case.size, 1)).astype(np.float32)
    ours = Ours(case, encoder, X, rng)
    dy = rng.standard_normal((len(X), *ours.output_shape)).astype(np.float32)
    theirs = {name: Torch(ours, X, dy, name) for name in FORMATS}
    title = f"{case.name}, {encoder}, {case.n_images} images"
    check(report, title, (ours.forward(X), ours.gradients(X, dy)), theirs["contiguous_format"])
    contenders = {("ours", "forwards"): lambda: ours.forward(X)}
    contenders["ours", "both ways"] = lambda: ours.gradients(X, dy)
    for name, network in theirs.items():
        contenders[name, "forwards"] = network.forward
        contenders[name, "both ways"] = network.gradients
    timings = _common.interleave(contenders, rounds=2 if options.quick else 9)
    for way, target in (("forwards", None), ("both ways", SLOWER)):
        seconds = timings["ours", way].best
        fastest = min(timings[name, way].best for name in FORMATS)
        report.add(title, f"ours, {way}", 1e3 * seconds, "ms")
        report.add(title, f"torch, {way}", 1e3 * fastest, "ms")
        report.add(title, f"ours / torch, {way}", seconds / fastest, "x", at_most=target)


def check(report, title, ours, torch_network):
    """Compare outputs and gradients of the filters, relative to their largest entry."""
    y, gradients = ours
    expected, (first_expected, second_expected) = torch_network.forward(), torch_network.gradients()
    for name, value, truth in (
        ("output", y, expected),
        ("gradient of the first filters", gradients[0, "weights"], first_expected),
        ("gradient of the second filters", gradients[1, "weights"], second_expected),
    ):
        error = np.abs(value - truth.numpy()).max() / np.abs(truth.numpy()).max()
        report.add(title, f"difference, {name}", error, at_most=AGREEMENT)


# ------------------------------------------------------------------------------------------- ours
class Ours:
    """Encoders and layers on images of one size.

    Filters are scaled to products of unit variance with the first images; most codes are then on.
    """

    def __init__(self, case, encoder, X, rng):
        from sklearn_ebm.backends import resolve_backend
        from sklearn_ebm.factors import Tapes

        self.case, self.tapes = case, collections.defaultdict(Tapes)  # by module
        self.backend = resolve_backend("numba", None)
        self.encoders, self.layers, self.map_shapes = [], [], []
        for stage in case.stages:
            x = self._forward(X[:2], 0)[0]
            self.encoders.append(new_encoder(encoder, stage, x, rng))
            self.layers.append(new_layers(stage))
            self.map_shapes.append((*map_size(stage, x.shape[1:3]), stage.n_filters))
        self.output_shape = self._forward(X[:1], 0)[0].shape[1:]

    def forward(self, X):
        """Return the output of a batch, computed in pieces."""
        from sklearn_ebm.backends import new_array

        y = new_array((len(X), *self.output_shape), X)

        def work(first, last):
            y[first:last] = self._forward(X[first:last], first)[0]

        self.backend.map_pieces(work, len(X), self.case.piece)
        return y

    def gradients(self, X, dy):
        """Return gradients by encoder and parameter, summed over the pieces in order."""
        from sklearn_ebm.learning._samples import summed

        parts = {}

        def work(first, last):
            _, tapes = self._forward(X[first:last], first)
            parts[first] = self._backward(tapes, dy[first:last])

        self.backend.map_pieces(work, len(X), self.case.piece)
        return summed(parts)

    @property
    def modules(self):
        """Return encoders and layers in order."""
        stages = zip(self.encoders, self.layers, strict=True)
        return [module for encoder, layers in stages for module in (encoder, *layers)]

    def _forward(self, x, piece):
        tapes = []
        for k, module in enumerate(self.modules):
            tapes.append(self.tapes[k][piece])
            x = module.forward(x, tapes[-1])
        return x, tapes

    def _backward(self, tapes, dy):
        """Propagate gradients; the gradient with respect to the images is not needed."""
        gradients = {}
        for k in reversed(range(len(tapes))):
            module = self.modules[k]
            dy, own = module.backward(tapes[k], dy, input_gradient=k > 0)
            stage = k * len(self.encoders) // len(tapes)
            gradients |= {(stage, name): gradient for name, gradient in own.items()}
        return gradients


def new_encoder(name, stage, x, rng):
    """Return an encoder with random filters for the given images."""
    from sklearn_ebm.factors.decoders import ConvolutionalDecoder
    from sklearn_ebm.factors.encoders import CONVOLUTIONAL_ENCODERS

    size, image_shape = (stage.n_filters, stage.kernel, stage.kernel, x.shape[3]), x.shape[1:3]
    filters = rng.standard_normal(size).astype(np.float32)
    bank = ConvolutionalDecoder(filters, image_shape, stage.border)
    filters /= bank.correlate(x.reshape(len(x), -1)).std()
    return CONVOLUTIONAL_ENCODERS[name].from_dictionary(
        filters, 1.0, ALPHA, image_shape=image_shape, border=stage.border
    )


def new_layers(stage):
    """Return the layers after the filters."""
    from sklearn_ebm import LocalContrastNormalizer, Pooler, Rectifier

    pooler = Pooler("average", stage.pool, pool_stride=stage.stride)
    return Rectifier("abs"), LocalContrastNormalizer(stage.window), pooler


def map_size(stage, image_shape):
    """Return height and width of the maps."""
    shrunk = stage.kernel - 1 if stage.border == "valid" else 0
    return tuple(side - shrunk for side in image_shape)


# ------------------------------------------------------------------------------------------ torch
class Torch:
    """The same network with its own leaf tensors, in one memory format."""

    def __init__(self, ours, X, dy, memory_format, device="cpu"):
        import torch

        self.stages = ours.case.stages
        layout = {"memory_format": getattr(torch, memory_format)}
        self.X, self.dy = (
            torch.from_numpy(np.moveaxis(array, 3, 1)).to(device).contiguous(**layout)
            for array in (X, dy)
        )
        self.parameters = []
        for encoder in ours.encoders:
            own = {k: torch.from_numpy(v).to(device) for k, v in encoder.parameters.items()}
            own["weights"] = own["weights"].movedim(3, 1).contiguous(**layout)
            self.parameters.append({name: value.requires_grad_() for name, value in own.items()})
        self.windows = [
            local_mean(stage.window, shape[:2], device)
            for stage, shape in zip(self.stages, ours.map_shapes, strict=True)
        ]

    def forward(self):
        """Return the output in our layout."""
        import torch

        with torch.inference_mode():
            return self._forward().movedim(1, 3)

    def gradients(self):
        """Return the gradients with respect to the filters in our layout."""
        import torch

        leaves = [value for own in self.parameters for value in own.values()]
        gradients = torch.autograd.grad(self._forward(), leaves, self.dy)
        by_leaf = dict(zip(map(id, leaves), gradients, strict=True))
        return [by_leaf[id(own["weights"])].movedim(1, 3) for own in self.parameters]

    def _forward(self):
        from torch.nn import functional

        x = self.X
        for stage, own, smooth in zip(self.stages, self.parameters, self.windows, strict=True):
            u = functional.conv2d(x, own["weights"], own["bias"], padding=stage.border)
            maps = contrast(shrink(u, own).abs(), smooth)
            x = functional.avg_pool2d(maps, stage.pool, stage.stride)
        return x


def shrink(u, own):
    """Apply the activation that has the given parameters."""
    import torch

    own = {name: value[:, None, None] for name, value in own.items() if name != "weights"}
    if "threshold" in own:
        return u - u.clamp(-own["threshold"], own["threshold"])
    slope, location, size = own["slope"], own["location"], u.abs()
    larger = torch.maximum(size, location)
    excess = torch.log1p(torch.exp(-slope * (size - location).abs()) - torch.exp(-slope * larger))
    return u.sign() * (larger - location + excess / slope)


def contrast(x, smooth):
    """Apply local contrast normalisation: v / max(c, sigma)."""
    import torch

    centred = x - smooth(x.mean(1, keepdim=True))
    deviation = smooth((centred * centred).mean(1, keepdim=True)).sqrt()
    floor = deviation.mean((2, 3), keepdim=True)
    return centred / torch.maximum(deviation, floor)


def local_mean(size, shape, device):
    """Return the Gaussian mean of single maps, scaled at the border like ours."""
    import torch
    from torch.nn import functional

    from sklearn_ebm.backends._gaussian import gaussian_window

    window = gaussian_window(size, np.empty((1, *shape, 1), np.float32))
    weights = torch.tensor(window.weights, device=device)
    scale = torch.from_numpy(window.scale).to(device)
    across, down = weights[None, None, None, :], weights[None, None, :, None]
    mean = functools.partial(functional.conv2d, padding="same")
    return lambda maps: mean(mean(maps, across), down) * scale


if __name__ == "__main__":
    main()
