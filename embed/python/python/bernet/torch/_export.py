"""From a module to a `bernet.Model`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from .._native import Model
from ._builder import Builder, Value
from ._functional import check_choice
from ._operators import FUNCTIONS, METHODS, MODULES

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


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in MODULES or super().is_leaf_module(m, module_qualified_name)


class _Exporter(Builder):
    """Walks through a traced module, and builds the graph."""

    def __init__(self, module: nn.Module, shape: tuple[int, ...], kind: str, pixels: str | None) -> None:
        super().__init__()
        # A layer alone is traced as part of something.
        self.root = nn.Sequential(module) if type(module) in MODULES else module
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
                values[node] = Value(id, flat)
            elif node.op == "output":
                (result,) = node.args
                if not isinstance(result, fx.Node):
                    raise ValueError("output: expected one tensor, found several")
                self._output(values[result])
            else:
                values[node] = self._node(node, values)

    def finish(self) -> Model:
        return self.builder.finish()

    def _output(self, value: Value) -> None:
        value = self.settled(value)
        if self.kind(value) != "float32":
            value = self.add("cast", value, kind="float32")
        self.builder.add_output("output", value.id, value.flat)

    def _node(self, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
        args = fx.node.map_arg(node.args, values.__getitem__)
        kwargs = fx.node.map_arg(node.kwargs, values.__getitem__)
        if node.op == "call_module":
            module = self.root.get_submodule(str(node.target))
            handler = MODULES.get(type(module))
            if handler is None:
                raise ValueError(
                    f"{node.target} ({type(module).__name__}): expected one of {', '.join(sorted(one.__name__ for one in MODULES))}"
                )
            self.name = str(node.target)
            return handler(self, module, *args, **kwargs)
        if node.op == "get_attr":
            raise ValueError(f"{node.target}: expected modules and functions of tensors, found a tensor of the module's own")
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        function = METHODS.get(name) if node.op == "call_method" else FUNCTIONS.get(node.target)
        if function is None:
            known = sorted({one.__name__ for one in FUNCTIONS} | set(METHODS))
            raise ValueError(f"{node.name} ({name}): expected one of {', '.join(known)}, or a module")
        return function(self, *args, **kwargs)
