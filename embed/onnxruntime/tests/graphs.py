"""Graphs of bernet's operators, and the same nets of standard operators, for the tests and the comparison of speed."""

import os

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

LIBRARY = os.environ["BERNET_ONNXRUNTIME"]


class Graph:
    """A graph that grows node by node, each reading the one before."""

    def __init__(self, shape, kind=TensorProto.FLOAT):
        self.nodes, self.constants, self.more = [], [], []
        self.input = helper.make_tensor_value_info("x", kind, shape)
        self.last = "x"

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op, *constants, **attributes):
        """A node that reads the last one's output, then constants; what is None is left out."""
        names = ["" if value is None else self.constant(value) for value in constants]
        output = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [self.last, *names], [output], name=output, **attributes))
        self.last = output
        return self

    def bernet(self, op, *constants, **attributes):
        return self.node(op, *constants, domain="bernet", **attributes)

    def signs(self, limit=np.float32(0), signs=np.float32(1)):
        """±1 of x · signs ≥ limit, in standard operators."""
        self.node("Mul", signs).node("GreaterOrEqual", limit)
        return self.node("Where", np.float32(1), np.float32(-1))

    def session(self, kind=TensorProto.FLOAT, version=1, **options):
        output = helper.make_tensor_value_info(self.last, kind, None)
        graph = helper.make_graph(self.nodes, "graph", [self.input, *self.more], [output], self.constants)
        domains = [helper.make_opsetid("", 17), helper.make_opsetid("bernet", version), helper.make_opsetid("com.microsoft", 1)]
        return session(helper.make_model(graph, opset_imports=domains, ir_version=8).SerializeToString(), **options)

    def run(self, x, kind=TensorProto.FLOAT):
        return self.session(kind).run(None, {"x": x})[0]


def session(model, threads=1, level=onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 4
    options.register_custom_ops_library(LIBRARY)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def plus_minus(random, *shape):
    return random.choice([-1, 1], shape).astype(np.float32)


def pack(bits):
    """The last axis as little-endian words of 64 bits."""
    pad = -bits.shape[-1] % 64
    bits = np.pad(bits, [(0, 0)] * (bits.ndim - 1) + [(0, pad)])
    return np.packbits(bits, axis=-1, bitorder="little").view(np.uint64)
