"""A plain FISTA in torch, compiled: without restart, for all samples until the end.

The step uses the Gram matrix if it requires fewer operations than two products with the dictionary.
"""

import math

from benchmarks import THREADS


def _gram_step(code, point, gram, correlation, dictionary, data, step, threshold, momentum):
    moved = point - step * (point @ gram - correlation)
    updated = moved - moved.clamp(-threshold, threshold)
    return updated, updated + momentum * (updated - code)


def _residual_step(code, point, gram, correlation, dictionary, data, step, threshold, momentum):
    moved = point - step * ((point @ dictionary - data) @ dictionary.T)
    updated = moved - moved.clamp(-threshold, threshold)
    return updated, updated + momentum * (updated - code)


class TorchFista:
    """Codes after `n_iter` steps from zero; `how` is the name of the compiler.

    They are torch tensors on the device that is used.
    """

    def __init__(self, X, dictionary, alpha, device="cpu"):
        import torch

        torch.set_num_threads(THREADS)
        self.X, self.dictionary = (torch.from_numpy(a).to(device) for a in (X, dictionary))
        self.alpha = alpha
        n_components, n_features = dictionary.shape
        step = _gram_step if n_components < 2 * n_features else _residual_step
        self.step, self.how = _compiled(torch, step, self._arguments(torch))

    def _arguments(self, torch):
        gram = self.dictionary @ self.dictionary.T
        correlation = self.X @ self.dictionary.T
        step = 1 / torch.linalg.matrix_norm(gram, 2)
        code = torch.zeros_like(correlation)
        constants = (gram, correlation, self.dictionary, self.X, step, self.alpha * step)
        return code, code, *constants, torch.zeros((), dtype=code.dtype, device=code.device)

    def __call__(self, n_iter):
        import torch

        with torch.inference_mode():
            code, point, *constants, momentum = self._arguments(torch)
            age = 1.0
            for _ in range(n_iter):
                older, age = age, (1 + math.sqrt(1 + 4 * age**2)) / 2
                # a tensor, since each value of a float would be compiled again
                momentum = torch.full_like(momentum, (older - 1) / age)
                code, point = self.step(code, point, *constants, momentum)
        return code


def _compiled(torch, step, arguments):
    """Compile by torch.compile if there is a C++ compiler, otherwise by TorchScript."""
    try:
        compiled = torch.compile(step)
        with torch.inference_mode():
            compiled(*arguments)
        return compiled, "torch.compile"
    except Exception as error:  # compiler errors have no common type
        script = torch.jit.trace(step, arguments)
        return script, f"TorchScript (torch.compile: {type(error).__name__})"
