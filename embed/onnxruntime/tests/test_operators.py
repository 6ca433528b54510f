"""Every operator against the same net of ONNX Runtime's own operators: the numbers must be identical."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from graphs import Graph, pack, plus_minus, session
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.capi import onnxruntime_pybind11_state as errors

WORDS = TensorProto.UINT64


@pytest.fixture
def random():
    return np.random.default_rng(7)


@pytest.mark.parametrize("rows, columns", [(1, 1), (3, 63), (2, 64), (5, 65), (4, 300)])
def test_signs_of_a_matrix(random, rows, columns):
    x = random.standard_normal((rows, columns)).astype(np.float32)
    x[0, 0] = -0.0
    found = Graph([None, columns]).bernet("SignPack").run(x, WORDS)
    assert found.dtype == np.uint64
    assert (found == pack(x >= 0)).all()


@pytest.mark.parametrize("channels, width", [(1, 28), (3, 65), (64, 7), (33, 5)])
def test_signs_of_images(random, channels, width):
    x = random.standard_normal((2, channels, 3, width)).astype(np.float32)
    found = Graph([None, channels, 3, width]).bernet("SignPack").run(x, WORDS)
    lines = x.transpose(0, 2, 3, 1).reshape(2, 3, width * channels)
    assert (found == pack(lines >= 0)).all()


@pytest.mark.parametrize("depth, hidden, classes", [(1, 1, 2), (63, 65, 10), (784, 1024, 10), (1000, 33, 7)])
def test_dense_net(random, depth, hidden, classes):
    """Two dense layers, with thresholds of either direction between them, scales and biases at the end."""
    x = random.standard_normal((9, depth)).astype(np.float32)
    first, second = plus_minus(random, depth, hidden), plus_minus(random, hidden, classes)
    least = random.integers(-5, 6, hidden).astype(np.int32)
    invert = random.integers(0, 2, hidden).astype(np.int32)
    scale, bias = random.standard_normal((2, classes)).astype(np.float32)
    ours = Graph([None, depth]).bernet("SignPack").bernet("XnorMatMulSign", first, least, invert)
    plain = ours.bernet("XnorMatMul", second).run(x)
    # S < t is −S ≥ 1 − t.
    limit = np.where(invert, 1 - least, least).astype(np.float32)
    signs = np.where(invert, -1, 1).astype(np.float32)
    theirs = Graph([None, depth]).signs().node("MatMul", first).signs(limit, signs).node("MatMul", second)
    assert (plain == theirs.run(x)).all()
    ours = Graph([None, depth]).bernet("SignPack").bernet("XnorMatMulSign", first, least, invert)
    scaled = ours.bernet("XnorMatMul", second, scale, bias).run(x)
    assert scaled == pytest.approx(theirs.node("Mul", scale).node("Add", bias).run(x), rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("padding_value", [-1, 0, 1])
@pytest.mark.parametrize(
    "channels, outputs, size, kernel, strides, pads, dilations, group",
    [
        (1, 8, (28, 28), (6, 6), (2, 2), (0, 0, 0, 0), (1, 1), 1),
        (64, 64, (9, 9), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
        (33, 17, (7, 11), (3, 2), (2, 1), (1, 0, 2, 1), (1, 1), 1),
        (6, 4, (9, 8), (3, 3), (1, 1), (2, 2, 2, 2), (2, 2), 2),
        (8, 8, (5, 5), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 8),
    ],
)
def test_convolutions(random, channels, outputs, size, kernel, strides, pads, dilations, group, padding_value):
    """Two convolutions, the first with bits out, the second, 1×1, with numbers out."""
    shape = [None, channels, *size]
    x = random.standard_normal((3, channels, *size)).astype(np.float32)
    first, second = plus_minus(random, outputs, channels // group, *kernel), plus_minus(random, 5, outputs, 1, 1)
    least = random.integers(-5, 6, outputs).astype(np.int32)
    invert = random.integers(0, 2, outputs).astype(np.int32)
    window = dict(strides=strides, dilations=dilations, group=group)

    theirs, theirs_pads = Graph(shape).signs(), pads
    if padding_value:
        top, left, bottom, right = pads
        theirs.node("Pad", np.array([0, 0, top, left, 0, 0, bottom, right]), np.float32(padding_value))
        theirs_pads = (0, 0, 0, 0)
    theirs.node("Conv", first, kernel_shape=kernel, pads=theirs_pads, **window)
    width = theirs.run(x).shape[-1]
    limit = np.where(invert, 1 - least, least).astype(np.float32).reshape(-1, 1, 1)
    signs = np.where(invert, -1, 1).astype(np.float32).reshape(-1, 1, 1)
    expected = theirs.signs(limit, signs).node("Conv", second).run(x)

    ours = Graph(shape).bernet("SignPack")
    window |= dict(pads=pads, padding_value=padding_value)
    ours.bernet("XnorConv2dSign", first, least, invert, width=size[1], **window)
    found = ours.bernet("XnorConv2d", second, width=width).run(x)
    assert found.dtype == np.float32 and found.shape == expected.shape
    assert (found == expected).all()


def test_defaults(random):
    """Thresholds of 0, no padding, stride 1."""
    x, w = plus_minus(random, 2, 3, 6, 6), plus_minus(random, 4, 3, 3, 3)
    ours = Graph([None, 3, 6, 6]).bernet("SignPack").bernet("XnorConv2dSign", w, width=6).run(x, WORDS)
    sums = Graph([None, 3, 6, 6]).node("Conv", w).run(x)
    assert (ours == pack(sums.transpose(0, 2, 3, 1).reshape(2, 4, 16) >= 0)).all()


def test_many_threads(random):
    x, w = plus_minus(random, 64, 100), plus_minus(random, 100, 20)
    made = Graph([None, 100]).bernet("SignPack").bernet("XnorMatMul", w).session()
    run = lambda x: made.run(None, {"x": x})[0]
    assert run(x[:1]).shape == (1, 20)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(run, [x] * 64):
            assert (found == x @ w).all()


def fails(graph, x, text, kind=TensorProto.FLOAT):
    """The node is refused, by ONNX Runtime's own error, when the session is made or when it runs."""
    with pytest.raises(Exception, match=text) as raised:
        graph.run(x, kind)
    assert raised.type.__module__.startswith("onnxruntime")


def test_errors(random):
    w, x = plus_minus(random, 70, 4), plus_minus(random, 2, 70)
    packed = lambda: Graph([None, 70]).bernet("SignPack")
    fails(packed().bernet("XnorMatMul", w * 2), x, r"expected \+1 and -1, found -?2")
    fails(packed().bernet("XnorMatMul", w[:5]), x, "a: expected rows of 1 words, for a depth of 5, found 2")
    fails(packed().bernet("XnorMatMul", w[0]), x, "weights: expected 2 dimensions")
    fails(packed().bernet("XnorMatMul", w, np.ones(3, np.float32)), x, r"scale: expected the shape \[4\]")
    fails(packed().bernet("XnorMatMul", w[:66]), x, "a bit after the last column is set")
    fails(packed().bernet("XnorMatMulSign", w, np.zeros(5, np.int32)), x, r"at_least: expected the shape \[4\]", WORDS)
    fails(Graph([None, None, None]).bernet("SignPack"), x[None], "x: expected", WORDS)

    kernel, images = plus_minus(random, 4, 3, 3, 3), plus_minus(random, 2, 3, 5, 5)
    packed = lambda: Graph([None, 3, 5, 5]).bernet("SignPack")
    fails(packed().bernet("XnorConv2d", kernel), images, '"width": expected 1 to 4294967295, found 0')
    fails(packed().bernet("XnorConv2d", kernel, width=99), images, "x: expected lines of 5 words, for 99 pixels of 3 channels, found 1")
    fails(packed().bernet("XnorConv2d", kernel, width=5, padding_value=2), images, "padding_value.*expected -1, 0 or 1")
    fails(packed().bernet("XnorConv2d", kernel, width=5, strides=[0, 1]), images, '"strides": expected 1 to 4294967295, found 0')
    fails(packed().bernet("XnorConv2d", kernel, width=5, pads=[1, 1]), images, '"pads": expected 4 whole numbers, found 2')
    fails(packed().bernet("XnorConv2d", kernel, width=5, pads=[1] * 5), images, '"pads": expected 4 whole numbers, found 5')
    fails(packed().bernet("XnorConv2d", kernel, width=5, group=3), images, "multiple of the groups")
    fails(packed().bernet("XnorConv2d", kernel, width=5, strides=1.5), images, '"strides": expected 2 whole numbers, found none, or values of another type')
    fails(packed().bernet("XnorConv2d", kernel, width="5"), images, '"width": expected a whole number; the host says')
    fails(packed().bernet("XnorConv2d", kernel, width=2**32), images, '"width": expected 1 to 4294967295, found 4294967296')
    fails(packed().bernet("XnorConv2d", kernel, width=5, kernel_shape=[2, 3]), images, r'"kernel_shape": expected \[3, 3\]')
    fails(packed().bernet("XnorConv2d", kernel[..., :1, :1].repeat(6, 2), width=5), images, "height")


def test_errors_name_the_node(random):
    """When the session is made, in the class that README names; and when it runs, by the host."""
    w, images = plus_minus(random, 4, 3, 3, 3), plus_minus(random, 2, 3, 5, 5)
    packed = lambda: Graph([None, 3, 5, 5]).bernet("SignPack")
    for graph, text in [
        (packed().bernet("XnorConv2d", w * 2, width=5), "weights: expected"),
        (packed().bernet("XnorConv2d", w, width=5, stride=[2, 2]), 'attribute "stride": this operator has no such attribute'),
    ]:
        graph.nodes[-1].name = "stage3/conv"
        with pytest.raises(errors.RuntimeException, match=r'node "stage3/conv" \(bernet XnorConv2d\): ' + text):
            graph.session()
    graph = packed().bernet("XnorConv2d", w, width=99)
    graph.nodes[-1].name = "stage3/conv"
    made = graph.session()
    with pytest.raises(errors.InvalidArgument, match="XnorConv2d node. Name:'stage3/conv' Status Message: x: expected lines"):
        made.run(None, {"x": images})


@pytest.mark.parametrize(
    "name, value",
    [
        ("auto_pad", "SAME_UPPER"),
        ("auto_pad", "NOTSET"),
        ("stride", [2, 2]),
        ("Strides", [2, 2]),
        ("stirdes", [2, 2]),
        ("padding", 1),
        ("pad", [1, 1, 1, 1]),
        ("padss", [1, 1, 1, 1]),
        ("paddingValue", -1),
        ("padding_valeu", -1),
        ("dilation", [2, 2]),
        ("dilatoins", [2, 2]),
        ("groups", 3),
        ("widht", 5),
        ("ceil_mode", 1),
        ("channels", 3),
    ],
)
def test_unknown_attributes_are_refused(random, name, value):
    w, images = plus_minus(random, 4, 3, 3, 3), plus_minus(random, 2, 3, 5, 5)
    graph = Graph([None, 3, 5, 5]).bernet("SignPack").bernet("XnorConv2d", w, width=5, **{name: value})
    fails(graph, images, f'attribute "{name}": this operator has no such attribute; expected: dilations, group')


def test_attributes_of_other_operators_are_refused(random):
    x = plus_minus(random, 2, 70)
    fails(Graph([None, 70]).bernet("SignPack", threshold=0.5), x, '"threshold": this operator has no such attribute; expected: none', WORDS)
    fails(Graph([None, 70]).bernet("SignPack").bernet("XnorMatMul", plus_minus(random, 70, 4), transB=1), x, '"transB": this operator')


def test_inputs_may_be_left_out_before_others(random):
    w, x = plus_minus(random, 70, 4), plus_minus(random, 3, 70)
    scale, bias = random.standard_normal((2, 4)).astype(np.float32)
    packed = lambda: Graph([None, 70]).bernet("SignPack")
    assert (packed().bernet("XnorMatMul", w, None, bias).run(x) == x @ w + bias).all()
    assert (packed().bernet("XnorMatMul", w, scale, None).run(x) == scale * (x @ w)).all()
    invert = np.array([0, 1, 0, 1], np.int32)
    found = packed().bernet("XnorMatMulSign", w, None, invert).run(x, WORDS)
    assert (found == pack((x @ w >= 0) != invert.astype(bool))).all()
    kernel, images = plus_minus(random, 4, 3, 3, 3), plus_minus(random, 2, 3, 5, 5)
    found = Graph([None, 3, 5, 5]).bernet("SignPack").bernet("XnorConv2d", kernel, None, bias, width=5).run(images)
    assert (found == Graph([None, 3, 5, 5]).node("Conv", kernel, bias).run(images)).all()
    fails(packed().bernet("XnorMatMul", None, scale), x, "input 1 is marked single but has an empty string|weights: there are none")


def test_no_images_are_no_error(random):
    w, kernel = plus_minus(random, 70, 65), plus_minus(random, 5, 3, 3, 2)
    none, images = np.zeros((0, 70), np.float32), np.zeros((0, 3, 5, 5), np.float32)
    rows = lambda: Graph([None, 70]).bernet("SignPack")
    packed = lambda: Graph([None, 3, 5, 5]).bernet("SignPack")
    for graph, x, kind, shape in [
        (rows(), none, WORDS, (0, 2)),
        (rows().bernet("XnorMatMul", w), none, TensorProto.FLOAT, (0, 65)),
        (rows().bernet("XnorMatMulSign", w), none, WORDS, (0, 2)),
        (packed(), images, WORDS, (0, 5, 1)),
        (packed().bernet("XnorConv2d", kernel, width=5), images, TensorProto.FLOAT, (0, 5, 3, 4)),
        (packed().bernet("XnorConv2dSign", kernel, width=5), images, WORDS, (0, 3, 1)),
        (packed().bernet("MaxPoolBits", width=5, channels=3, kernel_shape=[2, 2]), images, WORDS, (0, 4, 1)),
    ]:
        assert graph.run(x, kind).shape == shape


@pytest.mark.parametrize("pads", [[200_000] * 4, [2**31] * 4, [2**32 - 1] * 4])
def test_too_much_padding_is_an_error_and_not_the_end(random, pads):
    """Each output takes more memory than any machine has."""
    w, images = plus_minus(random, 4, 3, 3, 3), plus_minus(random, 2, 3, 5, 5)
    packed = lambda: Graph([None, 3, 5, 5]).bernet("SignPack")
    fails(packed().bernet("XnorConv2d", w, width=5, pads=pads), images, "memory|overflow|fits")
    if pads[0] > 200_000:
        fails(packed().bernet("XnorConv2dSign", w, width=5, pads=pads), images, "memory|overflow|fits", WORDS)
        window = dict(kernel_shape=[2, 2], pads=pads)
        fails(packed().bernet("MaxPoolBits", width=5, channels=3, **window), images, "memory|overflow|fits", WORDS)


def unaligned(array):
    """The same values, a byte further on."""
    buffer = np.zeros(array.nbytes + 8, np.uint8)
    start = 1 - buffer.ctypes.data % 8 + 8 if buffer.ctypes.data % 8 > 1 else 1 - buffer.ctypes.data % 8
    values = buffer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    values[...] = array
    assert values.ctypes.data % 4 != 0
    return values


def test_bound_buffers_may_lie_anywhere(random):
    w, x = plus_minus(random, 70, 4), plus_minus(random, 6, 70)
    made = Graph([None, 70]).bernet("SignPack").bernet("XnorMatMul", w).session()
    x_there, out = unaligned(x), unaligned(np.zeros((6, 4), np.float32))
    binding = made.io_binding()
    binding.bind_input("x", "cpu", 0, np.float32, x.shape, x_there.ctypes.data)
    binding.bind_output(made.get_outputs()[0].name, "cpu", 0, np.float32, out.shape, out.ctypes.data)
    made.run_with_iobinding(binding)
    assert (out == x @ w).all()
    assert (made.run(None, {"x": x_there})[0] == x @ w).all()


def test_weights_that_are_computed(random):
    """Constants behind other operators, whether the host folds them or not; of an outer graph; and those that each run brings."""
    w, x = plus_minus(random, 4, 70), plus_minus(random, 3, 70)
    for level in (onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL):
        graph = Graph([None, 70]).bernet("SignPack")
        stored = graph.constant(w.astype(np.int8))
        graph.nodes.append(helper.make_node("Cast", [stored], ["float"], to=TensorProto.FLOAT))
        graph.nodes.append(helper.make_node("Transpose", ["float"], ["w"], perm=[1, 0]))
        graph.nodes.append(helper.make_node("XnorMatMul", [graph.last, "w"], ["y"], domain="bernet"))
        graph.last = "y"
        made = graph.session(level=level)
        assert (made.run(None, {"x": x})[0] == x @ w.T).all()
        assert (made.run(None, {"x": -x})[0] == -x @ w.T).all()

    graph = Graph([None, 70]).bernet("SignPack")
    graph.more.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [70, None]))
    graph.nodes.append(helper.make_node("XnorMatMul", [graph.last, "w"], ["y"], domain="bernet"))
    graph.last = "y"
    made = graph.session()
    for weights in (w.T, -w.T, w.T[:, :2], w.T):
        assert (made.run(None, {"x": x, "w": np.ascontiguousarray(weights)})[0] == x @ weights).all()
    with pytest.raises(errors.InvalidArgument, match=r"weights: expected \+1 and -1, found 3"):
        made.run(None, {"x": x, "w": 3 * np.ones((70, 4), np.float32)})

    branch = lambda name: helper.make_graph(
        [
            helper.make_node("SignPack", ["x"], ["p" + name], domain="bernet"),
            helper.make_node("XnorMatMul", ["p" + name, "w"], ["y" + name], domain="bernet"),
        ],
        name,
        [],
        [helper.make_tensor_value_info("y" + name, TensorProto.FLOAT, None)],
    )
    graph = Graph([None, 70])
    graph.constants.append(numpy_helper.from_array(np.ascontiguousarray(w.T), "w"))
    graph.more.append(helper.make_tensor_value_info("c", TensorProto.BOOL, []))
    graph.nodes.append(helper.make_node("If", ["c"], ["y"], then_branch=branch("a"), else_branch=branch("b")))
    graph.last = "y"
    assert (graph.session().run(None, {"x": x, "c": np.array(True)})[0] == x @ w.T).all()


def test_max_pool(random):
    x = random.choice([-1, -1, -1, 1], (2, 5, 9, 8)).astype(np.float32)
    window = dict(kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1])
    expected = Graph([None, 5, 9, 8]).node("MaxPool", **window).run(x)
    found = Graph([None, 5, 9, 8]).bernet("SignPack").bernet("MaxPoolBits", width=8, channels=5, **window).run(x, WORDS)
    lines = expected.transpose(0, 2, 3, 1).reshape(2, expected.shape[2], -1)
    assert (found == pack(lines > 0)).all()


@pytest.mark.parametrize(
    "net, expected",
    [("mnist", 9792), ("mnist-bernoulli", 9783), ("mnist-grey", 9752), ("mnist-lenet", 9899), ("mnist-small", 9729), ("mnist-small-8k", 9887)],
)
def test_trained_nets_exported_both_ways(net, expected):
    """A shipped net on the whole test set: all logits identical, and as many digits right as everywhere else."""
    folder = Path(os.environ["BERNET_EXPORTED"])
    images, labels = (np.fromfile(folder / name, np.uint8) for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"))
    images, labels = images[16:].reshape(-1, 1, 28, 28), labels[8:]
    ours, theirs = (session(str(folder / f"{net}.{kind}.onnx")) for kind in ("xnor", "standard"))
    # A net of grey values reads them as they are.
    if ours.get_inputs()[0].type == "tensor(float)":
        images = images / np.float32(255)
    right = 0
    for at in range(0, len(images), 1000):
        x = images[at : at + 1000]
        logits = ours.run(None, {"image": x})[0]
        assert (logits == theirs.run(None, {"image": x})[0]).all()
        right += (logits.argmax(1) == labels[at : at + 1000]).sum()
    assert right == expected
