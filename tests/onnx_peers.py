"""Other engines' word on ONNX files: onnx, onnxruntime and qonnx from PyPI.

    python3 tests/onnx_peers.py run FOLDER    N.onnx in onnxruntime and N.qonnx in qonnx on N.images give N.logits
    python3 tests/onnx_peers.py make FOLDER   writes nets as other tools do: NAME.onnx, NAME.images, NAME.npy (logits)
"""

import os
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.core.onnx_exec import execute_onnx

warnings.filterwarnings("ignore")
QONNX = "qonnx.custom_op.general"
LIBRARY = os.environ.get("BERNET_ONNXRUNTIME")


def run_standard(model, images):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def run_packed(path, images):
    """bernet's own operators, from the library that BERNET_ONNXRUNTIME names."""
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(LIBRARY)
    session = onnxruntime.InferenceSession(str(path), options)
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def run_qonnx(model, images):
    """One image after the other."""
    wrapper = ModelWrapper(model).transform(InferShapes())
    name, output = wrapper.graph.input[0].name, wrapper.graph.output[0].name
    return np.concatenate([execute_onnx(wrapper, {name: image[None]})[output] for image in images])


def run(folder):
    for standard in sorted(folder.glob("*.onnx")):
        model = onnx.load(standard)
        onnx.checker.check_model(model, full_check=True)
        tensor = model.graph.input[0].type.tensor_type
        shape = [dim.dim_value for dim in tensor.shape.dim][1:]
        images = np.fromfile(standard.with_suffix(".images"), np.uint8).reshape(-1, *shape)
        if tensor.elem_type == TensorProto.FLOAT:
            images = (images / np.float32(255)).astype(np.float32)
        expected = np.fromfile(standard.with_suffix(".logits"), np.float64).reshape(len(images), -1)
        qonnx = onnx.load(standard.with_suffix(".qonnx"))
        for engine, found in (("onnxruntime", run_standard(model, images)), ("qonnx", run_qonnx(qonnx, images))):
            if not np.allclose(found, expected, rtol=0, atol=3e-6 * np.abs(expected).max()):  # integers exactly, floats but for a rounding or two
                raise ValueError(f"{standard}: {engine}: expected {expected}, found {found}")
        packed = standard.with_suffix(".xnor")
        if LIBRARY and packed.exists() and not np.allclose(found := run_packed(packed, images), expected, rtol=0, atol=3e-6 * np.abs(expected).max()):
            raise ValueError(f"{packed}: expected {expected}, found {found}")
    print(len(list(folder.glob("*.onnx"))), "exported nets: onnxruntime and qonnx agree in every logit")


class Net:
    """A graph that grows node by node."""

    def __init__(self, dims, seed, elem_type=TensorProto.FLOAT):
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants, self.infos = [], [], []
        self.input = helper.make_tensor_value_info("x", elem_type, dims)
        self.last = "x"

    def constant(self, value, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, op, *inputs, first=None, domain="", **attributes):
        name = f"t{len(self.nodes)}"
        inputs = [first or self.last, *inputs]
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"{op}_{name}", domain=domain, **attributes))
        self.last = name
        return self

    def signs(self, *shape):
        return self.random.choice([-1.0, 1.0], shape)

    def eight_bits(self, shape, scale):
        """Real weights through a quantiser to 8 bits."""
        names = [self.constant(self.random.normal(0, 60 * scale, shape)), self.constant(scale), self.constant(0), self.constant(8)]
        name = f"eight{len(self.nodes)}"
        attributes = {"signed": 1, "narrow": 1, "rounding_mode": "ROUND"}
        self.nodes.append(helper.make_node("Quant", names, [name], domain=QONNX, **attributes))
        return name

    def norm(self, channels, negative=True):
        gamma = self.random.uniform(0.5, 2, channels) * (self.signs(channels) if negative else 1)
        parameters = [gamma, self.random.normal(0, 1, channels), self.random.normal(0, 3, channels), self.random.uniform(1, 90, channels)]
        return self.node("BatchNormalization", *map(self.constant, parameters), epsilon=1e-5)

    def norm_of_grey(self, channels, spread):
        parameters = [self.signs(channels), self.random.normal(0, 0.1, channels), self.random.normal(0, spread / 3, channels)]
        return self.node("BatchNormalization", *map(self.constant, [*parameters, np.full(channels, spread**2)]), epsilon=1e-5)

    def bipolar(self, scale=1.0):
        return self.node("BipolarQuant", self.constant(scale), domain=QONNX)

    def dense(self, rows, columns, scale=1.0):
        return self.node("MatMul", self.constant(self.signs(rows, columns) * scale))

    def conv(self, channels, outputs, kernel, scale=1.0, **attributes):
        return self.node("Conv", self.constant(self.signs(outputs, channels, kernel, kernel) * scale), **attributes)

    def choose(self, op, limit, yes, no):
        self.node(op, self.constant(limit))
        return self.node("Where", self.constant(yes), self.constant(no))

    def model(self, outputs, opset=13):
        output = helper.make_tensor_value_info(self.last, TensorProto.FLOAT, [1, outputs])
        graph = helper.make_graph(self.nodes, "net", [self.input], [output], self.constants)
        imports = [helper.make_opsetid("", opset), helper.make_opsetid(QONNX, 1)]
        return helper.make_model(graph, opset_imports=imports, ir_version=8)


def nets():
    image = [1, 1, 12, 12]

    net = Net(image, 1)
    net.node("Mul", net.constant(2)).node("Sub", net.constant(1)).bipolar().node("Flatten")
    net.dense(144, 33).norm(33).bipolar().dense(33, 20).norm(20).bipolar().dense(20, 7)
    yield "dense", net.model(7)

    net = Net(image, 2)
    net.node("Sub", net.constant(0.31)).bipolar(0.5)
    net.conv(1, 6, 3, 0.25, pads=[1, 1, 1, 1], strides=[2, 2]).norm(6).bipolar(2.0)
    net.conv(6, 9, 3).norm(9).bipolar().node("Flatten").dense(9 * 16, 5).norm(5)
    yield "conv_flatten", net.model(5)

    net = Net(image, 3)
    net.choose("Greater", 0.4, 1, -1).conv(1, 8, 3).node("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    net.norm(8).bipolar().conv(8, 5, 3).norm(5).bipolar().node("MaxPool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
    net.node("Flatten").dense(5 * 4, 6)
    yield "pooled_sums_and_bits", net.model(6)

    net = Net(image, 4)
    net.choose("Less", 0.4, -0.5, 0.5).conv(1, 8, 5).norm(8)
    net.choose("GreaterOrEqual", net.random.normal(0, 1, (8, 1, 1)), 1, 0)
    net.conv(8, 4, 3, pads=[1, 0, 1, 0]).norm(4).choose("LessOrEqual", 0.25, 1, -1)
    net.node("GlobalAveragePool").node("Flatten").dense(4, 6, 0.5)
    yield "zero_one_padding_average", net.model(6)

    net = Net(image, 5)
    net.node("Sub", net.constant(0.5)).bipolar()
    net.node("Pad", net.constant([0, 0, 1, 2, 0, 0, 2, 1], np.int64), net.constant(-1)).conv(1, 8, 4).norm(8).bipolar()
    net.node("Transpose", perm=[0, 2, 3, 1]).dense(8, 5)
    net.node("Mul", net.constant(net.random.uniform(-1, 1, 5))).node("Add", net.constant(net.random.normal(0, 2, 5))).bipolar()
    net.node("Reshape", net.constant([1, -1], np.int64)).dense(12 * 12 * 5, 4).node("Neg").node("Add", net.constant([1, 2, 3, 4]))
    yield "pixels_last", net.model(4)

    net = Net([1, 100], 6)
    net.choose("GreaterOrEqual", 0.5, 1, -1)
    net.node("Gemm", net.constant(net.signs(30, 100)), net.constant(net.random.normal(0, 3, 30)), transB=1, alpha=0.5, beta=2.0)
    net.choose("Greater", net.random.normal(0, 1, 30), 1, -1)
    net.node("Gemm", net.constant(net.signs(30, 8) * 0.1), net.constant(net.random.normal(0, 1, 8)))
    yield "gemm", net.model(8)

    net = Net(image, 7)
    net.node("Sub", net.constant(0.5)).node("Quant", net.constant(0.5), net.constant(0), net.constant(1), domain=QONNX, signed=1, narrow=1)
    weights = net.last
    raw = net.constant(net.random.normal(0, 1, (6, 1, 3, 3)))
    net.node("Quant", net.constant(0.25), net.constant(0), net.constant(1), first=raw, domain=QONNX, signed=1, narrow=1)
    net.node("Conv", net.last, first=weights).norm(6)
    net.node("Quant", net.constant(1.0), net.constant(0), net.constant(1), domain=QONNX, signed=0, narrow=0, rounding_mode="ROUND")
    net.node("Flatten").dense(600, 5)
    yield "quant", net.model(5)

    net = Net(image, 8)
    net.node("MultiThreshold", net.constant([[0.3]]), domain=QONNX, out_dtype="BIPOLAR", out_scale=2.0, out_bias=-1.0)
    net.conv(1, 6, 3)
    net.node("MultiThreshold", net.constant(net.random.integers(-3, 4, (6, 1))), domain=QONNX, out_dtype="BINARY")
    net.node("Slice", net.constant([1, 2], np.int64), net.constant([9, -1], np.int64), net.constant([2, 3], np.int64))
    net.conv(6, 5, 2, 0.5).norm(5).bipolar().conv(5, 3, 1).node("ReduceSum", net.constant([2, 3], np.int64), keepdims=0)
    yield "thresholds_and_ties", net.model(3)

    net = Net(image, 9)
    net.node("Sub", net.constant(0.5)).bipolar().conv(1, 5, 3).node("Add", net.constant(0.5)).node("Sign")
    net.node("Unsqueeze", net.constant([0], np.int64)).node("Squeeze", net.constant([0], np.int64))
    net.node("Identity").node("Dropout").conv(5, 4, 10).node("Flatten").node("Div", net.constant(-3))
    yield "sign_and_negative_scale", net.model(4)

    net = Net([1, 12, 12, 3], 10)
    net.node("Transpose", perm=[0, 3, 1, 2]).choose("Greater", 0.5, 1, -1).conv(3, 7, 5, strides=[3, 3], auto_pad="SAME_UPPER").norm(7).bipolar()
    net.node("GlobalAveragePool").node("Conv", net.constant(net.signs(4, 7, 1, 1)), net.constant(net.random.normal(0, 1, 4))).node("Flatten")
    yield "colours_last", net.model(4)

    net = Net(image, 11, TensorProto.UINT8)
    net.node("Cast", to=TensorProto.FLOAT).node("Sub", net.constant(100)).bipolar()
    net.conv(1, 6, 3).norm(6, False).bipolar().node("MaxPool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1).node("Flatten").dense(6 * 25, 4)
    yield "bytes", net.model(4)


    net = Net(image, 12)
    net.node("Sub", net.constant(0.1307)).node("Div", net.constant(0.3081)).conv(1, 9, 3, 0.5, strides=[2, 1]).norm_of_grey(9, 5.0).bipolar()
    net.conv(9, 5, 3).norm(5).bipolar().node("Flatten").dense(5 * 24, 4)
    yield "grey_normalised", net.model(4)

    net = Net([1, 3, 12, 12], 13, TensorProto.UINT8)
    net.node("Cast", to=TensorProto.FLOAT).conv(3, 10, 3, pads=[1, 1, 1, 1]).node("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    net.norm_of_grey(10, 700.0).bipolar().conv(10, 5, 3).norm(5).bipolar().node("Flatten").dense(5 * 16, 4).norm(4)
    yield "grey_bytes_padded", net.model(4)

    net = Net(image, 14)
    net.node("Quant", net.constant(1 / 255), net.constant(0), net.constant(8), domain=QONNX, signed=0, narrow=0, rounding_mode="ROUND")
    net.node("Mul", net.constant(2)).node("Sub", net.constant(1)).node("Flatten")
    net.dense(144, 33).norm_of_grey(33, 12.0).bipolar().dense(33, 6)
    yield "grey_quantised", net.model(6)

    # Real weights first and last, and those that are quantised to 8 bits.
    net = Net([1, 1, 12, 12], 15)
    net.node("Sub", net.constant(0.1307)).node("Div", net.constant(0.3081))
    net.node("Conv", net.constant(net.random.normal(0, 0.3, (9, 1, 3, 3))), net.constant(net.random.normal(0, 0.2, 9)), strides=[2, 2])
    net.norm_of_grey(9, 1.0).bipolar().conv(9, 12, 3).norm(12).node("MaxPool", kernel_shape=[3, 3]).bipolar().node("Flatten")
    net.node("Gemm", net.constant(net.random.normal(0, 0.1, (12, 5))), net.constant(net.random.normal(0, 0.1, 5)))
    yield "real_weights", net.model(5)

    net = Net([1, 1, 12, 12], 16)
    net.node("Conv", net.eight_bits((8, 1, 4, 4), 0.01), pads=[1, 1, 2, 2]).norm_of_grey(8, 1.0).bipolar(0.5)
    net.node("Flatten").dense(8 * 144, 20).norm(20).bipolar().node("MatMul", net.eight_bits((20, 6), 0.02))
    yield "weights_of_8_bits", net.model(6)


def make(folder):
    for name, model in nets():
        tensor = model.graph.input[0].type.tensor_type
        shape = [dim.dim_value for dim in tensor.shape.dim][1:]
        grey = np.random.default_rng(len(name)).integers(0, 256, (20, *shape), np.uint8)
        images = grey if tensor.elem_type == TensorProto.UINT8 else (grey / 255).astype(np.float32)
        custom = any(node.domain for node in model.graph.node)
        model = ModelWrapper(model).transform(InferShapes())
        logits = run_qonnx(model.model, images) if custom else np.concatenate([run_standard(model.model, image[None]) for image in images])
        onnx.save(model.model, folder / f"{name}.onnx")
        planes = np.moveaxis(grey, -1, 1) if shape[-1] == 3 else grey
        np.ascontiguousarray(planes).tofile(folder / f"{name}.images")
        np.save(folder / f"{name}.npy", logits.reshape(len(images), -1).astype(np.float32))


if __name__ == "__main__":
    {"run": run, "make": make}[sys.argv[1]](Path(sys.argv[2]))
