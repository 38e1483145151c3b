"""Prints a finished run's thesis on one stock at the close of one day.

    python experiments/predict.py --run=RUN --ticker=AAPL --date=2020-01-03
    python experiments/predict.py --run=RUN --ticker=AAPL --date=2020-01-03 --json

RUN is the folder of a run. The network that answers had seen neither that day nor
anything after it; for a day that none is that innocent of, ask with --in_sample.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from absl import flags  # noqa: E402
from rich import box  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.markdown import Markdown  # noqa: E402
from rich.table import Table  # noqa: E402
from rich.text import Text  # noqa: E402

from experiments.command import Command, run_from_shell  # noqa: E402


def origin(prediction) -> Text:
    """Says which network answered, and whether it may have seen the day."""
    fold = prediction.fold
    trained = f"trained on {' to '.join(fold['train'])}"
    name = "the final model" if fold["final"] else f"fold {fold['index']}"
    if prediction.out_of_sample:
        return Text(f"Out of sample, by {name}, {trained}.")
    return Text(
        f"IN-SAMPLE, by {name}, {trained}: it may have been taught what came of this.",
        style="bold red",
    )


def movers(prediction) -> Table:
    """Tabulates how far each feature moved the expected position."""
    table = Table(
        title="What moved the decision", box=box.SIMPLE_HEAD, title_justify="left"
    )
    table.add_column("Feature")
    table.add_column("Value", justify="right")
    table.add_column("Moved the position by", justify="right")
    table.add_row("(all at the training mean)", "", f"{prediction.plain_position:+.4f}")
    for name, share in prediction.attribution.items():
        value = prediction.features[name]
        shown = "missing" if value is None else f"{value:+.4g}"
        table.add_row(name, shown, f"{share:+.4f}" if share else "0")
    table.add_section()
    position = prediction.thesis["decision"]["position"]
    table.add_row("Expected position", "", f"{position:+.4f}")
    return table


def as_json(prediction) -> str:
    """Returns the whole prediction as one JSON object."""
    from thesis_rl import files

    return files.to_json(prediction._asdict(), indent=2)


def declare(own: flags.FlagValues) -> None:
    """Declares the arguments."""
    flags.DEFINE_string("run", None, "The folder of a run.", own)
    flags.DEFINE_string("ticker", None, "The stock.", own)
    flags.DEFINE_string("date", None, "The day, YYYY-MM-DD.", own)
    flags.DEFINE_bool("in_sample", False, "Answer for days it trained on too.", own)
    flags.DEFINE_bool("json", False, "Print JSON, not a page.", own)


def main(given: flags.FlagValues) -> None:
    """Predicts and prints.

    Raises:
      ValueError: the run, the ticker or the day is wrong.
      OSError: a file is missing or cannot be read.
    """
    from thesis_rl.runs import predict
    from thesis_rl.thesis import to_markdown

    run = predict.load_run(given.run)
    prediction = predict.predict(run, given.ticker, given.date, given.in_sample)
    if given.json:
        print(as_json(prediction))
        return
    console = Console()
    console.print(origin(prediction))
    console.print(Markdown(to_markdown(prediction.thesis)))
    console.print(movers(prediction))


NEEDS = {"run": "runs/NAME", "ticker": "AAPL", "date": "2020-01-03"}
COMMAND = Command(__doc__, declare, main, NEEDS)

if __name__ == "__main__":
    run_from_shell(COMMAND)
