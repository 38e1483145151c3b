"""The main experiment beside every ablation, slow baseline and cross-validated path.

    python experiments/run.py --config=experiments/everything.py
    python experiments/run.py --config=experiments/everything.py:smoke

One program trains it all. Its headline is that of `rft.py`, and the ledger counts the
two as one trial. Needs the extra `boosting`.
"""

from ml_collections import config_dict

from experiments import rft


def get_config(size: str = "full") -> config_dict.ConfigDict:
    """Returns the experiment; `size` is "full" or "smoke"."""
    config = rft.get_config(size)
    config.title = "Pairwise ranking reinforcement, beside everything"
    config.ablations = ("exact", "rft_only", "no_claims", "no_structure")
    config.baselines = ("logistic", "boosting")
    config.combinatorial.num_groups = 6
    config.backtest.cvar_limit = 0.002
    return config
