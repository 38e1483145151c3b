"""A large universe: 3,000 names over 20 years, 15 million rows on one machine.

    python experiments/run.py --config=experiments/large.py
    python experiments/run.py --config=experiments/large.py:smoke

A minibatch is two whole days, 6,000 rows, about twelve times what it is for 20 names.

Two shared cores, another job beside it: 12 minutes and 11.4 GiB at most, of which 61 s
loading and features, 126 s training, 157 s forecasts and trades, 139 s scoring, 178 s
files of 1.2 GB. The signal is planted and found; its Sharpe, 33, says only that 3,000
simulated names share no noise.
"""

from ml_collections import config_dict

from experiments import planted


def get_config(size: str = "full") -> config_dict.ConfigDict:
    """Returns the experiment; `size` is "full" or "smoke"."""
    config = planted.get_config(size)
    smoke = size == "smoke"
    config.title = "A large universe"
    config.num_seeds = 2
    config.data.synthetic.num_names = 60 if smoke else 3000
    config.data.synthetic.num_days = 600 if smoke else 5040
    config.sft.batch_days = 2
    config.rft.batch_days = 2
    # A thesis of every name, three times over the years.
    config.report.thesis_stride = 60 if smoke else 1260
    return config
