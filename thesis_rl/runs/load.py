"""A finished run, read back and checked against what its config implies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl import configs
from thesis_rl.learning import network, preprocess
from thesis_rl.runs import checkpoint
from thesis_rl.runs.checkpoint import CheckpointError
from thesis_rl.thesis.schema import SCHEMA_VERSION
from thesis_rl.thesis.vocabulary import DECISION_LABELS
from thesis_rl.types import Panel
from thesis_rl.walk_forward import program
from thesis_rl.walk_forward.check import check

META_KEYS = (
    "schema_version",
    "config",
    "claims",
    "feature_names",
    "tickers",
    "last_day",
    "folds",
)


class Run(NamedTuple):
    """A finished run, read back from its folder."""

    path: Path
    config: FrozenConfigDict
    arrays: dict  # params by stage, [S, F + 1, ...]; scalers and calibrators [F + 1].
    meta: dict  # As `record.checkpoint_meta`.

    @property
    def final_stage(self) -> str:
        """The stage whose ensemble is the headline."""
        return program.final_stage(self.arrays["params"])


def load_run(path: str | Path) -> Run:
    """Reads a run's folder and checks that this code can use what it learned.

    Args:
      path: the folder.

    Returns:
      The run.

    Raises:
      FileNotFoundError: it is not a run's folder, or the run did not finish.
      CheckpointError: the checkpoint is damaged, or made for other code; says what
        differs.
    """
    path = Path(path)
    if not (path / "config.json").is_file():
        raise FileNotFoundError(f"{path} is no run's folder: it holds no config.json")
    file = path / "checkpoint.npz"
    if not file.is_file():
        raise FileNotFoundError(
            f"{path} holds no checkpoint.npz; the run was cut short"
        )
    _, meta = checkpoint.load(file)
    if missing := [key for key in META_KEYS if key not in meta]:
        raise CheckpointError(f"{file}: its meta has no {', '.join(missing)}")
    try:
        config = rebuild_config(meta["config"])
        check(configs.with_changes(config, UNASKED))
        like = implied_arrays(config, len(meta["folds"]))
    except (AttributeError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{file} was written by another version of the code: {error}"
        ) from error
    implied = {
        "schema_version": SCHEMA_VERSION,
        "claims": list(config.claims),
        "feature_names": list(config.features),
    }
    for name, wanted in implied.items():
        if meta[name] != wanted:
            raise CheckpointError(f"{file}: {name}: have {meta[name]}, want {wanted}")
    arrays, _ = checkpoint.load(file, like)
    return Run(path, config, arrays, meta)


def rebuild_config(values: Mapping[str, Any]) -> FrozenConfigDict:
    """Returns the config that JSON was made of, in today's keys; lists were tuples."""
    return FrozenConfigDict(translate(configs.with_tuples(values)))


# What configs of older runs say and no code reads any more. None of it changes what a
# trained network answers, but for positions that it stated itself.
GONE = {
    "calibration": ("claim_precision",),
    "combinatorial": ("num_test_groups",),
    "model": ("sizing",),
    "reward": ("coherence_share", "holding_cost", "support_share"),
    "rft": ("final_entropy_coef", "kl_target", "max_grad_norm", "num_choices"),
    "sft": ("max_grad_norm", "sections_teacher", "weights"),
}
# What a prediction does not ask for, and rules of today may refuse.
UNASKED = {"ablations": {}, "pace.rule": "sleeves", "reward.validity_share": 0.0}
PACES = {"learned": "partial", "band": "band"}
ABLATIONS = {
    "exact": {"rft": {"estimator": "exact"}},
    "rft_only": {"sft": {"num_steps": 0}, "rft": {"keep": 0.0}},
    "no_claims": {"reward": {"weights": (0.2, 0.0, 0.5)}},
    "no_structure": {"reward": {"weights": (0.0, 0.3, 0.5)}},
}


def translate(old: Mapping[str, Any]) -> dict[str, Any]:
    """Says in today's keys what a config of revision ab801db says.

    Raises:
      KeyError: the run states sizes of its positions, which no code reads any more.
    """
    if old["model"].get("sizing") or old["backtest"]["mapping"] == "sizes":
        raise KeyError("model.sizing, which revision ab801db reads as the last")
    new = {
        key: value for key, value in old.items() if key not in ("path", "distillation")
    }
    for group, gone in GONE.items():
        new[group] = {key: x for key, x in old[group].items() if key not in gone}
    new["rft"].setdefault("kl_coef", 0.0)
    if not isinstance(old["ablations"], Mapping):
        new["ablations"] = {name: ABLATIONS[name] for name in old["ablations"]}
    curriculum = old["reward"]["curriculum"]
    new["reward"]["curriculum"] = tuple((at, x[:3]) for at, x in curriculum)
    if "path" in old:
        path = old["path"]
        rule = PACES[path["rule"]] if path["num_steps"] else "sleeves"
        new["pace"] = {"rule": rule, "evidence": path["evidence"]}
    return new


def implied_arrays(config: FrozenConfigDict, num_folds: int) -> dict:
    """Traces what the program would save, without training anything.

    Args:
      config: the experiment's.
      num_folds: F + 1.

    Returns:
      Nested dict of `jax.ShapeDtypeStruct`, as `record.write_checkpoint` nests it.
    """
    struct = jax.ShapeDtypeStruct
    rows, num_claims = (1, 1), len(config.claims)
    panel = Panel(
        features=struct((*rows, len(config.features)), jnp.float32),
        available=struct((*rows, len(config.features)), jnp.bool_),
        truth=struct((*rows, num_claims), jnp.bool_),
        known=struct((*rows, num_claims), jnp.bool_),
        score=struct(rows, jnp.float32),
        payoff=struct(rows, jnp.float32),
        labelled=struct(rows, jnp.bool_),
    )

    def train(key, panel, days):
        scaler = preprocess.fit(panel, days, config.labels)
        params, _ = network.train(network.Job(key, days, scaler), panel, config)
        return params, scaler

    days = struct((1,), jnp.bool_)
    params, scaler = jax.eval_shape(train, jax.random.key(0), panel, days)
    decision = struct((num_folds, len(DECISION_LABELS)), jnp.float32)
    scaling = {"scale": decision, "bias": decision}
    stacked = lambda x, *axes: struct((*axes, *x.shape), x.dtype)  # noqa: E731
    return {
        "params": jax.tree.map(
            lambda x: stacked(x, config.num_seeds, num_folds), params
        ),
        "scalers": {k: stacked(x, num_folds) for k, x in scaler._asdict().items()},
        "calibrators": {
            "temperature": scaling,
            "vector": scaling,
            "cutoffs": struct((num_folds, num_claims), jnp.float32),
        },
    }
