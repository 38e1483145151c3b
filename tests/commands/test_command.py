"""The frame: arguments are read as a command declares them, and it ends in one line."""

import subprocess
import sys

import pytest
from absl import flags

from experiments import (
    command,
    compare,
    fetch,
    known_truth,
    predict,
    run,
    sweep,
    verify,
)
from experiments.bench import as_of, backtest, training
from experiments.bench import run as bench

MODULES = (
    *(as_of, backtest, bench, compare, fetch, known_truth, predict, run, sweep),
    *(training, verify),
)
ROOT = run.ROOT


def declare(own):
    flags.DEFINE_integer("number", 3, "Of things.", 1, flag_values=own)
    flags.DEFINE_string("name", None, "What it is called.", own)


def make(main, **more):
    return command.Command("What it does.", declare, main, **more)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_help_prints_the_page_and_every_flag_a_line(module, capsys):
    with pytest.raises(SystemExit) as left:
        command.parse(module.COMMAND, ["--help"])
    assert not left.value.code
    page, flags_listed = capsys.readouterr().out.split(module.__doc__.strip())
    own = flags.FlagValues()
    module.COMMAND.declare(own)
    listed = [line.split()[0] for line in flags_listed.strip().splitlines()]
    config = ["--config"] * ("config" in module.COMMAND.needs)
    assert listed == [*config, *(f"--{name}" for name in own)] and not page


def test_flags_and_words_reach_the_command_and_its_code_is_returned():
    def main(given, *words):
        return given.number, given.name, words

    made = make(main, takes_words=True)
    assert command.call(made, ["a", "--number=4", "b"]) == (4, None, ("a", "b"))
    assert command.call(made, ["--name", "x"]) == (3, "x", ())
    assert command.call(made, []) == (3, None, ()), "nothing is left of earlier calls"


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--nmae=x"], "Unknown command line flag 'nmae'"),
        (["--name=x", "y"], "unknown argument 'y'; --help lists"),
        ([], "an argument is missing. Give --name=NAME, say"),
        (["--name=x", "--number=0"], "--number=0: .* positive integer"),
        (["--name=x", "--number=many"], "--number=many: .*invalid literal"),
    ],
)
def test_a_wrong_argument_is_named(argv, message):
    with pytest.raises(ValueError, match=message):
        command.parse(make(None, needs={"name": "NAME"}), argv)


@pytest.mark.parametrize(
    "outcome, code",
    [
        (None, None),
        (1, 1),
        (ValueError("it is\n wrong"), "Error: it is wrong"),
        (FileNotFoundError("gone"), "Error: gone"),
        (ImportError("pip install it"), "Error: pip install it"),
    ],
)
def test_every_end_is_one_line_or_a_code(outcome, code, monkeypatch):
    def main(given):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr("sys.argv", ["command.py"])
    with pytest.raises(SystemExit) as left:
        command.run_from_shell(make(main))
    assert left.value.code == code


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr("sys.argv", ["command.py"])
    with pytest.raises(ZeroDivisionError):
        command.run_from_shell(make(lambda given: 1 / 0))


@pytest.mark.parametrize(
    "name", ["run", "sweep", "fetch", "predict", "compare", "verify", "bench.run"]
)
def test_arguments_are_read_before_anything_heavy_is_imported(name):
    code = f"import sys, experiments.{name}; sys.exit('jax' in sys.modules)"
    assert not subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode
