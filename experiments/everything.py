"""The main experiment beside every ablation, slow baseline and cross-validated path.

    python experiments/run.py --config=experiments/everything.py
    python experiments/run.py --config=experiments/everything.py:smoke

One program trains it all. Its headline is that of `rft.py`, and the ledger counts the
two as one trial. Needs the extra `boosting`.
"""

from collections.abc import Mapping

from ml_collections import config_dict

from experiments import rft, rft_exact, rft_no_claims, rft_no_structure, rft_only

ABLATIONS = {
    "exact": rft_exact,
    "rft_only": rft_only,
    "no_claims": rft_no_claims,
    "no_structure": rft_no_structure,
}


def difference(old: Mapping, new: Mapping) -> dict:
    """Returns what is other in `new`, nested as it is."""
    return {
        key: difference(old[key], value) if isinstance(value, Mapping) else value
        for key, value in new.items()
        if value != old[key]
    }


def get_config(size: str = "full") -> config_dict.ConfigDict:
    """Returns the experiment; `size` is "full" or "smoke"."""
    config = rft.get_config(size)
    plain = config.to_dict()
    for name, book in ABLATIONS.items():
        changes = difference(plain, book.get_config(size).to_dict())
        del changes["title"]
        config.ablations[name] = changes
    config.title = "Pairwise ranking reinforcement, beside everything"
    config.baselines = ("logistic", "boosting")
    config.combinatorial.num_groups = 6
    config.backtest.cvar_limit = 0.002
    return config
