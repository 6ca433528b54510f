"""Every operator against the same net of ONNX Runtime's own operators: the numbers must be identical."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from graphs import Graph, pack, plus_minus, session
from onnx import TensorProto, helper

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


def test_empty_batches_and_many_threads(random):
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
    fails(packed().bernet("XnorConv2d", kernel), images, '"width": expected at least 1')
    fails(packed().bernet("XnorConv2d", kernel, width=99), images, "x: expected lines of 5 words, for 99 pixels of 3 channels, found 1")
    fails(packed().bernet("XnorConv2d", kernel, width=5, padding_value=2), images, "padding_value.*expected -1, 0 or 1")
    fails(packed().bernet("XnorConv2d", kernel, width=5, strides=[0, 1]), images, '"strides": expected at least 1, found 0')
    fails(packed().bernet("XnorConv2d", kernel, width=5, pads=[1, 1]), images, '"pads": expected 4 numbers, found 2')
    fails(packed().bernet("XnorConv2d", kernel, width=5, pads=[1] * 5), images, "XnorConv2d|buffer")
    fails(packed().bernet("XnorConv2d", kernel, width=5, group=3), images, "multiple of the groups")
    fails(packed().bernet("XnorConv2d", kernel, width=5, strides=1.5), images, "strides")
    fails(packed().bernet("XnorConv2d", kernel[..., :1, :1].repeat(6, 2), width=5), images, "height")


def test_weights_must_be_constants(random):
    graph = Graph([2, 70]).bernet("SignPack")
    graph.nodes.append(helper.make_node("XnorMatMul", [graph.last, "x"], ["y"], domain="bernet"))
    graph.last = "y"
    fails(graph, plus_minus(random, 2, 70), "weights: expected an initialiser")


def test_max_pool(random):
    x = random.choice([-1, -1, -1, 1], (2, 5, 9, 8)).astype(np.float32)
    window = dict(kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1])
    expected = Graph([None, 5, 9, 8]).node("MaxPool", **window).run(x)
    found = Graph([None, 5, 9, 8]).bernet("SignPack").bernet("MaxPoolBits", width=8, channels=5, **window).run(x, WORDS)
    lines = expected.transpose(0, 2, 3, 1).reshape(2, expected.shape[2], -1)
    assert (found == pack(lines > 0)).all()


def test_a_trained_net_exported_both_ways():
    """The shipped net on the whole test set: all logits identical, and as many digits right as everywhere else."""
    folder = Path(os.environ["BERNET_EXPORTED"])
    images, labels = (np.fromfile(folder / name, np.uint8) for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"))
    images, labels = images[16:].reshape(-1, 1, 28, 28), labels[8:]
    ours, theirs = (session(str(folder / name)) for name in ("xnor.onnx", "standard.onnx"))
    right = 0
    for at in range(0, len(images), 1000):
        x = (images[at : at + 1000] / np.float32(255)).astype(np.float32)
        logits = ours.run(None, {"image": x})[0]
        assert (logits == theirs.run(None, {"image": x})[0]).all()
        right += (logits.argmax(1) == labels[at : at + 1000]).sum()
    assert right == 9792
