"""A market whose truth is known: latent signals that pay as much as you plant.

For one name, with s ∈ {quality, sentiment, momentum, insider} independent AR(1)
processes of unit variance and half-lives of weeks,

  g[t]   = (.1 q + .07 s + .08 m + .06 i) / sd               (linear)
  g[t]   = (tanh(q) sign(s) + .5 m) / sd                      (nonlinear)
  r[t+1] = vol · (ρ g[t] + √(1 - ρ²) ε) + market[t+1] + drift

so that the strength ρ is the cross-sectional correlation, at the daily horizon,
between the total signal at close t and the idiosyncratic return of the next day.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from thesis_rl.data.prices import Prices

HALF_LIVES = {"f_quality": 40, "f_sentiment": 15, "f_momentum": 25, "f_insider": 30}
LINEAR_WEIGHTS = {
    "f_quality": 0.1,
    "f_sentiment": 0.07,
    "f_momentum": 0.08,
    "f_insider": 0.06,
}
VOLATILITY = (0.01, 0.02)  # A day; uniform over names.
MARKET_VOLATILITY = 0.008
DRIFT = 0.0003
FIRST_DAY = "2000-01-03"


class Synthetic(NamedTuple):
    """A synthetic market and what a real one never shows."""

    prices: Prices
    signal: np.ndarray  # [T, N], the total signal g.


def make(config) -> Synthetic:
    """Simulates a NULL (strength 0) or PLANTED market.

    Args:
      config: `config.data.synthetic`: seed, num_names, num_days, kind, strength.

    Returns:
      Prices with the four signals as features, and the total signal.

    Raises:
      ValueError: a field is out of range.
    """
    _check(config)
    rng = np.random.default_rng(config.seed)
    shape = (config.num_days, config.num_names)
    signals = {name: _ar1(rng, half, shape) for name, half in HALF_LIVES.items()}
    total = _total_signal(signals, config.kind)
    vol = rng.uniform(*VOLATILITY, config.num_names)
    market = MARKET_VOLATILITY * rng.standard_normal((config.num_days, 1))
    noise = np.sqrt(1 - config.strength**2) * rng.standard_normal(shape)
    noise[1:] += config.strength * total[:-1]
    noise *= vol
    noise += market
    noise += DRIFT
    close = _compounded(noise)

    dates = pd.bdate_range(FIRST_DAY, periods=config.num_days, name="date")
    width = len(str(config.num_names - 1))
    tickers = [f"SYN{i:0{width}d}" for i in range(config.num_names)]
    index = dates.as_unit("ns")
    frame = lambda x: pd.DataFrame(x, index, tickers, copy=False)  # noqa: E731
    return Synthetic(
        Prices(
            close=frame(close),
            volume=None,
            signals={name: frame(x) for name, x in signals.items()},
            report=_report(config, dates, tickers),
        ),
        total,
    )


def _check(config) -> None:
    if config.kind not in ("linear", "nonlinear"):
        raise ValueError(
            f"config.data.synthetic.kind is {config.kind!r}; "
            'choose "linear" or "nonlinear"'
        )
    if not 0 <= config.strength < 1:
        raise ValueError(
            f"config.data.synthetic.strength is {config.strength}; it is a "
            "correlation and must lie in [0, 1)"
        )
    if config.num_names < 1 or config.num_days < 2:
        raise ValueError(
            "config.data.synthetic needs num_names >= 1 and num_days >= 2, "
            f"got {config.num_names} and {config.num_days}"
        )


def _ar1(rng: np.random.Generator, half_life: float, shape) -> np.ndarray:
    """Draws AR(1) columns of unit variance, started in their stationary law."""
    phi = 0.5 ** (1 / half_life)
    shocks = np.sqrt(1 - phi**2) * rng.standard_normal(shape)
    shocks[0] /= np.sqrt(1 - phi**2)
    from scipy.signal import lfilter  # A second, that real prices need not wait for.

    return lfilter([1.0], [1.0, -phi], shocks, axis=0)


def _compounded(returns: np.ndarray) -> np.ndarray:
    """Turns returns [T, N] into prices that start near 100, in their place."""
    returns += 1
    np.cumprod(returns, axis=0, out=returns)
    returns *= 100
    return returns


def _total_signal(signals: dict[str, np.ndarray], kind: str) -> np.ndarray:
    if kind == "linear":
        total = sum(w * signals[name] for name, w in LINEAR_WEIGHTS.items())
        return total / np.sqrt(sum(w**2 for w in LINEAR_WEIGHTS.values()))
    total = np.tanh(signals["f_quality"]) * np.sign(signals["f_sentiment"])
    total = total + 0.5 * signals["f_momentum"]
    return total / np.sqrt(_TANH_SECOND_MOMENT + 0.25)


_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
# E[tanh(x)²] of a standard normal x, by Gauss-Hermite quadrature.
_TANH_SECOND_MOMENT = np.tanh(_NODES) ** 2 @ _WEIGHTS / _WEIGHTS.sum()


def _report(config, dates: pd.DatetimeIndex, tickers: list[str]) -> dict:
    kind = "NULL" if config.strength == 0 else f"PLANTED {config.kind}"
    return {
        "source": "synthetic",
        "description": f"SYNTHETIC {kind} market, strength {config.strength}, "
        f"seed {config.seed}",
        "first": str(dates[0].date()),
        "last": str(dates[-1].date()),
        "num_days": config.num_days,
        "tickers": tickers,
        "sha256": None,
        "masked": {},
        "caveats": ["Prices are simulated; nothing here says anything of a market."],
        "synthetic": True,
    }
