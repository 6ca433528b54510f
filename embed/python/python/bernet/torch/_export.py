"""From a module to a `bernet.Model`, operator by operator."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from .._native import GraphBuilder, Model
from ._functional import check_choice
from ._layers import BernoulliConv2d, BernoulliLinear, ExpectationLinear
from ._quantised import BinaryBatchNorm, QuantConv2d, QuantLinear, Sign

__all__ = ["export"]

INPUTS = {"float32": np.float32, "bit": np.float32, "uint8": np.uint8}


def export(
    module: nn.Module, example: Tensor, *, input: str = "float32", pixels: str | None = None, check: bool = True
) -> Model:
    """The net that a module is in evaluation mode, with its logits.

    `example` is a batch of inputs, (n, features) or (n, channels, height, width): it gives the shape, and unless `check` is False the
    model is run on it beside the module. `input` is what the inputs are: "float32", numbers (`pixels` says what a picture's become: "0..1",
    "-1..1" or "mean=M,std=S", as in `bernet.load`); "bit", -1 and 1 (a picture's pixels from 128 on are 1), so that the first layer is of
    XNOR too; "uint8", whole numbers from 0 to 255, a picture's pixels themselves.

    Outputs of binary layers are equal to the bit; those of layers of floats to a rounding of float32, because sums are taken in another order.

    ValueError names a module or function that has no counterpart (see `docs/python.md` for those that have), and says what to do; so it
    does where the check fails.

        >>> import torch
        >>> from bernet.torch import BernoulliLinear, ExpectationLinear, export
        >>> net = torch.nn.Sequential(BernoulliLinear(36, 16), ExpectationLinear(16, 10))
        >>> x = torch.sign(torch.randn(5, 36))
        >>> model = export(net, x, input="bit")
        >>> bool((model.run(x.numpy())["output"] == net.eval()(x).detach().numpy()).all())
        True
    """
    check_choice("input", input, tuple(INPUTS))
    if example.ndim not in (2, 4) or not len(example):
        raise ValueError(
            f"example: expected the shape (n, features) or (n, channels, height, width), found {tuple(example.shape)}"
        )
    array = example.detach().cpu().numpy()
    if input == "bit" and not (np.abs(array) == 1).all():
        raise ValueError("example: expected -1 and 1, since input='bit'; found other numbers")
    if input == "uint8" and not ((array >= 0) & (array <= 255) & (array == np.floor(array))).all():
        raise ValueError("example: expected whole numbers from 0 to 255, since input='uint8'; found others")
    if pixels is not None and input != "float32":
        raise ValueError(f"pixels: expected input='float32', found input={input!r}")
    # What DistributedDataParallel and torch.compile put around a module.
    module = getattr(module, "_orig_mod", module)
    if isinstance(module, nn.parallel.DistributedDataParallel):
        module = module.module
    training = {one: one.training for one in module.modules()}
    module.eval()
    try:
        model = _Exporter(module, array.shape[1:], input, pixels).finish()
        if check:
            with torch.no_grad():
                _check(module(example), model.run(array.astype(INPUTS[input]))["output"])
        return model
    finally:
        for one, mode in training.items():
            one.training = mode


def _check(expected: Tensor, found: Any) -> None:
    wanted = expected.detach().cpu().numpy()
    size = max(1.0, float(np.abs(wanted).max(initial=0)))
    far = np.abs(wanted - found.reshape(wanted.shape)) > 1e-4 * size
    if far.any():
        items = int(far.reshape(len(far), -1).any(1).sum())
        raise ValueError(
            f"example: {items} of {len(far)} items have other outputs in the exported net; where floats come before a sign "
            "their rounding may turn a bit: check=False takes the net as it is"
        )


class _Value(NamedTuple):
    """A value of the graph, and the shape that PyTorch gives an item: (channels, height, width), or one number of features.

    With `pending`, what PyTorch holds as a vector in the order channel, line, pixel is still (height, width, channels) in the graph.
    """

    id: int
    flat: bool
    pending: bool = False


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in _MODULES or super().is_leaf_module(m, module_qualified_name)


class _Exporter:
    """Walks through a traced module, and builds the graph."""

    def __init__(self, module: nn.Module, shape: tuple[int, ...], kind: str, pixels: str | None) -> None:
        self.builder = GraphBuilder()
        self.name = ""
        # A layer alone is traced as part of something.
        self.root = nn.Sequential(module) if type(module) in _MODULES else module
        try:
            graph = _Tracer().trace(self.root)
        except Exception as error:
            raise ValueError(
                f"{type(module).__name__}: torch.fx cannot trace it ({error}); its forward must not branch on values"
            ) from error
        flat = len(shape) == 1
        dims = (1, 1, shape[0]) if flat else (shape[1], shape[2], shape[0])
        values: dict[fx.Node, Any] = {}
        for node in graph.nodes:
            self.name = node.name
            if node.op == "placeholder":
                if values and node.args == ():
                    raise ValueError(f"{node.name}: expected a module of one input, found another")
                id = self.builder.add_input("input", kind, dims, flat, pixels)
                values[node] = _Value(id, flat)
            elif node.op == "output":
                (result,) = node.args
                if not isinstance(result, fx.Node):
                    raise ValueError("output: expected one tensor, found several")
                self._output(values[result])
            else:
                values[node] = self._node(node, values)

    def finish(self) -> Model:
        return self.builder.finish()

    def _output(self, value: _Value) -> None:
        value = self.settled(value)
        if self.kind(value) != "float32":
            value = self.add("cast", value, kind="float32")
        self.builder.add_output("output", value.id, value.flat)

    def _node(self, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
        args = fx.node.map_arg(node.args, values.__getitem__)
        kwargs = fx.node.map_arg(node.kwargs, values.__getitem__)
        if node.op == "call_module":
            module = self.root.get_submodule(str(node.target))
            handler = _MODULES.get(type(module))
            if handler is None:
                raise ValueError(
                    f"{node.target} ({type(module).__name__}): expected one of {', '.join(sorted(one.__name__ for one in _MODULES))}"
                )
            self.name = str(node.target)
            return handler(self, module, *args, **kwargs)
        if node.op == "get_attr":
            raise ValueError(f"{node.target}: expected modules and functions of tensors, found a tensor of the module's own")
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        function = _METHODS.get(name) if node.op == "call_method" else _FUNCTIONS.get(node.target)
        if function is None:
            known = sorted({one.__name__ for one in _FUNCTIONS} | set(_METHODS))
            raise ValueError(f"{node.name} ({name}): expected one of {', '.join(known)}, or a module")
        return function(self, *args, **kwargs)

    # What handlers are made of.

    def add(self, operator: str, *inputs: _Value, flat: bool | None = None, **options: Any) -> _Value:
        """A node with one output."""
        id = self.builder.add(self.name, operator, [one.id for one in inputs], options)
        return _Value(id, inputs[0].flat if flat is None else flat, inputs[0].pending)

    def kind(self, value: _Value) -> str:
        return self.builder.describe(value.id)[0]

    def dims(self, value: _Value) -> list[int]:
        """Height, width, channels in the graph."""
        return self.builder.describe(value.id)[1]

    def real(self, value: _Value) -> _Value:
        return value if self.kind(value) == "float32" else self.add("cast", value, kind="float32")

    def settled(self, value: _Value) -> _Value:
        """In PyTorch's order, if it is a vector."""
        if not value.pending:
            return value
        dims = self.dims(value)
        if dims[0] * dims[1] > 1:
            size = dims[0] * dims[1] * dims[2]
            id = self.builder.add(self.name, "transpose", [value.id], {"dims": dims, "perm": [2, 0, 1], "shape": [1, 1, size]})
            return _Value(id, True)
        return _Value(value.id, True)

    def columns(self, value: _Value, weights: Any) -> Any:
        """A dense layer's columns in the order of the graph's values."""
        if not value.pending:
            return weights
        height, width, channels = self.dims(value)
        moved = weights.reshape(len(weights), channels, height, width).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(moved.reshape(len(weights), -1))

    def vector(self, what: str, value: _Value) -> _Value:
        if not value.flat:
            raise ValueError(f"{self.name}: {what}: expected a vector, found {self.dims(value)[2]} channels of pictures: put Flatten before it")
        return value

    def planes(self, what: str, value: _Value) -> _Value:
        if value.flat:
            raise ValueError(f"{self.name}: {what}: expected (n, channels, height, width), found (n, features)")
        return value

    def affine(self, value: _Value, scale: Tensor | None, bias: Tensor | None) -> _Value:
        """scale · x + bias of each channel, or of all."""
        options = {name: _array(one) for name, one in (("scale", scale), ("bias", bias)) if one is not None}
        several = any(one.size > 1 for one in options.values())
        value = self.settled(value) if several else value
        return self.add("affine", value, **options)


def _array(tensor: Tensor) -> Any:
    return np.ascontiguousarray(np.atleast_1d(tensor.detach().cpu().float().numpy()))


def _pair(value: Any) -> list[int]:
    return [int(value)] * 2 if isinstance(value, int) else [int(one) for one in value]


def _borders(padding: list[int]) -> list[int]:
    """Top, left, bottom, right."""
    return [padding[0], padding[1], padding[0], padding[1]]


def _binary_dense(to: _Exporter, layer: Any, x: _Value) -> _Value:
    x = to.vector(type(layer).__name__, x)
    weights = to.columns(x, _array(layer.binary_weights))
    if to.kind(x) in ("bit", "uint8"):
        found = to.add("binary dense", x, weights=weights)
    else:
        found = to.add("dense", to.real(x), weights=weights)
    return _Value(found.id, True)


def _binary_conv(to: _Exporter, layer: Any, x: _Value) -> _Value:
    x = to.planes(type(layer).__name__, x)
    weights = np.ascontiguousarray(_array(layer.binary_weights).transpose(0, 2, 3, 1))
    binary = to.kind(x) in ("bit", "uint8")
    borders, border = _borders(list(layer.padding)), layer.padding_value
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


def _signs(to: _Exporter, x: _Value) -> _Value:
    return x if to.kind(x) == "bit" else to.add("sign", x)


def _bernoulli(sums: Callable[[_Exporter, Any, _Value], _Value]) -> Callable[[_Exporter, Any, _Value], _Value]:
    def handler(to: _Exporter, layer: Any, x: _Value) -> _Value:
        return _signs(to, to.affine(sums(to, layer, x), *layer.folded()))

    return handler


def _expectation(to: _Exporter, layer: Any, x: _Value) -> _Value:
    if x.flat:
        sums = _binary_dense(to, layer, x)
    else:
        weights = np.ascontiguousarray(_array(layer.binary_weights)[:, None, None, :])
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


def _quantised(sums: Callable[[_Exporter, Any, _Value], _Value]) -> Callable[[_Exporter, Any, _Value], _Value]:
    def handler(to: _Exporter, layer: Any, x: _Value) -> _Value:
        return sums(to, layer, x if layer.input_quantizer is None else _signs(to, x))

    return handler


def _binary_norm(to: _Exporter, layer: BinaryBatchNorm, x: _Value) -> _Value:
    return to.affine(x, *layer.folded())


def _norm(to: _Exporter, layer: Any, x: _Value) -> _Value:
    if layer.running_mean is None:
        raise ValueError(f"{to.name}: expected a batch norm with running statistics")
    scale = (layer.running_var.double() + layer.eps).rsqrt()
    scale = scale if layer.weight is None else scale * layer.weight.double()
    bias = -layer.running_mean.double() * scale
    bias = bias if layer.bias is None else bias + layer.bias.double()
    return to.affine(x, scale, bias)


def _linear(to: _Exporter, layer: nn.Linear, x: _Value) -> _Value:
    x = to.vector("Linear", x)
    bias = None if layer.bias is None else _array(layer.bias)
    return _Value(to.add("dense", to.real(x), weights=to.columns(x, _array(layer.weight)), bias=bias).id, True)


def _conv(to: _Exporter, layer: nn.Conv2d, x: _Value) -> _Value:
    x = to.planes("Conv2d", x)
    if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        raise ValueError(f"{to.name}: expected a padding of numbers, with zeros, found {layer.padding!r} and {layer.padding_mode!r}")
    return to.add(
        "conv",
        to.real(x),
        weights=np.ascontiguousarray(_array(layer.weight).transpose(0, 2, 3, 1)),
        bias=None if layer.bias is None else _array(layer.bias),
        kernel=list(layer.kernel_size),
        stride=list(layer.stride),
        dilation=list(layer.dilation),
        padding=_borders(list(layer.padding)),
        padding_value=0,
        groups=layer.groups,
    )


def _max_pool(
    to: _Exporter, x: _Value, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False, **_: Any
) -> _Value:
    x = to.planes("max pool", x)
    if _pair(dilation) != [1, 1] or ceil_mode:
        raise ValueError(f"{to.name}: expected a max pool without dilation and ceil_mode")
    kernel = _pair(kernel_size)
    return to.add("max pool", x, kernel=kernel, stride=_pair(stride or kernel), padding=_borders(_pair(padding)))


def _average_pool(
    to: _Exporter, x: _Value, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True
) -> _Value:
    x = to.planes("average pool", x)
    if ceil_mode:
        raise ValueError(f"{to.name}: expected an average pool without ceil_mode")
    kernel, borders = _pair(kernel_size), _borders(_pair(padding))
    name = "average pool with padding" if count_include_pad and any(borders) else "average pool"
    return to.add(name, to.real(x), kernel=kernel, stride=_pair(stride or kernel), padding=borders)


def _whole_pool(to: _Exporter, x: _Value, output_size: Any) -> _Value:
    x = to.planes("average pool", x)
    if output_size not in (1, (1, 1), [1, 1]):
        raise ValueError(f"{to.name}: expected an adaptive average pool to 1×1, found {output_size}")
    return to.add("mean", x, axes=[True, True, False])


def _mean(to: _Exporter, x: _Value, dim: Any = None, keepdim: bool = False) -> _Value:
    axes = sorted(axis % 4 for axis in ([dim] if isinstance(dim, int) else dim or []))
    if x.flat or axes != [2, 3]:
        raise ValueError(f"{to.name}: expected a mean over height and width, dim=(2, 3), found dim={dim}")
    return to.add("mean", x, axes=[True, True, False], flat=not keepdim)


def _flatten(to: _Exporter, x: _Value, start_dim: int = 0, end_dim: int = -1) -> _Value:
    if start_dim != 1 or end_dim not in (-1, 3):
        raise ValueError(f"{to.name}: expected flatten(1), all but the batch, found {start_dim} and {end_dim}")
    return x if x.flat else _Value(x.id, True, True)


def _view(to: _Exporter, x: _Value, *shape: Any) -> _Value:
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    if len(sizes) == 2 and sizes[1] == -1:
        return _flatten(to, x, 1)
    raise ValueError(f"{to.name}: expected x.view(len, -1), all but the batch in one, found {sizes}")


def _unary(name: str, **options: Any) -> Callable[..., _Value]:
    def handler(to: _Exporter, x: _Value, *_: Any, **__: Any) -> _Value:
        return to.add(name, to.real(x), **options)

    return handler


def _of_last(name: str) -> Callable[..., _Value]:
    """Softmax over the features."""

    def handler(to: _Exporter, x: _Value, dim: int | None = None, *_: Any, **__: Any) -> _Value:
        if dim not in (1, -1) or (not x.flat and dim != 1):
            raise ValueError(f"{to.name}: expected dim=1, found {dim}")
        return to.add(name, to.real(to.settled(x)))

    return handler


def _prelu(to: _Exporter, layer: nn.PReLU, x: _Value) -> _Value:
    return to.add("prelu", to.real(to.settled(x)), slope=_array(layer.weight))


def _arithmetic(name: str) -> Callable[..., _Value]:
    def handler(to: _Exporter, a: Any, b: Any, **_: Any) -> _Value:
        if isinstance(a, _Value) and isinstance(b, _Value):
            if a.pending != b.pending:
                a, b = to.settled(a), to.settled(b)
            return to.add(name, to.real(a), to.real(b))
        value, number = (a, b) if isinstance(a, _Value) else (b, a)
        if not isinstance(value, _Value) or not isinstance(number, (int, float)):
            raise ValueError(f"{to.name}: expected values or numbers, found {type(a).__name__} and {type(b).__name__}")
        if name == "mul":
            return to.affine(value, torch.tensor(float(number)), None)
        if name == "sub" and value is b:
            value = to.affine(value, torch.tensor(-1.0), None)
        shift = -float(number) if name == "sub" and value is a else float(number)
        return to.affine(value, None, torch.tensor(shift))

    return handler


def _concat(to: _Exporter, values: Any, dim: int = 0) -> _Value:
    flats = {one.flat for one in values}
    if dim not in ((1, -1) if flats == {True} else (1,)) or len(flats) > 1:
        raise ValueError(f"{to.name}: expected values of one kind of shape, and dim=1, found dim={dim}")
    settled = [to.settled(one) for one in values]
    kinds = {to.kind(one) for one in settled}
    return to.add("concat", *(settled if len(kinds) == 1 else map(to.real, settled)), axis=2)


def _same(to: _Exporter, x: _Value, *_: Any, **__: Any) -> _Value:
    return x


def _size(to: _Exporter, x: _Value, *_: Any) -> Any:
    """Only the batch is asked for, which the graph does not name."""
    return -1


def _of_module(function: Callable[..., _Value], *names: str) -> Callable[..., _Value]:
    """A module as the function of its attributes."""

    def handler(to: _Exporter, layer: Any, x: _Value) -> _Value:
        return function(to, x, *(getattr(layer, name) for name in names))

    return handler


def _dropped(handler: Callable[..., _Value]) -> Callable[..., _Value]:
    def of_layer(to: _Exporter, layer: Any, x: _Value) -> _Value:
        return handler(to, x)

    return of_layer


def _clip(to: _Exporter, x: _Value, low: Any = -1.0, high: Any = 1.0, *_: Any) -> _Value:
    low, high = (float(sign if one is None else one) for one, sign in ((low, "-inf"), (high, "inf")))
    return to.add("clip", to.real(x), low=low, high=high)


_MODULES: dict[type[nn.Module], Callable[..., _Value]] = {
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

_FUNCTIONS: dict[Any, Callable[..., Any]] = {
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

_METHODS: dict[str, Callable[..., Any]] = {
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
