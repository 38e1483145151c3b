"""The auditor's command, on a run of shipped prices, honest and tampered with."""

import json
import shutil

import pytest
import small_run
from ml_collections import ConfigDict, FrozenConfigDict

from experiments import verify
from experiments.command import call
from thesis_rl.runs import record
from thesis_rl.runs import run as run_lib
from thesis_rl.runs.folder import claim
from thesis_rl.walk_forward.experiment import prepare


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    config = ConfigDict(small_run.config().to_dict())
    config.data.update(source="us6", start="2022-06-01")
    config.rft.num_steps = 0
    result = run_lib.run(prepare(FrozenConfigDict(config)))
    folder = claim(tmp_path_factory.mktemp("run"), config.to_dict())
    counts = record.write(result, folder)
    assert counts["evidence"]["num_problems"] == 0
    assert counts["evidence"]["checks"]["numbers"][1] > 100
    return folder


def tampered(folder, path, old, new):
    """Copies a run's folder with another word in the first thesis that has it."""
    shutil.copytree(folder, path)
    text = (path / "theses.jsonl").read_text()
    assert old in text
    (path / "theses.jsonl").write_text(text.replace(old, new, 1))
    return path


def test_an_honest_run_stands(folder, capsys):
    assert call(verify.COMMAND, ["--run", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("100.0%" in line for line in lines) == 6


def test_what_was_changed_is_found(folder, tmp_path, capsys):
    first = json.loads((folder / "theses.jsonl").read_text().splitlines()[0])
    entry = next(e for e in first["evidence"] if e["claim_id"] == "short_term_momentum")
    cited = entry["citations"][0]
    value, raw = str(cited["values"][0]), cited["raw"]
    changes = {
        "quote": (entry["quote"], entry["quote"].replace("mom10 = ", "mom10 = 9")),
        "value": (value, f"9{value}"),
        "raw": (raw, "0" * 64),
    }
    for name, (old, new) in changes.items():
        changed = tampered(folder, tmp_path / name, old, new)
        assert call(verify.COMMAND, ["--run", str(changed)]) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "quotes 'mom10 = 9" in told
    assert f"does not say close 9{value}" in told
    assert first["as_of"] in told


def test_a_simulated_market_has_nothing_to_check(tmp_path):
    run = small_run.write(tmp_path / "run")
    with pytest.raises(ValueError, match="simulated market, whose"):
        call(verify.COMMAND, ["--run", str(run)])
