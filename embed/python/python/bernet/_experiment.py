"""The table of accuracies on many machines, through Dask."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["experiment"]

# Ends with the worker that started it, where the system can do so, lest a killed worker's training goes on beside its successor's.
_WITH_WORKER = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execvp(sys.argv[1], sys.argv[1:])"


def experiment(
    client: Any,
    out: str | os.PathLike[str] = "experiment",
    *,
    only: Iterable[str] = (),
    seeds: int = 3,
    first_seed: int = 1,
    quick: bool = False,
    data: str | os.PathLike[str] | None = None,
    threads: int = 1,
    command: str | os.PathLike[str] = "bernet",
) -> list[dict[str, str]]:
    """Runs `bernet experiment table` on the workers of a Dask client: each row with each seed is a task.

    `out` is a folder that all workers see under this name; in it are the files that the command would write by itself, and what is finished
    is not trained again. `only`, `seeds`, `first_seed`, `quick` and `data` are the command's options. `command` is the command line's
    program, which the workers need beside this package (`cargo install --path .` installs it); a training takes so many `threads`.

    Returns the lines of `accuracy.csv` by column. A worker that is killed costs at most an epoch: another goes on from the checkpoint.
    RuntimeError with the program's own words where a training fails, FileNotFoundError where there is no such program.

        >>> import bernet
        >>> from distributed import Client                                    # doctest: +SKIP
        >>> client = Client(n_workers=2, threads_per_worker=1)                # doctest: +SKIP
        >>> rows = bernet.experiment(client, only=["ste, hard tanh"])         # doctest: +SKIP
        >>> [row["test"] for row in rows]                                     # doctest: +SKIP
        ['97.22', '97.31', '97.18']
    """
    if seeds < 1 or first_seed < 1:
        raise ValueError(f"seeds and first_seed: expected at least 1, found {seeds} and {first_seed}")
    folder = Path(out).absolute()
    common = [os.fspath(command), "experiment", "table"]
    chosen = [word for name in only for word in ("--only", name)]
    names = _run([*common, "--list", *chosen]).splitlines()
    options = ["--out", os.fspath(folder)]
    if quick:
        options.append("--quick")
        seeds = 1
    if data is not None:
        options += ["--data", os.fspath(Path(data).absolute())]
    tasks = []
    for name in names:
        for seed in range(first_seed, first_seed + seeds):
            words = [*common, *options, "--only", name, "--first-seed", str(seed), "--seeds", "1"]
            tasks.append(client.submit(_train, words, threads, key=f"{name}, seed {seed}, {folder}", pure=False))
    try:
        client.gather(tasks)
    except BaseException:
        client.cancel(tasks)
        raise
    table = ["--first-seed", str(first_seed), "--seeds", str(seeds), *chosen]
    _run([*common, *options, "--finished", *table])
    with (folder / "accuracy.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _train(words: list[str], threads: int) -> None:
    """One row with one seed. Where another process is at it still, waits for its end and takes what it has done."""
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    if sys.platform == "linux":
        words = [sys.executable, "-c", _WITH_WORKER, *words]
    while True:
        try:
            _run(words, environment)
            return
        except RuntimeError as error:
            if "another training writes into this folder" not in str(error):
                raise
            time.sleep(1)


def _run(words: list[str], environment: dict[str, str] | None = None) -> str:
    """What a program prints; RuntimeError with what it says where it fails."""
    done = subprocess.run(words, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout
