"""Parts of the store: events as Parquet bytes, and the hash of what they say."""

import hashlib
import io

import numpy as np
import pandas as pd

from thesis_rl.data.events import COLUMNS, TEXTS, TIMES, check

# What an event says: the same said again, by later bytes, is no further event.
SAID = tuple(name for name in COLUMNS if name not in ("seq", "raw", "place"))
# The order in which rows are hashed; seq decides between rows that the join must rank.
ORDER = ("name", "field", "event_time", "knowledge_time", "seq")

_TYPES = dict.fromkeys(TEXTS, object) | dict.fromkeys(TIMES, "datetime64[ns]")
_TYPES |= {"value": "float64", "seq": "int64"}


def checked(events: pd.DataFrame) -> pd.DataFrame:
    """Returns events with the columns and types that a part has, in their order.

    Args:
        events: as `events.table` makes them, with any index.

    Raises:
        ValueError: a column is missing, or a text is none that UTF-8 can hold, or what
            `events.check` refuses.
    """
    lacking = [name for name in COLUMNS if name not in events.columns]
    if lacking:
        raise ValueError(f"events have no column {lacking[0]}; `events.table` makes it")
    events = events[list(COLUMNS)].reset_index(drop=True)
    for name in TEXTS:
        wrong = [not _storable(text) for text in events[name]]
        if any(wrong):
            row = wrong.index(True)
            raise ValueError(
                f"events, row {row}: {name} is {events[name].iloc[row]!r}; want a text "
                "without halves of surrogate pairs"
            )
    check(events)
    return events.astype(_TYPES)


def encode(events: pd.DataFrame) -> bytes:
    """Writes events as one Parquet file, its column types explicit.

    Args:
        events: as `events.table` makes them.

    Raises:
        ImportError: pyarrow is not installed.
    """
    pyarrow, parquet = _arrow()
    schema = _schema(pyarrow)
    arrays = [
        pyarrow.array(events[name].to_numpy(), schema.field(name).type)
        for name in COLUMNS
    ]
    buffer = io.BytesIO()
    parquet.write_table(
        pyarrow.Table.from_arrays(arrays, schema=schema),
        buffer,
        compression="zstd",
        use_dictionary=list(TEXTS),
    )
    return buffer.getvalue()


def decode(data: bytes) -> pd.DataFrame:
    """Reads what `encode` wrote, to the bit.

    Raises:
        ImportError: pyarrow is not installed.
        ValueError: the columns are others.
    """
    pyarrow, parquet = _arrow()
    table = parquet.read_table(io.BytesIO(data), read_dictionary=list(TEXTS))
    if table.column_names != list(COLUMNS):
        raise ValueError(f"want the columns {list(COLUMNS)}, got {table.column_names}")
    return pd.DataFrame(
        {
            name: pd.Series(table[name].to_numpy(), dtype=_TYPES[name])
            for name in COLUMNS
        }
    )


def empty() -> pd.DataFrame:
    """Returns no events, every column with its type."""
    return pd.DataFrame({name: pd.Series(dtype=_TYPES[name]) for name in COLUMNS})


def content_hash(events: pd.DataFrame) -> str:
    """Hashes what events say, in an order of its own: SHA-256, hexadecimal.

    Rows are sorted by `ORDER` and hashed column by column without seq, raw and place.
    So the hash does not depend on when rows arrived, unless they share name, field
    and both times: the order of these is part of what they say.
    """
    events = events.sort_values(list(ORDER), kind="stable")
    digest = hashlib.sha256(len(events).to_bytes(8, "little"))
    for name in SAID:
        values = events[name].to_numpy()
        if name in TIMES:
            digest.update(values.astype("<M8[ns]").tobytes())
        elif name in TEXTS:
            encoded = [text.encode() for text in values]
            digest.update(np.array([len(text) for text in encoded], "<i8").tobytes())
            digest.update(b"".join(encoded))
        else:
            one_nan = np.where(np.isnan(values), np.nan, values)
            digest.update((one_nan + 0.0).astype("<f8").tobytes())  # -0.0 is 0.0.
    return digest.hexdigest()


def _schema(pyarrow):
    types = dict.fromkeys(TIMES, pyarrow.timestamp("ns"))
    types |= dict.fromkeys(TEXTS, pyarrow.string())
    types |= {"value": pyarrow.float64(), "seq": pyarrow.int64()}
    return pyarrow.schema([(name, types[name]) for name in COLUMNS])


def _storable(text) -> bool:
    if not isinstance(text, str):
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _arrow():
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            "the store is Parquet, which needs pyarrow: pip install 'thesis_rl[data]'"
        ) from error
    return pyarrow, pyarrow.parquet
