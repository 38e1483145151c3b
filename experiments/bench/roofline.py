"""What the machine can do: the matrix products of a training step, and nothing else.

Forward, and back to the weights and to what the layers before put out; never back to
the inputs, which nobody needs. Each product is done as training does it, for a group of
runs at once on every device, with rows first or last, whichever is faster.
"""

import functools
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from ml_collections import FrozenConfigDict

from thesis_rl import policy
from thesis_rl.thesis.vocabulary import DECISION_LABELS, SECTION_NAMES
from thesis_rl.walk_forward import devices

REPETITIONS = 200  # Of a product in one call, to be long beside the call itself.


class Layer(NamedTuple):
    """A dense layer of the policy."""

    inputs: int
    outputs: int
    is_first: bool  # Reads the data, so that nothing goes back through it.


def layers(config: FrozenConfigDict) -> list[Layer]:
    """Lists the matrices of a policy, with the columns that can matter alone."""
    trunk = policy.make_model(config).trunk
    widths = [sum(trunk), *config.model.hidden]
    num_claims = len(config.claims)
    heads = len(SECTION_NAMES) + num_claims + len(DECISION_LABELS)
    hidden = [
        Layer(*pair, is_first=i == 0)
        for i, pair in enumerate(zip(widths[:-1], widths[1:], strict=True))
    ]
    return [
        *hidden,
        Layer(widths[-1], heads, is_first=False),
        Layer(len(trunk), num_claims, is_first=True),
    ]


def flops_per_row(config: FrozenConfigDict) -> int:
    """Counts the multiplications and additions that a row of a step needs."""
    return sum(
        2 * layer.inputs * layer.outputs * (2 if layer.is_first else 3)
        for layer in layers(config)
    )


def products(layer: Layer) -> list[str]:
    """Lists what a layer multiplies in a step, as einsums over rows b."""
    forward, to_weights, to_inputs = "bi,io->bo", "bi,bo->io", "bo,io->bi"
    return [forward, to_weights, *[to_inputs] * (not layer.is_first)]


def rows_last(spec: str) -> str:
    """Writes an einsum with b the last axis of everything."""
    factors, result = spec.split("->")
    last = lambda x: "".join(sorted(x, key="oib".index))  # noqa: E731
    return ",".join(map(last, factors.split(","))) + "->" + last(result)


def compile_step(
    batch: int, num_runs: int, config: FrozenConfigDict
) -> Callable[[], float]:
    """Compiles the products of a step, and tries which layout is faster for each.

    Args:
      batch: B.
      num_runs: how many runs are trained, which says how many go side by side.
      config: the experiment's.

    Returns:
      A call that measures how many rows' products the devices do in a second.
    """
    mesh = devices.make_mesh()
    group = devices.group_size(num_runs, config.group_size, mesh)
    calls = []
    for layer in layers(config):
        for spec in products(layer):
            both = spec, rows_last(spec)
            each = [compile_product(s, batch, layer, group, mesh) for s in both]
            calls.append(min(each, key=shortest))
    rows = batch * group * mesh.size * REPETITIONS
    return lambda: rows / sum(seconds(call) for call in calls)


def compile_product(
    spec: str, batch: int, layer: Layer, group: int, mesh: Mesh
) -> Callable[[], object]:
    """Compiles one product, done over and over by a group of runs on every device.

    Args:
      spec: its einsum.
      batch: B.
      layer: that it is of.
      group: runs side by side on a device.
      mesh: of all devices.

    Returns:
      A call.
    """
    size = {"b": batch, "i": layer.inputs, "o": layer.outputs}
    factors = [
        jnp.ones((group * mesh.size, *(size[axis] for axis in factor)))
        for factor in spec.split("->")[0].split(",")
    ]
    multiply = jax.vmap(functools.partial(jnp.einsum, spec))

    def repeat(left, right):
        def body(left, _):
            result = jax.lax.optimization_barrier(multiply(left, right))
            # One number ties each product to the one before; none can be left out.
            return left.at[0, 0, 0].add(1e-9 * result[0, 0, 0]), None

        return jax.lax.scan(body, left, length=REPETITIONS)[0]

    split = PartitionSpec(devices.RUNS)
    sharded = jax.shard_map(
        repeat, mesh=mesh, in_specs=split, out_specs=split, check_vma=False
    )
    factors = jax.device_put(factors, NamedSharding(mesh, split))
    return functools.partial(jax.jit(sharded).lower(*factors).compile(), *factors)


def seconds(call: Callable[[], object]) -> float:
    """Returns how long a call takes until its result is there."""
    started = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - started


def shortest(call: Callable[[], object]) -> float:
    """Returns the shortest of a few times, a first one left out."""
    seconds(call)
    return min(seconds(call) for _ in range(3))
