"""Strict JAX, quick compiles: imported before any test touches a device.

Tests run in one process a core, a file in one process. What takes longest starts first,
so that no core waits for it at the end. Compiled programs are kept for the other
processes and for the next time; `pytest --cache-clear` forgets them.
"""

import os
import pathlib
from importlib import metadata

# Compiling is what tests do most: no optimisation, and the emitter that is quicker to
# compile with. Processes that share the cores keep to one thread each.
QUICK = "--xla_backend_optimization_level=0 --xla_cpu_multi_thread_eigen=false"
if metadata.version("jaxlib").startswith("0.10."):  # Later ones end at the name.
    QUICK += " --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("XLA_FLAGS", QUICK)
CACHE = pathlib.Path(__file__).parents[1] / ".pytest_cache/d/compiled"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "agg")

import jax  # noqa: E402
import pytest  # noqa: E402
from xdist.scheduler import LoadFileScheduling  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)

MAX_PROCESSES = 4  # Each comes to hold almost four gigabytes.
# Files that share what takes longer to make than to test, by the module that makes it.
SHARED = {
    "world_run": (
        "test_point_in_time",
        "test_poison",
        "test_rft_full",
        "test_verification",
    ),
    "random_run": ("test_report", "test_report_page", "test_report_wording"),
    "small_run": (
        "test_compare",
        "test_evaluation",
        "test_judgement",
        "test_predict",
        "test_registry",
        "test_run",
        "test_sensitivity",
        "test_sweep",
        "test_verify",
    ),
}
MAKER = {file: maker for maker, files in SHARED.items() for file in files}
LONGEST = (*MAKER, "test_notebook")


class Scheduling(LoadFileScheduling):
    """Keeps a file in one process, and with it those that share what it needs."""

    def _split_scope(self, nodeid: str) -> str:
        file = pathlib.Path(super()._split_scope(nodeid)).stem
        return MAKER.get(file, file)


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> Scheduling:
    return Scheduling(config, log)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Starts no further process for one file, or on one core."""
    files = {argument.partition("::")[0] for argument in config.args}
    one_file = len(files) == 1 and pathlib.Path(*files).is_file()
    cores = os.cpu_count() or 1
    return 0 if one_file or cores == 1 else min(cores, MAX_PROCESSES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))
