"""Estimators as PyTorch modules."""

import numpy as np
import torch
from torch.nn import functional

from sklearn_ebm.backends import to_host
from sklearn_ebm.export._formulas import output_of
from sklearn_ebm.export._steps import Chain


class Ops:
    """Operations on tensors; see `sklearn_ebm.export._formulas`."""

    abs, exp, log, sqrt = torch.abs, torch.exp, torch.log, torch.sqrt
    relu, sigmoid, sign, tanh = torch.relu, torch.sigmoid, torch.sign, torch.tanh
    maximum = torch.maximum

    @staticmethod
    def constant(value, like):
        """Return an array with the dtype and the device of a tensor."""
        return torch.as_tensor(_copied(value), dtype=like.dtype, device=like.device)

    @staticmethod
    def epsilon(x):
        """Return the distance of one to the next larger number."""
        return torch.finfo(x.dtype).eps

    @staticmethod
    def where(condition, first, second):
        """Return the first values if a condition holds, and the second values otherwise."""
        return torch.where(condition, first, second)

    @staticmethod
    def equals(x, number):
        """Return where x equals a number, which may be NaN."""
        return torch.isnan(x) if np.isnan(number) else x == number

    @staticmethod
    def mark_largest(x):
        """Return 1 for the first of the largest entries of each row, and 0 for the others."""
        return functional.one_hot(torch.argmax(x, 1), x.shape[1]).to(x.dtype)

    @staticmethod
    def reshape(x, shape):
        """Return x with samples of another shape."""
        return x.reshape(x.shape[0], *shape)

    @staticmethod
    def concat(values, axis):
        """Return values side by side along an axis."""
        return torch.cat(values, axis)

    @staticmethod
    def cut(x, axis, places):
        """Return a slice along an axis."""
        return x[(*[slice(None)] * axis, places)]

    @staticmethod
    def pad(images, before, after):
        """Return images with zeros beyond their edges."""
        (top, left), (bottom, right) = before, after
        return functional.pad(images, (0, 0, left, right, top, bottom))

    @staticmethod
    def correlate(images, filters):
        """Return the products of filters with all windows that lie inside the images."""
        images, filters = (each.permute(0, 3, 1, 2) for each in (images, filters))
        return functional.conv2d(images, filters).permute(0, 2, 3, 1)


class TorchNetwork(torch.nn.Module):
    """The output of a fitted estimator, with its trained arrays as parameters.

    Parameters
    ----------
    estimator : estimator
        Fitted model, layer or pipeline.
    dtype : str
        Dtype of the parameters.
    """

    def __init__(self, estimator, dtype):
        super().__init__()
        chain = Chain(estimator, dtype)
        self._modules_of_chain = chain.modules
        self._is_binary = chain.is_binary
        self.dtype_name = np.dtype(dtype).name
        self.parts = torch.nn.ModuleList(
            torch.nn.ParameterDict(
                {name: torch.as_tensor(_copied(value)) for name, value in each.parameters.items()}
            )
            for each in chain.modules
        )

    def forward(self, x):
        """Return the features, or the scores of a classifier.

        Parameters
        ----------
        x : torch.Tensor
            Rows or images.

        Returns
        -------
        torch.Tensor
            The output of `transform`, or of `decision_function` if the last step is a classifier.
        """
        y = output_of(Ops, self._modules_of_chain, self.parts, x)
        return y[:, 1] - y[:, 0] if self._is_binary else y


def from_network(network, estimator):
    """Return a copy of an estimator with the parameters of a network that was created from it."""
    chain = Chain(estimator, network.dtype_name)
    for module, own in zip(chain.modules, network.parts, strict=True):
        for name, value in module.parameters.items():
            value[...] = own[name].detach().cpu().numpy()
        module.project()
    return chain.trained()


def _copied(value):
    return np.array(to_host(value))
