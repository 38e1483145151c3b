"""Supervised fine-tuning: imitation of teachers, for one fold and one seed."""

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl import claims, descent, heads, losses, policy, preprocess
from thesis_rl.preprocess import Scaler
from thesis_rl.types import Fold, Metrics, Panel, Params, Row, Split
from thesis_rl.vocabulary import DECISION_POSITIONS, SECTION_NAMES


def make_model(config: FrozenConfigDict) -> policy.Policy:
    """Builds the network that `config` describes.

    A feature that is listed with its `_rel` reaches the trunk as that alone.
    """
    names = config.features
    kept = tuple(f"{name}_rel" not in names for name in names)
    return policy.Policy(
        num_claims=len(config.claims),
        hidden=config.model.hidden,
        trunk=kept + kept,
        sizing=config.model.sizing,
        matmul=config.model.matmul,
    )


def sections_teacher(row: Row, config: FrozenConfigDict) -> jax.Array:
    """Says which sections to write: all, or those with a claim that can be checked.

    Args:
      row: its `known` claims are read.
      config: the experiment's.

    Returns:
      [P] float32 in {0, 1}.
    """
    if config.sft.sections_teacher == "all":
        return jnp.ones((len(SECTION_NAMES), *row.known.shape[1:]))
    of_section = claims.by_section(config.claims)
    return jnp.stack([row.known[own].any(0) for own in of_section]).astype(jnp.float32)


def task_losses(
    params: Params, row: Row, model: policy.Policy, config: FrozenConfigDict
) -> jax.Array:
    """Computes the three imitation losses of one row: sections, claims, decision.

    With sizes the last adds the squared error at the position of the label.
    """
    logits = model.apply(params, row.inputs)
    decision = losses.decision_loss(logits, row.label)
    if logits.size is not None:
        wanted = heads.pick(jnp.array(DECISION_POSITIONS), row.label)
        decision += losses.size_loss(logits, wanted)
    return jnp.stack(
        [
            losses.sections_loss(logits, sections_teacher(row, config)),
            losses.claims_loss(logits, row.truth, row.known),
            decision,
        ]
    )


def objective(
    params: Params,
    panel: Panel,
    scaler: Scaler,
    fold: Fold | Split,
    config: FrozenConfigDict,
) -> tuple[Params, descent.LossFn]:
    """Sets what imitation descends: where it starts, and the loss of a minibatch.

    Args:
      params: the policy to start from.
      panel: all rows; only training rows of the fold are read.
      scaler: fitted on the same rows.
      fold: which days are its training days.
      config: the experiment's.

    Returns:
      Everything that is learned, the policy's parameters among it, and the loss.
    """
    model = make_model(config)
    learned = config.sft.weighting == "uncertainty"

    def loss_fn(state, key, step):
        rows = preprocess.draw(key, panel, scaler, fold, config.sft.batch_days)
        per_row = task_losses(state["policy"], rows, model, config)  # [3, B]
        tasks = jnp.stack([descent.weighted_mean(x, rows.weight) for x in per_row])
        if learned:
            loss = losses.combine_uncertain(tasks, state["log_variances"])
        else:
            loss = jnp.array(config.sft.weights) @ tasks
        names = ("sections_loss", "claims_loss", "decision_loss")
        return loss, {"loss": loss} | dict(zip(names, tasks, strict=True))

    return {"policy": params, "log_variances": jnp.zeros(policy.NUM_HEADS)}, loss_fn


def fit(
    key: jax.Array,
    params: Params,
    panel: Panel,
    scaler: Scaler,
    fold: Fold | Split,
    config: FrozenConfigDict,
) -> tuple[Params, Metrics]:
    """Teaches a policy the teachers' sections, true claims and decision labels.

    Args:
      key: consumed.
      params: the policy to start from.
      panel: all rows; only training rows of the fold are read.
      scaler: fitted on the same rows.
      fold: which days are its training days.
      config: the experiment's.

    Returns:
      The final parameters, and metrics with a leading axis [num_steps].
    """
    start, loss_fn = objective(params, panel, scaler, fold, config)
    end, metrics = descent.minimise(key, start, loss_fn, config.sft)
    return end["policy"], metrics
