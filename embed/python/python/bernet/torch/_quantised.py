"""Layers in the manner of Larq: real latents, signs in the forward pass, a surrogate in the backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ._base import EPSILON, BinaryWeights, Conv2d, Dense, Moments, of_channels, without_autocast
from ._functional import check_choice, step, surrogate, surrogate_name

__all__ = ["BinaryBatchNorm", "QuantConv2d", "QuantLinear", "Sign"]


class Sign(nn.Module):
    """1 where x >= 0, else -1, with one of the surrogates in place of its derivative; see `surrogate` for their names.

    `width` is a buffer of one number, which `Binarizer` lowers where it is told to. x is a normalised sum: put a batch norm before it.

        >>> import torch
        >>> from bernet.torch import Sign
        >>> Sign("polynomial")(torch.tensor([-0.2, 0.0, 3.0])).tolist()
        [-1.0, 1.0, 1.0]
    """

    width: Tensor

    def __init__(self, surrogate: str = "heavy-tailed", width: float = 1.0) -> None:
        super().__init__()
        self.surrogate = surrogate_name(surrogate)
        if not width > 0:
            raise ValueError(f"width: expected more than 0, found {width}")
        self.register_buffer("width", torch.tensor(float(width)))

    def extra_repr(self) -> str:
        """The surrogate."""
        return repr(self.surrogate)

    def forward(self, x: Tensor) -> Tensor:
        """The signs."""
        return step(x, surrogate(x.detach(), self.surrogate, self.width.to(x.dtype)))


class BinaryBatchNorm(nn.Module):
    """Batch normalisation of sums, (n, channels) or (n, channels, height, width), that becomes integer thresholds exactly.

    In evaluation mode it is scale · S + bias with both rounded once, the same operations that `export` writes: a sign after it has the
    same bits in both. As torch.nn.BatchNorm1d and 2d otherwise, with `eps` 1e-4.

        >>> import torch
        >>> from bernet.torch import BinaryBatchNorm
        >>> BinaryBatchNorm(8)(torch.randn(16, 8, 3, 3)).shape
        torch.Size([16, 8, 3, 3])
    """

    def __init__(self, num_features: int, momentum: float = 0.1, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_features = num_features
        self.weight = nn.Parameter(torch.ones(num_features, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(num_features, device=device, dtype=dtype))
        self.moments = Moments(num_features, momentum, device, dtype)

    def extra_repr(self) -> str:
        """The channels."""
        return str(self.num_features)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Scale and bias, (channels,), of evaluation mode."""
        return self.moments.folded(self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The normalised sums."""
        if x.ndim not in (2, 4) or x.shape[1] != self.num_features:
            expected = f"(n, {self.num_features}) or (n, {self.num_features}, height, width)"
            raise ValueError(f"BinaryBatchNorm: expected the shape {expected}, found {tuple(x.shape)}")
        with without_autocast(x):
            x = x.to(self.weight.dtype)
            if not self.training and not self.moments.measuring:
                scale, bias = self.folded()
                return x * of_channels(scale, x, 1) + of_channels(bias, x, 1)
            mean, variance = self.moments(x, 1)
            scale = self.weight * (variance + EPSILON).rsqrt()
            return (x - of_channels(mean, x, 1)) * of_channels(scale, x, 1) + of_channels(self.bias, x, 1)


class _Quant(BinaryWeights):
    """What `QuantLinear` and `QuantConv2d` share."""

    def __init__(
        self,
        shape: tuple[int, ...],
        input_quantizer: str | nn.Module | None,
        kernel_quantizer: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__(shape, device, dtype)
        self.kernel_quantizer = surrogate_name(kernel_quantizer)
        named = isinstance(input_quantizer, str)
        self.input_quantizer = Sign(input_quantizer) if isinstance(input_quantizer, str) else input_quantizer
        if not named and not isinstance(input_quantizer, (Sign, type(None))):
            check_choice("input_quantizer", type(input_quantizer).__name__, ("Sign", "None", "a surrogate's name"))

    def forward(self, x: Tensor) -> Tensor:
        """Sums of the products with ±1."""
        self.check_input(x)
        if self.input_quantizer is not None:
            x = self.input_quantizer(x)
        with without_autocast(x):
            x = self.pad(x.to(self.latent.dtype))
            if not self.training:
                return self.sums(x, self.binary_weights)
            slope = surrogate(self.latent.detach(), self.kernel_quantizer)
            return self.sums(x, self._keep_frozen(step(self.latent, slope)))

    def check_input(self, x: Tensor) -> None:
        raise NotImplementedError

    def pad(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def sums(self, x: Tensor, weights: Tensor) -> Tensor:
        raise NotImplementedError


class QuantLinear(Dense, _Quant):
    """Larq's QuantDense: sums of products with the signs of the latents, (..., in_features) to (..., out_features), no bias.

    `input_quantizer` is None where inputs are signs already (or real, in a first layer), a surrogate's name or a `Sign`;
    `kernel_quantizer` the surrogate of the weights' signs, Larq's "ste_sign" by default. `Binarizer` keeps latents within ±1, as Larq's
    weight_clip does.

        >>> import torch
        >>> from bernet.torch import QuantLinear
        >>> sums = QuantLinear(36, 8, input_quantizer="ste_sign")(torch.randn(5, 36))
        >>> sums.shape, bool((sums % 2 == 0).all())
        (torch.Size([5, 8]), True)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        input_quantizer: str | nn.Module | None = None,
        kernel_quantizer: str = "ste_sign",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.in_features, self.out_features = in_features, out_features
        super().__init__((out_features, in_features), input_quantizer, kernel_quantizer, device, dtype)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.in_features}, {self.out_features}"


class QuantConv2d(Conv2d, _Quant):
    """Larq's QuantConv2D: a convolution with the signs of the latents, no bias; see `QuantLinear`.

    The border counts as `padding_value`: 0, nothing, or -1 or 1, which is faster where the input is bits (Larq's `pad_values`).

        >>> import torch
        >>> from bernet.torch import QuantConv2d
        >>> QuantConv2d(3, 8, 3, padding=1, input_quantizer="approx_sign")(torch.randn(2, 3, 6, 6)).shape
        torch.Size([2, 8, 6, 6])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        *,
        padding_value: int = 0,
        input_quantizer: str | nn.Module | None = None,
        kernel_quantizer: str = "ste_sign",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.set_params(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, padding_value, (-1, 0, 1)
        )
        super().__init__(self.shape, input_quantizer, kernel_quantizer, device, dtype)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.in_channels}, {self.out_channels}, {self.kernel_size}, stride={self.stride}, padding={self.padding}"
