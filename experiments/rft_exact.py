"""Ablation: the exact gradient of the expected reward, in place of pairs of theses.

python experiments/run.py --config=experiments/rft_exact.py
python experiments/run.py --config=experiments/rft_exact.py:smoke
"""

from ml_collections import config_dict

from experiments import rft


def get_config(size: str = "full") -> config_dict.ConfigDict:
    """Returns the experiment; `size` is "full" or "smoke"."""
    config = rft.get_config(size)
    config.title = "Ablation: the exact gradient"
    config.rft.estimator = "exact"
    return config
