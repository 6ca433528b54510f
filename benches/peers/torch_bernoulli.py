"""The exact distribution as a PyTorch user writes it: repeated convolution with two taps, autograd backward."""

import sys

import torch

from support import median_seconds, show

torch.set_num_threads(1)


def survival(v):
    distribution = torch.ones(v.shape[0], 1)
    for factor in v.T.unsqueeze(2):
        less, more = torch.nn.functional.pad(distribution, (0, 1)), torch.nn.functional.pad(distribution, (1, 0))
        distribution = less * (1 - factor) + more * factor
    return distribution[:, (v.shape[1] + 1) // 2 :].sum(1)


def run(v):
    z = survival(v)
    if v.requires_grad:
        z.sum().backward()


if sys.argv[1] == "poisson-binomial":
    for n in (36, 800):
        for gradient in (False, True):
            v = torch.rand(1024, n, generator=torch.Generator().manual_seed(0)).requires_grad_(gradient)
            seconds = median_seconds(lambda: run(v), budget=2)
            way = "gradient" if gradient else "forward"
            figure = round(seconds / 1024 * 1e9, 1)
            show(f"PyTorch {torch.__version__} autograd", sys.argv[1], f"{n} {way}", ns_per_neuron_sample=figure)
