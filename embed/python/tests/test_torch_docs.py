"""The blocks of docs/python.md, one after the other. Skipped without PyTorch and scikit-learn."""

import os
import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
ROOT = Path(os.environ.get("BERNET_ROOT", Path(__file__).parents[3]))


def test_page(tmp_path, monkeypatch, capsys):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "python.md").read_text()
    names = {}
    page = re.sub(r"^<!-- not run: .*?^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    for block in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        exec(compile(block, "docs/python.md", "exec"), names)
    said = capsys.readouterr().out.splitlines()
    assert float(said[0]) > 0.9
    assert said[1].startswith("0.3918")
    assert "binary conv" in said[2] and "threshold" in said[2]
    accuracies = [float(line) for line in said if re.fullmatch(r"0\.\d+", line)]
    assert len(accuracies) == 2 and min(accuracies) > 0.9
    assert (tmp_path / "mine.bnet").exists() and (tmp_path / "talk.bnet").exists()
    for link in re.findall(r"\]\(([^)#]+)\)", page):
        assert (ROOT / "docs" / link).exists(), link
