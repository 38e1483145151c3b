"""Reinforcement with a trader that pays its costs, on 20 US stocks.

python experiments/run.py --config=experiments/rft_path.py
python experiments/run.py --config=experiments/rft_path.py:smoke

The networks stay close to imitation: a quarter of the rate of `rft.py`, and half of the
parameters kept. Then a trader for each fold learns how much of the way to the networks'
positions to go in a day, from sampled paths of days that were forecast before they were
seen, net of costs. `path_gates.py` has what that is worth.

How the recipe was chosen: on PLANTED markets (seeds 100 to 102), never on prices. Tried
and left: gradients of a path's net return into the whole network, which learned its
training days by heart (gross Sharpe 2.2 to 2.8 where imitation has 2.84, .6 to 1.1
where it has 1.30); a trader taught on each fold's held-out days alone, which knows too
little (net 2.4 to 2.5 where one taught on all earlier folds has 2.55); a share that
hangs on more than the gap; 16 stretches a step in place of 4.
"""

from ml_collections import config_dict

from experiments import rft


def get_config(size: str = "full") -> config_dict.ConfigDict:
    """Returns the experiment; `size` is "full" or "smoke"."""
    config = rft.get_config(size)
    config.title = "Reinforcement with a trader that pays its costs"
    config.rft.peak_lr = 5e-3
    config.rft.keep = 0.5
    config.path.num_steps = 10 if size == "smoke" else 150
    return config
