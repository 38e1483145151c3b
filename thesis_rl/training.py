"""One network of one fold: every stage of its training, and its forecasts."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict, FrozenConfigDict

from thesis_rl import preprocess, rft, sft, sizing
from thesis_rl.preprocess import Scaler
from thesis_rl.types import Fold, Logits, Metrics, Panel, Params, Split

ABLATIONS = {
    "exact": {"rft.estimator": "exact"},
    "rft_only": {"rft.keep": 0.0, "rft.kl_target": 0.0},  # Of what is random.
    "no_claims": {"reward.weights": (0.2, 0.0, 0.5)},
    "no_structure": {"reward.weights": (0.0, 0.3, 0.5)},
}


class Forecasts(NamedTuple):
    """Probabilities of every section, claim and decision, and the position stated."""

    sections: jax.Array  # [..., P]
    claims: jax.Array  # [..., C]
    decision: jax.Array  # [..., A]
    size: jax.Array | None = None  # [...], the mean; None without `model.sizing`.


def spell_out(logits: Logits) -> Forecasts:
    """Turns the heads of one row into probabilities, and a size into its mean."""
    size = logits.size
    return Forecasts(
        sections=jax.nn.sigmoid(logits.sections),
        claims=jax.nn.sigmoid(logits.claims),
        decision=jax.nn.softmax(logits.decision),
        size=None if size is None else sizing.mean_position(size),
    )


def stated(forecasts: Forecasts, mapping: str) -> jax.Array:
    """Picks what a mapping makes positions of: sizes [...], or decisions [..., A]."""
    return forecasts.size if mapping == "sizes" else forecasts.decision


def final_stage(stages: Iterable[str]) -> str:
    """Names the stage whose ensemble is the headline: the last of sft, rft and path."""
    return next(name for name in ("path", "rft", "sft") if name in stages)


# By name of the stage. With several `rft.num_choices` the parameters of every stage but
# sft are snapshots, [num_choices, ...].
Stages = tuple[dict[str, Params], dict[str, Metrics]]


def train_fold(
    key: jax.Array, panel: Panel, scaler: Scaler, fold: Fold, config: FrozenConfigDict
) -> Stages:
    """Trains one seed of one fold from scratch, alone. The key is consumed.

    Alone a fold has no network that missed its last days, so no step is chosen early.

    Args:
      key: of the seed; the fold's last training day is folded in, so that a window
        trains the same whatever other folds run beside it.
      panel: all rows.
      scaler: fitted on the fold.
      fold: day bounds.
      config: the experiment's.

    Returns:
      Parameters and metrics by stage: sft, rft, and those of `config.ablations`.
    """
    config = with_changes(config, {"rft.num_choices": 1})
    key = jax.random.fold_in(key, fold.train_stop)
    same_key = jax.random.clone(key)  # `ablate` takes the part that `train` leaves.
    params, metrics = train(key, panel, scaler, fold, config)
    others = ablate(same_key, params["sft"], panel, scaler, fold, config)
    return params | others[0], metrics | others[1]


def train(
    key: jax.Array,
    panel: Panel,
    scaler: Scaler,
    fold: Fold | Split,
    config: FrozenConfigDict,
) -> Stages:
    """Trains one network by imitation, then by comparison.

    Args:
      key: consumed, but for what `ablate` makes of it.
      panel: all rows.
      scaler: fitted on the fold.
      fold: which days are its training days.
      config: the experiment's.

    Returns:
      Parameters and metrics of sft and rft.
    """
    init_key, sft_key, rft_key, _ = jax.random.split(key, 4)
    params = initialise(init_key, panel, config)
    warm, sft_metrics = sft.fit(sft_key, params, panel, scaler, fold, config)
    stages = {"sft": (warm, sft_metrics)}
    if config.rft.num_steps:
        stages["rft"] = rft.fit(rft_key, warm, panel, scaler, fold, config)
    return by_part(stages)


def ablate(
    key: jax.Array,
    warm: Params,
    panel: Panel,
    scaler: Scaler,
    fold: Fold | Split,
    config: FrozenConfigDict,
) -> Stages:
    """Trains one network another way from the same start, once for each ablation.

    Args:
      key: as given to `train`.
      warm: what imitation made of the network.
      panel: all rows.
      scaler: fitted on the fold.
      fold: which days are its training days.
      config: the experiment's.

    Returns:
      Parameters and metrics of each of `config.ablations`; none without RFT.
    """
    init_key, _, _, ablation_key = jax.random.split(key, 4)
    stages = {}
    for i, name in enumerate(config.ablations if config.rft.num_steps else ()):
        cold = name == "rft_only"
        start = initialise(init_key, panel, config) if cold else warm
        changed = with_changes(config, ABLATIONS[name])
        stage_key = jax.random.fold_in(ablation_key, i)
        stages[name] = rft.fit(stage_key, start, panel, scaler, fold, changed)
    return by_part(stages)


def initialise(key: jax.Array, panel: Panel, config: FrozenConfigDict) -> Params:
    """Draws a network's first parameters. The key is consumed."""
    inputs = jnp.zeros(2 * panel.features.shape[-1])
    return sft.make_model(config).init(key, inputs)


def by_part(stages: dict[str, tuple[Params, Metrics]]) -> Stages:
    """Turns pairs by stage into parameters by stage and metrics by stage."""
    return tuple({name: s[i] for name, s in stages.items()} for i in range(2))


def with_changes(config: FrozenConfigDict, changes: dict[str, Any]) -> FrozenConfigDict:
    """Returns the same experiment with some values changed, by dotted key."""
    changed = ConfigDict(config.to_dict())
    with changed.ignore_type():  # An array may stand for a number.
        changed.update_from_flattened_dict(changes)
    return FrozenConfigDict(changed)


def predict(
    params: Params,
    panel: Panel,
    scaler: Scaler,
    first_day: jax.Array,
    num_days: int,
    config: FrozenConfigDict,
) -> Forecasts:
    """Forecasts every row of a stretch of days.

    Args:
      params: of one network.
      panel: all rows; only features of those days are read.
      scaler: fitted on the network's fold.
      first_day: [] int32.
      num_days: length of the stretch.
      config: the experiment's.

    Returns:
      Forecasts with leading axes [num_days, N].
    """
    model = sft.make_model(config)

    def forecast(features, available):
        inputs = preprocess.inputs(features, available, scaler)
        return spell_out(model.apply(params, inputs))

    days = lambda x: jax.lax.dynamic_slice_in_dim(x, first_day, num_days)  # noqa: E731
    return jax.vmap(jax.vmap(forecast))(days(panel.features), days(panel.available))


def in_groups(run: Callable[[jax.Array], Any], num_runs: int, group_size: int) -> Any:
    """Maps runs 0 … num_runs − 1, a few side by side.

    More at once would fall out of a processor's cache. The last group is filled up
    with runs that are thrown away.

    Args:
      run: of the index of a run, [] int32.
      num_runs: how many there are.
      group_size: how many go side by side.

    Returns:
      What `run` returns, with a leading axis [num_runs].
    """
    group = min(group_size, num_runs)
    num_groups = -(-num_runs // group)
    index = jnp.arange(num_groups * group) % num_runs
    done = jax.lax.map(jax.vmap(run), index.reshape(num_groups, group))
    return jax.tree.map(
        lambda x: x.reshape(num_groups * group, *x.shape[2:])[:num_runs], done
    )
