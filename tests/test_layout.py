"""The walls: which way imports point, and what the core may know."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "thesis_rl"
# A core module imports only core modules on an earlier line.
CORE = [
    ("types", "vocabulary"),
    ("claims", "ablations"),
    ("sizing", "heads"),
    ("policy", "coherence"),
    ("rewards",),
    ("losses", "tether"),
    ("preprocess",),
    ("descent",),
    ("sft",),
    ("rft", "stats", "folds", "portfolio", "pacing"),
    ("ledger", "orders"),
    ("backtest",),
    ("paths",),
    ("credit", "bands"),
    ("trader",),
    ("parallel",),
    ("training", "execution"),
    ("stages", "choice", "calibration"),
    ("networks", "combinatorial", "distillation", "trading"),
    ("walk_forward",),
]
LEVEL = {name: level for level, names in enumerate(CORE) for name in names}
OUTER = {"report": len(CORE) + 1}  # All other rooms stand between core and report.
HOST_ONLY = {"pandas", "absl", "pathlib", "json", "time", "datetime", "os"}
MAX_LINES = 260


def room(path):
    """Returns the first name below thesis_rl: the module or the folder."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def level(name):
    return LEVEL.get(name, OUTER.get(name, len(CORE)))


def imports(path):
    """Yields every imported module, dotted, wherever in the file it is imported."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            if node.module == "thesis_rl":
                yield from (f"thesis_rl.{alias.name}" for alias in node.names)
            else:
                yield node.module


def rooms_imported(path):
    parts = (name.split(".") for name in imports(path))
    return {p[1] for p in parts if p[0] == "thesis_rl" and len(p) > 1}


MODULES = [p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py"]
CORE_MODULES = [p for p in MODULES if room(p) in LEVEL]
SOURCES = [*PACKAGE.rglob("*.py"), *(ROOT / "experiments").rglob("*.py")]


def ids(path):
    return str(path.relative_to(ROOT))


def test_the_core_is_all_there():
    assert {room(path) for path in CORE_MODULES} == set(LEVEL)


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_imports_point_one_way(path):
    here = room(path)
    for there in rooms_imported(path) - {here}:
        if here in LEVEL:
            assert level(there) < level(here), f"{here} imports {there}"
        else:
            assert level(there) <= level(here), f"{here} imports {there}"


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_nothing_imports_experiments(path):
    assert "experiments" not in {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", CORE_MODULES, ids=ids)
def test_the_core_knows_no_host(path):
    assert not {name.split(".")[0] for name in imports(path)} & HOST_ONLY


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_flax_stays_in_the_policy(path):
    flax = {name for name in imports(path) if name.split(".")[0] == "flax"}
    assert not flax or room(path) == "policy"


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_files_stay_short_and_finished(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    assert not [word for word in ("TODO", "FIXME", "XXX") if word in text]
    assert path.name not in ("utils.py", "helpers.py", "common.py")


@pytest.mark.parametrize("path", CORE_MODULES, ids=ids)
def test_public_functions_have_docstrings(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the module has no docstring"
    public = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]
    bare = [node.name for node in public if not ast.get_docstring(node)]
    assert not bare, f"no docstring: {bare}"


def test_jit_stands_at_the_outermost_edge():
    jitted = {
        room(path)
        for path in CORE_MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "jit"
    }
    # Where networks are laid out side by side, and above.
    edge = {"parallel", "stages", "networks", "combinatorial", "walk_forward"}
    assert jitted == edge


@pytest.mark.parametrize("text", ["import os", "from thesis_rl import walk_forward"])
def test_the_walls_would_see_a_breach(tmp_path, text):
    path = tmp_path / "module.py"
    path.write_text(f"def f():\n    {text}\n", encoding="utf-8")
    assert set(imports(path)) & {"os", "thesis_rl.walk_forward"}
