"""Ablation: claims earn nothing.

python experiments/run.py --config=experiments/rft_no_claims.py
python experiments/run.py --config=experiments/rft_no_claims.py:smoke
"""

from ml_collections import config_dict

from experiments import rft
from thesis_rl.learning.network import ABLATIONS


def get_config(size: str = "full") -> config_dict.ConfigDict:
    """Returns the experiment; `size` is "full" or "smoke"."""
    config = rft.get_config(size)
    config.title = "Ablation: claims earn nothing"
    config.update_from_flattened_dict(ABLATIONS["no_claims"])
    return config
