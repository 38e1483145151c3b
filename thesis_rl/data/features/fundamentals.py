"""f_quality: how a company's last four quarters compare, as filings had told them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from thesis_rl.data.events import Aged, as_of, resolve
from thesis_rl.data.features.ratios import RATIOS, derive
from thesis_rl.stats.forecasts import average_ranks

MAX_AGE = pd.Timedelta(days=200)
MIN_NAMES = 3  # Fewer are not ranked.
MIN_RATIOS = 2


def compute(
    events: pd.DataFrame,
    names: Sequence[str],
    decision_times,
    *,
    max_age: pd.Timedelta = MAX_AGE,
    mode: str = "latest_known",
    universe: np.ndarray | None = None,
    versions: pd.DataFrame | None = None,
) -> dict[str, Aged]:
    """Computes the quality of every name, and the four ratios that it is made of.

        profitability = net income / assets
        accruals      = -(net income - operating cash flow) / assets
        growth        = revenue / revenue of the year before - 1
        leverage      = -liabilities / assets

    Flows are of the last four quarters and the rest stands at their end; liabilities
    that are not stated are assets minus equity. Each day a ratio that n names have, 3
    or more, ranks each of them from -1 to 1 by (those below - those above) / (n - 1).
    f_quality is the mean over the ratios of a name, 2 or more: above 0 it is better
    than the middle of its peers that day.

    Args:
        events: facts of filings, as us-gaap:Assets, in USD. Other fields are left
            alone.
        names: N tickers.
        decision_times: T instants, UTC.
        max_age: past it, from the first release of its period, a ratio is missing.
        mode: as in `events.as_of`, of the versions of a ratio.
        universe: [T, N] bool, who is ranked among whom; all names unless given.
        versions: what `ratios.derive` makes of `events`; derived anew if not given.

    Returns:
        f_quality, profitability, accruals, growth and leverage, each [T, N]. A ratio
        is as old as the first release of its period; f_quality as its oldest ratio.
        Where a denominator is not above 0, or revenue, assets or liabilities are
        below, a ratio is missing until the next period's.

    Raises:
        ValueError: what `events.as_of` refuses.
    """
    if versions is None:
        versions = derive(events[events["name"].isin(names)])
    found = {}
    for ratio in RATIOS:
        of_ratio = versions[versions["field"] == ratio]
        asked = of_ratio, names, decision_times
        found[ratio] = Aged(*as_of(*asked, max_age=max_age, mode=mode))
    return {"f_quality": _quality(list(found.values()), universe)} | found


def cite(
    events: pd.DataFrame,
    feature: str,
    name: str,
    decision_time,
    *,
    max_age: pd.Timedelta = MAX_AGE,
    mode: str = "latest_known",
    versions: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Finds the facts behind a feature of one name at one decision.

    Args:
        events: as `compute` takes them.
        feature: f_quality, for the facts of every ratio that the name has, or one of
            the ratios.
        name: a ticker.
        decision_time: an instant, UTC.
        max_age, mode: as in `compute`.
        versions: what `ratios.derive` makes of `events`, where these are of the name
            alone; derived anew if not given.

    Returns:
        Rows of `events` in their order, every leg of every sum; none where the
        feature is missing.

    Raises:
        ValueError: a feature that is none of these.
    """
    if feature not in ("f_quality", *RATIOS):
        raise ValueError(
            f"facts are behind f_quality and {', '.join(RATIOS)}, not {feature!r}"
        )
    of_name = events[events["name"] == name]
    if versions is None:
        versions = derive(of_name)
    used = set()
    for ratio in RATIOS if feature == "f_quality" else (feature,):
        of_ratio = versions[versions["field"] == ratio]
        asked = of_ratio, [name], [decision_time]
        value, _ = as_of(*asked, max_age=max_age, mode=mode)
        if np.isfinite(value[0, 0]):
            version = resolve(*asked, mode=mode)[0, 0]
            used |= set(of_ratio["rows"].iloc[version])
    return of_name.iloc[sorted(used)]


def _quality(ratios: list[Aged], universe: np.ndarray | None) -> Aged:
    ranks = np.stack([_rank(ratio.values, universe) for ratio in ratios])
    ages = np.where(np.isnan(ranks), np.nan, [ratio.age_days for ratio in ratios])
    count = np.isfinite(ranks).sum(axis=0)
    missing = count < MIN_RATIOS
    mean = np.nansum(ranks, axis=0) / np.maximum(count, 1)
    oldest = np.fmax.reduce(ages, axis=0)
    return Aged(np.where(missing, np.nan, mean), np.where(missing, np.nan, oldest))


def _rank(values: np.ndarray, universe: np.ndarray | None) -> np.ndarray:
    """Ranks each day's names from -1 to 1, the middle at 0; NaN where not ranked."""
    ranked = np.isfinite(values)
    if universe is not None:
        ranked &= universe
    count = ranked.sum(axis=1, keepdims=True)
    # What is not ranked stands above all others and so moves none of them.
    rank = average_ranks(np.where(ranked, values, np.inf))
    centred = (2 * rank - count - 1) / np.maximum(count - 1, 1)
    return np.where(ranked & (count >= MIN_NAMES), centred, np.nan)
