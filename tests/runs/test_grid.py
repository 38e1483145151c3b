"""The grid of a sweep: what a setting means, and every mistake caught beforehand."""

import pytest
import small_run
from ml_collections import ConfigDict, FrozenConfigDict

from thesis_rl import configs
from thesis_rl.runs import fingerprint
from thesis_rl.runs.sweep import grid


@pytest.fixture(scope="module")
def config():
    return ConfigDict(small_run.config().to_dict())


def listed(config, *settings):
    return grid.points(grid.parse(settings, config), config)


def test_every_combination_is_a_point(config):
    settings = "rft.peak_lr=0.01, 0.02", "model.hidden=(32,32),(4,)", "num_seeds=3"
    points = listed(config, *settings)
    chosen = [
        (p.config.rft.peak_lr, p.config.model.hidden, p.config.num_seeds)
        for p in points
    ]
    assert chosen == [
        (0.01, (32, 32), 3),
        (0.01, (4,), 3),
        (0.02, (32, 32), 3),
        (0.02, (4,), 3),
    ]
    assert [p.name for p in points] == ["1", "2", "3", "4"]
    assert [tuple(p.values.values()) for p in points] == chosen
    assert len({fingerprint.config_hash(p.config.to_dict()) for p in points}) == 4


def test_points_that_differ_in_arrays_alone_share_a_program(config):
    points = listed(config, "rft.peak_lr=0.5,0.6", "model.hidden=(3,),(4,)")
    assert points[0].program == points[2].program != points[1].program
    assert points[0].program.rft.peak_lr == config.rft.peak_lr
    assert points[2].arrays == {"rft.peak_lr": 0.6}
    assert points[2].config.rft.peak_lr == 0.6


def test_names_of_points_sort_as_they_count(config):
    points = listed(config, f"rft.entropy_coef={','.join(map(str, range(12)))}")
    names = [p.name for p in points]
    assert names == sorted(names) and names[0] == "01"


def test_words_and_whole_numbers_become_what_the_config_holds(config):
    varied = grid.parse(
        ["rft.estimator=rloo,'grpo'", "rft.peak_lr=1,.5", "features=('vol','rsi')"],
        config,
    )
    assert varied == {
        "rft.estimator": ("rloo", "grpo"),
        "rft.peak_lr": (1.0, 0.5),
        "features": (("vol", "rsi"),),
    }
    assert isinstance(varied["rft.peak_lr"][0], float)


def test_the_config_given_stays_as_it_is(config):
    before = FrozenConfigDict(config)
    listed(config, "rft.peak_lr=0.5,0.6")
    assert FrozenConfigDict(config) == before


def test_every_array_is_a_value_of_the_config(config):
    assert configs.flatten(config.to_dict()).keys() >= grid.ARRAYS | set(grid.NEEDS)


@pytest.mark.parametrize(
    "settings, message",
    [
        ((), "nothing to vary; give --vary=KEY=VALUE,VALUE"),
        (("rft.peak_lr",), "--vary=rft.peak_lr has no values; want KEY="),
        (("rft.peak_lr=",), "has no values"),
        (("rft.peek_lr=1",), "no value 'rft.peek_lr'; did you mean rft.peak_lr?"),
        (("rft=1",), "the config has no value 'rft'"),
        (("rft.peak_lr=1,x",), "cannot read '1,x'; want values with commas"),
        (("rft.peak_lr=1,,2",), "cannot read '1,,2'"),
        (("rft.peak_lr='a'",), "'a' is a str, but config.rft.peak_lr is a float"),
        (("rft.peak_lr=True",), "True is a bool, but config.rft.peak_lr is a float"),
        (("rft.peak_lr=None",), "None is a NoneType, but config.rft.peak_lr is a fl"),
        (("num_seeds=1.5",), "1.5 is a float, but config.num_seeds is a int"),
        (("model.hidden=32,64",), "32 is a int, but config.model.hidden is a tuple"),
        (("rft.peak_lr=1,1.0",), "lists the same value twice"),
        (("rft.peak_lr=1", "rft.peak_lr=2"), "rft.peak_lr is given twice"),
        (("rft.peak_lr=0.1,-0.1",), "config.rft.peak_lr is -0.1; it must be at le"),
        (("rft.peak_lr=1e999-1e999",), "cannot read"),
        (("rft.estimator=rloo,none",), "config.rft.estimator is 'none'; choose one"),
        (("reward.weights=(1,1)",), "config.reward.weights is .* give three weights"),
        (("calibration.scaling=vector",), "all be the same trial; leave it out"),
        (("title=a,b",), "headline does not depend on config.title"),
        (
            ("labels.thresholds=(-1,0,.5,1)",),
            "makes no difference while config.labels.recipe is 'cross_sectional'",
        ),
        (
            ("labels.thresholds=(0,-1,.5,1)", "labels.recipe=absolute"),
            "config.labels.thresholds must be 4 increasing numbers",
        ),
        (
            ("sft.num_steps=0", "sft.peak_lr=1"),
            "config.sft.peak_lr makes no difference while config.sft.num_steps is 0",
        ),
    ],
)
def test_a_mistake_ends_before_anything_is_loaded(config, settings, message):
    with pytest.raises(ValueError, match=message):
        listed(config, *settings)


def test_other_data_are_another_trial(config):
    points = listed(config, "data.synthetic.seed=0,1")
    assert [p.config.data.synthetic.seed for p in points] == [0, 1]
