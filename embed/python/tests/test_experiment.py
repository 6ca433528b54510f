"""bernet.experiment on Dask's workers. Skipped without Dask, or without the command line: BERNET names it, or it is built."""

import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import bernet
import pytest

distributed = pytest.importorskip("distributed")
ROOT = Path(os.environ.get("BERNET_ROOT", Path(__file__).parents[3]))
BUILT = ROOT / "target" / "release" / "bernet"
COMMAND = os.environ.get("BERNET", BUILT if BUILT.exists() else shutil.which("bernet"))
pytestmark = pytest.mark.skipif(COMMAND is None, reason="the command line is not built")
ROWS = ["ste, identity", "bnn", "bernoulli, part by part", "ste, wide lenet"]


@pytest.fixture
def client(tmp_path):
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=tmp_path / "dask"
    ) as cluster, distributed.Client(cluster) as client:
        yield client


def by_hand(out, *words):
    command = [COMMAND, "experiment", "table", "--quick", "--out", out, *words]
    subprocess.run([*command, *(word for row in ROWS for word in ("--only", row))], check=True, capture_output=True)


def same(a, b):
    """The same nets, and the same table but for seconds and folders."""
    models = sorted(path.relative_to(a) for path in a.glob("*/model.bnet"))
    assert len(models) == len(ROWS)
    assert models == sorted(path.relative_to(b) for path in b.glob("*/model.bnet"))
    for model in models:
        assert (a / model).read_bytes() == (b / model).read_bytes(), model


def test_table_is_that_of_the_command_line(client, tmp_path):
    rows = bernet.experiment(client, tmp_path / "dask", only=ROWS, quick=True, command=COMMAND)
    by_hand(tmp_path / "hand")
    same(tmp_path / "hand", tmp_path / "dask")
    # In the table's own order.
    assert [row["method"] for row in rows] == ["ste, identity", "bnn", "bernoulli, part by part", "ste, wide lenet"]
    assert all(0 < float(row["test"]) <= 100 and row["seed"] == "1" for row in rows)
    for file in ("table.md", "report.html", "accuracy.csv"):
        assert (tmp_path / "dask" / file).stat().st_size > 0
    # Finished rows are not trained again.
    begun = time.monotonic()
    assert bernet.experiment(client, tmp_path / "dask", only=ROWS, quick=True, command=COMMAND) == rows
    assert time.monotonic() - begun < 20


def test_killed_worker(client, tmp_path):
    """A worker dies in the middle of a training: the table is complete, with the bits that it would have had."""
    out = tmp_path / "dask"
    slow = out / "ste-wide-lenet-1"
    killed = []

    def kill():
        """Whoever trains the slow row, after its first epoch of two."""
        until = time.monotonic() + 120
        while time.monotonic() < until and not (slow / "checkpoint").exists():
            time.sleep(0.01)
        workers = [address for address, tasks in client.processing().items() if any("wide lenet" in str(one) for one in tasks)]
        processes = client.run(os.getpid, workers=workers)
        if not (slow / "row.json").exists():
            killed.extend(processes.values())
            for process in killed:
                os.kill(process, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    rows = bernet.experiment(client, out, only=ROWS, quick=True, command=COMMAND)
    thread.join()
    assert len(killed) == 1 and len(rows) == len(ROWS)
    by_hand(tmp_path / "hand")
    same(tmp_path / "hand", out)


def test_errors_are_the_programs_own(client, tmp_path):
    with pytest.raises(RuntimeError, match="expected the beginning of one of"):
        bernet.experiment(client, tmp_path, only=["no such row"], command=COMMAND)
    with pytest.raises(FileNotFoundError):
        bernet.experiment(client, tmp_path, command="/nowhere/bernet")
    with pytest.raises(RuntimeError, match="data"):
        bernet.experiment(client, tmp_path, only=["real"], quick=True, data=tmp_path, command=COMMAND)
    with pytest.raises(ValueError, match="seeds"):
        bernet.experiment(client, tmp_path, seeds=0, command=COMMAND)
