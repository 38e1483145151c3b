"""The ledger forgets no run, whoever writes beside it and whatever breaks."""

import errno
import json
import math
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats

from thesis_rl.runs import trials

ROOT = pathlib.Path(__file__).parents[2]
TRIAL = trials.Trial(
    time="2025-01-02T03:04:05+00:00",
    title="A title\u2028of two\nlines, “quoted”",
    config_hash="c0",
    data_hash="d0",
    seed=0,
    num_seeds=2,
    folds=[["2010-01-04", "2014-12-31", "2015-01-09", "2016-01-08"]],
    returns_file="run/daily_returns.csv",
    returns_sha256="f0",
    predictions_sha256="p0",
    revision="",
    excuse="",
    sharpe=0.05,
    num_obs=250,
    skew=-0.5,
    kurtosis=6.0,
)


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "trials.jsonl"


def test_lines_come_back_as_they_went_in(ledger):
    constant = TRIAL._replace(sharpe=math.nan, skew=math.nan, kurtosis=math.nan)
    trials.append(ledger, TRIAL)
    trials.append(ledger, constant)
    first, second = trials.read(ledger)
    assert first == TRIAL
    np.testing.assert_equal(second._asdict(), constant._asdict())
    lines = ledger.read_bytes().split(b"\n")
    assert len(lines) == 3 and not lines[-1]
    assert set(json.loads(lines[0])) == set(trials.Trial._fields)


def test_a_ledger_that_is_not_there_is_empty_and_is_made(tmp_path):
    ledger = tmp_path / "new" / "deep" / "trials.jsonl"
    assert trials.read(ledger) == []
    trials.append(str(ledger), TRIAL)
    assert trials.read(str(ledger)) == [TRIAL]


WRITER = """
import sys
from thesis_rl.runs import trials
base = trials.Trial(*sys.argv[2:6], 0, 1, [], "f", "s", "p", "", "", .1, 9, 0., 3.)
sys.stdin.readline()
for i in range(50):
    trials.append(sys.argv[1], base._replace(seed=i, title="x" * (1 + 400 * i)))
"""


def test_runs_that_append_at_once_all_land_whole(ledger):
    names = [f"writer {i}" for i in range(2)]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(ledger), "t", name, name, "d"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    for writer in writers:  # Imports done or not, all wait for their line.
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 2
    for writer in writers:
        writer.stdin.close()
    lines = trials.read(ledger)
    assert len(lines) == 100
    for name in names:
        assert [t.seed for t in lines if t.config_hash == name] == list(range(50))


def test_a_torn_line_swallows_nothing(ledger):
    trials.append(ledger, TRIAL)
    whole = ledger.read_bytes()
    ledger.write_bytes(whole + whole[:50])
    with pytest.raises(
        ValueError, match=r"trials\.jsonl, line 2 was cut short: .* run"
    ):
        trials.read(ledger)
    trials.append(ledger, TRIAL._replace(seed=9))
    lines = ledger.read_bytes().split(b"\n")
    assert lines[0] + b"\n" == whole and lines[1] == whole[:50]
    assert json.loads(lines[2])["seed"] == 9
    with pytest.raises(ValueError, match=r"trials\.jsonl, line 2 is damaged"):
        trials.read(ledger)


def test_a_last_line_that_only_lacks_its_end_is_whole(ledger):
    trials.append(ledger, TRIAL)
    ledger.write_bytes(ledger.read_bytes()[:-1])
    assert trials.read(ledger) == [TRIAL]
    trials.append(ledger, TRIAL)
    assert trials.read(ledger) == [TRIAL, TRIAL]


LINE = TRIAL._asdict()


@pytest.mark.parametrize(
    "line, message",
    [
        (b"{]", "line 2 is damaged: Expecting property name"),
        (b"\xff\xfe{", "line 2 is damaged: "),
        (b"[1]", "line 2 is damaged: want a JSON object; mend it, or delete it and"),
        (json.dumps({k: v for k, v in LINE.items() if k != "seed"}), "unknown: seed"),
        (json.dumps(LINE | {"surplus": 1}), "fields missing or unknown: surplus"),
        (json.dumps(LINE | {"sharpe": "0.1"}), "sharpe is '0.1', want float"),
        (json.dumps(LINE | {"num_obs": None}), "num_obs is None, want int"),
        (json.dumps(LINE | {"excuse": "a bug"}), "excuse 'a bug' is none of"),
    ],
)
def test_a_damaged_line_is_named(ledger, line, message):
    trials.append(ledger, TRIAL)
    bad = line if isinstance(line, bytes) else line.encode()
    ledger.write_bytes(ledger.read_bytes() + bad + b"\n")
    trials.append(ledger, TRIAL)
    with pytest.raises(ValueError, match=message):
        trials.read(ledger)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"excuse": "did not work"}, "excuse 'did not work' is none of"),
        ({"revision": None}, "revision is None, want str"),
        ({"sharpe": "high"}, "sharpe is 'high', want float"),
    ],
)
def test_a_line_that_could_not_be_read_is_not_written(ledger, changes, message):
    with pytest.raises(ValueError, match=message):
        trials.append(ledger, TRIAL._replace(**changes))
    assert not ledger.exists()


def test_a_failed_write_is_taken_back_and_named(ledger, monkeypatch):
    trials.append(ledger, TRIAL)
    before = ledger.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device.*trials.jsonl"):
        trials.append(ledger, TRIAL)
    assert ledger.read_bytes() == before


def test_a_disk_without_locks_is_written_to_all_the_same(ledger, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(file, operation):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    trials.append(ledger, TRIAL)
    assert trials.read(ledger) == [TRIAL]


def test_a_rerun_is_one_trial_and_its_latest_line_stands():
    other = TRIAL._replace(config_hash="c1")
    rerun = TRIAL._replace(time="2026-01-01T00:00:00+00:00", title="x", sharpe=0.1)
    assert trials.count([TRIAL, other, rerun]) == [rerun, other]


def test_other_configs_and_other_data_are_other_trials():
    kinds = [(c, d) for c in ("c0", "c1") for d in ("d0", "d1")]
    lines = [TRIAL._replace(config_hash=c, data_hash=d) for c, d in kinds]
    assert trials.count(lines) == lines


@pytest.mark.parametrize("excuse", ["smoke", "synthetic"])
def test_what_has_an_excuse_is_no_trial_and_hides_none(excuse):
    excused = TRIAL._replace(excuse=excuse)
    assert trials.count([excused]) == []
    assert trials.count([TRIAL, excused]) == [TRIAL]


def test_moments_are_the_biased_ones_and_kurtosis_is_raw():
    returns = np.random.default_rng(0).standard_t(5, 400) * 0.01 + 0.001
    assert trials.moments(returns) == pytest.approx(
        {
            "sharpe": returns.mean() / returns.std(ddof=1),
            "num_obs": 400,
            "skew": scipy.stats.skew(returns),
            "kurtosis": scipy.stats.kurtosis(returns, fisher=False),
        },
        rel=1e-12,
    )


def test_moments_of_a_book_that_never_traded_are_undefined():
    idle = trials.moments(np.zeros(30))
    assert idle.pop("num_obs") == 30
    assert np.isnan(list(idle.values())).all()


def test_files_are_named_from_the_ledger_where_they_lie_below_it(tmp_path):
    ledger = tmp_path / "runs" / "trials.jsonl"
    file = tmp_path / "runs" / "one" / "daily_returns.csv"
    assert trials.locate(file, ledger) == "one/daily_returns.csv"
    moved = tmp_path / "elsewhere" / "trials.jsonl"
    assert trials.locate(file, moved) == file.resolve().as_posix()


def test_a_ledger_that_cannot_be_written_is_known_before_anything_runs(tmp_path):
    with pytest.raises(OSError, match="--ledger must name a file"):
        trials.open_for_lines(tmp_path)
    trials.open_for_lines(tmp_path / "deep" / "trials.jsonl")
    assert trials.read(tmp_path / "deep" / "trials.jsonl") == []
