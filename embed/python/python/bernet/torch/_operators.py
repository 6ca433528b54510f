"""Modules, functions and methods of PyTorch as operators of a graph."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ._builder import Builder, Value, array, four_sides, pair
from ._layers import BernoulliConv2d, BernoulliLinear, ExpectationLinear
from ._quantised import BinaryBatchNorm, QuantConv2d, QuantLinear, Sign


def _binary_dense(to: Builder, layer: Any, x: Value) -> Value:
    x = to.vector(type(layer).__name__, x)
    weights = to.columns(x, array(layer.binary_weights))
    if to.kind(x) in ("bit", "uint8"):
        found = to.add("binary dense", x, weights=weights)
    else:
        found = to.add("dense", to.real(x), weights=weights)
    return Value(found.id, True)


def _binary_conv(to: Builder, layer: Any, x: Value) -> Value:
    x = to.planes(type(layer).__name__, x)
    weights = np.ascontiguousarray(array(layer.binary_weights).transpose(0, 2, 3, 1))
    binary = to.kind(x) in ("bit", "uint8")
    borders, border = four_sides(list(layer.padding)), layer.padding_value
    if any(borders) and border != 0 and to.kind(x) != "bit":
        # Only bits are padded with ±1 on the way.
        top, left, bottom, right = borders
        x = to.add("pad", to.real(x), before=[top, left, 0], after=[bottom, right, 0], value=float(border))
        borders, binary = [0] * 4, False
    if not any(borders):
        border = 0
    return to.add(
        "binary conv" if binary else "conv",
        x if binary else to.real(x),
        weights=weights,
        kernel=list(layer.kernel_size),
        stride=list(layer.stride),
        dilation=list(layer.dilation),
        padding=borders,
        padding_value=border,
        groups=layer.groups,
    )


def _signs(to: Builder, x: Value) -> Value:
    return x if to.kind(x) == "bit" else to.add("sign", x)


def _bernoulli(sums: Callable[[Builder, Any, Value], Value]) -> Callable[[Builder, Any, Value], Value]:
    def handler(to: Builder, layer: Any, x: Value) -> Value:
        return _signs(to, to.affine(sums(to, layer, x), *layer.folded()))

    return handler


def _expectation(to: Builder, layer: Any, x: Value) -> Value:
    if x.flat:
        sums = _binary_dense(to, layer, x)
    else:
        weights = np.ascontiguousarray(array(layer.binary_weights)[:, None, None, :])
        binary = to.kind(x) in ("bit", "uint8")
        sums = to.add("binary conv" if binary else "conv", x if binary else to.real(x), weights=weights, **_ONE)
        sums = to.add("sum", sums, axes=[True, True, False], flat=True)
    return to.affine(sums, torch.exp(-layer.log_scale), None)


_ONE: dict[str, Any] = {
    "kernel": [1, 1],
    "stride": [1, 1],
    "dilation": [1, 1],
    "padding": [0] * 4,
    "padding_value": 0,
    "groups": 1,
}


def _quantised(sums: Callable[[Builder, Any, Value], Value]) -> Callable[[Builder, Any, Value], Value]:
    def handler(to: Builder, layer: Any, x: Value) -> Value:
        return sums(to, layer, x if layer.input_quantizer is None else _signs(to, x))

    return handler


def _binary_norm(to: Builder, layer: BinaryBatchNorm, x: Value) -> Value:
    return to.affine(x, *layer.folded())


def _norm(to: Builder, layer: Any, x: Value) -> Value:
    if layer.running_mean is None:
        raise ValueError(f"{to.name}: expected a batch norm with running statistics")
    scale = (layer.running_var.double() + layer.eps).rsqrt()
    scale = scale if layer.weight is None else scale * layer.weight.double()
    bias = -layer.running_mean.double() * scale
    bias = bias if layer.bias is None else bias + layer.bias.double()
    return to.affine(x, scale, bias)


def _linear(to: Builder, layer: nn.Linear, x: Value) -> Value:
    x = to.vector("Linear", x)
    bias = None if layer.bias is None else array(layer.bias)
    return Value(to.add("dense", to.real(x), weights=to.columns(x, array(layer.weight)), bias=bias).id, True)


def _conv(to: Builder, layer: nn.Conv2d, x: Value) -> Value:
    x = to.planes("Conv2d", x)
    if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        raise ValueError(f"{to.name}: expected a padding of numbers, with zeros, found {layer.padding!r} and {layer.padding_mode!r}")
    return to.add(
        "conv",
        to.real(x),
        weights=np.ascontiguousarray(array(layer.weight).transpose(0, 2, 3, 1)),
        bias=None if layer.bias is None else array(layer.bias),
        kernel=list(layer.kernel_size),
        stride=list(layer.stride),
        dilation=list(layer.dilation),
        padding=four_sides(list(layer.padding)),
        padding_value=0,
        groups=layer.groups,
    )


def _max_pool(
    to: Builder, x: Value, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False, **_: Any
) -> Value:
    x = to.planes("max pool", x)
    if pair(dilation) != [1, 1] or ceil_mode:
        raise ValueError(f"{to.name}: expected a max pool without dilation and ceil_mode")
    kernel = pair(kernel_size)
    return to.add("max pool", x, kernel=kernel, stride=pair(stride or kernel), padding=four_sides(pair(padding)))


def _average_pool(
    to: Builder, x: Value, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True
) -> Value:
    x = to.planes("average pool", x)
    if ceil_mode:
        raise ValueError(f"{to.name}: expected an average pool without ceil_mode")
    kernel, borders = pair(kernel_size), four_sides(pair(padding))
    name = "average pool with padding" if count_include_pad and any(borders) else "average pool"
    return to.add(name, to.real(x), kernel=kernel, stride=pair(stride or kernel), padding=borders)


def _whole_pool(to: Builder, x: Value, output_size: Any) -> Value:
    x = to.planes("average pool", x)
    if output_size not in (1, (1, 1), [1, 1]):
        raise ValueError(f"{to.name}: expected an adaptive average pool to 1×1, found {output_size}")
    return to.add("mean", x, axes=[True, True, False])


def _mean(to: Builder, x: Value, dim: Any = None, keepdim: bool = False) -> Value:
    axes = sorted(axis % 4 for axis in ([dim] if isinstance(dim, int) else dim or []))
    if x.flat or axes != [2, 3]:
        raise ValueError(f"{to.name}: expected a mean over height and width, dim=(2, 3), found dim={dim}")
    return to.add("mean", x, axes=[True, True, False], flat=not keepdim)


def _flatten(to: Builder, x: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    if start_dim != 1 or end_dim not in (-1, 3):
        raise ValueError(f"{to.name}: expected flatten(1), all but the batch, found {start_dim} and {end_dim}")
    return x if x.flat else Value(x.id, True, True)


def _view(to: Builder, x: Value, *shape: Any) -> Value:
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    if len(sizes) == 2 and sizes[1] == -1:
        return _flatten(to, x, 1)
    raise ValueError(f"{to.name}: expected x.view(len, -1), all but the batch in one, found {sizes}")


def _unary(name: str, **options: Any) -> Callable[..., Value]:
    def handler(to: Builder, x: Value, *_: Any, **__: Any) -> Value:
        return to.add(name, to.real(x), **options)

    return handler


def _of_last(name: str) -> Callable[..., Value]:
    """Softmax over the features."""

    def handler(to: Builder, x: Value, dim: int | None = None, *_: Any, **__: Any) -> Value:
        if dim not in (1, -1) or (not x.flat and dim != 1):
            raise ValueError(f"{to.name}: expected dim=1, found {dim}")
        return to.add(name, to.real(to.settled(x)))

    return handler


def _prelu(to: Builder, layer: nn.PReLU, x: Value) -> Value:
    return to.add("prelu", to.real(to.settled(x)), slope=array(layer.weight))


def _arithmetic(name: str) -> Callable[..., Value]:
    def handler(to: Builder, a: Any, b: Any, **_: Any) -> Value:
        if isinstance(a, Value) and isinstance(b, Value):
            if a.pending != b.pending:
                a, b = to.settled(a), to.settled(b)
            return to.add(name, to.real(a), to.real(b))
        value, number = (a, b) if isinstance(a, Value) else (b, a)
        if not isinstance(value, Value) or not isinstance(number, (int, float)):
            raise ValueError(f"{to.name}: expected values or numbers, found {type(a).__name__} and {type(b).__name__}")
        if name == "mul":
            return to.affine(value, torch.tensor(float(number)), None)
        if name == "sub" and value is b:
            value = to.affine(value, torch.tensor(-1.0), None)
        shift = -float(number) if name == "sub" and value is a else float(number)
        return to.affine(value, None, torch.tensor(shift))

    return handler


def _concat(to: Builder, values: Any, dim: int = 0) -> Value:
    flats = {one.flat for one in values}
    if dim not in ((1, -1) if flats == {True} else (1,)) or len(flats) > 1:
        raise ValueError(f"{to.name}: expected values of one kind of shape, and dim=1, found dim={dim}")
    settled = [to.settled(one) for one in values]
    kinds = {to.kind(one) for one in settled}
    return to.add("concat", *(settled if len(kinds) == 1 else map(to.real, settled)), axis=2)


def _same(to: Builder, x: Value, *_: Any, **__: Any) -> Value:
    return x


def _size(to: Builder, x: Value, *_: Any) -> Any:
    """Only the batch is asked for, which the graph does not name."""
    return -1


def _of_module(function: Callable[..., Value], *names: str) -> Callable[..., Value]:
    """A module as the function of its attributes."""

    def handler(to: Builder, layer: Any, x: Value) -> Value:
        return function(to, x, *(getattr(layer, name) for name in names))

    return handler


def _dropped(handler: Callable[..., Value]) -> Callable[..., Value]:
    def of_layer(to: Builder, layer: Any, x: Value) -> Value:
        return handler(to, x)

    return of_layer


def _clip(to: Builder, x: Value, low: Any = -1.0, high: Any = 1.0, *_: Any) -> Value:
    low, high = (float(sign if one is None else one) for one, sign in ((low, "-inf"), (high, "inf")))
    return to.add("clip", to.real(x), low=low, high=high)


MODULES: dict[type[nn.Module], Callable[..., Value]] = {
    BernoulliLinear: _bernoulli(_binary_dense),
    BernoulliConv2d: _bernoulli(_binary_conv),
    ExpectationLinear: _expectation,
    QuantLinear: _quantised(_binary_dense),
    QuantConv2d: _quantised(_binary_conv),
    BinaryBatchNorm: _binary_norm,
    Sign: _dropped(_signs),
    nn.Linear: _linear,
    nn.Conv2d: _conv,
    nn.BatchNorm1d: _norm,
    nn.BatchNorm2d: _norm,
    nn.SyncBatchNorm: _norm,
    nn.ReLU: _dropped(_unary("relu")),
    nn.ReLU6: _dropped(_unary("clip", low=0.0, high=6.0)),
    nn.Hardtanh: _of_module(_clip, "min_val", "max_val"),
    nn.LeakyReLU: lambda to, layer, x: to.add("leaky relu", to.real(x), slope=float(layer.negative_slope)),
    nn.ELU: lambda to, layer, x: to.add("elu", to.real(x), alpha=float(layer.alpha)),
    nn.PReLU: _prelu,
    nn.Sigmoid: _dropped(_unary("sigmoid")),
    nn.Tanh: _dropped(_unary("tanh")),
    nn.Softmax: _of_module(_of_last("softmax"), "dim"),
    nn.LogSoftmax: _of_module(_of_last("log softmax"), "dim"),
    nn.MaxPool2d: _of_module(_max_pool, "kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    nn.AvgPool2d: _of_module(_average_pool, "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    nn.AdaptiveAvgPool2d: _of_module(_whole_pool, "output_size"),
    nn.Flatten: _of_module(_flatten, "start_dim", "end_dim"),
    nn.Dropout: _dropped(_same),
    nn.Dropout2d: _dropped(_same),
    nn.Identity: _dropped(_same),
}

FUNCTIONS: dict[Any, Callable[..., Any]] = {
    operator.add: _arithmetic("add"),
    operator.sub: _arithmetic("sub"),
    operator.mul: _arithmetic("mul"),
    torch.add: _arithmetic("add"),
    torch.sub: _arithmetic("sub"),
    torch.mul: _arithmetic("mul"),
    torch.cat: _concat,
    torch.flatten: _flatten,
    torch.mean: _mean,
    torch.relu: _unary("relu"),
    torch.tanh: _unary("tanh"),
    torch.sigmoid: _unary("sigmoid"),
    torch.clamp: _clip,
    functional.relu: _unary("relu"),
    functional.hardtanh: _clip,
    functional.max_pool2d: _max_pool,
    functional.avg_pool2d: _average_pool,
    functional.adaptive_avg_pool2d: _whole_pool,
    functional.softmax: _of_last("softmax"),
    functional.log_softmax: _of_last("log softmax"),
    functional.dropout: _same,
}

METHODS: dict[str, Callable[..., Any]] = {
    "add": _arithmetic("add"),
    "sub": _arithmetic("sub"),
    "mul": _arithmetic("mul"),
    "flatten": _flatten,
    "view": _view,
    "reshape": _view,
    "size": _size,
    "mean": _mean,
    "relu": _unary("relu"),
    "tanh": _unary("tanh"),
    "sigmoid": _unary("sigmoid"),
    "clamp": _clip,
    "contiguous": _same,
}
