"""onnxruntime's int8 and f32 products and convolutions, one thread."""

import sys

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from support import CONV, GEMM, median_seconds, multiply_accumulates

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


def conv():
    for size, channels in CONV:
        count = size * size * channels * channels * 9
        w = random.choice([-1, 1], (channels, channels, 3, 3)).astype(np.int8)
        window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [1, 1]}
        names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
        values = [np.float32(1), np.uint8(1), w, np.float32(1), np.int8(0), np.float32(8), np.uint8(128)]
        weights = dict(zip(names[1:], values))
        # Whichever layout is faster is its best configuration.
        layouts = {
            "NCHW": ((1, channels, size, size), {}),
            "NHWC": ((1, size, size, channels), {"domain": "com.microsoft", "channels_last": 1}),
        }
        for layout, (shape, extra) in layouts.items():
            node = helper.make_node("QLinearConv", names, ["y"], **window, **extra)
            x = random.choice([0, 2], shape).astype(np.uint8)
            seconds = measure(node, x, np.empty(shape, np.uint8), weights)
            multiply_accumulates(f"{PEER} QLinearConv {layout}", "conv", (size, size, channels), count, seconds)
        shape = layouts["NCHW"][0]
        node = helper.make_node("Conv", ["x", "w"], ["y"], **window)
        x = random.choice([-1, 1], shape).astype(np.float32)
        seconds = measure(node, x, np.empty(shape, np.float32), {"w": w.astype(np.float32)})
        multiply_accumulates(f"{PEER} Conv f32", "conv", (size, size, channels), count, seconds)


{"gemm": gemm, "conv": conv}.get(sys.argv[1], lambda: None)()
