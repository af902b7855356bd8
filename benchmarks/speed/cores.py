"""Speed-up by threads: transform and fit of each model on 1, 2, 4, ... threads, in one process.

Two references show what the machine allows: products of matrices, each of one thread on its own
data, and copies of an array that does not fit into the caches. A model whose transform reads and
writes more than it computes cannot gain more than copies do.

The last rows are small data, for which threads must not cost time: a Bernoulli RBM on rows of text
size and on digits, in large batches and in batches of 10, against scikit-learn's BernoulliRBM with
the same updates.
"""

import os
import threading
import warnings
from contextlib import contextmanager
from functools import partial

import numpy as np

from benchmarks import _common

TARGETS = {2: {"transform": 1.8, "fit": 1.7}, 16: {"transform": 10.0, "fit": 6.0}}
PRODUCT = 1024  # size of the square products of the reference
COPIED = 2**24  # numbers of the array that is copied by all threads together
SMALL = (("1,000 x 2,000 binary", (1000, 2000), 256), ("digits", None, 64))


def main():
    options = _common.options(__doc__)
    warnings.simplefilter("ignore")
    report = _common.Report("cores", "Speed-up by threads")
    counts = thread_counts()
    references(report, counts)
    patches = _common.natural_patches(
        5_000 if options.quick else 50_000, seed=options.seed, dtype=np.float32
    )
    images = images_of(patches, 8 if options.quick else 64)
    digits, labels = digits_of(options.seed, 2_000 if options.quick else 20_000)
    rounds = 2 if options.quick else 5
    for name, call in transforms(patches, images, digits, labels):
        scaling(report, "transform", name, call, counts, rounds)
    for name, call in fits(patches, images, digits, labels):
        scaling(report, "fit", name, call, counts, rounds)
    for name, shape, n_hidden in SMALL:
        small(report, name, small_data(shape), n_hidden, rounds)
    report.note(f"load of the machine at the end: {os.getloadavg()[0]:.1f} processes")
    report.note("shortest times of several rounds, in which the numbers of threads take turns")
    report.save(options.results)


def thread_counts():
    """Return the powers of two up to the number of processors."""
    n_processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    return [2**k for k in range(n_processors.bit_length()) if 2**k <= n_processors]


@contextmanager
def threads(number):
    """Let kernels and products use some threads."""
    import numba
    from threadpoolctl import threadpool_limits

    before = numba.get_num_threads()
    numba.set_num_threads(min(number, numba.config.NUMBA_NUM_THREADS))
    try:
        with threadpool_limits(number):
            yield
    finally:
        numba.set_num_threads(before)


# ---------------------------------------------------------------------------------------- contest
def scaling(report, kind, name, call, counts, rounds):
    """Record the time on one thread, and the speed-up on more."""

    def limited(number):
        with threads(number):
            call()

    contenders = {number: partial(limited, number) for number in counts}
    timings = _common.interleave(contenders, rounds)
    one = timings[counts[0]].best
    report.add(f"{kind}: {name}", "one thread", one, "s")
    for number in counts[1:]:
        least = TARGETS.get(number, {}).get(kind)
        report.add(
            f"{kind}: {name}", f"{number} threads", one / timings[number].best, "x", at_least=least
        )


def references(report, counts):
    """Record the speed-up of independent products, and of copies."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    squares = rng.random((counts[-1], PRODUCT, PRODUCT), dtype=np.float32)
    results, source = np.empty_like(squares), rng.random(COPIED, dtype=np.float32)
    target = np.empty_like(source)

    def multiply(number):
        np.matmul(squares[number], squares[number], out=results[number])

    def copy(number, n_threads):
        share = slice(number * COPIED // n_threads, (number + 1) * COPIED // n_threads)
        np.copyto(target[share], source[share])

    with threadpool_limits(1):
        for number in counts:
            seconds = [
                _common.best_of(partial(together, number, work))
                for work in (multiply, partial(copy, n_threads=number))
            ]
            if number == 1:
                first = seconds
                continue
            case = "what the machine allows"
            report.add(case, f"products, {number} threads", number * first[0] / seconds[0], "x")
            report.add(case, f"copies, {number} threads", first[1] / seconds[1], "x")


def together(n_threads, work):
    """Call a function on several threads at the same time."""
    workers = [threading.Thread(target=work, args=(number,)) for number in range(1, n_threads)]
    for worker in workers:
        worker.start()
    work(0)
    for worker in workers:
        worker.join()


# ------------------------------------------------------------------------------------------- data
def images_of(patches, n_images):
    """Return images of 64 x 64 pixels that are tiled by patches."""
    n_rows, size = 5, patches.shape[1]
    side = int(size**0.5)
    tiles = patches[: n_images * n_rows**2].reshape(n_images, n_rows, n_rows, side, side)
    images = tiles.transpose(0, 1, 3, 2, 4).reshape(n_images, n_rows * side, n_rows * side)
    return np.ascontiguousarray(images[..., None])


def digits_of(seed, n_samples):
    """Return binary pixels of MNIST, and labels."""
    from benchmarks.speed import rbm_peers
    from sklearn_ebm.datasets import fetch_mnist

    labels = fetch_mnist(return_X_y=True)[1][:n_samples]
    return rbm_peers.digits(seed, n_samples)[1], labels


def small_data(shape):
    """Return sparse binary rows of a shape, or the pixels of scikit-learn's digits without one."""
    from sklearn.datasets import load_digits

    if shape is None:
        return (load_digits().data / 16).astype(np.float32)
    return (np.random.default_rng(0).random(shape) < 0.05).astype(np.float32)


# ----------------------------------------------------------------------------------------- models
def models():
    """Return the models of rows, by name."""
    from sklearn_ebm import PSD, GroupSparsePSD, LISTAEncoder, SparseCoder

    few = {"max_iter": 2, "tol": 0, "random_state": 0}
    return {
        "SparseCoder": SparseCoder(256, alpha=2.0, **few),
        "SparseCoder, batches of 4,096": SparseCoder(256, alpha=2.0, batch_size=4096, **few),
        "PSD": PSD(256, alpha=2.0, **few),
        "LISTAEncoder": LISTAEncoder(256, alpha=2.0, **few),
        "GroupSparsePSD, overlapping groups": GroupSparsePSD(256, alpha=0.5, **few),
    }


def digit_models():
    """Return the models of binary rows, by name."""
    from sklearn_ebm import RBM, AutoEncoder

    few = {"max_iter": 2, "tol": 0, "random_state": 0}
    return {
        "RBM, 256 units": RBM(256, **few),
        "RBM, 1,024 units": RBM(1024, **few),
        "AutoEncoder, 1,000 units": AutoEncoder(1000, **few),
    }


def image_models():
    """Return the models of images, by name."""
    from sklearn_ebm import ConvPSD, ConvSparseCoder

    few = {"kernel_size": 9, "alpha": 1.0, "max_iter": 1, "tol": 0, "random_state": 0}
    return {"ConvSparseCoder": ConvSparseCoder(16, **few), "ConvPSD": ConvPSD(16, **few)}


def dense_network(digits, labels):
    """Return an untrained classifier on a fitted dense encoder, and its data."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from sklearn_ebm import AutoEncoder

    stack = make_pipeline(AutoEncoder(1000, max_iter=1, random_state=0), LogisticRegression())
    return _tuned(stack.fit(digits[:1000], labels[:1000])), digits, labels


def image_network(digits, labels):
    """Return an untrained classifier on a fitted stack of convolutional encoders, and its data."""
    from sklearn_ebm import ConvPSD, make_feature_hierarchy

    images, labels = digits[:2_000].reshape(-1, 28, 28, 1), labels[:2_000]
    stack = make_feature_hierarchy(
        model=ConvPSD(max_iter=1, crop_size="patch", border="valid", encoder="shrinkage"),
        n_components=(32, 64),
        kernel_size=5,
        random_state=0,
    )
    return _tuned(stack.fit(images[:200], labels[:200])), images, labels


def _tuned(estimator):
    from sklearn_ebm import FineTunedClassifier

    return FineTunedClassifier(estimator, prefit=True, max_iter=2, random_state=0)


def transforms(patches, images, digits, labels):
    """Yield the name of each model with a function that transforms or predicts."""
    for group, X in ((models(), patches), (digit_models(), digits), (image_models(), images)):
        for name, model in group.items():
            if "batches" not in name:
                yield name, partial(model.fit(X[:2_000]).transform, X)
    for kind, network in (("dense", dense_network), ("convolutional", image_network)):
        model, X, y = network(digits, labels)
        predict = model.fit(X[:500], y[:500]).predict
        yield f"FineTunedClassifier, {kind}", partial(predict, X)


def fits(patches, images, digits, labels):
    """Yield the name of each model with a function that fits it."""
    for group, X in ((models(), patches), (digit_models(), digits), (image_models(), images)):
        for name, model in group.items():
            yield name, partial(model.fit, X)
    for kind, network in (("dense", dense_network), ("convolutional", image_network)):
        model, X, y = network(digits, labels)
        yield f"FineTunedClassifier, {kind}", partial(model.fit, X, y)


# ------------------------------------------------------------------------------------- small data
def small(report, name, X, n_hidden, rounds):
    """Record the time of our RBM over that of BernoulliRBM, with the same updates."""
    from sklearn.neural_network import BernoulliRBM

    from sklearn_ebm import RBM

    for batch_size in (10, 100):
        how = {"batch_size": batch_size, "learning_rate": 0.05, "random_state": 0}
        timings = _common.interleave(
            {
                "ours": partial(RBM(n_hidden, max_iter=5, tol=0, **how).fit, X),
                "scikit-learn": partial(BernoulliRBM(n_hidden, n_iter=5, **how).fit, X),
            },
            rounds,
        )
        ratio = timings["ours"].best / timings["scikit-learn"].best
        case = f"RBM on {name}, batches of {batch_size}"
        report.add(case, "five passes", timings["ours"].best, "s")
        report.add(case, "time over that of BernoulliRBM", ratio, "x", at_most=1.0)


if __name__ == "__main__":
    main()
