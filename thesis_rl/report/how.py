"""What was tested and how, in a paragraph that any reader can follow."""

from ml_collections import ConfigDict

from thesis_rl.data import labels
from thesis_rl.report.wording import plural


def account(summary: dict) -> list[str]:
    """Tells how the policy was trained, how it was judged and how it was calibrated."""
    config, folds = summary["config"], summary["folds"]
    reach = labels.label_reach(ConfigDict(config["labels"]))
    sft, rft = config["sft"]["num_steps"], config["rft"]["num_steps"]
    trains = f"It imitates teachers for {plural(sft, 'step')}"
    if rft:
        trains += (
            f" and is then rewarded for {plural(rft, 'step')} for structure, true "
            "claims and decisions that paid"
        )
    trades = ""
    if config["pace"]["rule"] != "sleeves":
        trades = (
            " How much of the way to its positions the book goes in a day is a rule "
            "of each fold, set by what was forecast before it was seen, net of costs; "
            "sleeves hold the other stages' decisions. " + _stood_still(summary["pace"])
        )
    windows = config["folds"]
    length = f"{windows['train_days']:,}" + " or more" * windows["expanding"]
    are = "is" if len(folds) == 1 else "are"
    return [
        "For each name and day a policy writes a thesis: which sections it covers, "
        "which claims it asserts, and a decision from strong sell to strong buy. "
        f"{trains}. There {are} {plural(len(folds), 'fold')}: each trains "
        f"{plural(config['num_seeds'], 'network')} from scratch on {length} days and "
        f"is judged on the {windows['test_days']:,} days that follow a gap of {reach} "
        f"days, as far as labels reach, and an embargo of {windows['embargo_days']} "
        "days. The mean of the networks' probabilities, the ensemble, is what is "
        f"judged.{trades}",
        "A decision uses what was known at the close of its day. Features are scaled, "
        "thresholds cut and probabilities calibrated on a fold's training days alone; "
        "no fold starts from another's parameters. All baselines go through the same "
        "fills, costs and scores.",
    ]


def _stood_still(rules: list[dict]) -> str:
    judged = [rule["exposure"] for rule in rules[:-1]]
    still = sum(exposure == 0 for exposure in judged)
    if not still:
        return "In no fold did it stand still."
    return (
        f"In {still} of {plural(len(judged), 'fold')} its past spoke against trading, "
        "and it stood still."
    )
