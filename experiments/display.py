"""What a person sees while a run is under way."""

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn


class Display:
    """Logs each step of a run, and draws a bar for each stage of training."""

    def __init__(self, console: Console):
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[pace]}"),
            console=console,
            transient=True,
        )
        self._tasks = {}

    def __enter__(self) -> "Display":
        self._bars.start()
        return self

    def __exit__(self, *error) -> None:
        self._bars.stop()

    def say(self, text: str) -> None:
        """Logs what is about to happen."""
        self._bars.console.log(text)

    def tell(self, standing) -> None:
        """Moves the bar of a stage; `standing` is a `saves.Standing`."""
        if standing.stage not in self._tasks:
            self._tasks[standing.stage] = self._bars.add_task(
                standing.stage, total=standing.num_steps, pace=""
            )
        pace = f"{standing.rows_per_second / 1e6:.2f}M rows/s"
        if standing.reward is not None:
            pace += f", reward {standing.reward:.3f}"
        if standing.step < standing.num_steps:
            pace += f", {standing.seconds_left:.0f} s left"
        task = self._tasks[standing.stage]
        self._bars.update(task, completed=standing.step, pace=pace)
        if standing.step == standing.num_steps:
            self._bars.console.log(
                f"{standing.stage}: {standing.num_steps} steps, {pace}"
            )
