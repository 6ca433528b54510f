"""OpenVINO's BinaryConvolution, bits in and out, one thread. A chain of layers against a shorter one leaves what a layer costs;
products are 1×1 convolutions. ONEDNN_MAX_CPU_ISA=AVX2 holds it to AVX2."""

import sys

import numpy as np
import openvino as ov

from support import CONV, GEMM, median_seconds, multiply_accumulates

core, ops, random = ov.Core(), ov.opset1, np.random.default_rng(0)
PEER = f"OpenVINO {ov.__version__.split('-')[0]} binary convolution"


def scalar(value):
    return ops.constant(np.full((1, 1, 1, 1), value, np.float32))


def binarise(x, channels, spread):
    threshold = ops.constant((random.standard_normal((1, channels, 1, 1)) * spread).astype(np.float32))
    return ops.fake_quantize(x, threshold, threshold, scalar(0), scalar(1), 2)


def convolution(x, inputs, outputs, size, padding):
    bits = random.integers(0, 256, (outputs * inputs * size * size // 8,), dtype=np.uint8)
    weights = ov.op.Constant(ov.Tensor(bits, ov.Shape([outputs, inputs, size, size]), ov.Type.u1))
    pads = [padding, padding]
    return ops.binary_convolution(x, weights, [1, 1], pads, pads, [1, 1], "xnor-popcount", -1.0)


def seconds(model):
    options = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False, "INFERENCE_PRECISION_HINT": "f32"}
    return median_seconds(core.compile_model(model, "CPU", options).create_infer_request().infer)


def gemm():
    for m, n, k in GEMM:
        chains = []
        for pairs in (1, 3):
            parameter = ops.parameter([1, k, 1, m], np.float32)
            x = binarise(parameter, k, 0.1)
            for pair in range(pairs):
                x = convolution(binarise(convolution(x, k, n, 1, 0), n, 20), n, k, 1, 0)
                if pair < pairs - 1:
                    x = binarise(x, k, 20)
            chains.append(seconds(ov.Model([x], [parameter])))
        multiply_accumulates(PEER, "gemm", (m, n, k), m * n * k, (chains[1] - chains[0]) / 4)


def conv():
    for size, channels in CONV:
        chains = []
        for layers in (1, 5):
            parameter = ops.parameter([1, channels, size, size], np.float32)
            x = binarise(parameter, channels, 0.1)
            for layer in range(layers):
                x = convolution(x, channels, channels, 3, 1)
                if layer < layers - 1:
                    x = binarise(x, channels, 20)
            chains.append(seconds(ov.Model([x], [parameter])))
        count = size * size * channels * channels * 9
        multiply_accumulates(PEER, "conv", (size, size, channels), count, (chains[1] - chains[0]) / 4)


{"gemm": gemm, "conv": conv}.get(sys.argv[1], lambda: None)()
