"""What counts as the same config, and as the same data."""

import copy
import json

import numpy as np
import pandas as pd
import pytest

from experiments import rft
from thesis_rl.runs import fingerprint

DATES = pd.bdate_range("2020-01-01", periods=5)
TICKERS = ("AAA", "BBB", "CCC")


@pytest.fixture
def config():
    return rft.get_config().to_dict()


def changed(config, key, value):
    config = copy.deepcopy(config)
    *path, last = key.split(".")
    inner = config
    for name in path:
        inner = inner[name]
    assert last in inner
    inner[last] = value
    return config


def reversed_keys(value):
    if isinstance(value, dict):
        return {k: reversed_keys(v) for k, v in reversed(value.items())}
    return value


def test_a_config_is_the_same_however_it_is_written(config):
    same = fingerprint.config_hash(config)
    assert len(same) == 64
    assert fingerprint.config_hash(reversed_keys(config)) == same
    assert fingerprint.config_hash(json.loads(json.dumps(config))) == same  # Lists.
    assert (
        fingerprint.config_hash(changed(config, "reward.weights", [0.2, 0.3, 0.5]))
        == same
    )


@pytest.mark.parametrize(
    "key, value",
    [
        ("title", "Another name"),
        ("report.thesis_stride", 5),
        ("claims.high_volatility.sentence", "It moves a lot."),
        ("group_size", 8),
        ("size", "small"),
        ("ablations", {"exact": {"rft": {"estimator": "exact"}}}),
        ("baselines", ("logistic",)),
        ("combinatorial.num_groups", 6),
        ("data.path", "elsewhere"),
        ("data.start", "1996-01-01"),
        ("data.synthetic.seed", 7),
    ],
)
def test_names_pace_and_places_do_not_make_a_trial(config, key, value):
    other = changed(config, key, value)
    assert other != config
    assert fingerprint.config_hash(other) == fingerprint.config_hash(config)


@pytest.mark.parametrize(
    "key, value",
    [
        ("seed", 1),
        ("num_seeds", 7),
        ("rft.peak_lr", 2.0000001e-2),
        ("rft.num_steps", 201),
        ("labels.horizons", (5, 22)),
        ("labels.horizons", (21, 5)),
        ("labels.root_horizon", False),
        ("folds.num_folds", 3),
        ("backtest.half_spread_bps", 3.0),
        ("claims.high_volatility.conditions", (("vol", ">", 0.03),)),
        ("claims.high_volatility.section", "market"),
        ("backtest.max_gross", float("inf")),
    ],
)
def test_what_decides_results_makes_a_trial(config, key, value):
    other = changed(config, key, value)
    assert fingerprint.config_hash(other) != fingerprint.config_hash(config)


def test_a_key_nobody_has_heard_of_counts(config):
    config["data"]["fill"] = "last"
    known = fingerprint.config_hash(config)
    assert known != fingerprint.config_hash(changed(config, "data.fill", "none"))


@pytest.fixture
def close():
    close = np.random.default_rng(0).lognormal(size=(5, 3))
    close[0, 2] = np.nan
    return close


def test_data_are_the_same_whatever_holds_them(close):
    same = fingerprint.data_hash(DATES, TICKERS, close)
    days = [str(day.date()) for day in DATES]
    assert fingerprint.data_hash(days, list(TICKERS), close.tolist()) == same
    assert fingerprint.data_hash(DATES.as_unit("s"), TICKERS, close) == same
    table = pd.DataFrame(np.asfortranarray(close), DATES, TICKERS)
    assert fingerprint.data_hash(table.index, tuple(table), table) == same


def test_not_a_number_and_zero_have_one_form(close):
    odd = close.copy()
    odd[0, 2] = -np.float64("nan")
    assert odd.tobytes() != close.tobytes()
    volume, negative = np.zeros((5, 3)), -np.zeros((5, 3))
    assert fingerprint.data_hash(DATES, TICKERS, odd, negative) == (
        fingerprint.data_hash(DATES, TICKERS, close, volume)
    )


def test_whatever_was_read_makes_other_data(close):
    moved = close.copy()
    moved[3, 1] = np.nextafter(moved[3, 1], 9.0)
    gone = close.copy()
    gone[3, 1] = np.nan
    volume = np.ones((5, 3))
    read = [
        (DATES, TICKERS, close),
        (DATES + pd.Timedelta(days=1), TICKERS, close),
        (DATES, ("AAA", "BBB", "DDD"), close),
        (DATES, ("AAAB", "BB", "CCC"), close),
        (DATES, TICKERS, moved),
        (DATES, TICKERS, gone),
        (DATES[:-1], TICKERS, close[:-1]),
        (DATES, TICKERS[:2], close[:, :2]),
        (DATES, TICKERS, close, volume),
        (DATES, TICKERS, volume, close),
        (DATES, TICKERS, np.stack([close, volume], axis=-1)),
    ]
    assert len({fingerprint.data_hash(*each) for each in read}) == len(read)


def test_an_array_that_does_not_fit_is_named(close):
    with pytest.raises(
        ValueError, match=r"arrays\[1\] has shape \(3, 5\), want .* 5 d"
    ):
        fingerprint.data_hash(DATES, TICKERS, close, close.T)


def test_file_hash_is_that_of_its_bytes(tmp_path):
    # FIPS 180-2, appendix B.1: the message "abc".
    (tmp_path / "a").write_bytes(b"abc")
    assert fingerprint.file_hash(tmp_path / "a") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
