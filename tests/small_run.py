"""One real run that trains in seconds, and its folder."""

import functools

from ml_collections import ConfigDict, FrozenConfigDict

from experiments import rft
from thesis_rl import files
from thesis_rl.evaluation import judge
from thesis_rl.runs import folder, record, run
from thesis_rl.walk_forward.experiment import prepare

CLAIMS = ("strong_momentum", "short_term_momentum", "high_volatility")
FEATURES = ("f_quality", "f_momentum", "mom10", "vol", "mom10_rel", "volume_ratio")


def config() -> FrozenConfigDict:
    """Shrinks the smoke experiment to 200 simulated days of 5 names."""
    small = rft.get_config("smoke")
    small.claims = ConfigDict({name: rft.CLAIMS[name] for name in CLAIMS})
    small.features = FEATURES
    small.data.update(source="synthetic", start="")
    small.data.synthetic.update(num_days=200, num_names=5)
    small.labels.update(horizons=(2, 5), vol_window=10)
    small.folds.update(train_days=60, test_days=20, num_folds=2)
    small.model.hidden = (8,)
    small.sft.num_steps = small.rft.num_steps = 3
    small.report.thesis_stride = 7
    return FrozenConfigDict(small)


@functools.cache
def result() -> judge.Result:
    return run.run(prepare(config()))


def write(path):
    """Writes the run, all but its report, into a new folder; returns the folder."""
    path = folder.claim(path, config().to_dict())
    record.write_returns(result(), path)
    summary = dict(result().summary)
    summary["theses"] = summary["theses"] | record.write(result(), path)
    summary["git"] = {"revision": None, "dirty": None}
    files.write_json(path / "results.json", summary)
    return path
