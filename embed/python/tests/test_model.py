"""Models: reading, predicting, errors, threads."""

import os
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bernet
import numpy as np
import pytest

ROOT = Path(os.environ.get("BERNET_ROOT", Path(__file__).parents[3]))
MODEL = ROOT / "models" / "mnist.bnet"


@pytest.fixture(scope="module")
def test_set():
    return bernet.mnist()[1]


@pytest.fixture(scope="module")
def model():
    return bernet.load(MODEL)


def test_readme_example_predicts(capsys):
    """From `pip install` to a prediction in five lines: README's first example, run as it stands."""
    readme = (ROOT / "embed" / "python" / "README.md").read_text()
    example = re.search(r"```python\n(.*?)```", readme, re.DOTALL)[1]
    assert len(example.splitlines()) <= 5
    exec(example.replace('"models/mnist.bnet"', repr(str(MODEL))), {})
    assert capsys.readouterr().out.strip() == "0.9792"


def test_mnist_is_whole():
    (images, labels), (test_images, test_labels) = bernet.mnist()
    assert images.shape == (60_000, 28, 28) and labels.shape == (60_000,)
    assert test_images.shape == (10_000, 28, 28) and test_labels.shape == (10_000,)
    assert set(np.unique(images)) == {0, 255} and images.dtype == labels.dtype == np.uint8
    assert test_labels[0] == 7


def test_exact_count(model, test_set):
    images, labels = test_set
    said = model.predict(images)
    assert said.dtype == np.int64
    assert (said == labels).sum() == 9792


def test_logits_decide(model, test_set):
    images, _ = test_set
    logits = model.logits(images[:500])
    assert logits.dtype == np.int32 and logits.shape == (500, 10)
    assert (logits.argmax(1) == model.predict(images[:500])).all()
    reals = model.real_logits(images[:500])
    assert reals.dtype == np.float64 and (reals == logits).all()


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("level", ["portable", None])
def test_neither_level_nor_threads_matter(model, test_set, level, threads):
    images = test_set[0][:1001]
    other = bernet.load(MODEL, level=level, threads=threads)
    assert other.threads == threads and other.level == (level or model.level)
    assert (other.logits(images) == model.logits(images)).all()


def test_run_is_predict(model, test_set):
    images = test_set[0][:100]
    (logits,) = model.run(images[..., None] >= 128).values()
    assert (logits == model.logits(images)).all()


def test_shapes_and_strides(model, test_set):
    images = test_set[0][:64]
    expected = model.logits(images)
    for same in (
        images[..., None],
        images.reshape(64, 784),
        np.asfortranarray(images),
        np.repeat(images, 2, axis=0)[::2],
        images[::-1].copy()[::-1],
    ):
        assert (model.logits(same) == expected).all()
    assert model.predict(images[:0]).shape == (0,)
    assert model.logits(images[:0]).shape == (0, 10)
    assert model.logits(images[:1]).shape == (1, 10)


def test_about_a_model(model):
    assert model.input_shape == (28, 28, 1) and model.classes == 10 and model.threshold == 128
    assert model.metadata["method"] == "ste"
    assert repr(model).startswith("<bernet.Model image bit (n, 28, 28, 1) → ") and "logits int32 (n, 10)" in repr(model)
    (image,), (logits,) = model.inputs, model.outputs
    assert (image.name, image.shape, image.dtype, image.pixels) == ("image", [None, 28, 28, 1], "bit", "pixel >= 128")
    assert (logits.name, logits.shape, logits.dtype) == ("logits", [None, 10], "int32")
    assert model.layers[0].operator == "binary conv" and model.layers[0].weights.dtype == np.int8
    assert re.fullmatch(r"\d+\.\d+\.\d+", bernet.__version__) and not model.notes


def test_real_weights():
    net = bernet.load(MODEL.parent.parent / "tests" / "golden" / "net-9.bnet")
    image = np.full((1, *net.input_shape), 200, np.uint8)
    logits = net.real_logits(image)
    assert net.threshold is None and logits.shape == (1, 3) and net.predict(image)[0] == logits.argmax()
    with pytest.raises(ValueError, match="it has real weights and no integer logits.*model.real_logits"):
        net.logits(image)


def test_bytes_files_and_pickles(model, test_set, tmp_path):
    # Versions 1 to 4 of the format are read, the fifth is written; it is smaller.
    data = model.to_bytes()
    assert len(data) < len(MODEL.read_bytes()) and bernet.load(data).to_bytes() == data
    model.save(tmp_path / "again.bnet")
    assert (tmp_path / "again.bnet").read_bytes() == data
    for same in (
        bernet.load(data),
        bernet.load(bytearray(data)),
        bernet.load(str(tmp_path / "again.bnet")),
        pickle.loads(pickle.dumps(model)),
    ):
        assert (same.predict(test_set[0][:100]) == model.predict(test_set[0][:100])).all()


def test_wrong_images(model, test_set):
    images = test_set[0][:4]
    for shape, found in [((4, 27, 28), r"\(4, 27, 28\)"), ((784,), r"\(784,\)"), ((4, 783), r"\(4, 783\)"), ((), r"\(\)")]:
        with pytest.raises(ValueError, match=r"images: expected the shape \(n, 28, 28\), found " + found):
            model.predict(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="found"):
        model.predict(images[0])
    with pytest.raises(TypeError, match="images: expected an array of uint8.*float64"):
        model.predict(images / 255)
    with pytest.raises(TypeError, match="images: expected an array of uint8.*str"):
        model.predict("0" * 784)


def test_wrong_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.bnet"):
        bernet.load(tmp_path / "nowhere.bnet")
    with pytest.raises(OSError):
        bernet.load(tmp_path)
    with pytest.raises(OSError):
        bernet.load(MODEL).save(tmp_path / "no" / "folder.bnet")
    with pytest.raises(ValueError, match="not a .bnet file"):
        bernet.load(b"")
    data = bytearray(MODEL.read_bytes())
    data[2000] ^= 1
    with pytest.raises(ValueError, match="the file is damaged"):
        bernet.load(data)
    (tmp_path / "damaged.bnet").write_bytes(data)
    with pytest.raises(ValueError, match="damaged.bnet: the file is damaged"):
        bernet.load(tmp_path / "damaged.bnet")
    with pytest.raises(TypeError):
        bernet.load(7)
    with pytest.raises(TypeError):
        bernet.Model()


def test_wrong_level_and_threads():
    with pytest.raises(ValueError, match="there is no such level; available here: portable"):
        bernet.load(MODEL, level="fastest")
    with pytest.raises(ValueError, match="threads: expected 1 to .*found 0"):
        bernet.load(MODEL, threads=0)


def test_a_model_serves_many_threads(model, test_set):
    images = test_set[0]
    parts = np.array_split(images, 32)
    expected = np.concatenate([model.logits(part) for part in parts])
    with ThreadPoolExecutor(8) as pool:
        found = np.concatenate(list(pool.map(model.logits, parts)))
    assert (found == expected).all()
