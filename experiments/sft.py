"""The supervised baseline: imitation alone, for as many steps as `rft.py` takes.

python experiments/run.py --config=experiments/sft.py
python experiments/run.py --config=experiments/sft.py:smoke
"""

from ml_collections import config_dict

from experiments import rft


def get_config(size: str = "full") -> config_dict.ConfigDict:
    """Returns the experiment; `size` is "full" or "smoke"."""
    config = rft.get_config(size)
    config.title = "Supervised baseline"
    config.sft.num_steps += config.rft.num_steps
    config.rft.num_steps = 0
    return config
