"""The walls: which way imports point between rooms, and what the core may know."""

import ast
import functools
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "thesis_rl"
# A room imports rooms of earlier lines, and those its own line names.
ORDER = (
    "types",
    "files",
    "configs",
    "stats",
    "thesis",
    "policy",
    "data",
    "trading",
    "learning",
    "walk_forward",
    "evaluation",
    "runs",
    "predict",
    "report",
)
FORBIDDEN = {  # Beyond the order: what a room is not for.
    "stats": {"files", "configs"},
    "thesis": {"stats", "files"},
    "policy": {"stats", "files", "configs"},
    "trading": {"data", "policy", "files", "stats"},
    "learning": {"data", "files", "stats"},
    "evaluation": {"files"},
}
# The compiled part: pure functions of arrays, without files, clocks, flags or tables.
CORE = ("types", "policy", "trading", "learning")
CORE_FILES = ("folds", "devices", "train", "forecast", "combinatorial", "program")
HOST_ONLY = {"pandas", "absl", "pathlib", "json", "time", "datetime", "os"}
MAX_LINES = 400
MAX_CHILDREN = 18


def dotted(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {dotted(path): path for path in FILES}
COMMANDS = sorted((ROOT / "experiments").rglob("*.py"))


def room(module):
    """The first name below thesis_rl: a folder, or a module of its own."""
    return (module.split(".") + [""])[1]


@functools.cache
def imports(path):
    """Lists every imported module, dotted, wherever in the file it is imported."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return frozenset(found)


def of_package(path):
    return {name for name in imports(path) if name in MODULES}


def is_core(module):
    inside = module.split(".")[2:]
    compiled = room(module) == "walk_forward" and inside and inside[0] in CORE_FILES
    return room(module) in CORE or compiled


CORE_MODULES = [module for module in MODULES if is_core(module)]


@pytest.mark.parametrize("module", [m for m in MODULES if room(m)])
def test_imports_point_one_way(module):
    here = room(module)
    for there in {room(name) for name in of_package(MODULES[module])} - {here, ""}:
        assert ORDER.index(there) < ORDER.index(here), f"{here} imports {there}"
        assert there not in FORBIDDEN.get(here, ()), f"{here} imports {there}"


def test_modules_import_in_no_circle():
    left = {m: of_package(p) - {m} for m, p in MODULES.items()}
    while left:
        free = [m for m, needed in left.items() if not needed & left.keys()]
        assert free, f"a circle among {sorted(left)}"
        for module in free:
            del left[module]


@pytest.mark.parametrize("name", [name for name in ORDER if (PACKAGE / name).is_dir()])
def test_a_room_says_what_it_is_for_and_lists_what_others_may_use(name):
    tree = ast.parse((PACKAGE / name / "__init__.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    listed = {
        element.value
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
        for element in node.value.elts
    }
    used = set()
    for module, path in [*MODULES.items(), *((None, path) for path in COMMANDS)]:
        if module is None or room(module) != name:
            used |= {
                found.split(".")[2]
                for found in of_package(path)
                if room(found) == name and found.count(".") > 1
            }
    assert used <= listed, f"{name} is used by its parts {sorted(used - listed)}"
    parts = {path.stem for path in (PACKAGE / name).iterdir()}
    assert listed & parts <= used, f"nobody uses {sorted((listed & parts) - used)}"


def test_the_package_is_taken_in_at_a_glance():
    children = [p for p in PACKAGE.iterdir() if not p.name.startswith(("_", "."))]
    assert {path.stem for path in children} == set(ORDER)
    assert len(children) <= MAX_CHILDREN


@pytest.mark.parametrize("path", FILES, ids=dotted)
def test_nothing_imports_experiments(path):
    assert "experiments" not in {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("module", CORE_MODULES)
def test_the_core_knows_no_host(module):
    assert not {name.split(".")[0] for name in imports(MODULES[module])} & HOST_ONLY


@pytest.mark.parametrize("module", MODULES)
def test_flax_stays_in_the_policy(module):
    flax = {name for name in imports(MODULES[module]) if name.split(".")[0] == "flax"}
    assert not flax or room(module) == "policy"


@pytest.mark.parametrize("path", [*FILES, *COMMANDS], ids=dotted)
def test_files_stay_short_and_finished(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    assert not [word for word in ("TODO", "FIXME", "XXX") if word in text]
    assert path.name not in ("utils.py", "helpers.py", "common.py")


@pytest.mark.parametrize("module", CORE_MODULES)
def test_public_functions_have_docstrings(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
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
        room(module)
        for module in CORE_MODULES
        for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "jit"
    }
    assert jitted == {"walk_forward"}


@pytest.mark.parametrize("text", ["import os", "from thesis_rl.runs import record"])
def test_the_walls_would_see_a_breach(tmp_path, text):
    path = tmp_path / "module.py"
    path.write_text(f"def f():\n    {text}\n", encoding="utf-8")
    assert imports(path) & {"os", "thesis_rl.runs.record"}
