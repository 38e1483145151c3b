"""Whether a forecast knows anything, judged date by date.

Forecasts of overlapping windows err together, so every test here lets neighbouring
dates be dependent. A panel is averaged or ranked over names first: n counts dates.
"""

import math

import numpy as np
from scipy import special

from thesis_rl.stats.checks import finite_array

MIN_NAMES = 5  # A rank correlation of fewer says next to nothing.
_TINY = 1e-12  # A standard deviation below this is rounding, not risk.


def diebold_mariano(
    loss_a: np.ndarray, loss_b: np.ndarray, horizon: int = 1
) -> tuple[float, float]:
    """Returns the test of "two forecasts lose the same on average".

    With d = loss_a − loss_b and h = `horizon`, the statistic is the Newey–West t of
    mean(d) with h − 1 lags, times √((n + 1 − 2h + h(h − 1)/n)/n); p is from a t
    distribution with n − 1 degrees of freedom. Bartlett weights keep the variance
    from going negative.

    Diebold and Mariano (1995), "Comparing Predictive Accuracy", corrected for small
    samples as in Harvey, Leybourne and Newbold (1997).

    Args:
      loss_a: [T], one loss a date; average a panel over its names first.
      loss_b: [T], of the same dates.
      horizon: h, periods that a forecast looks ahead, from 1 to T − 1.

    Returns:
      The statistic, positive where a loses more, and p, two-sided; both NaN where d
      does not vary (sd < 1e-12).

    Raises:
      ValueError: a loss is not finite, the lengths differ, or `horizon` is out of
        range.
    """
    loss_a = finite_array("loss_a", loss_a, "T")
    loss_b = finite_array("loss_b", loss_b, "T")
    num_obs = len(loss_a)
    if len(loss_b) != num_obs:
        raise ValueError(
            f"want two losses of the same dates, got {num_obs} and {len(loss_b)}"
        )
    if not 1 <= horizon < num_obs:
        raise ValueError(
            f"horizon must lie between 1 and T - 1 = {num_obs - 1}, got {horizon}"
        )
    correction = num_obs + 1 - 2 * horizon + horizon * (horizon - 1) / num_obs
    t = newey_west_t(loss_a - loss_b, horizon - 1) * math.sqrt(correction / num_obs)
    return t, _two_sided(t, num_obs - 1)


def newey_west_t(x: np.ndarray, lags: int) -> float:
    """Returns mean(x)/√(ω²/T), ω² = γ_0 + 2 Σ_{k=1}^{L} (1 − k/(L + 1))·γ_k.

    Newey and West (1987). The γ_k are sums over T with no correction for small
    samples, so with L = 0 this is √(T/(T − 1)) times the ordinary t.

    Args:
      x: [T], finite.
      lags: L, from 0 to T − 1.

    Returns:
      The t statistic; NaN where x does not vary (sd < 1e-12).

    Raises:
      ValueError: a value is not finite, or `lags` is out of range.
    """
    x = finite_array("x", x, "T")
    num_obs = len(x)
    if not 0 <= lags < num_obs:
        raise ValueError(
            f"lags must lie between 0 and T - 1 = {num_obs - 1}, got {lags}"
        )
    if x.std() < _TINY:
        return math.nan
    deviation = x - x.mean()
    total = _lagged_sum(deviation, 1.0 - np.arange(lags + 1) / (lags + 1))
    return float(x.mean() * num_obs / math.sqrt(total))


def rank_ic(
    scores: np.ndarray, forward_returns: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Returns the rank correlation of score and outcome on each date.

    Spearman's: the correlation of the ranks among the names of the date, ties sharing
    the average of their ranks.

    Args:
      scores: [T, N], larger for what is expected to earn more.
      forward_returns: [T, N], raw, what was earned.
      mask: [T, N] bool (or 0 and 1), where both are known; what lies outside is never
        read.

    Returns:
      [T] float64 in [−1, 1]; NaN, for the caller to count, where a date has fewer
      than 5 names, or all its scores or all its returns are equal.

    Raises:
      ValueError: shapes differ, `mask` is not bool, or a value inside it is not
        finite.
    """
    mask = np.asarray(mask)
    if np.isin(mask, (0, 1)).all():
        mask = mask.astype(bool)
    if mask.ndim != 2 or mask.dtype != bool:
        raise ValueError(f"want a bool mask [T, N], got {mask.dtype} {mask.shape}")
    count = mask.sum(axis=1)
    x = _centred_ranks("scores", scores, mask, count)
    y = _centred_ranks("forward_returns", forward_returns, mask, count)
    scale = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    defined = (count >= MIN_NAMES) & (scale > 0.0)
    ic = np.full(len(mask), math.nan)
    return np.divide((x * y).sum(axis=1), scale, out=ic, where=defined)


def rank_ic_test(ic: np.ndarray, label_horizon: int) -> tuple[float, float, float]:
    """Returns the test of "the mean rank IC is zero", labels overlapping.

    Labels that look H periods ahead share returns with those of the H − 1 dates on
    either side. With u the deviations from the mean of n dates, B = Σ u_j·u_k and m
    the number of pairs, both over |j − k| < H, and ν = n²/m the number of labels that
    do not overlap,

      t = mean/√(B/n² / (1 − 1/ν)),  p from a t distribution with ν − 1 degrees.

    This is Hansen and Hodrick (1980), freed from the bias of taking out the mean; at
    H = 1 it is the ordinary t-test. Where B is not positive (white ICs, H = 20: one
    sample of 250 dates in 60) its terms are weighted by 1 − |j − k|/H. Of 10,000 true
    nulls, at 5%, it rejects between 3.8% and 5.5% for H of 5 and 20 and 250, 500 and
    1,250 dates, whether the ICs are as dependent as labels can make them or not at
    all. (Newey–West with 2H lags and n − 1 degrees rejects up to 15% of these.)

    A date without an IC keeps its place: it adds to no sum, and neighbours stay as far
    apart as they are. For a cross-check, `rank_ic_test(ic[::H], 1)`.

    Args:
      ic: [T]; NaN where a date has none, for the caller to count.
      label_horizon: H, periods, at least 1.

    Returns:
      Mean, t and p, two-sided. The mean is NaN where no date has an IC; t and p where
      the ICs do not vary or fewer than two labels do not overlap (ν < 2).

    Raises:
      ValueError: `ic` is no series, a value is infinite, or `label_horizon` < 1.
    """
    if label_horizon < 1:
        raise ValueError(f"label_horizon must be at least 1, got {label_horizon}")
    ic = np.asarray(ic, np.float64)
    seen = ~np.isnan(ic)
    known = finite_array("ic", np.where(seen, ic, 0.0), "T")
    num_dates = int(seen.sum())
    if num_dates == 0:
        return math.nan, math.nan, math.nan
    mean = float(known.sum() / num_dates)
    deviation = np.where(seen, known - mean, 0.0)
    band = np.ones(min(label_horizon, len(ic)))
    independent = num_dates**2 / _lagged_sum(seen.astype(np.float64), band)
    if independent < 2.0 or ic[seen].std() < _TINY:
        return mean, math.nan, math.nan
    total = _lagged_sum(deviation, band)
    if total <= 0.0:
        total = _lagged_sum(deviation, 1.0 - np.arange(len(band)) / label_horizon)
    t = mean * num_dates * math.sqrt((1.0 - 1.0 / independent) / total)
    return mean, t, _two_sided(t, independent - 1.0)


def _lagged_sum(x: np.ndarray, weights: np.ndarray) -> float:
    """Returns Σ w_|j−k|·x_j·x_k over |j − k| < len(w)."""
    products = [x[k:] @ x[: len(x) - k] for k in range(len(weights))]
    return float(2.0 * weights @ products - weights[0] * products[0])


def _centred_ranks(
    name: str, values: np.ndarray, mask: np.ndarray, count: np.ndarray
) -> np.ndarray:
    """Returns ranks among the masked names less their mean [T, N], 0 elsewhere."""
    values = np.asarray(values, np.float64)
    if values.shape != mask.shape:
        raise ValueError(f"want {name} {mask.shape} like the mask, got {values.shape}")
    finite_array(name, np.where(mask, values, 0.0), "TN")
    # What is masked sorts last, and so leaves the ranks of the rest alone.
    ranks = average_ranks(np.where(mask, values, np.inf))
    return np.where(mask, ranks - (count[:, None] + 1) / 2.0, 0.0)


def _two_sided(t: float, degrees: float) -> float:
    return float(2.0 * special.stdtr(degrees, -abs(t)))


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Returns the ranks within each row, from 1 up.

    Args:
      values: [T, N], without NaN.

    Returns:
      [T, N] float64.
    """
    order = np.argsort(values, axis=1)
    ascending = np.take_along_axis(values, order, axis=1)
    place = np.arange(values.shape[1])
    differs = ascending[:, 1:] != ascending[:, :-1]
    edge = np.ones((len(values), 1), bool)
    first = np.where(np.hstack([edge, differs]), place, 0)
    last = np.where(np.hstack([differs, edge]), place, values.shape[1])
    first = np.maximum.accumulate(first, axis=1)
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, (first + last) / 2 + 1, axis=1)
    return ranks
