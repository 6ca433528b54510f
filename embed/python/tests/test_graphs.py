"""Nets of any inputs and outputs, and files of other tools."""

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bernet
import numpy as np
import pytest

ROOT = Path(os.environ.get("BERNET_ROOT", Path(__file__).parents[3]))
GRAPH = ROOT / "tests" / "golden" / "graph"
ONNX = ROOT / "tests" / "golden" / "onnx"
ZOO = Path(os.environ.get("BERNET_ZOO", "/nowhere"))
INPUTS = ["x", "gate", "bytes", "shift"]
OUTPUTS = ["logits", "high", "half", "shifted"]


@pytest.fixture(scope="module")
def net():
    return bernet.load(GRAPH / "net.bnet")


@pytest.fixture(scope="module")
def arrays():
    return {name: np.load(GRAPH / f"{name}.npy") for name in INPUTS + OUTPUTS}


def check(found, arrays):
    assert list(found) == OUTPUTS
    for name in OUTPUTS:
        assert found[name].dtype == arrays[name].dtype and found[name].shape == arrays[name].shape
        assert (found[name] == arrays[name]).all()
        assert found[name].flags.c_contiguous


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("level", ["portable", None])
def test_every_type(arrays, level, threads):
    net = bernet.load(GRAPH / "net.bnet", level=level, threads=threads)
    check(net.run({name: arrays[name] for name in INPUTS}), arrays)


def test_ways_to_hand_arrays_in(net, arrays):
    x, gate, other, shift = (arrays[name] for name in INPUTS)
    check(net.run(x=x, gate=gate, bytes=other, shift=shift), arrays)
    check(net.run({"x": x, "gate": gate}, bytes=other, shift=shift), arrays)
    # Lists, other types with the same values, other strides, booleans for bits.
    check(net.run(x=x.tolist(), gate=gate.tolist(), bytes=other.tolist(), shift=shift.tolist()), arrays)
    check(net.run(x=x.astype(">f8"), gate=gate > 0, bytes=other.astype(np.int64), shift=shift.astype(np.int16)), arrays)
    check(net.run(x=np.asfortranarray(x), gate=gate.astype(np.int8), bytes=np.repeat(other, 2, 0)[::2], shift=shift), arrays)


def test_batches_of_any_size(net, arrays):
    for items in (0, 1, 200):
        repeated = {name: np.resize(arrays[name], (items, *arrays[name].shape[1:])) for name in INPUTS}
        found = net.run(repeated)
        for name in OUTPUTS:
            assert (found[name] == np.resize(arrays[name], (items, *arrays[name].shape[1:]))).all()


def test_what_is_in_it(net):
    assert [(one.name, one.shape, one.dtype, one.pixels) for one in net.inputs] == [
        ("x", [None, 3, 6, 5], "float32", None),
        ("gate", [None, 8], "bit", None),
        ("bytes", [None, 8], "uint8", None),
        ("shift", [None, 1], "int32", None),
    ]
    assert [(one.name, one.shape, one.dtype) for one in net.outputs][1] == ("high", [None, 8, 6, 5], "bit")
    assert net.metadata["licence"] == "MIT"
    layers = {layer.name: layer for layer in net.layers if layer.name}
    stem, binary, dense = (layers[name] for name in ("stem", "binary", "dense"))
    assert stem.operator == "conv" and stem.shape == (6, 5, 8) and stem.weights.shape == (8, 3, 3, 3)
    assert stem.bias.dtype == np.float32 and stem.bias.shape == (8,)
    assert binary.operator == "binary conv" and binary.dtype == "int32" and binary.bias is None
    assert binary.weights.dtype == np.int8 and set(np.unique(binary.weights)) == {-1, 1}
    assert binary.weights[1, 0, 0].tolist() == [1 if (7 + 5 * column) % 3 == 1 else -1 for column in range(8)]
    assert dense.weights.shape == (4, 8)
    assert "x float32 (n, 3, 6, 5)" in repr(net) and "float32 (n, 3, 6, 5)" in repr(net.inputs[0]) and "conv" in repr(stem)


def test_bytes_files_and_pickles(net, arrays, tmp_path):
    assert net.to_bytes() == (GRAPH / "net.bnet").read_bytes()
    net.save(tmp_path / "again.bnet")
    inputs = {name: arrays[name] for name in INPUTS}
    for same in (bernet.load(tmp_path / "again.bnet"), pickle.loads(pickle.dumps(net)), bernet.load(net.to_bytes())):
        check(same.run(inputs), arrays)


def test_many_threads_at_once(net, arrays):
    inputs = {name: np.repeat(arrays[name], 50, 0) for name in INPUTS}
    expected = np.repeat(arrays["logits"], 50, 0)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: net.run(inputs), range(20)):
            assert (found["logits"] == expected).all()


WRONG = [
    (dict(x=np.zeros((3, 6, 5, 3), np.float32)), ValueError, r'input "x": expected the shape \(n, 3, 6, 5\), found \(3, 6, 5, 3\); x.transpose\(0, 3, 1, 2\)'),
    (dict(x=np.zeros((3, 6, 5), np.float32)), ValueError, r"x\[None\] makes a batch"),
    (dict(x=np.zeros((2, 3, 6, 5), np.float32)), ValueError, 'input "gate": expected 2 items, as "x" has, found 3'),
    (dict(x=np.zeros((3, 3, 6, 5), complex)), TypeError, 'input "x": expected numbers, found an array of complex128'),
    (dict(x=None), ValueError, r'input "x": expected the shape .*found \(\)'),
    (dict(x="picture.png"), (TypeError, ValueError), 'input "x": expected'),
    (dict(x=[[1.0], [2.0, 3.0]]), ValueError, 'input "x": expected'),
    (dict(gate=np.zeros((3, 8), np.float32)), ValueError, 'input "gate": expected bool, or numbers -1 and 1'),
    (dict(gate=np.zeros((3, 8), object)), (TypeError, ValueError), 'input "gate"'),
    (dict(bytes=np.full((3, 8), 256)), ValueError, 'input "bytes": expected integers from 0 to 255, found 256'),
    (dict(bytes=np.full((3, 8), -1)), ValueError, "found -1"),
    (dict(bytes=np.full((3, 8), 2.7)), TypeError, "expected integers from 0 to 255, found an array of float64"),
    (dict(shift=np.full((3, 1), 2**31)), ValueError, "integers of 32 bits, found 2147483648"),
    (dict(shift=[[True]] * 3), TypeError, "integers of 32 bits, found an array of bool"),
    (dict(y=np.zeros(3)), ValueError, 'input "y": expected one of "x", "gate", "bytes", "shift"'),
    (dict(x=np.broadcast_to(np.float32(0), (2**50, 3, 6, 5))), (MemoryError, ValueError), ""),
]


@pytest.mark.parametrize("change, error, text", WRONG)
def test_wrong_arrays(net, arrays, change, error, text):
    with pytest.raises(error, match=text or None):
        net.run({**{name: arrays[name] for name in INPUTS}, **change})


def test_wrong_calls(net, arrays):
    inputs = {name: arrays[name] for name in INPUTS}
    with pytest.raises(ValueError, match='input "gate": no array was given'):
        net.run(x=arrays["x"])
    with pytest.raises(ValueError, match='input "x": given twice'):
        net.run(inputs, x=arrays["x"])
    with pytest.raises(ValueError, match="the net has 4"):
        net.run(arrays["x"])
    for method in (net.predict, net.logits, net.real_logits):
        with pytest.raises(ValueError, match="one input and one output, found 4 and 4.*model.run"):
            method(np.zeros((1, 6, 5, 3), np.uint8))
    with pytest.raises(ValueError, match="run"):
        net.classes
    assert net.threshold is None and net.input_shape == (6, 5, 3)


def test_onnx():
    """Nets that other tools wrote: the classes that onnxruntime gives."""
    files = sorted(ONNX.glob("*.onnx"))
    assert len(files) >= 10
    for path in files:
        net = bernet.load(path)
        expected = np.load(path.with_suffix(".npy"))
        pixels = np.frombuffer(path.with_suffix(".images").read_bytes(), np.uint8)
        (one,) = net.inputs
        # They are in the order image, channel, line, pixel.
        if path.name == "colours_last.onnx":
            _, height, width, channels = one.shape
            pixels = pixels.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        pixels = pixels.reshape(len(expected), *one.shape[1:])
        x = pixels if one.dtype == "uint8" else (pixels / np.float32(255)).astype(np.float32)
        (found,) = net.run(x).values()
        scale = np.abs(expected).max()
        assert np.abs(found.reshape(expected.shape) - expected).max() <= 1e-5 * scale, path.name
        again = bernet.load(path.read_bytes()).run({one.name: x})
        assert (next(iter(again.values())) == found).all()
        if one.dtype == "float32" and net.outputs[0].shape[1:] == list(expected.shape[1:]):
            assert (net.predict(x) == found.argmax(1)).all()
            assert (net.real_logits(x) == found).all()


def test_pictures_for_inputs_of_floats():
    """What pixels become is said, by the file or by the caller, and never guessed."""
    path = next(path for path in sorted(ONNX.glob("*.onnx")) if bernet.load(path).inputs[0].dtype == "float32")
    unsaid, said = bernet.load(path), bernet.load(path, pixels="0..1")
    assert unsaid.notes and unsaid.inputs[0].pixels is None and said.inputs[0].pixels.startswith("pixel *")
    images = np.random.default_rng(1).integers(0, 256, (5, *said.input_shape)).astype(np.uint8)
    with pytest.raises(ValueError, match=r"does not say what a picture's pixels become.*pixels=\"0..1\""):
        unsaid.predict(images)
    classes = said.predict(images)
    assert classes.shape == (5,) and (classes == said.real_logits(images).argmax(1)).all()
    with pytest.raises(ValueError, match="pixels: expected 0..1, 0..255, -1..1 or mean=M,std=S"):
        bernet.load(path, pixels="0..2")
    with pytest.raises(ValueError, match="expected an input of floats, found bit"):
        bernet.load(ROOT / "models" / "mnist.bnet", pixels="0..1")


def test_wrong_files_of_other_tools(tmp_path):
    for name, data, text in [
        ("net.onnx", b"no net", "net.onnx: "),
        ("net.onnx", b"", "net.onnx: "),
        ("net.tflite", b"\x1c\0\0\0TFL3" + b"\0" * 40, "net.tflite: "),
        ("net.bnet", b"no net", "net.bnet: not a .bnet file"),
    ]:
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ValueError, match=text):
            bernet.load(path)
    path = next(iter(sorted(ONNX.glob("*.onnx"))))
    data = path.read_bytes()
    for end in range(0, len(data), max(1, len(data) // 50)):
        with pytest.raises(ValueError):
            bernet.load(data[:end])


def test_nets_that_come_along():
    images, labels = bernet.mnist()[1]
    nets = [("mnist", 0.96), ("mnist-bernoulli", 0.96), ("mnist-exact", 0.96), ("mnist-grey", 0.9), ("mnist-lenet", 0.98)]
    nets += [("mnist-small", 0.95), ("mnist-small-4k", 0.96), ("mnist-small-8k", 0.97)]
    for name, least in nets:
        net = bernet.pretrained(name)
        assert (net.predict(images[:2000]) == labels[:2000]).mean() > least, name
        assert net.to_bytes() == bernet.load(ROOT / "models" / f"{name}.bnet").to_bytes()
    assert bernet.pretrained().metadata == bernet.pretrained("mnist").metadata
    with pytest.raises(ValueError, match='name: expected one of "mnist".*found "mnsit"'):
        bernet.pretrained("mnsit")


@pytest.mark.skipif(not (ZOO / "quicknet.tflite").exists(), reason="BERNET_ZOO is not a folder with quicknet.tflite and quicknet.npz")
def test_quicknet():
    """A residual net of Larq: the same numbers as the command line's, and LCE's logits."""
    net = bernet.load(ZOO / "quicknet.tflite", threads=2)
    arrays = np.load(ZOO / "quicknet.npz")
    (found,) = net.run(arrays["x"]).values()
    assert np.abs(found - arrays["logits"]).max() <= 1e-4 * np.abs(arrays["logits"]).max()
    assert (net.predict(arrays["x"]) == arrays["logits"].argmax(1)).all()
    if expected := os.environ.get("BERNET_QUICKNET"):
        assert (found == np.load(expected)).all()
