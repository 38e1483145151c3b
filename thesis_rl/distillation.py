"""Distillation: one network taught to say what several say on average.

An average of networks trades better than each of them, and costs as much to keep and
to ask as all of them. See Buciluă, Caruana and Niculescu-Mizil (2006), "Model
compression"; Hinton, Vinyals and Dean (2015), "Distilling the knowledge in a neural
network".
"""

import jax
import jax.numpy as jnp
import optax
from ml_collections import FrozenConfigDict

from thesis_rl import descent, losses, parallel, policy, preprocess, training
from thesis_rl.preprocess import Scaler
from thesis_rl.sft import make_model
from thesis_rl.training import Forecasts
from thesis_rl.types import Fold, Metrics, Panel, Params, Split


def mean_forecast(
    teachers: Params, inputs: jax.Array, model: policy.Policy
) -> Forecasts:
    """Averages what several networks say of one row.

    Args:
      teachers: parameters, with a leading axis [S].
      inputs: [I], read by all of them.
      model: the network that the parameters belong to.

    Returns:
      `Forecasts` of shapes [P], [C], [A].
    """
    logits = jax.vmap(model.apply, in_axes=(0, None))(teachers, inputs)
    return jax.tree.map(lambda x: x.mean(0), jax.vmap(training.spell_out)(logits))


def task_losses(
    params: Params, inputs: jax.Array, target: Forecasts, model: policy.Policy
) -> jax.Array:
    """Computes the cross-entropy of each head at the probabilities of a teacher.

      -Σ q log p,   the mean over sections, over claims, and of the decision

    Unlike imitation it has no unknown claims: a teacher has a probability for each.

    Args:
      params: the student's.
      inputs: [I].
      target: q, of shapes [P], [C], [A]; where it has a size, the squared error at it
        is added to the decision's.
      model: the network that `params` belong to.

    Returns:
      [3], least where the student says what the teacher says.
    """
    logits = model.apply(params, inputs)
    decision = optax.softmax_cross_entropy(logits.decision, target.decision)
    if logits.size is not None:
        decision += losses.size_loss(logits, target.size)
    return jnp.stack(
        [
            losses.sections_loss(logits, target.sections),
            losses.claims_loss(logits, target.claims, jnp.ones_like(target.claims)),
            decision,
        ]
    )


def fit(
    key: jax.Array,
    params: Params,
    teachers: Params,
    panel: Panel,
    scaler: Scaler,
    fold: Fold | Split,
    config: FrozenConfigDict,
) -> tuple[Params, Metrics]:
    """Teaches one network the mean probabilities of several, on their training rows.

    A probability needs no label, so every row with a feature teaches, and all alike.

    Args:
      key: consumed.
      params: the student to start from.
      teachers: parameters of networks trained on the fold, with a leading axis [S].
      panel: all rows; only features of the fold's training rows are read.
      scaler: fitted on the fold, as the teachers' was.
      fold: which days are its training days.
      config: the experiment's.

    Returns:
      The final parameters, and metrics with a leading axis [num_steps].
    """
    model = make_model(config)
    stage = config.distillation
    taught = panel._replace(labelled=panel.available.any(-1))  # What weighs a row.

    def loss_fn(params, key, step):
        rows = preprocess.draw(key, taught, scaler, fold, stage.batch_days)
        targets = jax.vmap(mean_forecast, in_axes=(None, -1, None))(
            teachers, rows.inputs, model
        )
        per_row = jax.vmap(task_losses, in_axes=(None, -1, 0, None))(
            params, rows.inputs, targets, model
        )  # [B, 3]
        tasks = descent.weighted_mean(per_row, rows.weight)
        names = ("sections_loss", "claims_loss", "decision_loss")
        loss = tasks.sum()
        return loss, {"loss": loss} | dict(zip(names, tasks, strict=True))

    return descent.minimise(key, params, loss_fn, stage)


def train_and_predict(
    key: jax.Array,
    teachers: Params,
    panel: Panel,
    scalers: Scaler,
    folds: Fold,
    config: FrozenConfigDict,
) -> tuple[Params, Metrics, Forecasts]:
    """Distils the seeds of every fold into one network, and asks it of unseen days.

    Args:
      key: consumed; a fold's last training day is folded in, so that a window trains
        the same whatever other folds run beside it.
      teachers: parameters of one stage, with leading axes [S, F].
      panel: all rows.
      scalers: [F, ...], fitted on the folds.
      folds: bounds, each [F].
      config: the experiment's.

    Returns:
      Parameters [F, ...], metrics [F, num_steps], and forecasts with leading axes
      [F, test_days, N].
    """

    def run(i):
        fold, scaler = jax.tree.map(lambda x: x[i], (folds, scalers))
        of_fold = jax.tree.map(lambda x: x[:, i], teachers)
        init_key, fit_key = jax.random.split(jax.random.fold_in(key, fold.train_stop))
        start = training.initialise(init_key, panel, config)
        params, metrics = fit(fit_key, start, of_fold, panel, scaler, fold, config)
        days = fold.test_start, config.folds.test_days
        return params, metrics, training.predict(params, panel, scaler, *days, config)

    mesh = parallel.make_mesh()
    return parallel.in_groups(run, folds.train_stop.shape[0], config.group_size, mesh)
