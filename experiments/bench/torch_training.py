"""A process that trains runs in PyTorch, and times it, on random rows.

    python experiments/bench/torch_training.py "rft 1" "rft 8" --compiled

`run.py` starts it, in an interpreter that need not have JAX. A measurement is rows a
second. Eight runs at once have all their arrays stacked.
"""

import argparse
import functools
import math
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import torch  # noqa: E402

from experiments.bench import process  # noqa: E402
from experiments.bench import torch_step as step_lib  # noqa: E402
from experiments.bench.torch_step import BITS, CLAIMS, DECISIONS, Rows  # noqa: E402

WIDTH = 64
DAYS = 1260
WARM_UP = 20  # Steps.
# Names, days a step, inputs of the trunk, inputs.
SIZES = {"default": (20, 26, 26, 34), "yardstick": (8, 32, 14, 14)}
REINFORCEMENT = step_lib.Coefs((0.2, 0.3, 0.5), 0.01, 0.05, 0.3)
IMITATION = (1.0, 1.0, 1.0)
PEAK_LR, MAX_GRAD_NORM = 2e-2, 10.0
WEIGHT_DECAY = {"rft": 0.3, "sft": 1.0}


class Training:
    """Some runs, side by side; `step` takes one step of each."""

    def __init__(self, stage: str, num_runs: int, size: str, num_steps: int):
        """Draws rows and parameters.

        Args:
          stage: rft or sft.
          num_runs: R.
          size: a key of `SIZES`.
          num_steps: over which the rate falls to zero.
        """
        names, self.batch_days, trunk, inputs = SIZES[size]
        self.stage, self.num_runs = stage, num_runs
        self.batch = names * self.batch_days
        self.sizes = step_lib.Sizes(trunk, inputs, WIDTH)
        self.rows = random_rows(names, inputs)
        count = sum(math.prod(shape) for shape in step_lib.shapes(self.sizes))
        self.flat = (0.1 * torch.randn(num_runs, count)).requires_grad_()
        ones = (torch.ones(num_runs, *shape) for shape in step_lib.shapes(self.sizes))
        decays = step_lib.Weights(*ones)
        decays.heads[..., :BITS] = decays.heads_bias[..., :BITS] = 0
        decays.evidence[:] = 0
        self.decay = WEIGHT_DECAY[stage] * step_lib.flatten(decays)
        self.adam = torch.optim.AdamW([self.flat], weight_decay=0.0, fused=True)
        self.num_steps = num_steps
        self.gradient = self._gradient

    def loss(self, weights, rows: Rows, uniforms: torch.Tensor) -> torch.Tensor:
        """Computes the loss of a minibatch, added up over runs."""
        if self.stage == "sft":
            return step_lib.sft_loss(weights, rows, IMITATION)
        return step_lib.rft_loss(weights, rows, uniforms, REINFORCEMENT)

    def step(self, i: int) -> None:
        """Takes step `i`."""
        lr = 0.5 * PEAK_LR * (1 + math.cos(math.pi * min(i / self.num_steps, 1)))
        gradient = self.gradient(self.flat)
        with torch.no_grad():
            self.flat.addcmul_(self.flat, self.decay, value=-lr)
        self.flat.grad = gradient
        self.adam.param_groups[0]["lr"] = lr
        self.adam.step()

    def _gradient(self, flat: torch.Tensor) -> torch.Tensor:
        """Draws a minibatch of each run; its gradient, clipped, [R, all parameters]."""
        days = torch.randint(0, DAYS, (self.num_runs, self.batch_days))
        rows = step_lib.as_rows(self.rows[days].flatten(1, 2))
        uniforms = torch.rand(2, self.num_runs, self.batch, BITS + 1)
        loss = self.loss(step_lib.unflatten(flat, self.sizes), rows, uniforms)
        (gradient,) = torch.autograd.grad(loss, flat)
        norm = gradient.norm(dim=1, keepdim=True)
        return gradient * (MAX_GRAD_NORM / norm.clamp(min=MAX_GRAD_NORM))


def random_rows(num_names: int, num_inputs: int) -> torch.Tensor:
    """Draws rows by day without any meaning, [DAYS, N, everything]."""
    shape = DAYS, num_names
    label = torch.randint(0, DECISIONS, shape)
    rows = Rows(
        inputs=torch.randn(*shape, num_inputs),
        truth=(torch.rand(*shape, CLAIMS) < 0.5).float(),
        known=torch.ones(*shape, CLAIMS),
        label=torch.nn.functional.one_hot(label, DECISIONS).float(),
        payoff=torch.randn(*shape, 1),
        weight=torch.ones(*shape, 1),
    )
    return torch.cat(rows, dim=-1)


def rate(training: Training, num_steps: int) -> float:
    """Takes the first steps; returns the rows a second."""
    started = time.perf_counter()
    for i in range(num_steps):
        training.step(i)
    seconds = time.perf_counter() - started
    return num_steps * training.num_runs * training.batch / seconds


def measures(
    names: list[str], num_steps: int, size: str, compiled: bool
) -> tuple[process.Measures, dict]:
    """Makes what is to be measured, and warms it up; as of `training.py`.

    The facts say, beside the seconds to compile, the rates of a few steps.
    """
    calls, compiling, first = {}, {}, {}
    for name in names:
        stage, number = name.split()
        training = Training(stage, int(number), size, num_steps)
        if compiled:
            training.gradient = torch.compile(training.gradient)
        started = time.perf_counter()
        training.step(0)
        compiling[name] = time.perf_counter() - started
        first[name] = rate(training, min(num_steps, WARM_UP))
        calls[name] = functools.partial(rate, training, num_steps)
    return calls, {"compile": compiling, "first": first}


def main() -> None:
    """Answers until nobody asks any more; its interpreter need not have absl either."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("names", nargs="+", help="such as 'rft 1', 'sft 8'")
    parser.add_argument("--size", choices=SIZES, default="default")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--compiled", action="store_true", help="by torch.compile")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    given = args.names, args.steps, args.size, args.compiled
    process.serve(lambda: measures(*given))


if __name__ == "__main__":
    main()
