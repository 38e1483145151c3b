"""A known signal, planted: what the method finds where the truth is known.

    python experiments/run.py --config=experiments/planted.py
    python experiments/run.py --config=experiments/planted.py:smoke

`--config.data.synthetic.kind=nonlinear` plants interactions, `.strength=0` nothing.
One market; `known_truth.py` has the table over many.
"""

from ml_collections import config_dict

from experiments import rft


def get_config(size: str = "full") -> config_dict.ConfigDict:
    """Returns the experiment; `size` is "full" or "smoke"."""
    config = rft.get_config(size)
    config.title = "A planted signal, found or not"
    config.data.source = "synthetic"
    config.data.start = ""
    config.data.synthetic.num_days = 600 if size == "smoke" else 6000
    config.features = (
        "f_quality",
        "f_sentiment",
        "f_momentum",
        "f_insider",
        "mom10",
        "mom30",
        "vol",
        "mom10_rel",
        "mom30_rel",
        "vol_rel",
    )
    return config
