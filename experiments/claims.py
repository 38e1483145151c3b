"""What a policy reads, and what it may claim: in which words, and when it is true.

A claim holds where all of its conditions do, on raw features. `stance` says whether it
speaks for (1) or against (-1) the stock. A feature that is listed with its `_rel`, less
the day's mean, bears on the decision as that alone.
"""

FEATURES = (
    "f_quality",
    "f_sentiment",
    "f_momentum",
    "f_insider",
    "mom10",
    "mom30",
    "vol",
    "rsi",
    "macd",
    "sma50_gap",
    "sma200_gap",
    "drawdown",
    "volume_ratio",
    "f_momentum_rel",
    "mom10_rel",
    "mom30_rel",
    "vol_rel",
)
CLAIMS = {
    "financial_health": {
        "section": "fundamentals",
        "sentence": "The company is financially healthy.",
        "conditions": (("f_quality", ">", 0.0),),
        "stance": 1,
    },
    "positive_sentiment": {
        "section": "sentiment",
        "sentence": "Sentiment is positive.",
        "conditions": (("f_sentiment", ">", 0.0),),
        "stance": 1,
    },
    "strong_momentum": {
        "section": "market",
        "sentence": "The stock rose over the past year, the last month left out.",
        "conditions": (("f_momentum", ">", 0.0),),
        "stance": 1,
    },
    "insider_buying": {
        "section": "insiders",
        "sentence": "Insiders have been net buyers.",
        "conditions": (("f_insider", ">", 0.0),),
        "stance": 1,
    },
    "high_volatility": {
        "section": "risks",
        "sentence": "Daily volatility is above 2%.",
        "conditions": (("vol", ">", 0.02),),
        "stance": -1,
    },
    "short_term_momentum": {
        "section": "technicals",
        "sentence": "The price rose over the last 10 sessions.",
        "conditions": (("mom10", ">", 0.0),),
        "stance": 1,
    },
    "long_term_momentum": {
        "section": "technicals",
        "sentence": "The price rose over the last 30 sessions.",
        "conditions": (("mom30", ">", 0.0),),
        "stance": 1,
    },
    "divergence_risk": {
        "section": "risks",
        "sentence": "The price rises while sentiment falls.",
        "conditions": (("mom10", ">", 0.0), ("f_sentiment", "<", 0.0)),
        "stance": -1,
    },
}
