"""What binary layers share: latents that are frozen part by part, and statistics of sums."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ._functional import sign

EPSILON = 1e-4


class BinaryWeights(nn.Module):
    """A layer whose binary weights are the signs of latents. `frozen` is 0 where a weight is still trained, else the weight."""

    latent: nn.Parameter
    frozen: Tensor

    def __init__(self, shape: tuple[int, ...], device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.latent = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        self.register_buffer("frozen", torch.zeros(shape, device=device, dtype=torch.int8))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the latents anew, uniformly from ±0.5."""
        nn.init.uniform_(self.latent, -0.5, 0.5)
        self.frozen.zero_()

    @property
    def binary_weights(self) -> Tensor:
        """The weights of the binary net, -1 and 1, without a derivative: the signs of the latents, but for those that are frozen."""
        return self._keep_frozen(sign(self.latent.detach()))

    @torch.no_grad()
    def freeze(self, share: float) -> None:
        """Makes so large a share of the weights, 0 to 1, binary for good, those with the largest latents first."""
        frozen = self.frozen.view(-1)
        wanted = round(share * frozen.numel()) - int((frozen != 0).sum())
        if wanted <= 0:
            return
        size = self.latent.detach().abs().view(-1).masked_fill(frozen != 0, -1.0)
        chosen = size.argsort(descending=True, stable=True)[:wanted]
        frozen[chosen] = sign(self.latent.view(-1)[chosen]).to(torch.int8)

    def _keep_frozen(self, weights: Tensor) -> Tensor:
        """Weights with those that are frozen in their places, which then have no derivative."""
        return torch.where(self.frozen != 0, self.frozen.to(weights.dtype), weights)


class Moments(nn.Module):
    """Mean and variance of each channel's sums: of a batch in training, running ones in evaluation.

    While `measuring` they are averaged over batches with equal weights, whatever the mode; `recalibrate` sets it.
    """

    running_mean: Tensor
    running_var: Tensor
    batches: Tensor

    def __init__(self, channels: int, momentum: float, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.momentum = momentum
        self.measuring = False
        self.register_buffer("running_mean", torch.zeros(channels, device=device, dtype=dtype))
        self.register_buffer("running_var", torch.ones(channels, device=device, dtype=dtype))
        self.register_buffer("batches", torch.zeros((), device=device, dtype=torch.int64))

    def forward(self, sums: Tensor, channel: int) -> tuple[Tensor, Tensor]:
        """Mean and variance, (channels,), of a batch, which are taken note of."""
        axes = [axis for axis in range(sums.ndim) if axis != channel % sums.ndim]
        variance, mean = torch.var_mean(sums, axes, correction=0)
        with torch.no_grad():
            self.batches += 1
            share = 1 / self.batches if self.measuring else self.momentum
            self.running_mean += share * (mean - self.running_mean)
            self.running_var += share * (variance - self.running_var)
        return mean, variance

    def folded(self, gamma: Tensor | float, beta: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and bias of γ (S - μ)/σ + β with the running statistics, computed in double precision and rounded once."""
        deviation = (self.running_var.double() + EPSILON).sqrt()
        scale = (gamma.detach().double() if isinstance(gamma, Tensor) else gamma) / deviation
        bias = beta.detach().double() - self.running_mean.double() * scale
        return scale.to(beta.dtype), bias.to(beta.dtype)


class Dense:
    """Sums of a dense layer; the last axis is the channel."""

    channel = -1
    in_features: int

    @property
    def factors(self) -> int:
        """Products a sum."""
        return self.in_features

    def pad(self, x: Tensor) -> Tensor:
        """The input, at whose border nothing is added."""
        return x

    def sums(self, x: Tensor, weights: Tensor) -> Tensor:
        """x W^T."""
        return functional.linear(x, weights)

    def check_input(self, x: Tensor) -> None:
        """ValueError for another number of features."""
        if x.shape[-1] != self.in_features:
            raise ValueError(f"{type(self).__name__}: expected {self.in_features} features, found {tuple(x.shape)}")


class Conv2d:
    """Sums of a convolution; axis 1 is the channel."""

    channel = 1
    in_channels: int
    out_channels: int
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    padding_value: int

    def set_params(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int],
        padding: int | tuple[int, int],
        dilation: int | tuple[int, int],
        groups: int,
        padding_value: int,
        allowed: tuple[int, ...],
    ) -> None:
        """Checks and keeps what a convolution is made of."""
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"groups: expected a divisor of {in_channels} and {out_channels} channels, found {groups}"
            )
        if padding_value not in allowed:
            raise ValueError(f"padding_value: expected one of {allowed}, found {padding_value}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = _pair(kernel_size), _pair(stride)
        self.padding, self.dilation = _pair(padding), _pair(dilation)
        self.padding_value = padding_value

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the weights."""
        return self.out_channels, self.in_channels // self.groups, *self.kernel_size

    @property
    def factors(self) -> int:
        """Products a sum."""
        return self.shape[1] * self.shape[2] * self.shape[3]

    def pad(self, x: Tensor) -> Tensor:
        """The input with its border."""
        (y_pad, x_pad), value = self.padding, float(self.padding_value)
        return functional.pad(x, (x_pad, x_pad, y_pad, y_pad), value=value) if y_pad or x_pad else x

    def sums(self, x: Tensor, weights: Tensor) -> Tensor:
        """The convolution of an input that has its border."""
        return functional.conv2d(x, weights, None, self.stride, 0, self.dilation, self.groups)

    def check_input(self, x: Tensor) -> None:
        """ValueError for another number of axes or channels."""
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"{type(self).__name__}: expected the shape (n, {self.in_channels}, height, width), found {tuple(x.shape)}"
            )


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def of_channels(values: Tensor, like: Tensor, channel: int) -> Tensor:
    """Numbers of channels in the axes of a tensor."""
    shape = [1] * like.ndim
    shape[channel] = -1
    return values.view(shape)


def without_autocast(x: Tensor) -> AbstractContextManager[Any]:
    """Where sums of ±1 stay whole numbers: bfloat16 has them up to 256."""
    device = x.device.type
    if not torch.amp.is_autocast_available(device):
        return nullcontext()
    return torch.autocast(device, enabled=False)
