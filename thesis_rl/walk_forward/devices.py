"""Many networks at once: shared out over devices, a few side by side on each."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

RUNS = "runs"  # The mesh's only axis.
# On a processor more networks side by side than this fall out of its cache; an
# accelerator wants all it can get.
SIDE_BY_SIDE = {"cpu": 4}
MOST_SIDE_BY_SIDE = 256


def make_mesh() -> Mesh:
    """Lines up every device, those of other processes included, for runs to share."""
    devices = jax.devices()
    return jax.make_mesh((len(devices),), (RUNS,), (AxisType.Auto,), devices=devices)


def group_size(num_runs: int, wanted: int, mesh: Mesh | None) -> int:
    """Says how many runs of a device go side by side.

    Results are bitwise the same on any number of devices where this is the same.

    Args:
      num_runs: of all devices.
      wanted: `config.group_size`; 0 leaves it to the kind of device.
      mesh: of the devices; None for one.

    Returns:
      At least 1.
    """
    if wanted:
        return min(wanted, num_runs)
    most = SIDE_BY_SIDE.get(jax.default_backend(), MOST_SIDE_BY_SIDE)
    return min(most, -(-num_runs // (mesh.size if mesh else 1)))


def filled_up(num_runs: int, group: int, mesh: Mesh | None) -> np.ndarray:
    """Numbers runs so that every group of every device is full.

    Returns:
      0 … num_runs − 1, and then from 0 again, for runs that are thrown away.
    """
    whole = group * (mesh.size if mesh else 1)
    return np.arange(-(-num_runs // whole) * whole, dtype=np.int32) % num_runs


def share_out(tree: Any, group: int, mesh: Mesh) -> Any:
    """Puts runs [R, ...] onto their devices, as `filled_up` numbers them.

    Args:
      tree: the same on every process, leading axes [R].
      group: of `group_size`.
      mesh: of `make_mesh`.
    """
    index = filled_up(len(jax.tree.leaves(tree)[0]), group, mesh)
    sharding = NamedSharding(mesh, PartitionSpec(RUNS))
    return jax.tree.map(lambda x: put(on_host(x)[index], sharding), tree)


def replicate(tree: Any, mesh: Mesh) -> Any:
    """Puts what all runs share onto every device."""
    sharding = NamedSharding(mesh, PartitionSpec())
    return jax.tree.map(lambda x: put(x, sharding), tree)


def on_host(x: Any) -> Any:
    """Fetches an array, where an index compiles nothing; keys stay where they are."""
    return x if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else np.asarray(x)


def put(x: Any, sharding: NamedSharding) -> jax.Array:
    """Places an array that every process holds whole."""
    if sharding.is_fully_addressable:
        return jax.device_put(x, sharding)
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        data = put(jax.random.key_data(x), sharding)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(x))
    x = np.asarray(x)
    return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])


def agree(number: int) -> int:
    """Returns the first process's number to every process."""
    if jax.process_count() == 1:
        return number
    return int(multihost_utils.broadcast_one_to_all(np.int32(number)))


def any_process(failed: bool) -> bool:
    """Tells every process whether something failed in one of them."""
    if jax.process_count() == 1:
        return failed
    return bool(multihost_utils.process_allgather(np.int32(failed)).any())


def collect(tree: Any, num_runs: int) -> Any:
    """Brings runs back to every process, without those that filled up the last group.

    Args:
      tree: of `share_out`, or what came of it.
      num_runs: R.

    Returns:
      NumPy arrays with leading axes [R].
    """
    if jax.process_count() > 1:
        mesh = jax.tree.leaves(tree)[0].sharding.mesh
        # All in one program: one an array may reach two processes in two orders.
        tree = jax.jit(lambda x: x, out_shardings=NamedSharding(mesh, PartitionSpec()))(
            tree
        )
    return jax.tree.map(lambda x: np.asarray(x)[:num_runs], tree)


def spread(
    run: Callable[..., Any], group: int, mesh: Mesh | None
) -> Callable[..., Any]:
    """Makes a function of one run a function of all.

    Args:
      run: of (what is the run's own, what all runs share), a tree each.
      group: of `group_size`.
      mesh: of the devices that share the runs; None leaves them to one.

    Returns:
      A function of the same two, the first with leading axes as of `share_out`.
    """

    def on_device(own, shared):
        split = lambda x: x.reshape(-1, group, *x.shape[1:])  # noqa: E731
        each = jax.vmap(lambda own: run(own, shared))
        done = jax.lax.map(each, jax.tree.map(split, own))
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), done)

    if mesh is None:
        return on_device
    return jax.shard_map(
        on_device,
        mesh=mesh,
        in_specs=(PartitionSpec(RUNS), PartitionSpec()),
        out_specs=PartitionSpec(RUNS),
        check_vma=False,  # Nothing is exchanged between devices.
    )


def in_groups(
    run: Callable[[jax.Array], Any],
    num_runs: int,
    wanted: int,
    mesh: Mesh | None = None,
) -> Any:
    """Maps runs 0 … num_runs − 1, a few side by side; inside a compiled program.

    Args:
      run: of the index of a run, [] int32.
      num_runs: how many there are.
      wanted: `config.group_size`.
      mesh: of the devices that share the runs; None leaves them to one.

    Returns:
      What `run` returns, with a leading axis [num_runs].
    """
    group = group_size(num_runs, wanted, mesh)
    index = jnp.asarray(filled_up(num_runs, group, mesh))
    done = spread(lambda index, _: run(index), group, mesh)(index, ())
    return jax.tree.map(lambda x: x[:num_runs], done)
