"""Reinforcement with a trader rewarded for the book as a whole, on 20 US stocks.

    python experiments/run.py --config=experiments/rft_book.py
    python experiments/run.py --config=experiments/rft_book.py:smoke

Paths of all names are compared as one book, by its mean less what its variance costs,
and each name answers for what it changed: `leave_one_out`.
"""

from ml_collections import config_dict

from experiments import rft_path


def get_config(size: str = "full") -> config_dict.ConfigDict:
    """Returns the experiment; `size` is "full" or "smoke"."""
    config = rft_path.get_config(size)
    config.title = "Reinforcement with a trader rewarded for its book"
    config.path.reward = "book"
    config.path.credit = "leave_one_out"
    return config
