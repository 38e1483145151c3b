"""Ablation: structure earns nothing.

python experiments/run.py --config=experiments/rft_no_structure.py
python experiments/run.py --config=experiments/rft_no_structure.py:smoke
"""

from ml_collections import config_dict

from experiments import rft


def get_config(size: str = "full") -> config_dict.ConfigDict:
    """Returns the experiment; `size` is "full" or "smoke"."""
    config = rft.get_config(size)
    config.title = "Ablation: structure earns nothing"
    config.reward.weights = (0.0, 0.3, 0.5)  # Structure, claims, decision.
    return config
