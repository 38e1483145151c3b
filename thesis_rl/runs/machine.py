"""What a run makes of the machine: its cores, its compiled programs, its neighbours."""

import os
import pathlib

import jax

_DEVICE_COUNT = "xla_force_host_platform_device_count"


def use_every_core() -> None:
    """Makes a device of every core that this process may use.

    Networks are trained by as many threads that never wait for one another, where one
    device would share out every single operation. There are two at least: XLA compiles
    for one device in another way, and rounds differently.
    """
    if _DEVICE_COUNT not in os.environ.get("XLA_FLAGS", ""):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
        jax.config.update("jax_num_cpu_devices", max(cores or os.cpu_count() or 1, 2))


def keep_compiled_programs() -> None:
    """Lets a second run of the same program skip its compilation."""
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    if not jax.config.jax_compilation_cache_dir:
        folder = str(pathlib.Path(cache) / "thesis_rl")
        jax.config.update("jax_compilation_cache_dir", folder)
        # Small programs too: there are dozens, and each takes a tenth of a second.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


def join_processes(
    coordinator: str | None, num_processes: int | None, process_id: int | None
) -> None:
    """Joins the processes of one run, on as many machines, into one set of devices.

    Args:
      coordinator: HOST:PORT of the first process; None where a cluster tells.
      num_processes: likewise.
      process_id: likewise, 0 for the process that writes.

    Raises:
      ValueError: one of them is given without the others.
    """
    given = coordinator, num_processes, process_id
    if any(x is None for x in given) and any(x is not None for x in given):
        raise ValueError(
            "--coordinator, --num_processes and --process_id go together; on a cluster "
            "that JAX knows leave out all three"
        )
    # Those that only help wait at the end for the one that judges and writes.
    jax.distributed.initialize(
        coordinator, num_processes, process_id, shutdown_timeout_seconds=86_400
    )
