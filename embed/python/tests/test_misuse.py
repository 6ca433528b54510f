"""What people do wrong: each is an error of the promised class that names the argument and says what would be right, within seconds."""

import os
import pickle
from pathlib import Path

import bernet
import numpy as np
import pytest

ROOT = Path(os.environ.get("BERNET_ROOT", Path(__file__).parents[3]))
MODEL = ROOT / "models" / "mnist.bnet"
MANY = 2**70
GREY = "expected an array of uint8"
SHAPE = r"images: expected the shape \(n, 28, 28\), found "
NET = '[input]\nheight = 28\nwidth = 28\nchannels = 1\n[[layer]]\nkind = "expectation"\nclasses = %d\n'


class Thing:
    """An object of no use."""


LOAD = [
    (dict(source=None), TypeError, "source: expected a path, or the bytes of a file, found .*NoneType"),
    (dict(source=7), TypeError, "source: expected a path"),
    (dict(source=[MODEL]), TypeError, "source: expected a path"),
    (dict(source=memoryview(b"net")), TypeError, "source: expected a path.*memoryview"),
    (dict(source=Thing()), TypeError, "source: expected a path.*Thing"),
    (dict(source=b""), ValueError, "not a .bnet file"),
    (dict(source=b"\0" * 1000), ValueError, "not a .bnet file"),
    (dict(source=bytearray(b"models/mnist.bnet")), ValueError, "not a .bnet file"),
    (dict(source=""), OSError, ""),
    (dict(source="nowhere.bnet"), FileNotFoundError, "nowhere.bnet"),
    (dict(source="/"), OSError, ""),
    (dict(source="no\0where"), (OSError, ValueError), ""),
    (dict(source=os.devnull), ValueError, "not a .bnet file"),
    (dict(source=__file__), ValueError, "not a .bnet file"),
    (dict(level="fastest"), ValueError, "no such level"),
    (dict(level="AVX2"), ValueError, "no such level"),
    (dict(level="simd128"), ValueError, "this CPU does not have it"),
    (dict(level=3), TypeError, "level"),
    (dict(threads=0), ValueError, "threads: expected 1 to .*, found 0"),
    (dict(threads=-1), ValueError, "threads: .*found -1"),
    (dict(threads=100_000), ValueError, "threads: expected 1 to .*, found 100000"),
    (dict(threads=MANY), ValueError, f"threads: .*found {MANY}"),
    (dict(threads=1.5), TypeError, "threads: expected an integer, found .*float"),
    (dict(threads="2"), TypeError, "threads: expected an integer, found .*str"),
    (dict(pixels="0..2"), ValueError, "pixels: expected 0..1, 0..255"),
    (dict(pixels="0..1"), ValueError, "expected an input of floats, found bit"),
    (dict(pixels=1), TypeError, "pixels"),
    (dict(threads=True), TypeError, "threads: expected an integer, found .*bool"),
    (dict(thread=2), TypeError, "thread"),
]


@pytest.mark.parametrize("arguments, error, text", LOAD)
def test_load(arguments, error, text):
    with pytest.raises(error, match=text or None):
        bernet.load(**{"source": MODEL, **arguments})


IMAGES = [
    (np.zeros((2, 28, 28)), TypeError, GREY + r".*float64; if they are from 0 to 1: \(images \* 255\)"),
    (np.zeros((2, 28, 28), np.float16), TypeError, GREY + ".*float16"),
    (np.zeros((2, 28, 28), np.int64), TypeError, GREY + r".*int64; if they are from 0 to 255: images.astype"),
    (np.zeros((2, 28, 28), np.int8), TypeError, GREY + ".*int8"),
    (np.zeros((2, 28, 28), np.uint16), TypeError, GREY + ".*uint16"),
    (np.zeros((2, 28, 28), bool), TypeError, GREY + r".*bool; images.astype\(numpy.uint8\) \* 255"),
    (np.zeros((2, 28, 28), complex), TypeError, GREY + ".*complex"),
    (np.zeros((2, 28, 28), object), TypeError, GREY + ".*object"),
    (np.zeros((2, 28, 28), "S1"), TypeError, GREY),
    (np.zeros(2, "datetime64[s]"), TypeError, GREY),
    (np.zeros(3, [("x", np.uint8)]), TypeError, GREY),
    ([[0.5] * 784], TypeError, "images: expected whole numbers from 0 to 255, found a list of float64"),
    ([[0] * 783 + [256]], ValueError, "images: expected numbers from 0 to 255, found 0 to 256"),
    ([[0] * 783 + [-1]], ValueError, "images: expected numbers from 0 to 255, found -1 to 0"),
    ([[0] * 784, [0] * 783], ValueError, "images: expected"),
    ([[None] * 784], TypeError, "images: expected whole numbers"),
    (b"\0" * 784, TypeError, GREY + ".*bytes"),
    ("digits.png", TypeError, GREY + ".*str"),
    (None, TypeError, GREY + ".*NoneType"),
    (7, TypeError, GREY + ".*int"),
    (Thing(), TypeError, GREY + ".*Thing"),
    (np.uint8(7), TypeError, GREY),
    (np.zeros((), np.uint8), ValueError, SHAPE + r"\(\)"),
    (np.zeros(784, np.uint8), ValueError, SHAPE + r"\(784,\)"),
    (np.zeros((28, 28), np.uint8), ValueError, SHAPE + r"\(28, 28\); images\[None\] makes a batch"),
    (np.zeros((28, 28, 1), np.uint8), ValueError, SHAPE + r"\(28, 28, 1\); images\[None\] makes a batch"),
    (np.zeros((2, 1, 28, 28), np.uint8), ValueError, SHAPE + r"\(2, 1, 28, 28\); images\[:, 0\] has that shape"),
    (np.zeros((2, 3, 28, 28), np.uint8), ValueError, SHAPE),
    (np.zeros((2, 28, 28, 3), np.uint8), ValueError, SHAPE + r"\(2, 28, 28, 3\)"),
    (np.zeros((2, 64, 64), np.uint8), ValueError, SHAPE + r"\(2, 64, 64\)"),
    (np.zeros((2, 28, 27), np.uint8), ValueError, SHAPE),
    (np.zeros((2, 785), np.uint8), ValueError, SHAPE),
    (np.zeros((0, 0, 0), np.uint8), ValueError, SHAPE),
    (np.zeros((1, 2, 28, 28, 1), np.uint8), ValueError, SHAPE),
    (np.broadcast_to(np.uint8(0), (2**50, 28, 28)), MemoryError, "no memory for a contiguous copy"),
]


@pytest.mark.parametrize("method", ["predict", "logits", "real_logits"])
@pytest.mark.parametrize("images, error, text", IMAGES)
def test_predict(images, error, text, method):
    model = bernet.load(MODEL)
    with pytest.raises(error, match=text or None):
        getattr(model, method)(images)


def digits(count=60):
    """Images of noise and labels of every class."""
    random = np.random.default_rng(1)
    return random.integers(0, 256, (count, 28, 28)).astype(np.uint8), np.arange(count) % 10


X, Y = digits()
TRAIN = [
    (dict(labels=Y + 0.7), TypeError, "labels: expected integers from 0 to 9, found an array of float64"),
    (dict(labels=Y.astype(float)), TypeError, "labels: expected integers"),
    (dict(labels=[4.7] * 60), TypeError, "labels: expected integers"),
    (dict(labels=Y.astype(str)), TypeError, "labels: expected integers"),
    (dict(labels=Y.astype(bool)), TypeError, "labels: expected integers"),
    (dict(labels=[None] * 60), TypeError, "labels: expected integers"),
    (dict(labels=Y.astype(object)), TypeError, "labels: expected integers"),
    (dict(labels=[MANY] * 60), TypeError, "labels: expected integers"),
    (dict(labels=None), (TypeError, ValueError), r"labels: expected the shape \(60,\)"),
    (dict(labels=7), ValueError, r"labels: expected the shape \(60,\)"),
    (dict(labels=[[1], [2, 3]]), ValueError, "labels: expected"),
    (dict(labels=Y[:, None]), ValueError, r"labels: expected the shape \(60,\).*found \(60, 1\); labels.ravel\(\)"),
    (dict(labels=np.eye(10)[Y]), ValueError, r"labels: .*found \(60, 10\); if they are one-hot, labels.argmax\(1\)"),
    (dict(labels=Y[:-1]), ValueError, "labels: expected 60, one for each image, found 59"),
    (dict(labels=[]), ValueError, "labels: expected 60, one for each image, found 0"),
    (dict(labels=Y + 1), ValueError, "labels: expected 0 to 9, found 10 at index 9"),
    (dict(labels=Y - 1), ValueError, "labels: expected 0 to 9, found -1 at index 0"),
    (dict(labels=Y + 256), ValueError, "labels: expected 0 to 9, found 256"),
    (dict(labels=Y.astype(np.uint64) + np.uint64(2**63)), ValueError, "labels: expected 0 to 9"),
    (dict(labels=np.zeros(60, int)), ValueError, "images a class.*none of class 1"),
    (dict(images=X / 255), TypeError, "images: " + GREY),
    (dict(images=(X / 255).tolist()), TypeError, "images: expected whole numbers from 0 to 255, found a list of float64"),
    (dict(images=(X.astype(int) * 2).tolist()), ValueError, "images: expected numbers from 0 to 255"),
    (dict(images=X.reshape(60, 784)), ValueError, r"images: expected the shape \(n, height, width\) or \(n, height, width, channels\), found \(60, 784\)"),
    (dict(images=X[0]), ValueError, "images: expected the shape"),
    (dict(images=np.zeros((60, 64, 64), np.uint8)), ValueError, "images: expected 28×28 pixels.*found 64×64; crop=True"),
    (dict(images=X[:, :20]), ValueError, "images: expected 28×28 pixels, the size that the net reads, found 20×28"),
    (dict(images=X[:, :20], crop=True), ValueError, "images: expected 28×28 pixels.*found 20×28"),
    (dict(images=X[:, :, :, None].repeat(3, 3)), ValueError, "images: expected 1 channels, as the net reads, found 3"),
    (dict(images=X[:0], labels=Y[:0]), ValueError, "images: expected at least 3"),
    (dict(images=X[:2], labels=Y[:2]), ValueError, "images: expected at least 3"),
    (dict(batch=None), ValueError, "batch: it is 256 where nothing else is said, and there are 55 images to train on: pass batch=6"),
    (dict(batch=1), ValueError, "batch: expected 2 to 55, found 1"),
    (dict(batch=0), ValueError, "batch: expected 2 to 55, found 0"),
    (dict(batch=-5), ValueError, "batch: expected 2 to 55, found -5"),
    (dict(batch=256), ValueError, "batch: expected 2 to 55, found 256"),
    (dict(batch=MANY), ValueError, "batch: expected 2 to 55"),
    (dict(batch=8.0), TypeError, "batch: expected an integer, found .*float"),
    (dict(epochs=0), ValueError, "epochs: expected 1 to 100000, found 0"),
    (dict(epochs=-1), ValueError, "epochs: .*found -1"),
    (dict(epochs=MANY), ValueError, "epochs: "),
    (dict(epochs=1.0), TypeError, "epochs: expected an integer"),
    (dict(epochs="ten"), TypeError, "epochs: expected an integer"),
    (dict(seed=-1), ValueError, "seed: expected 0 to .*found -1"),
    (dict(seed=2**64), ValueError, "seed: "),
    (dict(seed="1"), TypeError, "seed: expected an integer"),
    (dict(learning_rate=0), ValueError, "learning_rate: expected more than 0, found 0"),
    (dict(learning_rate=-0.1), ValueError, "learning_rate: expected more than 0, found -0.1"),
    (dict(learning_rate=float("nan")), ValueError, "learning_rate: .*found nan"),
    (dict(learning_rate=float("inf")), ValueError, "learning_rate: .*found inf"),
    (dict(learning_rate=1e300), ValueError, r"learning_rate: .*found 1e\+300"),
    (dict(learning_rate=1e-300), ValueError, "learning_rate: .*found 1e-300"),
    (dict(learning_rate=10**400), ValueError, "learning_rate: expected more than 0"),
    (dict(learning_rate="fast"), TypeError, "learning_rate: expected a number, found .*str"),
    (dict(validation=0), ValueError, "validation: expected 1 to 58, found 0"),
    (dict(validation=-1), ValueError, "validation: expected 1 to 58, found -1"),
    (dict(validation=60), ValueError, "validation: expected 1 to 58, found 60"),
    (dict(validation=0.1), TypeError, "validation: expected an integer, found .*float"),
    (dict(method="magic"), ValueError, 'method: expected one of "bernoulli", .*"ste", .*found "magic"'),
    (dict(method="real"), ValueError, 'method: expected one of .*found "real"'),
    (dict(settings="widht = 3"), ValueError, "settings: .*widht"),
    (dict(settings="batch ="), ValueError, "settings: "),
    (dict(settings={"batch": 3}), TypeError, "settings"),
    (dict(validation=3, validation_data=(X, Y)), ValueError, "either it or validation_data, found both"),
    (dict(validation_data=(X, Y[:-1])), ValueError, "validation_data: labels: expected 60, one for each image, found 59"),
    (dict(validation_data=(X[:, :20], Y)), ValueError, "validation_data: images: expected 28×28 pixels"),
    (dict(validation_data=(X / 255, Y)), TypeError, "validation_data: images: " + GREY),
    (dict(validation_data=(X[:0], Y[:0])), ValueError, "1 in validation_data, found 60 and 0"),
    (dict(validation_data=X), TypeError, "validation_data: expected a pair of images and labels"),
    (dict(resume=True), ValueError, "resume: there is no checkpoint"),
    (dict(checkpoint="/nowhere/checkpoint"), ValueError, "checkpoint: /nowhere"),
    (dict(checkpoint=3), TypeError, "checkpoint"),
    (dict(method=None), TypeError, "method"),
    (dict(net="sed"), ValueError, 'net: expected one of talk, talk-24.*found "sed"'),
    (dict(net="net.toml"), ValueError, r"net: expected one of.*pathlib.Path\(.net.toml.\).read_text\(\)"),
    (dict(net=""), ValueError, "net: expected one of"),
    (dict(net="[input]\nheight = 28"), ValueError, "net's description"),
    (dict(net=NET % 1), ValueError, "labels: expected 0 to 0"),
    (dict(net=NET % 300), ValueError, "net: expected at most 256 classes, found 300"),
    (dict(net=7), TypeError, "net"),
    (dict(callback="print"), TypeError, "callback: expected a function of an Epoch, found .*str"),
    (dict(crop="yes"), TypeError, "crop"),
    (dict(epoch=3), TypeError, "epoch"),
]


@pytest.mark.parametrize("arguments, error, text", TRAIN)
def test_train(arguments, error, text):
    with pytest.raises(error, match=text or None):
        bernet.train(**{"images": X, "labels": Y, "epochs": 1, "batch": 10, **arguments})


def test_there_are_many_cases():
    assert len(LOAD) + 3 * len(IMAGES) + len(TRAIN) >= 80


def test_what_is_not_wrong():
    """Neighbours of the above that work: lists of labels, other integers, a last axis of 1, larger images that may be cut."""
    few = dict(epochs=1, batch=10, validation=10, method="ste")
    expected = bernet.train(X, Y, **few).to_bytes()
    for labels in (Y.tolist(), tuple(Y), Y.astype(np.uint8), Y.astype(">i4"), np.repeat(Y, 2)[::2]):
        assert bernet.train(X, labels, **few).to_bytes() == expected
    assert bernet.train(X[..., None], Y, **few).to_bytes() == expected
    assert bernet.train(X.tolist(), Y, **few).to_bytes() == expected
    net = bernet.load(MODEL)
    assert (net.predict(X.tolist()) == net.predict(X)).all()
    larger = np.zeros((60, 64, 64), np.uint8)
    larger[:, 18:46, 18:46] = X
    cut = bernet.train(larger, Y, crop=True, **few)
    assert cut.input_shape == (64, 64, 1)
    assert (cut.logits(larger) == bernet.train(X, Y, **few).logits(X)).all()


def test_epochs_are_values():
    epochs = []
    bernet.train(X, Y, epochs=2, batch=10, method="ste", callback=epochs.append)
    assert pickle.loads(pickle.dumps(epochs)) == epochs and epochs[0] != epochs[1]
    assert "nan" not in repr(epochs).lower()
