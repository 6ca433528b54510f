"""onnxruntime's int8 and f32 products and convolutions, one thread."""

import sys

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from support import CONV, FIRST_LAYER, GEMM, median_seconds, multiply_accumulates

random = np.random.default_rng(0)
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
PEER = f"onnxruntime {ort.__version__}"


def measure(node, x, y, weights):
    """Median seconds of one node from `x` to an array like `y`."""
    kinds = {"uint8": TensorProto.UINT8, "int32": TensorProto.INT32, "float32": TensorProto.FLOAT}
    info = lambda name, array: helper.make_tensor_value_info(name, kinds[str(array.dtype)], array.shape)
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph([node], "graph", [info("x", x)], [info("y", y)], constants)
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=domains, ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_output("y", "cpu", 0, y.dtype, y.shape, y.ctypes.data)
    return median_seconds(lambda: session.run_with_iobinding(binding))


def gemm():
    for m, n, k in GEMM:
        a = random.choice([0, 2], (m, k)).astype(np.uint8)
        b = random.choice([-1, 1], (k, n)).astype(np.int8)
        node = helper.make_node("MatMulInteger", ["x", "b", "zero"], ["y"])
        seconds = measure(node, a, np.empty((m, n), np.int32), {"b": b, "zero": np.array(1, np.uint8)})
        multiply_accumulates(f"{PEER} MatMulInteger", "gemm", (m, n, k), m * n * k, seconds)
        node = helper.make_node("MatMul", ["x", "b"], ["y"])
        seconds = measure(node, a.astype(np.float32), np.empty((m, n), np.float32), {"b": b.astype(np.float32)})
        multiply_accumulates(f"{PEER} MatMul f32", "gemm", (m, n, k), m * n * k, seconds)


def convolution(kernel, sizes, inputs, channels, window, values, minus_one):
    """int8 in both layouts, as whichever is faster is its best configuration, and f32. `values` are those of the input."""
    height, width, before = inputs
    taps = window["kernel_shape"]
    w = random.choice([-1, 1], (channels, before, *taps)).astype(np.int8)
    out = [(size + 2 * window["pads"][0] - taps[0]) // window["strides"][0] + 1 for size in (height, width)]
    count = out[0] * out[1] * channels * before * taps[0] * taps[1]
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    weights = dict(zip(names[1:], [np.float32(1), np.uint8(minus_one), w, np.float32(1), np.int8(0), np.float32(8), np.uint8(128)]))
    layouts = {
        "NCHW": ((1, before, height, width), (1, channels, *out), {}),
        "NHWC": ((1, height, width, before), (1, *out, channels), {"domain": "com.microsoft", "channels_last": 1}),
    }
    for layout, (shape, result, extra) in layouts.items():
        node = helper.make_node("QLinearConv", names, ["y"], **window, **extra)
        x = random.choice(values, shape).astype(np.uint8)
        seconds = measure(node, x, np.empty(result, np.uint8), weights)
        multiply_accumulates(f"{PEER} QLinearConv {layout}", kernel, sizes, count, seconds)
    shape, result, _ = layouts["NCHW"]
    node = helper.make_node("Conv", ["x", "w"], ["y"], **window)
    x = random.choice(values, shape).astype(np.float32) - minus_one
    seconds = measure(node, x, np.empty(result, np.float32), {"w": w.astype(np.float32)})
    multiply_accumulates(f"{PEER} Conv f32", kernel, sizes, count, seconds)


def conv():
    window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [1, 1]}
    for size, channels in CONV:
        convolution("conv", (size, size, channels), (size, size, channels), channels, window, [0, 2], 1)


def first_layer():
    for height, width, channels, size in FIRST_LAYER:
        window = {"kernel_shape": [size, size], "pads": [size // 2] * 4, "strides": [2, 2]}
        sizes = (height, width, channels, size)
        convolution("first-layer", sizes, (height, width, channels), 64, window, range(256), 0)


{"gemm": gemm, "conv": conv, "first-layer": first_layer}.get(sys.argv[1], lambda: None)()
