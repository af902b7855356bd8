"""Solvers and networks as in their papers, for comparison."""

import numpy as np

from sklearn_ebm.factors import LinearDecoder


def shrink(value, threshold):
    """Return sign(v) max(|v| - threshold, 0)."""
    return np.sign(value) * np.maximum(np.abs(value) - threshold, 0)


def ista_steps(X, dictionary, alpha, n_steps):
    """Daubechies, Defrise & De Mol (2004), starting from zero."""
    lipschitz = LinearDecoder(dictionary).lipschitz
    code = np.zeros((len(X), len(dictionary)))
    for _ in range(n_steps):
        ahead = code + (X - code @ dictionary) @ dictionary.T / lipschitz
        code = shrink(ahead, alpha / lipschitz)
    return code


def positive_ista_steps(X, dictionary, alpha, n_steps):
    """ISTA for codes that are not negative, starting from zero."""
    lipschitz = LinearDecoder(dictionary).lipschitz
    code = np.zeros((len(X), len(dictionary)))
    for _ in range(n_steps):
        ahead = code + (X - code @ dictionary) @ dictionary.T / lipschitz
        code = np.maximum(ahead - alpha / lipschitz, 0)
    return code


def fista_steps(X, dictionary, alpha, n_steps):
    """Beck & Teboulle (2009), eq. 4.1 to 4.3, starting from zero and without restart."""
    lipschitz = LinearDecoder(dictionary).lipschitz
    code = start = np.zeros((len(X), len(dictionary)))
    t = 1.0
    for _ in range(n_steps):
        before = code
        ahead = start + (X - start @ dictionary) @ dictionary.T / lipschitz
        code = shrink(ahead, alpha / lipschitz)
        following = (1 + np.sqrt(1 + 4 * t**2)) / 2
        start = code + (t - 1) / following * (code - before)
        t = following
    return code


def greedy_steps(X, dictionary, alpha, n_steps):
    """Greedy coordinate descent on the residual (Li & Osher 2009), then a step for all."""
    norm = np.sum(dictionary**2, axis=1)
    code = np.zeros((len(X), len(dictionary)))
    for step in range(n_steps + 1):
        residual = X - code @ dictionary
        minimum = shrink(code + residual @ dictionary.T / norm, alpha / norm)
        if step == n_steps:
            return minimum
        for row, best in zip(code, minimum, strict=True):
            k = np.argmax(np.abs(best - row))
            row[k] = best[k]


UNTRAINED = {  # solver that equals an untrained network of n_steps, by its encoder
    "lista": lambda X, dictionary, alpha, n: ista_steps(X, dictionary, alpha, n + 1),
    "lfista": lambda X, dictionary, alpha, n: fista_steps(X, dictionary, alpha, n + 1),
    "lcod": greedy_steps,
    "drsae": lambda X, dictionary, alpha, n: positive_ista_steps(X, dictionary, alpha, n + 1),
}


def rectify(value, threshold):
    """Return max(v - threshold, 0)."""
    return np.maximum(value - threshold, 0)


def lista(X, weights, lateral, thresholds, momenta, shrink=shrink):
    """Gregor & LeCun (2010), algorithm 2, with extrapolated starts, for each step.

    With `rectify` in place of `shrink`, it is the network of Rolfe & LeCun (2013), eq. 2.
    """
    before = code = shrink(X @ weights[0], thresholds[0])
    for k, momentum in enumerate(momenta):
        start = code + momentum * (code - before) if k else (1 + momentum) * code
        before = code
        code = shrink(X @ weights[k + 1] + start @ lateral[k], thresholds[k + 1])
    return code


def lcod(X, weights, lateral, threshold, n_steps):
    """Gregor & LeCun (2010), algorithm 3, one sample at a time; S has one row per component."""
    codes = []
    for x in X:
        state = x @ weights
        code = np.zeros(len(threshold))
        for _ in range(n_steps):
            wished = shrink(state, threshold)
            k = np.argmax(np.abs(code - wished))
            state = state + (wished[k] - code[k]) * lateral[k]
            code[k] = wished[k]
        codes.append(shrink(state, threshold))
    return np.array(codes)
