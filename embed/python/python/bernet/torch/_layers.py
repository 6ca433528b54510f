"""Layers whose weights are independent Bernoulli variables."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ._base import EPSILON, BinaryWeights, Conv2d, Dense, Moments, of_channels, without_autocast
from ._functional import FORMS, check_choice, exact, series, sign, step, surrogate, with_gradient_of

__all__ = ["BernoulliConv2d", "BernoulliLinear", "ExpectationLinear"]


class _BernoulliWeights(BinaryWeights):
    """Weights that are 1 with the probability (1 + m)/2, m = tanh(latent / temperature)."""

    temperature: Tensor

    def __init__(
        self, shape: tuple[int, ...], natural: bool, temperature: float, device: Any, dtype: Any
    ) -> None:
        super().__init__(shape, device, dtype)
        if not temperature > 0:
            raise ValueError(f"temperature: expected more than 0, found {temperature}")
        self.natural = natural
        self.register_buffer("temperature", torch.tensor(float(temperature), device=device, dtype=dtype))

    @property
    def means(self) -> Tensor:
        """The weights' means, with their derivative; of frozen weights ±1, without."""
        means = torch.tanh(self.latent / self.temperature)
        if self.natural:
            means = with_gradient_of(means, self.latent)
        return self._keep_frozen(means)

    def _sample(self, means: Tensor) -> Tensor:
        """A draw of the weights, whose derivative by the means is 1."""
        drawn = torch.where(torch.rand_like(means) * 2 - 1 < means, 1.0, -1.0).to(means.dtype)
        return with_gradient_of(drawn, means)


class _Bernoulli(_BernoulliWeights):
    """What `BernoulliLinear` and `BernoulliConv2d` share."""

    channel: int
    width: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        form: str,
        hard: bool,
        natural: bool,
        normalise: bool,
        temperature: float,
        width: float,
        momentum: float,
        device: Any,
        dtype: Any,
    ) -> None:
        check_choice("form", form, ("sampled", *FORMS))
        super().__init__(shape, natural, temperature, device, dtype)
        self.form = form
        self.hard = hard
        self.register_buffer("width", torch.tensor(float(width), device=device, dtype=dtype))
        self.beta = nn.Parameter(torch.zeros(shape[0], device=device, dtype=dtype))
        self.moments = Moments(shape[0], momentum, device, dtype) if normalise else None

    def forward(self, x: Tensor) -> Tensor:
        """Activations from -1 to 1; of -1 and 1 in evaluation mode, and where the form is sampled or `hard`."""
        self.check_input(x)
        with without_autocast(x):
            x = self.pad(x.to(self.latent.dtype))
            if not self.training:
                return self._evaluate(x)
            return self._sampled(x) if self.form == "sampled" else self._distributed(x)

    def _evaluate(self, x: Tensor) -> Tensor:
        sums = self.sums(x, self.binary_weights)
        scale, bias = self.folded()
        if self.moments is not None and self.moments.measuring:
            mean, variance = self.moments(sums, self.channel)
            scale = (variance + EPSILON).rsqrt()
            bias = self.beta - mean * scale
        scale, bias = (of_channels(one, sums, self.channel) for one in (scale, bias))
        return sign(sums * scale + bias)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Scale and bias, (outputs,), so that an output of the binary net is sign(scale S + bias)."""
        if self.moments is None:
            return torch.full_like(self.beta, 1 / math.sqrt(self.factors)), self.beta.detach()
        return self.moments.folded(1.0, self.beta)

    def _statistics(self, sums: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the sums in their own axes."""
        if self.moments is None:
            return sums.new_zeros(()), sums.new_tensor(math.sqrt(self.factors))
        mean, variance = self.moments(sums, self.channel)
        return mean, (variance + EPSILON).sqrt()

    def _sampled(self, x: Tensor) -> Tensor:
        means = self.means
        sums = self.sums(x, self._sample(means))
        mean, deviation = self._statistics(sums)
        with torch.no_grad():
            uncertain = (1 - means * means).flatten(1).sum(1)
            width = (self.width**2 + uncertain / deviation**2).sqrt()
        mean, deviation, beta, width = (self._aligned(one, sums) for one in (mean, deviation, self.beta, width))
        u = (sums - mean) / deviation + beta
        return step(u, surrogate(u, "heavy-tailed", width))

    def _distributed(self, x: Tensor) -> Tensor:
        means = self.means
        expected = self.sums(x, means)
        mean, deviation = self._statistics(expected)
        threshold = mean - self.beta * deviation
        if self.form == "exact":
            above = self._exact(x, means, threshold)
        else:
            degree = 4 if self.form == "power-sums" else 2
            sums = [expected, *(self.sums(x**d, means**d) for d in range(2, degree + 1))]
            noise = (self.width.detach() * deviation.detach()) ** 2
            noise = self._aligned(noise, expected)
            above = series(sums, self.factors, self._aligned(threshold, expected), noise)
        activations = 2 * above - 1
        return with_gradient_of(sign(activations), activations) if self.hard else activations

    def _aligned(self, values: Tensor, like: Tensor) -> Tensor:
        return of_channels(values, like, self.channel) if values.ndim else values

    @property
    def factors(self) -> int:
        """Products a sum."""
        raise NotImplementedError

    def _exact(self, x: Tensor, means: Tensor, threshold: Tensor) -> Tensor:
        raise NotImplementedError

    def check_input(self, x: Tensor) -> None:
        raise NotImplementedError

    def pad(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def sums(self, x: Tensor, weights: Tensor) -> Tensor:
        raise NotImplementedError


class BernoulliLinear(Dense, _Bernoulli):
    """A dense layer of Bernoulli weights with its normalisation and activation: (..., in_features) to (..., out_features).

    Weight w is 1 with the probability (1 + m)/2, m = tanh(latent / temperature). Inputs are -1 and 1, or means between. With
    S = sum of x_j w_j, mean μ and deviation σ of its expectation over the batch, and a trained β, the output is

        2 P(S >= μ - β σ) - 1        the mean of the unit's sign

    and in evaluation mode the sign itself, with the weights' signs and running statistics. Without `normalise`, μ is 0 and σ is √in_features.

    - `form`: "exact", by bernet's kernels on the CPU in float32 or float64; "power-sums" and "normal", plain PyTorch on any device (see
      `survival`), which add normal noise of `width` σ to S; "sampled", the sign of one draw of the weights, any device and the fastest:
      its derivative is the heavy-tailed surrogate, as wide as the weights' own deviation and `width` σ together.
    - `hard`: the sign of the mean in place of the mean, with the mean's derivative, so that the next layer trains on bits.
    - `natural`: the latents get the derivative by the means as it is, which is the natural gradient but for a factor that Adam takes
      away; without it, the chain rule's.

    `temperature` and `width` are buffers of one number; `Binarizer` lowers both.

        >>> import torch
        >>> from bernet.torch import BernoulliLinear
        >>> layer = BernoulliLinear(36, 8)
        >>> y = layer(torch.sign(torch.randn(100, 36)))
        >>> y.shape, bool((y.abs() <= 1).all())
        (torch.Size([100, 8]), True)
        >>> layer.eval()(torch.ones(1, 36)).abs().sum().item()
        8.0
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        form: str = "exact",
        hard: bool = False,
        natural: bool = True,
        normalise: bool = True,
        temperature: float = 0.15,
        width: float = 0.0,
        momentum: float = 0.1,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.in_features, self.out_features = in_features, out_features
        shape = (out_features, in_features)
        super().__init__(shape, form, hard, natural, normalise, temperature, width, momentum, device, dtype)

    def extra_repr(self) -> str:
        """The sizes and the form."""
        return f"{self.in_features}, {self.out_features}, form={self.form!r}, hard={self.hard}"

    def _exact(self, x: Tensor, means: Tensor, threshold: Tensor) -> Tensor:
        rows = x.reshape(-1, self.in_features)
        found = exact(rows, means, threshold.expand(self.out_features))
        return found.view(*x.shape[:-1], self.out_features)


class BernoulliConv2d(Conv2d, _Bernoulli):
    """A convolution of Bernoulli weights with its normalisation and activation: (n, in, height, width) to (n, out, height, width).

    As `BernoulliLinear`; the border counts as `padding_value`, -1 or 1, since a zero is no value of a bit.

        >>> import torch
        >>> from bernet.torch import BernoulliConv2d
        >>> layer = BernoulliConv2d(1, 8, 6, stride=2, form="sampled")
        >>> layer(torch.sign(torch.randn(10, 1, 28, 28))).shape
        torch.Size([10, 8, 12, 12])
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
        padding_value: int = -1,
        form: str = "exact",
        hard: bool = False,
        natural: bool = True,
        normalise: bool = True,
        temperature: float = 0.15,
        width: float = 0.0,
        momentum: float = 0.1,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.set_params(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, padding_value, (-1, 1)
        )
        super().__init__(self.shape, form, hard, natural, normalise, temperature, width, momentum, device, dtype)

    def extra_repr(self) -> str:
        """The sizes and the form."""
        return f"{self.in_channels}, {self.out_channels}, {self.kernel_size}, stride={self.stride}, form={self.form!r}, hard={self.hard}"

    def _exact(self, x: Tensor, means: Tensor, threshold: Tensor) -> Tensor:
        spans = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel_size)]
        height, width = ((size - span) // s + 1 for size, span, s in zip(x.shape[2:], spans, self.stride))
        windows = functional.unfold(x, self.kernel_size, self.dilation, 0, self.stride)
        # (groups, n · positions, factors)
        windows = windows.view(len(x), self.groups, self.factors, height * width)
        windows = windows.permute(1, 0, 3, 2).reshape(self.groups, -1, self.factors)
        weights = means.reshape(self.groups, -1, self.factors)
        cuts = threshold.expand(self.out_channels).view(self.groups, -1)
        found = torch.cat([exact(*one) for one in zip(windows, weights, cuts)], 1)
        return found.view(len(x), height, width, self.out_channels).permute(0, 3, 1, 2)


class ExpectationLinear(Dense, _BernoulliWeights):
    """A last layer of Bernoulli weights: (..., in_features) to real logits, (..., out_features), the expected sums over a scale.

    E[S] = sum of the products of the means of input and weight, exact and linear; in evaluation mode the weights are their signs and the
    sums integers. An input of shape (n, in_features, height, width) has its logits summed over the positions. The scale is trained and
    positive, so it doesn't change which class wins; it starts at √in_features. With `sampled`, weights are drawn once a batch.

        >>> import torch
        >>> from bernet.torch import ExpectationLinear
        >>> ExpectationLinear(80, 10)(torch.ones(5, 80, 2, 2)).shape
        torch.Size([5, 10])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        sampled: bool = False,
        natural: bool = True,
        temperature: float = 0.15,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.in_features, self.out_features = in_features, out_features
        super().__init__((out_features, in_features), natural, temperature, device, dtype)
        self.sampled = sampled
        start = 0.5 * math.log(in_features)
        self.log_scale = nn.Parameter(torch.tensor(start, device=device, dtype=dtype))

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.in_features}, {self.out_features}, sampled={self.sampled}"

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        with without_autocast(x):
            x = x.to(self.latent.dtype)
            if x.ndim == 4:
                # Linear: the sum of the positions' logits is the logits of their sum.
                x = x.sum((2, 3))
            self.check_input(x)
            return self.sums(x, self._weights()) * torch.exp(-self.log_scale)

    def _weights(self) -> Tensor:
        if not self.training:
            return self.binary_weights
        return self._sample(self.means) if self.sampled else self.means
