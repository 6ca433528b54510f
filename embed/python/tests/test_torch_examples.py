"""The examples of embed/python/examples that need PyTorch, run as a user does. Skipped without it.

BERNET_CIFAR10 may name a folder with the binary version of CIFAR-10.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
ROOT = Path(os.environ.get("BERNET_ROOT", Path(__file__).parents[3]))
EXAMPLES = ROOT / "embed" / "python" / "examples"


def run(*words, launcher=()):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def accuracy(said):
    return float(re.search(r"accuracy ([0-9.]+)", said)[1])


def test_mnist_in_forty_lines():
    """97 % after four of its twelve epochs."""
    example = EXAMPLES / "torch_mnist.py"
    assert len(example.read_text().splitlines()) <= 40
    assert accuracy(run(example, 4)) >= 0.97


def test_two_processes():
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    said = run(EXAMPLES / "torch_ddp.py", "--images", 12800, "--epochs", 2, launcher=launcher)
    assert "on 2 processes" in said and accuracy(said) > 0.85
    # The exact form too: a few steps.
    said = run(EXAMPLES / "torch_ddp.py", "--images", 1024, "--epochs", 1, "--form", "exact", launcher=launcher)
    assert "on 2 processes" in said


def cifar10(folder, *words):
    output = folder / "net.bnet" if os.access(folder, os.W_OK) else Path(os.devnull)
    return accuracy(run(EXAMPLES / "torch_cifar10.py", folder, "--output", output, *words))


def test_residual_net_reads_the_files(tmp_path):
    """Two classes that differ in their mean, in CIFAR-10's format."""
    random = np.random.default_rng(1)
    for name, count in [("data_batch_1", 60), ("data_batch_2", 60), ("test_batch", 40)]:
        labels = random.integers(0, 2, (count, 1))
        pixels = random.integers(0, 100, (count, 3072)) + 150 * labels
        np.concatenate([labels, pixels], 1).astype(np.uint8).tofile(tmp_path / f"{name}.bin")
    assert cifar10(tmp_path, "--steps", 20, "--batch", 20, "--width", 8) > 0.9
    assert (tmp_path / "net.bnet").stat().st_size > 1000


def test_residual_net_on_cifar10():
    folder = Path(os.environ.get("BERNET_CIFAR10", "/nowhere"))
    if not (folder / "test_batch.bin").exists():
        pytest.skip("BERNET_CIFAR10 names no folder with CIFAR-10's binary version")
    said = run(EXAMPLES / "torch_cifar10.py", folder, "--steps", 60, "--batch", 64, "--width", 16)
    assert accuracy(said) > 0.2
