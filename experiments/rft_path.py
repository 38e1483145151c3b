"""Reinforcement with a trader that pays its costs, on 20 US stocks.

python experiments/run.py --config=experiments/rft_path.py
python experiments/run.py --config=experiments/rft_path.py:smoke
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
