"""Supervised warm start, then pairwise ranking reinforcement, on 20 US stocks.

    python experiments/run.py --config=experiments/rft.py
    python experiments/run.py --config=experiments/rft.py:smoke

Two shared cores: 51 s from a cold start, 15 of them compiling and 15 training; 37 s
where the compiled programs are kept.

Result, 22 folds, 6 seeds: net headline Sharpe of the ensemble -0.10, 95% interval
-0.52 to 0.32; single networks -0.09, standard deviation over seeds 0.06. Nothing.

How the recipe was chosen: on PLANTED markets (seeds 100 to 107), never on prices.
Minibatches of 26 whole days, a high rate and few steps; raw features that have a
market-neutral twin kept out of the trunk; weight decay 1 for imitation and 0.3 for
reinforcement, where 1 and 2 cost .02 and .09 of the oracle's Sharpe; the heads of
claims and sections spared from decay.

`utility` rewards decisions by what the book earns. On linear PLANTED markets of
strength .03, .05, .08 (4 markets each, measured with git revision ab801db) its gross
Sharpe is 1.25, 2.45, 4.09; of `sign` 1.28, 2.39, 4.12; of `matrix` 1.21, 2.36, 3.95;
all ± .13 to .17. It cannot be told from `sign`, which pays buy and strong buy alike.
"""

from ml_collections import config_dict

from experiments.claims import CLAIMS, FEATURES


def get_config(size: str = "full") -> config_dict.ConfigDict:
    """Returns the experiment; `size` is "full" or "smoke"."""
    if size not in ("full", "smoke"):
        raise ValueError(f'size must be "full" or "smoke", got {size!r}')
    smoke = size == "smoke"

    config = config_dict.ConfigDict()
    config.title = "Pairwise ranking reinforcement"
    config.size = size  # A smoke run is no trial.
    config.seed = 0
    config.num_seeds = 2 if smoke else 6
    config.group_size = 0  # Runs side by side on a device; 0 for what suits its kind.
    config.distributed = False  # Several processes train and one writes.
    # Trained another way, to compare: by name, what is changed of sft, rft and reward.
    # Each takes as long as the headline; `everything.py` has those of the lab books.
    config.ablations = config_dict.ConfigDict()
    config.baselines = ()  # Slow ones beside the others: logistic, boosting.

    config.data = config_dict.create(
        source="us20",  # us20, us6, us5_raw, synthetic, files, or store
        path="",  # The folder of CSV or Parquet files, for source = files.
        start="2016-01-01" if smoke else "1995-01-01",
        end="",
        synthetic=config_dict.create(
            seed=0,
            num_names=20,
            num_days=6000,
            kind="linear",  # linear or nonlinear
            strength=0.05,  # 0 is the NULL market.
        ),
        events=config_dict.create(
            store="",  # The folder that fetch.py filled; "" for none.
            sources=(),  # treasury, fred, sec, newsapi, alphavantage, membership
            missing="mask",  # mask or stop, where the store lacks a source
            scorer="ngrams",  # Of articles: none, vader or ngrams.
            gates="report",  # report or stop, on prices and events that look wrong
        ),
    )
    config.features = FEATURES
    config.claims = config_dict.ConfigDict(CLAIMS)
    config.labels = config_dict.create(
        recipe="cross_sectional",  # absolute, cross_sectional or trading_r1
        horizons=(5, 21),
        entry_lag=1,
        vol_window=60,
        root_horizon=True,  # False is the earlier system's scale, without the root.
        thresholds=(-1.0, -0.25, 0.25, 1.0),  # For absolute labels.
    )
    config.folds = config_dict.create(
        train_days=320 if smoke else 1260,
        test_days=60 if smoke else 252,
        num_folds=2 if smoke else config_dict.placeholder(int),
        embargo_days=5,
        expanding=False,
    )
    # Groups of days in the cross-validation; 0 leaves it out.
    config.combinatorial = config_dict.create(num_groups=0)
    config.calibration = config_dict.create(
        share=0.2,  # Of train_days, the last ones of each fold.
        scaling="temperature",  # temperature or vector
    )
    # Products may be bfloat16, for accelerators.
    config.model = config_dict.create(hidden=(64, 64), matmul="float32")
    config.sft = config_dict.create(
        num_steps=10 if smoke else 100,
        batch_days=26,  # All names of so many days make a minibatch.
        peak_lr=2e-2,
        weight_decay=1.0,
        weighting="fixed",  # fixed or uncertainty
    )
    config.rft = config_dict.create(
        num_steps=10 if smoke else 200,
        batch_days=26,  # All names of so many days make a minibatch.
        peak_lr=2e-2,
        weight_decay=0.3,
        estimator="pairwise",  # pairwise, rloo, headwise_rloo, dr_grpo, grpo, exact
        num_samples=2,  # K theses a row; a comparison needs at least 2.
        entropy_coef=0.01,
        anchor_coef=0.05,
        claims_anchor_coef=0.3,
        kl_coef=0.0,  # Of the divergence from the policy before reinforcement.
        keep=0.0,  # Share of the parameters before, in an average with those after.
    )
    config.pace = config_dict.create(
        rule="sleeves",  # sleeves hold for hold_days; partial or band move each day.
        evidence=1.0,  # t-statistic of its past from which partial trades in full.
    )
    config.reward = config_dict.create(
        weights=(0.2, 0.3, 0.5),  # Structure, claims, decision.
        curriculum=(),  # ((fraction of training, weights), ...), linear between.
        validity_share=0.0,  # Part of the structure reward paid for a valid thesis.
        claims="f1",  # f1, net or coverage_precision
        decision="utility",  # utility, sign or matrix
    )
    config.backtest = config_dict.create(
        mapping="expected",  # The headline's: expected or signs; both are reported.
        book="dollar_neutral",  # dollar_neutral, market_hedged, long_only, long_short
        volatility_target=0.0,  # A year and name; 0 gives all names equal weight.
        max_position=1.0,  # Of the capital, in one name.
        max_gross=2.0,
        cvar_limit=0.0,  # A day, at 95%; 0 leaves the exposure controller out.
        hold_days=21,
        fill="close",  # close, or open where the prices have one.
        fill_lag=1,  # Sessions from a decision to its fill.
        same_close=False,  # True allows fill_lag=0, and the report says so.
        capital=1e6,
        commission_bps=1.0,
        half_spread_bps=4.0,
        impact_coefficient=1.0,  # Off where there is no volume.
        participation_cap=0.1,  # Of a day's average volume; likewise.
        borrow_rate=0.005,  # A year, on what is short.
        cash_rate=0.0,  # A year, on what is not invested.
        delisting_return=0.0,  # From the last quote of a name that never comes back.
        delisting_gap=5,  # Sessions without a quote until the end that delist a name.
    )
    # Theses are written once so many days.
    config.report = config_dict.create(thesis_stride=21 if smoke else 63)
    return config
