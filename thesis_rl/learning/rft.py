"""Reinforcement fine-tuning on comparisons of theses."""

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl import policy
from thesis_rl.learning import losses, optimizer, preprocess, rewards
from thesis_rl.learning.preprocess import Scaler
from thesis_rl.policy import make_model
from thesis_rl.types import Logits, Metrics, Panel, Params, Row

ESTIMATORS = {
    "pairwise": losses.pairwise,
    "rloo": losses.rloo,
    "headwise_rloo": losses.headwise_rloo,
    "dr_grpo": losses.dr_grpo,
    "grpo": losses.grpo,
}


def sampled_loss(
    logits: Logits,
    uniforms: jax.Array,
    row: Row,
    weights: jax.Array,
    config: FrozenConfigDict,
) -> tuple[jax.Array, jax.Array]:
    """Estimates the negated policy gradient of one row from K theses.

    Args:
      logits: heads of the row.
      uniforms: [K, P + C + 1] in [0, 1).
      row: what hindsight says.
      weights: [3] of structure, claims, decision.
      config: the experiment's.

    Returns:
      A scalar surrogate loss, and the mean unweighted rewards [3] of the theses.
    """
    theses = jax.vmap(policy.from_uniforms, in_axes=(0, None))(
        uniforms, jax.lax.stop_gradient(logits)
    )  # K theses
    values = jax.vmap(rewards.parts, in_axes=(0, None, None))(
        theses, row, config
    )  # [K, 3]
    scores = jax.vmap(policy.score, in_axes=(None, 0))(logits, theses)  # [K, 3]
    estimator = ESTIMATORS[config.rft.estimator]
    weighted = jax.vmap(jnp.multiply, in_axes=(1, 0), out_axes=1)(values, weights)
    return estimator(scores, weighted), values.mean(0)


def exact_loss(
    logits: Logits, row: Row, weights: jax.Array, config: FrozenConfigDict
) -> tuple[jax.Array, jax.Array]:
    """Negates the expected reward of one row: no sampling, no variance.

    Args:
      logits: heads of the row.
      row: what hindsight says.
      weights: [3] of structure, claims, decision.
      config: the experiment's.

    Returns:
      A scalar whose gradient is the negated policy gradient, and the expected
      unweighted rewards [3].
    """
    expected = rewards.expected_parts(logits, row, config)
    return -jnp.tensordot(weights, expected, axes=1), expected


def row_loss(
    params: Params,
    uniforms: jax.Array,
    row: Row,
    weights: jax.Array,
    model: policy.Policy,
    config: FrozenConfigDict,
) -> tuple[jax.Array, Metrics]:
    """Computes the loss of one row: policy gradient, entropy bonus and anchors.

    The anchors are the imitation losses of the decision and of the claims. Claims
    share an advantage that the noise of the decision's payoff dominates, and forget
    what imitation taught them; their anchor leaves the trunk to the rewards.

    Args:
      params: the policy's.
      uniforms: as of `sampled_loss`.
      row: what hindsight says.
      weights: [3] of structure, claims, decision.
      model: the network that `params` belong to.
      config: the experiment's.

    Returns:
      A scalar, and the row's rewards, entropy and imitation losses.
    """
    heads, trunk = (model.apply(x, row.inputs) for x in policy.split_gradient(params))
    logits = jax.tree.map(lambda x, y: x + (y - jax.lax.stop_gradient(y)), heads, trunk)
    if config.rft.estimator == "exact":
        gradient, earned = exact_loss(logits, row, weights, config)
    else:
        gradient, earned = sampled_loss(logits, uniforms, row, weights, config)
    entropy = policy.entropy(logits).sum(0)
    anchor = losses.decision_loss(logits, row.label)
    claims_anchor = losses.claims_loss(heads, row.truth, row.known)
    loss = (
        gradient
        - config.rft.entropy_coef * entropy
        + config.rft.anchor_coef * anchor
        + config.rft.claims_anchor_coef * claims_anchor
    )
    names = ("structure_reward", "claims_reward", "decision_reward")
    metrics = dict(zip(names, earned, strict=True))
    reward = jnp.tensordot(weights, earned, axes=1)
    metrics |= {"reward": reward, "entropy": entropy}
    metrics |= {"decision_loss": anchor, "claims_loss": claims_anchor}
    return loss, metrics


def objective(
    params: Params,
    panel: Panel,
    scaler: Scaler,
    days: jax.Array,
    config: FrozenConfigDict,
) -> tuple[Params, optimizer.LossFn]:
    """Sets what reinforcement descends: where it starts, and the loss of a minibatch.

    Args:
      params: the policy to start from, and to stay near where that is asked for.
      panel: all rows; only rows of training days are read.
      scaler: fitted on the same rows.
      days: [T] bool, the training days.
      config: the experiment's.

    Returns:
      Everything that is learned, the policy's parameters among it, and the loss.
    """
    model = make_model(config)
    stage, so_far = config.rft, jnp.cumsum(days)

    def loss_fn(state, key, step):
        rows_key, thesis_key = jax.random.split(key)
        rows = preprocess.draw(rows_key, panel, scaler, so_far, stage.batch_days)
        num_claims, batch_size = rows.truth.shape
        draws = policy.num_uniforms(num_claims)
        shape = (stage.num_samples, draws, batch_size)
        uniforms = policy.draw_uniforms(thesis_key, shape)
        weights = rewards.weights_at(step, stage.num_steps, config.reward)
        loss, metrics = row_loss(
            state["policy"], uniforms, rows, weights, model, config
        )
        mean = lambda x: optimizer.weighted_mean(x, rows.weight)  # noqa: E731
        loss, metrics = mean(loss), jax.tree.map(mean, metrics)
        if stage.kl_coef:
            kl = mean(divergence(state["policy"], params, rows, model))
            loss, metrics = loss + stage.kl_coef * kl, metrics | {"kl": kl}
        return loss, metrics

    return {"policy": params}, loss_fn


def divergence(
    params: Params, start: Params, row: Row, model: policy.Policy
) -> jax.Array:
    """Computes KL(π ‖ π_start) of all that is written about one row, in nats, []."""
    logits, before = (model.apply(x, row.inputs) for x in (params, start))
    return policy.kl(logits, before).sum(0)


def average(start: Params, end: Params, keep: float) -> Params:
    """Averages parameters, keep · start + (1 − keep) · end.

    See Wortsman et al. (2022), "Robust fine-tuning of zero-shot models", and Ramé et
    al. (2024), "WARP: on the benefits of weight averaged rewarded policies".
    """
    if not keep:
        return end
    return jax.tree.map(lambda x, y: keep * x + (1 - keep) * y, start, end)


def fit(
    key: jax.Array,
    params: Params,
    panel: Panel,
    scaler: Scaler,
    days: jax.Array,
    config: FrozenConfigDict,
) -> tuple[Params, Metrics]:
    """Improves a policy by comparing the theses it writes about training rows.

    Each step draws B rows, writes K theses about each, compares every thesis with
    the others of its group and follows the gradient of the better ones. A `kl_coef`
    charges writing differently from the policy it started from; with a `keep` the
    parameters of that policy are averaged with those at the end.

    Args:
      key: consumed.
      params: the policy to start from, usually out of `sft.fit`.
      panel: all rows; only rows of training days are read.
      scaler: fitted on the same rows.
      days: [T] bool, the training days.
      config: the experiment's.

    Returns:
      The final parameters, and metrics with a leading axis [num_steps].
    """
    stage = config.rft
    start, loss_fn = objective(params, panel, scaler, days, config)
    end, metrics = optimizer.minimise(key, start, loss_fn, stage)
    return average(params, end["policy"], stage.keep), metrics
