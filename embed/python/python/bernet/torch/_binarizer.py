"""What changes in the course of a training, for any loop."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from ._base import BinaryWeights, Moments
from ._functional import check_choice

__all__ = ["Binarizer", "recalibrate"]

WAYS = ("all", "layer", "part", "none")


class Binarizer:
    """Makes the weights of a net binary in the course of a training of so many steps, and lowers temperature and width.

    Call `step` after each step of the optimiser. Between the shares `start` and `end` of the training the weights with the largest latents
    are frozen in each layer, and the rest is trained on:

    - "part": one of `parts` equal parts (20) of every layer at a time, from 40 % to 95 % of the training;
    - "layer": layer by layer in the order of `module.modules()`, from 40 % to 95 %;
    - "all": all at once, at 85 %;
    - "none": never; evaluation mode takes the signs.

    `temperature` and `width` are (from, to, until): geometric from one value to the other over the share `until` of the training; None leaves
    them alone. Latents are kept within ±1. Every process of DistributedDataParallel makes the same choices.

        >>> import torch
        >>> from bernet.torch import BernoulliLinear, Binarizer
        >>> layer = BernoulliLinear(36, 10)
        >>> binarizer = Binarizer(layer, "part", steps=100)
        >>> for step in range(100):
        ...     binarizer.step()
        >>> binarizer.frozen
        1.0
    """

    def __init__(
        self,
        module: nn.Module,
        way: str = "part",
        *,
        steps: int,
        start: float | None = None,
        end: float = 0.95,
        parts: int | None = None,
        temperature: tuple[float, float, float] | None = (0.15, 0.02, 0.9),
        width: tuple[float, float, float] | None = (3.0, 0.8, 1.0),
    ) -> None:
        check_choice("way", way, WAYS)
        self.layers = [one for one in module.modules() if isinstance(one, BinaryWeights)]
        if not self.layers:
            raise ValueError("module: expected a layer of binary weights in it, found none")
        if steps < 1:
            raise ValueError(f"steps: expected at least 1, found {steps}")
        self.module, self.way, self.steps = module, way, steps
        self.start = start if start is not None else 0.85 if way == "all" else 0.4
        self.end = end
        self.parts = parts if parts is not None else 20 if way == "part" else 1
        if not 0 <= self.start < self.end <= 1 or self.parts < 1:
            raise ValueError(
                f"expected 0 <= start < end <= 1 and parts >= 1, found {self.start}, {end} and {self.parts}"
            )
        self.temperature, self.width = temperature, width
        self.done = 0
        self._shares: dict[int, float] = {}
        self._set()

    def share(self, done: float, layer: int) -> float:
        """The share of a layer's weights that is to be frozen after a share `done` of the training."""
        if self.way == "none" or done < self.start:
            return 0.0
        by_layer = self.way == "layer"
        stages = self.parts * (len(self.layers) if by_layer else 1)
        # Half-way between two moments in floats, the earlier one.
        stage = math.floor((done - self.start) / (self.end - self.start) * stages + 1e-9)
        before = self.parts * layer if by_layer else 0
        return min(max(1 + stage - before, 0), self.parts) / self.parts

    def step(self) -> None:
        """To be called after each step of the optimiser."""
        self.done += 1
        self._set()

    @property
    def frozen(self) -> float:
        """The share of all weights that is frozen."""
        count = sum(int((layer.frozen != 0).sum()) for layer in self.layers)
        return count / sum(layer.frozen.numel() for layer in self.layers)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs beside the module's own state."""
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a checkpoint; load the module's state before."""
        self.done = int(state["done"])
        self._shares.clear()
        self._set()

    @torch.no_grad()
    def _set(self) -> None:
        done = self.done / self.steps
        for index, layer in enumerate(self.layers):
            layer.latent.clamp_(-1, 1)
            share = self.share(done, index)
            # Counting on a GPU would wait for it.
            if share > self._shares.get(index, 0.0):
                layer.freeze(share)
                self._shares[index] = share
        for name, course in (("temperature", self.temperature), ("width", self.width)):
            if course is not None:
                value = _geometric(course, done)
                for module in self.module.modules():
                    # Of our own modules; others may have such names too.
                    if type(module).__module__.startswith("bernet.torch.") and hasattr(module, name):
                        getattr(module, name).fill_(value)


def _geometric(course: tuple[float, float, float], done: float) -> float:
    start, end, until = course
    return end if done >= until else float(start * (end / start) ** (done / until))


@torch.no_grad()
def recalibrate(module: nn.Module, batches: Iterable[Any]) -> None:
    """Measures the statistics of all batch normalisations anew, over batches of inputs, with the weights' signs.

    Those of training are of other weights: call it before evaluation. A batch is a tensor, or a sequence whose first item is one,
    as a DataLoader's. Leaves the module in evaluation mode. Layers of torch.nn are measured too.

        >>> import torch
        >>> from bernet.torch import BernoulliLinear, recalibrate
        >>> net = BernoulliLinear(36, 10)
        >>> recalibrate(net, [torch.sign(torch.randn(100, 36))])
        >>> net.training
        False
    """
    module.eval()
    ours = [one for one in module.modules() if isinstance(one, Moments)]
    theirs = [one for one in module.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    momenta = [one.momentum for one in theirs]
    for moments in ours:
        moments.measuring = True
        moments.batches.zero_()
        moments.running_mean.zero_()
        moments.running_var.zero_()
    for norm in theirs:
        norm.reset_running_stats()
        norm.train()
        # Equal weights.
        norm.momentum = None
    try:
        for batch in batches:
            module(batch[0] if isinstance(batch, (tuple, list)) else batch)
    finally:
        for moments in ours:
            moments.measuring = False
        for norm, momentum in zip(theirs, momenta):
            norm.momentum = momentum
            norm.eval()
