"""What was known of each row beside its prices: filings, insiders, macro and news."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import pandas as pd

from thesis_rl.data import clock, market, prices, store, universe
from thesis_rl.data.events import Aged
from thesis_rl.data.features import (
    AGED,
    FUNDAMENTALS,
    MACRO,
    fundamentals,
    insiders,
    macro,
    news,
    ratios,
    scorers,
)
from thesis_rl.data.features.news import Scorer
from thesis_rl.data.prices import adjust
from thesis_rl.data.prices.frames import Prices
from thesis_rl.data.sources import treasury

Tables = Mapping[str, pd.DataFrame]  # Events, by source.
Load = Callable[[str, str], pd.DataFrame]
NEWS = ("newsapi", "alphavantage")
YIELDS = ("treasury", "fred")


class Evidence(NamedTuple):
    """What features rest on, kept for those who ask."""

    prices: Prices
    tables: Tables
    decision_times: pd.DatetimeIndex | None  # [T] closes, UTC; None without events.
    scorer: Scorer | None  # Of articles; None where they are not read.
    # Of each name: its filings and trades, the ratios made of them, articles, bars.
    filings: Mapping[str, pd.DataFrame]
    ratios: Mapping[str, pd.DataFrame]
    articles: Mapping[str, pd.DataFrame]
    bars: Mapping[str, pd.DataFrame]


def read(config, load: Load = store.load) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Reads the event sources that a config names, and says which are missing.

    Args:
        config: config.data.
        load: reads the events of a source below a folder.

    Returns:
        Events by source, and a sentence that names those that are masked, if any.

    Raises:
        ValueError: a source is missing and config.data.events.missing is stop, or a
            file of the store is damaged.
    """
    wanted, root = tuple(config.events.sources), config.events.store
    if config.source == "store":
        wanted = tuple(dict.fromkeys(("bars", *wanted)))
    stored = store.sources(root) if root else []
    tables = {source: load(root, source) for source in wanted if source in stored}
    if "treasury" in wanted and "treasury" not in tables:
        tables["treasury"] = treasury.shipped()
    missing = [source for source in wanted if source not in tables]
    place = f"the store {root}" if root else "no store (config.data.events.store is '')"
    if "bars" in missing:
        raise ValueError(
            f"config.data.source is store, but there are no bars: {place}; give "
            "config.data.events.store, or fetch them with experiments/fetch.py"
        )
    if missing and config.events.missing == "stop":
        raise ValueError(
            f"config.data.events.sources names {', '.join(missing)}, but there is "
            f"nothing of it in {place}; fetch it with experiments/fetch.py, leave it "
            "out, or set config.data.events.missing=mask to go on without"
        )
    masked = (
        f"No events of {', '.join(missing)}: {place}. What rests on them is masked."
    )
    return tables, [masked] * bool(missing)


def assemble(tables: Tables, config) -> tuple[Prices, Evidence]:
    """Loads prices and joins to them what events said.

    Args:
        tables: events by source, as `read`.
        config: config.data.

    Returns:
        As `join`.

    Raises:
        ValueError: what `prices.load` and `join` refuse.
    """
    if config.source != "store":
        return join(prices.load(config), tables, config)
    bars = tables["bars"]
    first, last = bars["event_time"].min(), bars["event_time"].max()
    sessions = clock.sessions(first.normalize(), last)
    quoted = adjust.prices(bars, sorted(bars["name"].unique()), sessions)
    return join(prices.between(quoted, config.start, config.end), tables, config)


def join(quoted: Prices, tables: Tables, config) -> tuple[Prices, Evidence]:
    """Adds to prices what events said of every name at every close.

    Args:
        quoted: frames [T, N].
        tables: events by source.
        config: config.data.

    Returns:
        The prices with signals, and what these rest on.

    Raises:
        ValueError: a day of the prices is no session of the exchange.
    """
    if not tables:
        return quoted, nothing(quoted)
    names, times = list(quoted.close.columns), clock.closes(quoted.close.index)
    if "membership" in tables:
        quoted = _with_universe(quoted, tables["membership"], times)
    filings = _by_name(tables.get("sec"), names)
    evidence = Evidence(
        prices=quoted,
        tables=tables,
        decision_times=times,
        scorer=_scorer(tables, quoted, times, config.events.scorer),
        filings=filings,
        ratios={name: ratios.derive(rows) for name, rows in filings.items()},
        articles=_by_name(_of(tables, NEWS), names),
        bars=_by_name(tables.get("bars"), names),
    )
    index, signals = quoted.close.index, dict(quoted.signals)
    for name, (values, age) in _features(evidence).items():
        signals[name] = pd.DataFrame(values, index, names)
        if name in AGED:
            age = pd.DataFrame(age, index, names)
            signals[f"{name}_age"] = age.where(signals[name].notna())
    return quoted._replace(signals=signals), evidence


def nothing(quoted: Prices) -> Evidence:
    """Returns the evidence of prices that no events were joined to."""
    return Evidence(quoted, {}, None, None, {}, {}, {}, {})


def _by_name(events: pd.DataFrame | None, names: list[str]) -> dict[str, pd.DataFrame]:
    """Parts events by name, leaving out names that have none."""
    if events is None:
        return {}
    parted = events[events["name"].isin(names)].groupby("name", sort=False)
    return {str(name): rows.reset_index(drop=True) for name, rows in parted}


def _with_universe(quoted: Prices, membership: pd.DataFrame, times) -> Prices:
    """Says who was in the universe, and what delisted names paid at the end."""
    index, names = quoted.close.index, list(quoted.close.columns)
    member = universe.members(membership, names, times)
    left = universe.delistings(membership, names, index)
    # A ticker that is quoted again is another listing, which this loss is not of.
    last = quoted.close.apply(pd.Series.last_valid_index)
    left = left[left["day"] >= last.reindex(left.index)]
    unknown = universe.caveat(membership, names)
    caveats = quoted.report["caveats"] + [unknown] * bool(unknown)
    return quoted._replace(
        member=pd.DataFrame(member, index, names),
        delisting_returns=left["delisting_return"].dropna().to_dict(),
        report=quoted.report | {"caveats": caveats},
    )


def _features(evidence: Evidence) -> dict[str, Aged]:
    quoted, tables, times, scorer, *_ = evidence
    names, found = list(quoted.close.columns), {}
    if evidence.ratios:
        # Who is not quoted yet is among the names by hindsight.
        member = quoted.close.notna().to_numpy()
        if quoted.member is not None:
            member = member & quoted.member.to_numpy()
        versions = pd.concat(evidence.ratios.values(), ignore_index=True)
        found |= fundamentals.compute(
            tables["sec"], names, times, universe=member, versions=versions
        )
        found |= insiders.compute(tables["sec"], names, times, _traded(quoted))
    if (yields := _of(tables, YIELDS)) is not None:
        found |= macro.compute(yields, names, times, quoted.close)
    if scorer is not None:
        found |= news.compute(_of(tables, NEWS), names, times, scorer)
    return found


def _scorer(tables: Tables, quoted: Prices, times, name: str) -> Scorer | None:
    """Makes the scorer of articles; None where none is asked for, or to be read."""
    articles = _of(tables, NEWS)
    if name == "none" or articles is None:
        return None
    if name == "vader":
        return scorers.vader()
    names, close = list(quoted.close.columns), quoted.close.to_numpy()
    from thesis_rl.data.features import ngrams  # A second, where there are articles.

    return ngrams.scorer(ngrams.fit(articles, names, times, close))


def _traded(quoted: Prices):
    """Averages the value traded over the last sessions, [T, N]; None without volume."""
    if quoted.dollar_volume is None:
        return None
    trailing = quoted.dollar_volume.rolling(market.VOLUME_WINDOW, market.VOLUME_MINIMUM)
    return trailing.mean().to_numpy()


def _of(tables: Tables, sources: tuple[str, ...]) -> pd.DataFrame | None:
    """Puts the events of some sources below one another; None where there are none."""
    found = [tables[source] for source in sources if source in tables]
    return pd.concat(found, ignore_index=True) if found else None


def behind(evidence: Evidence, feature: str, day: int, name: int) -> pd.DataFrame:
    """Finds the events behind a feature of one row.

    Args:
        evidence: as joined.
        feature: one of `features.SIGNALS`, available in that row.
        day: index of the row's day.
        name: index of the row's name.

    Returns:
        Rows as `events.COLUMNS`, and of articles also score, start and stop; none
        where the feature rests on no event.
    """
    times, ticker = evidence.decision_times, evidence.prices.close.columns[name]
    asked = feature, ticker, times[day]
    if feature == "f_quality" or feature in FUNDAMENTALS:
        of_name = evidence.filings[ticker]
        return fundamentals.cite(of_name, *asked, versions=evidence.ratios[ticker])
    if feature == "f_insider":
        return insiders.cite(evidence.filings[ticker], *asked)
    if feature in MACRO:
        return macro.cite(_of(evidence.tables, YIELDS), *asked, times)
    return news.cite(evidence.articles[ticker], *asked, evidence.scorer)


SOURCES = ("sec", *YIELDS, *NEWS, "membership")
CHOICES = {
    "missing": ("mask", "stop"),
    "scorer": ("none", "vader", "ngrams"),
    "gates": ("report", "stop"),
}


def check(config) -> None:
    """Raises a ValueError that names the key of config.data.events that is wrong."""
    asked = config.events
    for key, choices in CHOICES.items():
        if asked[key] not in choices:
            raise ValueError(
                f"config.data.events.{key} is {asked[key]!r}; choose one of {choices}"
            )
    listed = isinstance(asked.sources, tuple | list)
    unknown = [x for x in asked.sources if x not in SOURCES] if listed else [asked]
    if unknown or len(set(asked.sources)) < len(asked.sources):
        raise ValueError(
            f"config.data.events.sources is {asked.sources!r}; list none, some or all "
            f"of {SOURCES}, each once"
        )
    if config.source == "store" and not asked.store:
        raise ValueError(
            "config.data.source is store, but config.data.events.store is ''; name the "
            "folder that experiments/fetch.py filled"
        )
