"""Reinforcement fine-tuning on comparisons of theses, for one fold and one seed."""

import jax
from ml_collections import FrozenConfigDict

from thesis_rl import descent, losses, policy, preprocess, rewards
from thesis_rl.preprocess import Scaler
from thesis_rl.sft import make_model
from thesis_rl.types import Fold, Logits, Metrics, Panel, Params, Row, Split

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
        theses, row, config.reward
    )  # [K, 3]
    log_probs = jax.vmap(policy.log_prob, in_axes=(None, 0))(logits, theses)  # [K, 3]
    estimator = ESTIMATORS[config.rft.estimator]
    return estimator(log_probs, values * weights[None, :]), values.mean(0)


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
    expected = rewards.expected_parts(logits, row, config.reward)
    return -weights @ expected, expected


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
      uniforms: [K, P + C + 1].
      row: what hindsight says.
      weights: [3] of structure, claims, decision.
      model: the network that `params` belong to.
      config: the experiment's.

    Returns:
      A scalar, and the row's rewards, entropy and imitation losses.
    """
    logits = model.apply(params, row.inputs)
    if config.rft.estimator == "exact":
        gradient, earned = exact_loss(logits, row, weights, config)
    else:
        gradient, earned = sampled_loss(logits, uniforms, row, weights, config)
    entropy = policy.entropy(logits).sum()
    anchor = losses.decision_loss(logits, row.label)
    frozen = model.apply(policy.freeze_trunk(params), row.inputs)
    claims_anchor = losses.claims_loss(frozen, row.truth, row.known)
    loss = (
        gradient
        - config.rft.entropy_coef * entropy
        + config.rft.anchor_coef * anchor
        + config.rft.claims_anchor_coef * claims_anchor
    )
    names = ("structure_reward", "claims_reward", "decision_reward")
    metrics = dict(zip(names, earned, strict=True))
    metrics |= {"reward": weights @ earned, "entropy": entropy}
    metrics |= {"decision_loss": anchor, "claims_loss": claims_anchor}
    return loss, metrics


def fit(
    key: jax.Array,
    params: Params,
    panel: Panel,
    scaler: Scaler,
    fold: Fold | Split,
    config: FrozenConfigDict,
) -> tuple[Params, Metrics]:
    """Improves a policy by comparing the theses it writes about training rows.

    Each step draws B rows, writes K theses about each, compares every thesis with
    the others of its group and follows the gradient of the better ones.

    Args:
      key: consumed.
      params: the policy to start from, usually out of `sft.fit`.
      panel: all rows; only training rows of the fold are read.
      scaler: fitted on the same rows.
      fold: which days are its training days.
      config: the experiment's.

    Returns:
      The final parameters, and metrics with a leading axis [num_steps].
    """
    model = make_model(config)
    stage = config.rft

    def loss_fn(params, key, step):
        rows_key, thesis_key = jax.random.split(key)
        rows = preprocess.draw(rows_key, panel, scaler, fold, stage.batch_days)
        batch_size, num_claims = rows.truth.shape
        draws = policy.num_uniforms(num_claims)
        uniforms = jax.random.uniform(
            thesis_key, (batch_size, stage.num_samples, draws)
        )
        weights = rewards.weights_at(step, stage.num_steps, config.reward)
        loss, metrics = jax.vmap(row_loss, in_axes=(None, 0, 0, None, None, None))(
            params, uniforms, rows, weights, model, config
        )
        mean = lambda x: descent.weighted_mean(x, rows.weight)  # noqa: E731
        return mean(loss), jax.tree.map(mean, metrics)

    return descent.minimise(key, params, loss_fn, stage)
