"""Prices, filings, insiders, macro and news, each as it was known at the close.

    python experiments/fetch.py --config=experiments/data/us20.py
    python experiments/run.py --config=experiments/rft_full.py \\
        --config.data.source=store --config.data.events.store=stores/us20

Without a store it runs on the twenty shipped stocks and the shipped Treasury curve, and
says which sources are missing; `--config.data.events.missing=stop` refuses instead.
"""

from ml_collections import config_dict

from experiments import rft


def get_config(size: str = "full") -> config_dict.ConfigDict:
    """Returns the experiment; `size` is "full" or "smoke"."""
    config = rft.get_config(size)
    config.title = "Prices, filings, insiders, macro and news, point in time"
    config.data.events.sources = (
        "sec",
        "treasury",
        "fred",
        "newsapi",
        "alphavantage",
        "membership",
    )
    config.features = (
        *config.features,
        "f_quality_age",
        "f_sentiment_age",
        "f_insider_age",
        "profitability",
        "accruals",
        "growth",
        "leverage",
        "term_spread",
        "rate_level",
        "rate_change",
        "vol_regime",
    )
    return config
