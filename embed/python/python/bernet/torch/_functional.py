"""Functions of tensors: the survival of a sum in its three forms, and the sign with its surrogates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .. import _native

FORMS = ("exact", "power-sums", "normal")
SURROGATES = ("identity", "hard-tanh", "polynomial", "heavy-tailed")
"""What stands in for the derivative of the sign, with `bernet train --help`'s names; see `surrogate`."""

# Larq's names for two of them.
_ALIASES = {"ste_sign": "hard-tanh", "approx_sign": "polynomial"}
# Numbers of double precision that the exact form works on at a time.
_CHUNK = 1 << 22


def survival(inputs: Tensor, weights: Tensor, threshold: Tensor | float = 0.0, *, form: str = "exact") -> Tensor:
    """P(S >= threshold) of S = sum of x_j w_j over independent x_j, w_j of -1 and 1 with these means: (samples, outputs).

    `inputs` are means of shape (samples, factors), `weights` (outputs, factors), both from -1 to 1; ±1 is certain. `threshold` is one
    number, or one for each output. Differentiable once by both means. By the threshold, of which it is a step function, the
    derivative is that of the smoothed function.

    `form` is "exact" (bernet's kernels on the CPU: float32 right to 1e-6, float64 to 1e-12), or plain PyTorch on any device: "power-sums"
    (four of them and an Edgeworth series, right to 1e-4 at 36 factors and 1e-6 at 800, unless nearly all factors are certain) or "normal"
    (their first two). ValueError for shapes that do not fit, and for means outside [-1, 1] where the form is exact.

        >>> import torch
        >>> from bernet.torch import survival
        >>> p = torch.tensor([[0.1, 0.2, 0.3]], dtype=torch.float64)
        >>> round(survival(2 * p - 1, torch.ones_like(p), 1.0).item(), 6)      # two of three
        0.098
    """
    check_choice("form", form, FORMS)
    if inputs.ndim != 2 or weights.ndim != 2 or inputs.shape[1] != weights.shape[1]:
        raise ValueError(
            "inputs and weights: expected the shapes (samples, factors) and (outputs, factors), "
            f"found {tuple(inputs.shape)} and {tuple(weights.shape)}"
        )
    threshold = torch.as_tensor(threshold, dtype=weights.dtype, device=weights.device).expand(len(weights))
    if form == "exact":
        return exact(inputs, weights, threshold)
    degree = 4 if form == "power-sums" else 2
    sums = [functional.linear(inputs**d, weights**d) for d in range(1, degree + 1)]
    return series(sums, inputs.shape[1], threshold, None)


def exact(inputs: Tensor, weights: Tensor, threshold: Tensor) -> Tensor:
    """The exact form of `survival`, on the CPU."""
    if inputs.device.type != "cpu" or weights.device.type != "cpu":
        raise ValueError(
            f"form 'exact': expected tensors on the CPU, found {inputs.device} and {weights.device}; "
            "form='power-sums' runs on any device"
        )
    if inputs.dtype != weights.dtype or inputs.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f"form 'exact': expected means of float32 or float64, one type, found {inputs.dtype} and {weights.dtype}"
        )
    factors = inputs.shape[1]
    # K counts the products that are 1: S = 2K - N.
    cuts = ((factors + threshold.detach()) / 2).ceil().clamp(-1, factors + 1).to(torch.int32)
    found, mass = _survival(inputs, weights, cuts)
    # By the threshold: the mass at the cut, spread over the two units to the next.
    z: Tensor = found - (threshold - threshold.detach()) * (mass.detach() / 2)
    return z


def series(sums: list[Tensor], factors: int, threshold: Tensor, noise: Tensor | None) -> Tensor:
    """P(S >= threshold) from the power sums of the products' means: two make a normal distribution, four an Edgeworth series.

    S has values 2 apart. Half-way between two of them, where the threshold is moved, the series of a continuous number holds with the
    cumulants changed by Sheppard's corrections, -h²/12 and h⁴/120 for h = 2 (Kolassa and McCullagh 1990). `noise` is the variance of a normal
    number that is added to S.
    """
    first, second = sums[0], sums[1]
    lattice = 2 * ((factors + threshold.detach()) / 2).ceil() - factors - 1
    middle = lattice + (threshold - threshold.detach())
    variance = factors - second
    if noise is not None:
        variance = variance + noise
    deviation = (variance - 1 / 3).clamp_min(1 / 3).sqrt()
    y = (middle - first) / deviation
    above = 0.5 * torch.erfc(y / math.sqrt(2))
    if len(sums) == 2:
        return above
    third, fourth = sums[2], sums[3]
    # Where nearly all factors are certain the series does not hold: it is faded out.
    reach = (variance / 4).clamp_max(1)
    skewness = -2 * (first - third) / deviation**3
    excess = (-2 * (factors - 4 * second + 3 * fourth) + 2 / 15) / deviation**4
    density = torch.exp(-y * y / 2) / math.sqrt(2 * math.pi)
    he2, he3, he5 = y * y - 1, y * (y * y - 3), y * (y**4 - 10 * y * y + 15)
    correction = density * (skewness * he2 / 6 + excess * he3 / 24 + skewness**2 * he5 / 72)
    return (above + reach * correction).clamp(0, 1)


@torch.library.custom_op("bernet::survival", mutates_args=())
def _survival(inputs: Tensor, weights: Tensor, cuts: Tensor) -> tuple[Tensor, Tensor]:
    """P(K >= cut) and P(K = cut), each (samples, outputs)."""
    x, w, at = inputs.detach().numpy(), weights.detach().numpy(), cuts.numpy()
    if x.dtype == np.float32:
        above, exactly = _native.layer_survival(_factors_first(x), _factors_first(w), at)
        return torch.from_numpy(np.clip(above.T, 0, 1)).contiguous(), torch.from_numpy(exactly.T).contiguous()
    found, mass = np.empty((len(x), len(w))), np.empty((len(x), len(w)))
    for part in _parts(x, w):
        sums, rows, ks = _sums(x[part], w, at)
        found[part] = sums.evaluate("survival", rows, ks).reshape(-1, len(w))
        mass[part] = sums.evaluate("pmf", rows, ks).reshape(-1, len(w))
    return torch.from_numpy(found), torch.from_numpy(mass)


@_survival.register_fake
def _(inputs: Tensor, weights: Tensor, cuts: Tensor) -> tuple[Tensor, Tensor]:
    shape = (inputs.shape[0], weights.shape[0])
    return inputs.new_empty(shape), inputs.new_empty(shape)


@torch.library.custom_op("bernet::survival_gradient", mutates_args=())
def _survival_gradient(inputs: Tensor, weights: Tensor, cuts: Tensor, by_survival: Tensor) -> tuple[Tensor, Tensor]:
    """The derivatives by both means of a loss whose derivative by the survival is `by_survival`, (samples, outputs)."""
    x, w, at = inputs.detach().numpy(), weights.detach().numpy(), cuts.numpy()
    by = by_survival.detach().numpy()
    if x.dtype == np.float32:
        by_x, by_w = _native.layer_gradient(_factors_first(x), _factors_first(w), at, _factors_first(by))
        return torch.from_numpy(by_x.T).contiguous(), torch.from_numpy(by_w.T).contiguous()
    by_x, by_w = np.zeros_like(x), np.zeros_like(w)
    for part in _parts(x, w):
        sums, rows, ks = _sums(x[part], w, at)
        slopes = sums.gradient("survival", rows, ks)[1].reshape(-1, *w.shape)
        # By the product's mean, which is 2v - 1.
        slopes *= by[part][:, :, None] / 2
        by_x[part] = np.einsum("sof,of->sf", slopes, w)
        by_w += np.einsum("sof,sf->of", slopes, x[part])
    return torch.from_numpy(by_x), torch.from_numpy(by_w)


@_survival_gradient.register_fake
def _(inputs: Tensor, weights: Tensor, cuts: Tensor, by_survival: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(inputs), torch.empty_like(weights)


def _save(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, by_survival: Tensor, by_mass: Tensor) -> tuple[Tensor, Tensor, None]:
    return (*_survival_gradient(*ctx.saved_tensors, by_survival.contiguous()), None)


_survival.register_autograd(_backward, setup_context=_save)


def _factors_first(array: Any) -> Any:
    return np.ascontiguousarray(array.T)


def _parts(x: Any, w: Any) -> list[slice]:
    step = max(1, _CHUNK // max(1, w.size))
    return [slice(first, first + step) for first in range(0, len(x), step)]


def _sums(x: Any, w: Any, cuts: Any) -> tuple[Any, Any, Any]:
    """The sums of all samples and outputs, their numbers, and the cut of each."""
    products = x[:, None, :] * w[None, :, :]
    sums = _native.PoissonBinomialSums(((1 + products) / 2).reshape(-1, x.shape[1]))
    rows = np.arange(len(x) * len(w))
    return sums, rows, np.tile(cuts.astype(np.int64), len(x))


def surrogate(x: Tensor, name: str = "heavy-tailed", width: Tensor | float = 1.0) -> Tensor:
    """What stands in for the derivative of sign(x); `width` stretches it along x, but for "identity".

    "identity" is 1 (Bengio et al. 2013), "hard-tanh" 1 for |x| <= 1 else 0 (Hubara et al. 2016; Larq's `ste_sign`), "polynomial" 2 - 2|x|
    for |x| <= 1 else 0 (Liu et al. 2018; Larq's `approx_sign`), "heavy-tailed" (1 + 2x²)⁻², which never dies out.

        >>> import torch
        >>> from bernet.torch import surrogate
        >>> surrogate(torch.tensor([0.0, 0.5, 2.0]), "polynomial").tolist()
        [2.0, 1.0, 0.0]
    """
    name = surrogate_name(name)
    if name == "identity":
        return torch.ones_like(x)
    t = x / width
    if name == "hard-tanh":
        return (t.abs() <= 1).to(x.dtype)
    if name == "polynomial":
        return (2 - 2 * t.abs()).clamp_min(0)
    return (1 + 2 * t * t) ** -2


def surrogate_name(name: str) -> str:
    """The name of a surrogate, or of Larq's for it."""
    name = _ALIASES.get(name, name)
    check_choice("surrogate", name, SURROGATES)
    return name


def sign(x: Tensor) -> Tensor:
    """1 where x >= 0, else -1: never 0."""
    return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)


class _Step(torch.autograd.Function):
    """sign(x), whose derivative is the second argument."""

    @staticmethod
    def forward(x: Tensor, slope: Tensor) -> Tensor:
        return sign(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, *by_output: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return by_output[0] * slope, None


def step(x: Tensor, slope: Tensor) -> Tensor:
    """sign(x), whose derivative is taken to be `slope`."""
    return _Step.apply(x, slope.detach())  # type: ignore[no-any-return]


def with_gradient_of(value: Tensor, of: Tensor) -> Tensor:
    """`value`, to the bit, whose derivatives are those of another tensor."""
    return value.detach() + (of - of.detach())


def check_choice(what: str, found: str, known: tuple[str, ...]) -> None:
    """ValueError unless a word is one of those that are known."""
    if found not in known:
        raise ValueError(f"{what}: expected one of {', '.join(known)}, found {found!r}")
