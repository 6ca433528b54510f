"""The graph that an export makes, and what its operators are made of."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from .._native import GraphBuilder


class Value(NamedTuple):
    """A value of the graph, and the shape that PyTorch gives an item: (channels, height, width), or one number of features.

    With `pending`, what PyTorch holds as a vector in the order channel, line, pixel is still (height, width, channels) in the graph.
    """

    id: int
    flat: bool
    pending: bool = False


class Builder:
    """A graph in work, and the name of the node that is being translated."""

    def __init__(self) -> None:
        self.builder = GraphBuilder()
        self.name = ""

    def add(self, operator: str, *inputs: Value, flat: bool | None = None, **options: Any) -> Value:
        """A node with one output."""
        id = self.builder.add(self.name, operator, [one.id for one in inputs], options)
        return Value(id, inputs[0].flat if flat is None else flat, inputs[0].pending)

    def kind(self, value: Value) -> str:
        return self.builder.describe(value.id)[0]

    def dims(self, value: Value) -> list[int]:
        """Height, width, channels in the graph."""
        return self.builder.describe(value.id)[1]

    def real(self, value: Value) -> Value:
        return value if self.kind(value) == "float32" else self.add("cast", value, kind="float32")

    def settled(self, value: Value) -> Value:
        """In PyTorch's order, if it is a vector."""
        if not value.pending:
            return value
        dims = self.dims(value)
        if dims[0] * dims[1] > 1:
            size = dims[0] * dims[1] * dims[2]
            id = self.builder.add(self.name, "transpose", [value.id], {"dims": dims, "perm": [2, 0, 1], "shape": [1, 1, size]})
            return Value(id, True)
        return Value(value.id, True)

    def columns(self, value: Value, weights: Any) -> Any:
        """A dense layer's columns in the order of the graph's values."""
        if not value.pending:
            return weights
        height, width, channels = self.dims(value)
        moved = weights.reshape(len(weights), channels, height, width).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(moved.reshape(len(weights), -1))

    def vector(self, what: str, value: Value) -> Value:
        if not value.flat:
            raise ValueError(f"{self.name}: {what}: expected a vector, found {self.dims(value)[2]} channels of pictures: put Flatten before it")
        return value

    def planes(self, what: str, value: Value) -> Value:
        if value.flat:
            raise ValueError(f"{self.name}: {what}: expected (n, channels, height, width), found (n, features)")
        return value

    def affine(self, value: Value, scale: Tensor | None, bias: Tensor | None) -> Value:
        """scale · x + bias of each channel, or of all."""
        options = {name: array(one) for name, one in (("scale", scale), ("bias", bias)) if one is not None}
        several = any(one.size > 1 for one in options.values())
        value = self.settled(value) if several else value
        return self.add("affine", value, **options)


def array(tensor: Tensor) -> Any:
    return np.ascontiguousarray(np.atleast_1d(tensor.detach().cpu().float().numpy()))


def pair(value: Any) -> list[int]:
    return [int(value)] * 2 if isinstance(value, int) else [int(one) for one in value]


def four_sides(padding: list[int]) -> list[int]:
    """Top, left, bottom, right."""
    return [padding[0], padding[1], padding[0], padding[1]]
