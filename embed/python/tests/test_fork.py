"""Children of fork, as multiprocessing makes them on Linux: what the parent has done with threads must not make them hang."""

import multiprocessing
import os
import pickle
from pathlib import Path

import bernet
import numpy as np
import pytest

ROOT = Path(os.environ.get("BERNET_ROOT", Path(__file__).parents[3]))
MODEL = ROOT / "models" / "mnist.bnet"

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    # Python 3.12 and later warn of what is tested here.
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]
SECONDS = 60


def in_child(work):
    """What `work` returns in a forked child; an error where the child does not answer in time."""
    with multiprocessing.get_context("fork").Pool(1, initializer=set_work, initargs=(work,)) as pool:
        return pool.apply_async(call_work).get(SECONDS)


def set_work(work):
    global WORK
    WORK = work


def call_work():
    return WORK()


@pytest.fixture(scope="module")
def images():
    return bernet.mnist()[1][0][:500]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_model_of_the_parent(images, threads):
    model = bernet.load(MODEL, threads=threads)
    unused = bernet.load(MODEL, threads=threads)
    expected = model.logits(images)
    for net in (model, unused):
        assert (in_child(lambda: net.logits(images)) == expected).all()
    assert (in_child(lambda: bernet.load(MODEL, threads=threads).logits(images)) == expected).all()
    # And a child's child, and the parent afterwards.
    assert (in_child(lambda: in_daemon(lambda: model.logits(images))) == expected).all()
    assert (model.logits(images) == expected).all()


def in_daemon(work):
    """As in_child, from a process of a pool, which may have no children by multiprocessing."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(write, "wb") as out:
            pickle.dump(work(), out)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        result = pickle.load(file)
    os.waitpid(child, 0)
    return result


def test_training_in_both(images):
    random = np.random.default_rng(1)
    x, y = random.integers(0, 256, (60, 28, 28)).astype(np.uint8), np.arange(60) % 10
    train = lambda: bernet.train(x, y, epochs=1, batch=10, validation=10).to_bytes()
    expected = train()
    assert in_child(train) == expected
    assert train() == expected


def test_many_workers(images):
    model = bernet.load(MODEL, threads=2)
    expected = model.predict(images)
    with multiprocessing.get_context("fork").Pool(4, initializer=set_work, initargs=(lambda: model.predict(images),)) as pool:
        results = [pool.apply_async(call_work) for _ in range(40)]
        assert all((result.get(SECONDS) == expected).all() for result in results)
