"""What an installed copy holds, and what `.ci/run` does."""

import configparser
import fnmatch
import importlib.resources
import os
import pathlib
import re
import subprocess

import pytest

import thesis_rl

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "thesis_rl"

SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")
PACKAGE_DATA = [
    (package, pattern)
    for package, patterns in SETUP["options.package_data"].items()
    for pattern in patterns.split()
]

CI_STUB = """\
mkdir -p .venv/bin
for tool in python ruff; do
    printf '#!/bin/sh\\necho %s "$@" >> "$CI_LOG"\\n' $tool > .venv/bin/$tool
    chmod +x .venv/bin/$tool
done
"""


@pytest.mark.parametrize("package, pattern", PACKAGE_DATA)
def test_declared_data_can_be_loaded(package, pattern):
    folder, _, name = pattern.rpartition("/")
    room = importlib.resources.files(package).joinpath(folder)
    found = [f for f in room.iterdir() if fnmatch.fnmatch(f.name, name)]
    assert found, f"{package}: nothing matches {pattern}"
    assert all(f.read_bytes() for f in found if f.is_file())


def test_every_data_file_is_declared():
    declared = [f"{p.replace('.', '/')}/{pattern}" for p, pattern in PACKAGE_DATA]
    data = [
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    ]
    left_out = [p for p in data if not any(fnmatch.fnmatch(p, d) for d in declared)]
    assert data and not left_out


def test_every_folder_of_code_is_a_package():
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert {f.name for f in folders if not (f / "__init__.py").exists()} == set()


def test_version_and_licence_are_said_once_or_agree():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert SETUP["metadata"]["version"] == "attr: thesis_rl.__version__"
    assert f"\nversion: {thesis_rl.__version__}\n" in citation
    assert SETUP["metadata"]["license"] == "Apache-2.0"
    assert "\nlicense: Apache-2.0\n" in citation
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_readme_installs_only_extras_that_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = {
        extra
        for group in re.findall(r"\.\[([\w,]+)\]", readme)
        for extra in group.split(",")
    }
    assert "test" in named
    assert named <= set(SETUP["options.extras_require"])


def run_ci(tmp_path, readme):
    checkout, scratch = tmp_path / "checkout", tmp_path / "scratch"
    (checkout / ".ci").mkdir(parents=True)
    scratch.mkdir()
    script = checkout / ".ci" / "run"
    script.write_bytes((ROOT / ".ci" / "run").read_bytes())
    script.chmod(0o755)
    (checkout / "README.md").write_text(readme)
    (checkout / "stub").write_text(CI_STUB)
    (checkout / ".venv").mkdir()
    log = tmp_path / "log"
    done = subprocess.run(
        [script],
        env=os.environ | {"TMPDIR": str(scratch), "CI_LOG": str(log)},
        capture_output=True,
        text=True,
    )
    assert not list(scratch.iterdir()), "nothing is left behind"
    assert {p.name for p in checkout.iterdir()} == {".ci", ".venv", "README.md", "stub"}
    return done, log.read_text().splitlines() if log.exists() else []


def test_ci_runs_the_readme_line_then_ruff_then_the_smoke_run(tmp_path):
    line = 'test ! -e .venv && . ./stub && .venv/bin/python "the README line"'
    readme = f"<!-- run -->\n```\nfalse\n```\n<!-- test -->\n\n```bash\n{line}\n```\n"
    done, calls = run_ci(tmp_path, readme)
    assert done.returncode == 0, done.stderr
    assert calls[:3] == [
        "python the README line",
        "ruff check .",
        "ruff format --check .",
    ]
    assert len(calls) == 4
    assert re.fullmatch(
        r"python experiments/run\.py --config=experiments/rft\.py:smoke --workdir=\S+",
        calls[3],
    )


def test_ci_stops_where_the_readme_line_fails(tmp_path):
    readme = "<!-- test -->\n```\n. ./stub && exit 7\n```\n"
    done, calls = run_ci(tmp_path, readme)
    assert done.returncode == 7 and not calls


@pytest.mark.parametrize(
    "readme", ["", "```\ntrue\n```\n", "<!-- test -->\n```\ntrue\ntrue\n```\n"]
)
def test_ci_says_when_the_readme_has_no_test_line(tmp_path, readme):
    done, _ = run_ci(tmp_path, readme)
    assert done.returncode == 1
    assert "want one line in the fenced block under <!-- test -->" in done.stderr


def test_ci_can_be_started_and_repeats_nothing():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert not re.search(r"pytest|\bpip\b|-m venv", script.read_text())


def test_readme_has_the_test_line_that_ci_takes():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^<!-- test -->\n+```\w*\n(.*)\n```$", readme, re.MULTILINE)
    assert len(lines) == 1, "one fenced line under one <!-- test --> marker"
    assert "pip install" in lines[0] and "-m pytest" in lines[0]
