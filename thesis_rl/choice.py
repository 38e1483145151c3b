"""Early choice: the step at which reinforcement should have stopped, by unseen days.

The days are the last of a fold's training rows. The network that judges them was
trained on those before, purged, and the step that serves it best is taken for all
networks of the fold.
"""

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl import portfolio, training
from thesis_rl.preprocess import Scaler
from thesis_rl.rewards import MAX_PAYOFF
from thesis_rl.types import Fold, Panel, Params


def check(stage: FrozenConfigDict, num_groups: int) -> None:
    """Raises a ValueError if there is nothing to choose from, or to choose by.

    Args:
      stage: `config.rft`.
      num_groups: of the cross-validation, 0 for none.
    """
    if stage.num_choices == 1:
        return
    several = f"config.rft.num_choices is {stage.num_choices}"
    if 0 < stage.num_steps < stage.num_choices:
        raise ValueError(
            f"{several}, but config.rft.num_steps is {stage.num_steps}; there are no "
            "more steps to choose from"
        )
    if num_groups:
        raise ValueError(
            f"{several}, but a split of the cross-validation keeps no days apart to "
            "choose a step by; set it to 1, or config.combinatorial.num_groups to 0"
        )


def settle(
    params: dict[str, Params],
    scalers: Scaler,
    held_out: Fold,
    panel: Panel,
    num_days: int,
    config: FrozenConfigDict,
) -> dict[str, Params]:
    """Keeps one snapshot of each network, the same number for all of a fold.

    Args:
      params: by stage, [(S + 1) · (F + 1), num_choices, ...], the folds side by side
        and the networks of the held-out windows last; sft has no snapshots.
      scalers: [F + 1, ...], of the held-out windows.
      held_out: [F + 1], whose test days end each fold's training days.
      panel: all rows; of the days from a fold's train stop on, none is read.
      num_days: how many days each held-out window tests.
      config: the experiment's.

    Returns:
      By stage, [(S + 1) · (F + 1), ...].
    """
    num_folds = held_out.test_start.shape[0]

    def keep_best(snapshots):
        judges = jax.tree.map(lambda x: x[-num_folds:], snapshots)
        best = jax.lax.map(
            lambda x: best_number(*x, panel, num_days, config),
            (judges, scalers, held_out),
        )  # [F + 1]
        pick = jax.vmap(lambda of_run, number: of_run[number])
        return jax.tree.map(
            lambda x: pick(x, jnp.tile(best, len(x) // num_folds)), snapshots
        )

    return {name: x if name == "sft" else keep_best(x) for name, x in params.items()}


def best_number(
    snapshots: Params,
    scaler: Scaler,
    fold: Fold,
    panel: Panel,
    num_days: int,
    config: FrozenConfigDict,
) -> jax.Array:
    """Returns which snapshot of one network earns most on its test days, [] int32.

    Args:
      snapshots: [num_choices, ...].
      scaler: fitted on the network's training rows.
      fold: bounds of the network's window.
      panel: all rows.
      num_days: how many days it tests.
      config: the experiment's.
    """
    days = lambda x: jax.lax.dynamic_slice_in_dim(  # noqa: E731
        x, fold.test_start, num_days
    )
    payoff, labelled = days(panel.payoff), days(panel.labelled)

    def score(params):
        forecasts = training.predict(
            params, panel, scaler, fold.test_start, num_days, config
        )
        return utility(forecasts.decision, payoff, labelled, config)

    return jnp.argmax(jax.lax.map(score, snapshots))


def utility(
    probabilities: jax.Array,
    payoff: jax.Array,
    labelled: jax.Array,
    config: FrozenConfigDict,
) -> jax.Array:
    """Computes what expected positions earn, a unit of position.

      Σ p·clip(z, ±2) / √(M Σ p²)

    How far a policy leans says how sure it is, not how right, and capital can be
    scaled: twice the position scores the same. A neutral book holds no position that
    the day's mean of all names would explain, and it is taken off.

    Args:
      probabilities: [T, N, A], of decisions.
      payoff: z [T, N].
      labelled: [T, N] bool; M of them, and only they count.
      config: the experiment's.

    Returns:
      [], 0 where nothing is held.
    """
    held = jnp.where(labelled, portfolio.positions(probabilities, "expected"), 0.0)
    if config.backtest.book in portfolio.NEUTRAL_BOOKS:
        held = portfolio.dollar_neutral(held, labelled)
    earned = jnp.sum(held * jnp.clip(payoff, -MAX_PAYOFF, MAX_PAYOFF))
    size = jnp.sqrt(labelled.sum() * jnp.sum(held**2))
    return earned / jnp.where(size > 0, size, 1.0)
