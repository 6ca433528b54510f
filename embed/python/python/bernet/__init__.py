"""Binary neural nets: trained through exact Bernoulli distributions, run on XNOR-popcount kernels.

    import bernet
    model = bernet.pretrained("mnist")
    _, (images, labels) = bernet.mnist()
    print((model.predict(images) == labels).mean())

`load` reads nets of any kind, ONNX and TFLite among them, `train` trains them, `Estimator` does so in scikit-learn's manner.
`bernet.torch` has binary layers for PyTorch, `experiment` runs tables of trainings on Dask's workers.
"""

from . import poisson_binomial
from ._experiment import experiment
from ._native import Epoch, Layer, Model, Tensor, __version__, load, mnist, pretrained, train
from .estimator import Estimator

__all__ = [
    "Epoch",
    "Estimator",
    "Layer",
    "Model",
    "Tensor",
    "__version__",
    "experiment",
    "load",
    "mnist",
    "poisson_binomial",
    "pretrained",
    "train",
]
