"""Binary layers for PyTorch, trained in any loop and handed to bernet without a detour.

    import torch, bernet.torch as bt
    net = torch.nn.Sequential(bt.BernoulliLinear(784, 256), bt.ExpectationLinear(256, 10))
    # … an ordinary training loop, with binarizer.step() after optimizer.step() …
    model = bt.export(net, example, input="bit")     # a bernet.Model

| what | modules |
|---|---|
| weights as independent Bernoulli variables | `BernoulliLinear`, `BernoulliConv2d`, `ExpectationLinear` |
| Larq's way: real latents, signs forward | `QuantLinear`, `QuantConv2d`, `Sign`, `BinaryBatchNorm` |
| weights made binary in the course of training | `Binarizer` |
| statistics measured anew with binary weights | `recalibrate` |
| a distribution, with its derivatives | `survival`, `surrogate` |

In training mode (`module.train()`) a layer computes with distributions or latents; in evaluation mode (`module.eval()`) it is the binary
net that `export` writes. `docs/python.md` has a first net for users of PyTorch, Larq and scikit-learn.

`torch.compile` takes all of it: the exact form is one opaque operator, `bernet::survival`. Under autocast the layers compute in the type of
their parameters, because sums of ±1 above 256 are no longer whole numbers of bfloat16 (2048: float16). DistributedDataParallel needs nothing.
PyTorch 2.4 or later.
"""

try:
    import torch as _torch
except ImportError as _error:
    raise ImportError("bernet.torch: PyTorch is not installed; pip install torch") from _error

from ._binarizer import Binarizer, recalibrate
from ._export import export
from ._functional import SURROGATES, survival, surrogate
from ._layers import BernoulliConv2d, BernoulliLinear, ExpectationLinear
from ._quantised import BinaryBatchNorm, QuantConv2d, QuantLinear, Sign

__all__ = [
    "SURROGATES",
    "BernoulliConv2d",
    "BernoulliLinear",
    "BinaryBatchNorm",
    "Binarizer",
    "ExpectationLinear",
    "QuantConv2d",
    "QuantLinear",
    "Sign",
    "export",
    "recalibrate",
    "surrogate",
    "survival",
]
