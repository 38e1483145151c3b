"""Supervised fine-tuning: imitation of teachers."""

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl import policy
from thesis_rl.learning import losses, optimizer, preprocess
from thesis_rl.learning.preprocess import Scaler
from thesis_rl.types import Metrics, Panel, Params, Row


def task_losses(params: Params, row: Row, model: policy.Policy) -> jax.Array:
    """Computes the three imitation losses of one row: sections, claims, decision."""
    logits = model.apply(params, row.inputs)
    return jnp.stack(
        [
            losses.sections_loss(logits, jnp.ones_like(logits.sections)),
            losses.claims_loss(logits, row.truth, row.known),
            losses.decision_loss(logits, row.label),
        ]
    )


def objective(
    params: Params,
    panel: Panel,
    scaler: Scaler,
    days: jax.Array,
    config: FrozenConfigDict,
) -> tuple[Params, optimizer.LossFn]:
    """Sets what imitation descends: where it starts, and the loss of a minibatch.

    Args:
      params: the policy to start from.
      panel: all rows; only rows of training days are read.
      scaler: fitted on the same rows.
      days: [T] bool, the training days.
      config: the experiment's.

    Returns:
      Everything that is learned, the policy's parameters among it, and the loss.
    """
    model = policy.make_model(config)
    learned, so_far = config.sft.weighting == "uncertainty", jnp.cumsum(days)

    def loss_fn(state, key, step):
        rows = preprocess.draw(key, panel, scaler, so_far, config.sft.batch_days)
        per_row = task_losses(state["policy"], rows, model)  # [3, B]
        tasks = jnp.stack([optimizer.weighted_mean(x, rows.weight) for x in per_row])
        if learned:
            loss = losses.combine_uncertain(tasks, state["log_variances"])
        else:
            loss = tasks.sum()
        names = ("sections_loss", "claims_loss", "decision_loss")
        return loss, {"loss": loss} | dict(zip(names, tasks, strict=True))

    return {"policy": params, "log_variances": jnp.zeros(policy.NUM_HEADS)}, loss_fn


def fit(
    key: jax.Array,
    params: Params,
    panel: Panel,
    scaler: Scaler,
    days: jax.Array,
    config: FrozenConfigDict,
) -> tuple[Params, Metrics]:
    """Teaches a policy to write every section, the true claims and the label.

    Args:
      key: consumed.
      params: the policy to start from.
      panel: all rows; only rows of training days are read.
      scaler: fitted on the same rows.
      days: [T] bool, the training days.
      config: the experiment's.

    Returns:
      The final parameters, and metrics with a leading axis [num_steps].
    """
    start, loss_fn = objective(params, panel, scaler, days, config)
    end, metrics = optimizer.minimise(key, start, loss_fn, config.sft)
    return end["policy"], metrics
