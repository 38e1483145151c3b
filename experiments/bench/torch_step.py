"""The training steps of `rft.py` and `sft.py`, as a careful user of PyTorch has them.

Vectorised over rows and over runs [R, B, ...]: what differs from run to run has a
leading axis, so that eight small networks share each call. All parameters of a run lie
in one row of a flat array, which is clipped and stepped in a few calls. Draws of a row
are one array, both theses share what a log-probability is normalised by, and inputs
are standardised beforehand. The losses are those of `learning.rft` and `.sft`.
"""

import math
from typing import NamedTuple

import torch
from torch.nn import functional

SECTIONS, CLAIMS, DECISIONS = 6, 8, 5
BITS = SECTIONS + CLAIMS
MAX_PAYOFF = 2.0


class Sizes(NamedTuple):
    """What a step works on."""

    trunk: int  # Inputs that the trunk reads; they come first.
    inputs: int
    width: int


class Rows(NamedTuple):
    """Rows of a minibatch, [R, B, ...]: views of one array, gathered at once."""

    inputs: torch.Tensor  # [..., I]
    truth: torch.Tensor  # [..., C] in {0, 1}
    known: torch.Tensor  # [..., C] in {0, 1}
    label: torch.Tensor  # [..., A] in {0, 1}
    payoff: torch.Tensor  # [..., 1]
    weight: torch.Tensor  # [..., 1]


class Coefs(NamedTuple):
    """What the terms of a reinforcement step weigh."""

    rewards: tuple[float, float, float]
    entropy: float
    anchor: float
    claims_anchor: float


class Weights(NamedTuple):
    """Parameters of every run."""

    first: torch.Tensor  # [R, trunk, H]
    second: torch.Tensor  # [R, H, H]
    heads: torch.Tensor  # [R, H, P + C + A]
    evidence: torch.Tensor  # [R, I, C], from the inputs straight to the claims.
    first_bias: torch.Tensor  # [R, 1, H]
    second_bias: torch.Tensor  # [R, 1, H]
    heads_bias: torch.Tensor  # [R, 1, P + C + A]


def shapes(sizes: Sizes) -> Weights:
    """Returns the shape of each parameter of one run."""
    trunk, inputs, width = sizes
    heads = BITS + DECISIONS
    kernels = (trunk, width), (width, width), (width, heads), (inputs, CLAIMS)
    return Weights(*kernels, (1, width), (1, width), (1, heads))


def unflatten(flat: torch.Tensor, sizes: Sizes) -> Weights:
    """Views [R, all parameters] as `Weights`."""
    wanted = shapes(sizes)
    parts = flat.split([math.prod(shape) for shape in wanted], dim=1)
    views = (p.view(-1, *shape) for p, shape in zip(parts, wanted, strict=True))
    return Weights(*views)


def flatten(weights: Weights) -> torch.Tensor:
    """Lays the parameters of each run side by side, [R, all parameters]."""
    return torch.cat([w.flatten(1) for w in weights], dim=1)


def as_rows(packed: torch.Tensor) -> Rows:
    """Views rows [..., everything] field by field."""
    after = 2 * CLAIMS + DECISIONS + 2
    sizes = packed.shape[-1] - after, CLAIMS, CLAIMS, DECISIONS, 1, 1
    return Rows(*packed.split(sizes, dim=-1))


def apply(
    weights: Weights, inputs: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Computes the last hidden layer, what goes past it to the claims, and all logits.

    Args:
      weights: [R, ...].
      inputs: [R, B, I].

    Returns:
      [R, B, H], [R, B, C] and [R, B, P + C + A].
    """
    seen = inputs[..., : weights.first.shape[1]]
    h = torch.baddbmm(weights.first_bias, seen, weights.first).relu_()
    h = torch.baddbmm(weights.second_bias, h, weights.second).relu_()
    logits = torch.baddbmm(weights.heads_bias, h, weights.heads)
    direct = torch.bmm(inputs, weights.evidence)
    return h, direct, logits + functional.pad(direct, (SECTIONS, DECISIONS))


@torch.no_grad()
def compare(
    chances: torch.Tensor,
    decision: torch.Tensor,
    uniforms: torch.Tensor,
    rows: Rows,
    rewards: tuple[float, float, float],
) -> torch.Tensor:
    """Draws two theses a row and weighs what tells them apart by who did better.

    Args:
      chances: [R, B, P + C] of every section and claim.
      decision: [R, B, A] probabilities.
      uniforms: [2, R, B, P + C + 1].
      rows: [R, B, ...].
      rewards: weights of structure, claims and decision.

    Returns:
      ½ (R₁ - R₂) (x₁ - x₂), [R, B, P + C + A], x a thesis as bits and one decision as
      an indicator: the pairwise estimator is minus its product with the logits.
    """
    bits, last = uniforms.split((BITS, 1), dim=-1)
    written = (bits < chances).float()
    index = (last >= decision.cumsum(-1)[..., :-1]).sum(-1)
    chosen = functional.one_hot(index, DECISIONS).float()
    asserted = written[..., SECTIONS:]
    hits = torch.linalg.vecdot(asserted, rows.truth)
    total = asserted.sum(-1) + rows.truth.sum(-1)
    f1 = torch.where(total > 0, 2 * hits / total.clamp(min=1), 1.0)
    payoff = rows.payoff.squeeze(-1).clamp(-MAX_PAYOFF, MAX_PAYOFF)
    earned = (0.5 * index - 1) * payoff
    structure = written[..., :SECTIONS].mean(-1)
    value = rewards[0] * structure + rewards[1] * f1 + rewards[2] * earned
    thesis = torch.cat([written, chosen], dim=-1)
    return 0.5 * (value[0] - value[1]).unsqueeze(-1) * (thesis[0] - thesis[1])


def claims_loss(logits: torch.Tensor, rows: Rows) -> torch.Tensor:
    """Averages the binary cross-entropy over the claims that can be checked, [R, B]."""
    share = rows.known / rows.known.sum(-1, keepdim=True).clamp(min=1)
    loss = functional.binary_cross_entropy_with_logits
    return loss(logits, rows.truth, share, reduction="none").sum(-1)


def averaged(values: torch.Tensor, rows: Rows) -> torch.Tensor:
    """Averages [R, B] over the rows that have a label, and adds the runs up."""
    weight = rows.weight.squeeze(-1)
    total = weight.sum(-1, keepdim=True).clamp(min=1)
    return (values * (weight / total)).sum()


def rft_loss(
    weights: Weights, rows: Rows, uniforms: torch.Tensor, coefs: Coefs
) -> torch.Tensor:
    """Computes the loss of one reinforcement step, added up over runs."""
    h, direct, logits = apply(weights, rows.inputs)
    bits, decision = logits.split((BITS, DECISIONS), dim=-1)
    chances, log_p = bits.sigmoid(), decision.log_softmax(-1)
    shares = log_p.exp()
    better = compare(chances, shares, uniforms, rows, coefs.rewards)
    entropy = functional.softplus(bits) - bits * chances
    # Of the decision, its entropy and its anchor: both are linear in log p.
    weight = coefs.entropy * shares - coefs.anchor * rows.label
    part = slice(SECTIONS, BITS)
    bias = weights.heads_bias[..., part]
    frozen = torch.baddbmm(bias, h.detach(), weights.heads[..., part]) + direct
    loss = (
        (weight * log_p).sum(-1)
        - coefs.entropy * entropy.sum(-1)
        - (better * logits).sum(-1)
        + coefs.claims_anchor * claims_loss(frozen, rows)
    )
    return averaged(loss, rows)


def sft_loss(
    weights: Weights, rows: Rows, coefs: tuple[float, float, float]
) -> torch.Tensor:
    """Computes the loss of one imitation step, added up over runs."""
    _, _, logits = apply(weights, rows.inputs)
    sections, claims, decision = logits.split((SECTIONS, CLAIMS, DECISIONS), dim=-1)
    written = functional.softplus(-sections).mean(-1)
    label = -(rows.label * decision.log_softmax(-1)).sum(-1)
    loss = coefs[0] * written + coefs[1] * claims_loss(claims, rows) + coefs[2] * label
    return averaged(loss, rows)
