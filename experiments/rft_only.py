"""Ablation: reinforcement without a warm start.

python experiments/run.py --config=experiments/rft_only.py
python experiments/run.py --config=experiments/rft_only.py:smoke
"""

from ml_collections import config_dict

from experiments import rft


def get_config(size: str = "full") -> config_dict.ConfigDict:
    """Returns the experiment; `size` is "full" or "smoke"."""
    config = rft.get_config(size)
    config.title = "Ablation: reinforcement without a warm start"
    config.sft.num_steps = 0
    return config
