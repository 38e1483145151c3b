"""Quality gates: what is wrong with prices and events, before anything is trained.

Nothing is changed or dropped here. What cannot be right is a stop, what a person should
look at a warning, and what is merely worth knowing a note.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from thesis_rl.data.prices.frames import Prices
from thesis_rl.data.quality import event_gates, quote_gates, splits
from thesis_rl.data.quality.findings import SEVERITIES, Finding


def inspect(prices: Prices, tables: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """Looks for what cannot be right.

    Args:
        prices: frames [T, N].
        tables: events by source, possibly none.

    Returns:
        The findings, the worst first.
    """
    found = [
        *quote_gates.inspect(prices),
        *splits.inspect(prices),
        *event_gates.inspect(tables, prices.close),
    ]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def refuse(findings: Sequence[Finding]) -> None:
    """Raises a ValueError that lists the findings that stop a run."""
    stops = [finding.sentence for finding in findings if finding.severity == "stop"]
    if stops:
        raise ValueError(
            "the data did not pass its gates (config.data.events.gates=report goes on "
            "all the same):\n" + "\n".join(stops)
        )
