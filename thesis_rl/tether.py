"""What holds a reinforced policy near the one that it started from."""

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl import policy
from thesis_rl.types import Params, Row

# Steps of the coefficient's logarithm for one of a parameter. At 1 it may not reach its
# level within a stage of 200 steps, at 10 it swings around it.
COEF_SPEED = 2.0


def check(config: FrozenConfigDict) -> None:
    """Raises a ValueError if an experiment's policy cannot be held as it asks."""
    stage, last = config.rft, config.rft.final_entropy_coef
    if last is not None and not 0 <= last < jnp.inf:
        raise ValueError(
            f"config.rft.final_entropy_coef is {last}; give a number of at least 0, or "
            "None for a constant coefficient"
        )
    if not 0 <= stage.keep < 1:
        raise ValueError(
            f"config.rft.keep is {stage.keep}; it is a share of the parameters before "
            "reinforcement and must lie in [0, 1)"
        )
    if (stage.keep or stage.kl_target) and not config.sft.num_steps:
        raise ValueError(
            "config.rft.keep and kl_target hold reinforcement near what imitation "
            "taught, but config.sft.num_steps is 0; set both to 0, or imitate first"
        )


def hold(start: Params, end: Params, stage: FrozenConfigDict) -> Params:
    """Averages parameters, keep · start + (1 − keep) · end.

    See Wortsman et al. (2022), "Robust fine-tuning of zero-shot models", and Ramé et
    al. (2024), "WARP: on the benefits of weight averaged rewarded policies".

    Args:
      start: before the stage.
      end: after it; with several `num_choices`, each with a leading axis of them.
      stage: `config.rft`.

    Returns:
      Parameters of the shapes of `end`.
    """
    if not stage.keep:
        return end
    mix = lambda x, y: stage.keep * x + (1 - stage.keep) * y  # noqa: E731
    average = lambda end: jax.tree.map(mix, start, end)  # noqa: E731
    return jax.vmap(average)(end) if stage.num_choices > 1 else average(end)


def divergence(
    params: Params, start: Params, row: Row, model: policy.Policy
) -> jax.Array:
    """Computes KL(π ‖ π_start) of all that is written about one row, in nats, [].

    Args:
      params: of the policy that is trained.
      start: of the one that it started from.
      row: its inputs are read.
      model: the network of both.
    """
    logits, before = (model.apply(x, row.inputs) for x in (params, start))
    return policy.kl(logits, before).sum(0)


def penalty(
    kl: jax.Array, state: jax.Array, target: float
) -> tuple[jax.Array, jax.Array]:
    """Charges a divergence at a price that descent itself learns.

      β KL,  β = exp(c x),   with -∂loss/∂x = clip(KL / target - 1, -1, 1)

    A Lagrange multiplier by gradient ascent: β rises while the divergence exceeds its
    target and falls below. The clipped proportional error is that of Ziegler et al.
    (2019), "Fine-tuning language models from human preferences", section 2.2; see
    also Schulman et al. (2017), "Proximal policy optimization algorithms", section 4.

    Args:
      kl: [] in nats a row, differentiable in the policy's parameters.
      state: x [], 0 where β is 1.
      target: in nats a row, above 0.

    Returns:
      What is added to the loss, and β.
    """
    excess = jnp.clip(jax.lax.stop_gradient(kl) / target - 1, -1, 1)
    coef = jnp.exp(COEF_SPEED * jax.lax.stop_gradient(state))
    return coef * kl - state * excess, coef
