"""The benchmark: it measures the same step everywhere, and all of its parts run."""

import json
import pathlib
import sys

import numpy as np
import pytest

from experiments.bench import contest, process, roofline, run, training
from experiments.command import call

ANSWERS = """\
import sys
sys.path.insert(0, {root!r})
from experiments.bench import process

def prepare():
    print("a library's own words")
    count = iter(range(10))
    measures = {{"a": lambda: 1.0 + next(count), "b": lambda: -next(count)}}
    return measures, {{"ready": True}}

process.serve(prepare)
"""
ROOT = pathlib.Path(run.__file__).parents[2]


def test_counted_flops_are_those_of_the_smallest_step():
    config = training.make_config("yardstick", 1)
    # 14 inputs, two layers of 64, heads of 6 + 8 + 5 beside 14 · 8 straight to claims.
    forward = 14 * 64 + 64 * 64 + 64 * 19 + 14 * 8
    to_layers = 64 * 64 + 64 * 19
    assert roofline.flops_per_row(config) == 2 * (2 * forward + to_layers)


def test_every_product_is_the_same_with_rows_last():
    size = {"b": 3, "i": 4, "o": 5}
    rng = np.random.default_rng(0)
    for spec in roofline.products(roofline.Layer(4, 5, is_first=False)):
        turned = roofline.rows_last(spec)
        (*factors, result), (*last, out) = (
            s.replace("->", ",").split(",") for s in (spec, turned)
        )
        values = [rng.normal(size=[size[a] for a in axes]) for axes in factors]
        others = [
            np.einsum(f"{a}->{b}", x)
            for a, b, x in zip(factors, last, values, strict=True)
        ]
        expected = np.einsum(f"{result}->{out}", np.einsum(spec, *values))
        np.testing.assert_allclose(np.einsum(turned, *others), expected)
        assert all(axes.endswith("b") for axes in (*last, out) if "b" in axes)


def test_trains_every_run_to_the_end():
    config = training.make_config("yardstick", 2)
    panel, folds = training.random_panel(2, config)
    call = training.compile_training("sft", 3, panel, folds, config)
    loss = np.asarray(call().metrics["loss"])
    assert loss.shape[1] == 2 and np.all(loss > 0)
    assert np.unique(loss[:3, 0]).size == 3, "every run draws its own rows"


def test_workers_answer_in_turns(tmp_path):
    path = tmp_path / "worker.py"
    path.write_text(ANSWERS.format(root=str(ROOT)), encoding="utf-8")
    with process.Worker([sys.executable, str(path)]) as worker:
        assert worker.facts == {"ready": True}
        entries = {"first": (worker, "a"), "second": (worker, "b")}
        found = process.take_turns(entries, 3)
    # The first of a round counts 0, 2 and 4 before it, the second 1, 3 and 5.
    assert found["first"] == {"median": 3.0, "spread": pytest.approx(400 / 3)}
    assert found["second"]["median"] == -3.0
    assert worker.close() == worker.peak_bytes > 2**20


def test_a_worker_that_fails_says_why(tmp_path):
    path = tmp_path / "worker.py"
    path.write_text("raise ValueError('no such thing')", encoding="utf-8")
    with pytest.raises(OSError, match=r"worker\.py failed: ValueError: no such thing"):
        process.Worker([sys.executable, str(path)])
    with pytest.raises(OSError, match=r"worker\.py failed: ValueError: no such thing"):
        process.finish([sys.executable, str(path)])


def test_yardstick_is_read_and_its_silence_is_refused(tmp_path):
    path = tmp_path / "script.py"
    path.write_text("import sys; print(sys.argv[1], '1234 rows/s')", encoding="utf-8")
    yardstick = contest.Yardstick(sys.executable, str(path))
    assert yardstick.measure("eager") == 1234.0 and yardstick.peak_bytes > 2**20
    path.write_text("print('done')", encoding="utf-8")
    with pytest.raises(ValueError, match=r"script\.py printed no rows/s: 'done"):
        yardstick.measure("eager")


def test_ratios_are_to_the_best_rival_of_the_same_stage():
    entry = contest.Entry
    ours, limit = entry("thesis_rl", "rft", 8), entry("matrix products", "", 8)
    rates = {ours: 100.0, limit: 400.0, entry("PyTorch eager", "rft", 1, 1): 10.0}
    rates |= {entry("PyTorch eager, a.py", "rft", 1): 20.0}
    rates |= {entry("PyTorch eager", "sft", 1, 1): 50.0}
    rates = {key: {"median": rate, "spread": 0.0} for key, rate in rates.items()}
    facts = {"flops_per_row": 1e9}
    found = contest.record(ours, rates, 1.0, limit, facts)
    assert (found["% limit"], found["× eager"], found["GFLOP/s"]) == (25.0, 5.0, 100.0)
    assert "× compiled" not in found


def test_parts_run_and_are_written(tmp_path, capsys):
    out = tmp_path / "made" / "out.json"
    none = f"--torch_python={tmp_path / 'none'}"
    parts = "--parts=training,join"
    arguments = ["--quick", "--repeats=1", parts, none, f"--out={out}"]
    call(run.COMMAND, arguments)
    printed = capsys.readouterr().out
    found = json.loads(out.read_text(encoding="utf-8"))["parts"]
    assert set(found) == {"training", "join"}
    for part in found.values():
        for title, records in part["tables"].items():
            assert title in printed and records
    assert "has no PyTorch: pip install -e '.[bench]'" in " ".join(printed.split())


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--parts=training,growht"], "--parts knows no growht, only training,"),
        (["--repeats=0"], "--repeats=0: .* positive integer"),
        (["--part=join"], "Unknown command line flag 'part'"),
    ],
)
def test_wrong_arguments_are_refused(argv, message):
    with pytest.raises(ValueError, match=message):
        call(run.COMMAND, argv)
