"""Which decision reward trades best, by the strength of a planted signal.

    python experiments/decision_rewards.py

Gross headline Sharpe of SFT + RFT, one network, dollar-neutral, 1,260 training days;
means over the same markets with standard errors. Minutes on two cores.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # Lab books import one another as `experiments.…`.

from absl import flags, logging  # noqa: E402
from ml_collections import FrozenConfigDict  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from experiments import gates  # noqa: E402
from experiments.run import prepare_machine, run_from_shell  # noqa: E402
from thesis_rl.backtest import MAPPINGS  # noqa: E402
from thesis_rl.rewards import DECISION_REWARDS  # noqa: E402

STRENGTHS = (0.03, 0.05, 0.08)
FIRST_SEED = 3000

_KIND = flags.DEFINE_enum("kind", "linear", ["linear", "nonlinear"], "Of the signal.")
_NUM = flags.DEFINE_integer("num_markets", 4, "Markets for each strength.", 2)


def sharpes(reward: str, kind: str, num_markets: int) -> dict[str, list[list[float]]]:
    """Trains on every market with one decision reward.

    Returns:
      By mapping, [strengths][markets] gross headline Sharpe ratios.
    """
    config = gates.cell_config(kind, 1260, num_seeds=1)
    config.reward.decision = reward
    static = FrozenConfigDict(config)
    table = {mapping: [] for mapping in MAPPINGS}
    for strength in STRENGTHS:
        config.data.synthetic.strength = strength
        seeds = range(FIRST_SEED, FIRST_SEED + num_markets)
        markets = (gates.make_market(config, seed, boosting=False) for seed in seeds)
        scores = [gates.score_market(market, static) for market in markets]
        for mapping in MAPPINGS:
            table[mapping].append([s[f"rft.{mapping}"].sharpe for s in scores])
    return table


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise ValueError(f"unknown argument {argv[1]!r}; --help lists what there is")
    prepare_machine()
    logging.set_verbosity(logging.WARNING)
    table = Table(
        "reward", "mapping", title=f"PLANTED {_KIND.value}, {_NUM.value} each"
    )
    for strength in STRENGTHS:
        table.add_column(f"strength {strength}", justify="right")
    for reward in DECISION_REWARDS:
        for mapping, rows in sharpes(reward, _KIND.value, _NUM.value).items():
            table.add_row(reward, mapping, *map(gates.show, rows))
    Console(width=100).print(table)


if __name__ == "__main__":
    run_from_shell(main)
