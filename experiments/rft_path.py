"""Reinforcement that stays close to imitation, traded at a pace, on 20 US stocks.

python experiments/run.py --config=experiments/rft_path.py
python experiments/run.py --config=experiments/rft_path.py:smoke

A quarter of the rate of `rft.py`, and half of the parameters kept. The book closes a
share of each gap to the networks' positions a day, and trades as much of them as its
own past speaks for. `known_truth.py` has what that is worth net of costs.

The share was chosen on PLANTED markets (seeds 100 to 102), never on prices. Tried and
left, for `docs/results.md` has that it added nothing: a share learned from sampled
paths of trades.
"""

from ml_collections import config_dict

from experiments import rft


def get_config(size: str = "full") -> config_dict.ConfigDict:
    """Returns the experiment; `size` is "full" or "smoke"."""
    config = rft.get_config(size)
    config.title = "Reinforcement close to imitation, traded at a pace"
    config.rft.peak_lr = 5e-3
    config.rft.keep = 0.5
    config.pace.rule = "partial"
    return config
