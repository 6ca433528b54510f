"""Training from arrays."""

import bernet
import numpy as np
import pytest


@pytest.fixture(scope="module")
def digits():
    (images, labels), _ = bernet.mnist()
    return images[:3000], labels[:3000]


def test_it_learns_and_is_the_same_again(digits):
    epochs = []
    model = bernet.train(*digits, batch=25, epochs=3, seed=5, callback=epochs.append)
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    assert epochs[2].loss < epochs[0].loss
    assert all(0 <= epoch.validation_accuracy <= 1 and epoch.seconds > 0 for epoch in epochs)
    images, labels = bernet.mnist()[1]
    assert (model.predict(images[:2000]) == labels[:2000]).mean() > 0.4
    assert model.metadata["seed"] == "5" and model.metadata["epochs"] == "3"
    again = bernet.train(*digits, batch=25, epochs=3, seed=5)
    assert again.to_bytes() == model.to_bytes()


def test_labels_of_any_integer_type_and_other_nets(digits):
    images, labels = digits
    model = bernet.train(images, labels.astype(np.int32), net="talk-24", method="ste", epochs=1, batch=100, validation=500)
    assert model.input_shape == (28, 28, 1)


@pytest.mark.parametrize("values", ["", "bytes = true"])
def test_images_in_colour(values):
    """Red, green and blue pictures, which no single channel tells apart."""
    net = f"""
        input = {{ height = 6, width = 6, channels = 3, {values} }}
        layer = [{{ kind = "conv", outputs = 16, kernel = [3, 3] }}, {{ kind = "expectation", classes = 3 }}]
    """.replace(", }", " }")
    labels = np.random.default_rng(1).integers(0, 3, 600)
    images = np.random.default_rng(2).integers(0, 100, (600, 6, 6, 3), np.uint8)
    images[np.arange(600), :, :, labels] += 120
    model = bernet.train(images[:500], labels[:500], net=net, method="ste", epochs=8, batch=25)
    assert model.input_shape == (6, 6, 3)
    assert (model.predict(images[500:]) == labels[500:]).mean() > 0.95


def test_validation_data(digits):
    """All images are trained on, and others measured by."""
    images, labels = digits
    few = dict(method="ste", epochs=2, batch=50, seed=3)
    first, second = [], []
    split = bernet.train(images, labels, validation=500, callback=first.append, **few)
    held = bernet.mnist()[0]
    given = bernet.train(images, labels, validation_data=(held[0][3000:3500], held[1][3000:3500]), callback=second.append, **few)
    assert split.to_bytes() != given.to_bytes()
    assert all(epoch.validation_accuracy * 500 == round(epoch.validation_accuracy * 500) for epoch in first + second)
    again = bernet.train(images, labels, validation_data=[held[0][3000:3500], held[1][3000:3500].tolist()], **few)
    assert again.to_bytes() == given.to_bytes()


@pytest.mark.parametrize("method", ["gaussian", "bnn", "bnn-plus"])
def test_other_methods(digits, method):
    net = bernet.train(*digits, method=method, epochs=1, batch=100)
    assert net.metadata["method"] == method and net.classes == 10


def test_settings(digits):
    few = dict(method="ste", epochs=1, batch=100)
    other = bernet.train(*digits, settings="surrogate = 'identity'", **few)
    assert "identity" in other.metadata["configuration"]
    assert other.to_bytes() != bernet.train(*digits, **few).to_bytes()


def test_it_goes_on_from_a_checkpoint(digits, tmp_path):
    """A training that was stopped ends in the same bits, and refuses other data and other settings."""

    class Stop(Exception):
        pass

    def stop(epoch):
        if epoch.number == 2:
            raise Stop

    images, labels = digits
    few = dict(method="ste", epochs=4, batch=100)
    path = tmp_path / "checkpoint"
    expected = bernet.train(images, labels, **few).to_bytes()
    with pytest.raises(Stop):
        bernet.train(images, labels, callback=stop, checkpoint=path, **few)
    seen = []
    with pytest.raises(ValueError, match="it was trained on arrays: .*checksum.*found arrays"):
        bernet.train(255 - images, labels, checkpoint=path, resume=True, **few)
    with pytest.raises(ValueError, match="it was begun with other settings; found epochs = 5"):
        bernet.train(images, labels, checkpoint=path, resume=True, **{**few, "epochs": 5})
    net = bernet.train(images, labels, checkpoint=path, resume=True, callback=seen.append, **few)
    assert [epoch.number for epoch in seen] == [3, 4] and net.to_bytes() == expected
    # There is nothing left to do; and a file that is not there is a beginning.
    assert bernet.train(images, labels, checkpoint=path, resume=True, **few).to_bytes() == expected
    assert bernet.train(images, labels, checkpoint=tmp_path / "new", resume=True, **few).to_bytes() == expected
    # One that is damaged gives way to the one before it.
    path.write_bytes(b"no checkpoint")
    assert bernet.train(images, labels, checkpoint=path, resume=True, **few).to_bytes() == expected
    for file in tmp_path.glob("checkpoint*"):
        file.write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="checkpoint"):
        bernet.train(images, labels, checkpoint=path, resume=True, **few)


def test_what_a_callback_raises_ends_the_training(digits):
    class Enough(Exception):
        pass

    seen = []

    def callback(epoch):
        seen.append(epoch.number)
        raise Enough

    with pytest.raises(Enough):
        bernet.train(*digits, epochs=1000, callback=callback)
    assert seen == [1]


def test_wrong_arguments(digits):
    images, labels = digits
    for arguments, text in [
        (dict(net="[input]\nheight = 1"), "net's description"),
        (dict(method="magic"), "method: expected"),
        (dict(epochs=0), "epochs: expected 1 to"),
        (dict(learning_rate=0.0), "learning_rate"),
        (dict(learning_rate=float("nan")), "learning_rate"),
        (dict(batch=1), "batch: expected 2 to"),
        (dict(batch=100_000), "batch: expected 2 to"),
        (dict(validation=0), "validation: expected 1 to"),
        (dict(validation=3000), "validation: expected 1 to"),
    ]:
        with pytest.raises(ValueError, match=text):
            bernet.train(images, labels, **{"epochs": 1, **arguments})
    with pytest.raises(ValueError, match="labels: expected 3000, one for each image, found 2999"):
        bernet.train(images, labels[:-1])
    with pytest.raises(ValueError, match="labels: expected 0 to 9, found 10"):
        bernet.train(images, labels.astype(int) + 1)
    with pytest.raises(ValueError, match="labels: expected 0 to 9, found -1"):
        bernet.train(images, labels.astype(int) - 1)
    with pytest.raises(ValueError, match="images: expected the shape"):
        bernet.train(images.reshape(3000, 784), labels)
    with pytest.raises(ValueError, match="images: expected 28×28 pixels"):
        bernet.train(images[:, :20, :20], labels)
    with pytest.raises(TypeError, match="images: expected an array of uint8"):
        bernet.train(images.astype(float), labels)
