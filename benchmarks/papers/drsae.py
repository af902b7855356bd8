"""MNIST: discriminative recurrent sparse auto-encoders, as in Rolfe & LeCun (2013).

50,000 images for learning, 10,000 to choose the number of passes, and 10,000 for the test; images
have norm one. The paper reports an error of 1.08 % with 400 units, 1.21 % with 200 units, and 1.49
% with 200 units and one step, after up to 1,300 passes. A fine-tuned `LISTAEncoder` of the same
size is trained beside each of the networks with ten steps.

    python -m benchmarks.papers.drsae [--cases NAME ...] [--seeds 1] [--passes 100]

The learning rate of one step was chosen on held-out images; with ten steps it is the default. The
state of a run is kept in the cache folder after every few passes, so that a run that was
stopped continues where it was; rows are saved as they are finished. With more seeds, a finished run
continues as well. Learning rates decay to zero over the passes that the command asks for.
"""

import copy
import pickle
import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks import _common
from benchmarks.papers.mnist import data

CASES = {  # number of units and of steps, initial learning rate, and error in the paper
    "200 units, one step": (200, 1, 5e-2, 1.49),
    "200 units": (200, 10, 3e-2, 1.21),
    "400 units": (400, 10, 3e-2, 1.08),
}
PRETRAINING = 30  # passes without labels
PASSES_AT_ONCE = 5
LISTA_ALPHA = 0.05
PARTS, CATEGORIES = 0.5, 0.7  # radians between filters and atoms of both kinds of units


@dataclass
class State:
    """A model that learns, and its errors so far."""

    model: Any
    n_passes: int = 0
    seconds: float = 0.0
    errors: list = field(default_factory=list)  # passes, held-out error, test error


def main():
    options = _common.options(__doc__, extend)
    report = _common.Report("drsae", "MNIST: discriminative recurrent sparse auto-encoders")
    warnings.simplefilter("ignore")  # the number of passes is limited on purpose
    parts = split(options)
    passes = 2 if options.quick else options.passes
    report.note(
        f"{PRETRAINING} passes without labels before those with labels; the test error is that of "
        "the pass with the lowest held-out error"
    )
    for name in options.cases:
        n_units, n_steps, rate, paper = CASES[name]
        n_units = n_units // 10 if options.quick else n_units
        seeds = range(options.seed, options.seed + options.seeds)
        states = [
            learned(f"{name}, {seed}", (n_units, n_steps, rate), seed, passes, parts, options)
            for seed in seeds
        ]
        report_errors(report, name, states, paper)
        report_units(report, name, states[0].model, parts)
        saved(report, options)
    for name in options.cases:
        n_units, n_steps, *_ = CASES[name]
        if n_steps > 1:
            n_units = n_units // 10 if options.quick else n_units
            report_lista(report, name, n_units, n_steps, parts, options)
            saved(report, options)


def saved(report, options):
    """Save the rows so far, and those of cases that were left out."""
    together = copy.deepcopy(report)
    together.keep_saved(options.results)
    together.save(options.results)


def extend(parser):
    parser.add_argument("--cases", nargs="+", choices=CASES, default=[*CASES], metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--passes", type=int, default=100, help="passes with labels")


def split(options):
    """Return images of norm one and labels for learning, for selection and for the test."""
    (X, y), (X_test, y_test) = data(options)
    n_held_out = len(X) // 6
    order = np.random.default_rng(0).permutation(len(X))
    learn, held_out = order[n_held_out:], order[:n_held_out]
    return (unit(X[learn]), y[learn]), (unit(X[held_out]), y[held_out]), (unit(X_test), y_test)


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def wrong(model, part):
    """Return the error in percent."""
    return 100 * (1 - model.score(*part))


# ------------------------------------------------------------------------------------------- models
def learned(name, case, seed, passes, parts, options):
    """Return the state after some passes, from where the last run has stopped."""
    learn, held_out, test = parts
    first_rate = case[-1]
    kind = "quick" if options.quick else "full"
    path = (
        _common.cache_folder()
        / f"drsae_{kind}_{passes}_{name.replace(', ', '_').replace(' ', '_')}.pkl"
    )
    if path.exists():
        state = pickle.loads(path.read_bytes())
    else:
        state = State(pretrained(*case, seed, learn, options))
    while state.n_passes < passes:
        n_more = min(PASSES_AT_ONCE, passes - state.n_passes)
        began = time.perf_counter()
        share, end = (n / passes for n in (state.n_passes, state.n_passes + n_more))
        rate = first_rate * (1 - share), first_rate * (1 - end)
        state.model.set_params(
            max_iter=n_more, learning_rate=lambda done, rate=rate: np.interp(done, [0, 1], rate)
        ).fit(*learn)
        state.model.set_params(learning_rate=first_rate)  # a function cannot be pickled
        state.seconds += time.perf_counter() - began
        state.n_passes += n_more
        state.errors.append(
            (state.n_passes, wrong(state.model, held_out), wrong(state.model, test))
        )
        print(f"  {name}: {state.n_passes} passes, errors {state.errors[-1][1:]}", flush=True)
        path.write_bytes(pickle.dumps(state))
    return state


def pretrained(n_units, n_steps, rate, seed, learn, options):
    """Return a model after the passes without labels, which continues in each fit."""
    from sklearn_ebm import DrSAEClassifier

    return DrSAEClassifier(
        n_units, n_steps=n_steps, learning_rate=rate, early_stopping=False, max_iter=0,
        warm_start=True, pretrain_max_iter=2 if options.quick else PRETRAINING, random_state=seed,
    ).fit(*learn)  # fmt: skip


def report_errors(report, name, states, paper):
    best = [min(state.errors, key=lambda each: each[1]) for state in states]
    errors = [error for _, _, error in best]
    report.add(name, "test error, mean over the seeds", np.mean(errors), "%", at_most=paper)
    if len(errors) > 1:
        report.add(name, "test error, standard deviation", np.std(errors, ddof=1), "%")
    report.add(
        name, "test error after the last pass", np.mean([s.errors[-1][2] for s in states]), "%"
    )
    report.add(name, "seeds", len(states))
    report.add(name, "passes with labels", states[0].n_passes)
    report.add(name, "passes of the selected model, mean", np.mean([n for n, *_ in best]))
    seconds = sum(state.seconds for state in states) / sum(state.n_passes for state in states)
    report.add(name, "seconds for a pass with labels", seconds, "s")


def report_units(report, name, model, parts):
    """Report the kinds of units, and when they become active."""
    encoder, atoms = model.encoding_weights_.T, model.components_
    cosine = np.sum(encoder * atoms, axis=1) / (
        np.linalg.norm(encoder, axis=1) * np.linalg.norm(atoms, axis=1)
    )
    angle, size = np.arccos(np.clip(cosine, -1, 1)), np.linalg.norm(model.class_weights_, axis=0)
    report.add(
        name, "correlation of angles and sizes in C", np.corrcoef(angle, size)[0, 1], at_least=0.5
    )
    steps = model.code_steps(parts[2][0][:1000])
    for kind, units in (("part", angle < PARTS), ("categorical", angle > CATEGORIES)):
        report.add(name, f"{kind} units", 100 * np.mean(units), "%")
        if units.any():
            mean = steps[:, :, units].mean(axis=(1, 2))
            report.add(name, f"activity of {kind} units at step 0, of the last", mean[0] / mean[-1])


def report_lista(report, name, n_units, n_steps, parts, options):
    """Report the error of a fine-tuned encoder of the same size."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from sklearn_ebm import FineTunedClassifier, LISTAEncoder

    learn, _, test = parts
    path = _common.cache_folder() / f"drsae_lista_{n_units}_{len(learn[0])}.npy"
    if not path.exists():
        encoder = LISTAEncoder(
            n_units, alpha=LISTA_ALPHA, n_steps=n_steps, max_iter=2 if options.quick else 10,
            random_state=options.seed,
        )  # fmt: skip
        network = make_pipeline(encoder, LogisticRegression(C=10))
        tuned = FineTunedClassifier(
            network, max_iter=2 if options.quick else 30, random_state=options.seed
        ).fit(*learn)
        np.save(path, wrong(tuned, test))
    report.add(f"{name}, fine-tuned LISTAEncoder", "test error", float(np.load(path)), "%")


if __name__ == "__main__":
    main()
