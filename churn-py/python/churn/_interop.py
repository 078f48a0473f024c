"""Tables of other libraries, as plain as the native module takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from churn.errors import DuplicateColumnError

# Rows of small pieces of a Polars frame that go out together: not too few, as every part of a categorical column
# brings all its categories.
TOGETHER = 1 << 17


def plain(table: Any, columns: Sequence[str] | None) -> Any:
    """Give a table as something with the Arrow PyCapsule interface, an iterator of that, or a dict of columns.

    What is no table is given back as it is. Of a table with none of the columns that are needed, the names go on alone:
    the error shall name those that are there.
    """
    library = type(table).__module__.partition(".")[0]
    is_frame = library in ("pandas", "polars") and not hasattr(table, "collect") and hasattr(table, "columns")
    if columns is not None and (is_frame or isinstance(table, Mapping)):
        names = list(table.columns) if is_frame else list(table)
        if names and not any(name in columns for name in names):
            return {name: [] for name in names}
    if isinstance(table, Mapping):
        return table if columns is None else {name: table[name] for name in columns if name in table}
    if library == "pandas" and hasattr(table, "columns"):
        return _pandas(table, columns)
    if library == "polars" and hasattr(table, "collect"):
        return plain(table.collect(), columns)
    if library == "polars" and hasattr(table, "schema"):
        return _polars(table, columns)
    if library == "pyspark" and hasattr(table, "toArrow"):
        return table.toArrow()
    return table


def _polars(frame: Any, columns: Sequence[str] | None) -> Any:
    """Leave out what is not needed, and give columns that are null throughout a type that the interface can say.

    Polars joins the pieces of a frame into one before they go out: a large frame in pieces goes out part by part, or
    there would be a second copy of it in memory.
    """
    import polars as pl

    names = [name for name in frame.columns if columns is None or name in columns]
    nulls = [pl.col(name).cast(pl.Int64) for name in names if frame.schema[name] == pl.Null]
    frame = frame.select(names).with_columns(nulls)
    pieces = {tuple(column.chunk_lengths()) for column in frame}
    if frame.height <= TOGETHER or max(map(len, pieces)) == 1:
        return frame
    if len(pieces) > 1:
        return frame.iter_slices(TOGETHER)
    return _parts(frame, pieces.pop())


def _parts(frame: Any, pieces: Sequence[int]) -> Iterator[Any]:
    """Give pieces of a frame, the small ones together: every part is one piece, or small."""
    start = end = 0
    for rows in pieces:
        if end > start and end + rows - start > TOGETHER:
            yield frame[start:end]
            start = end
        end += rows
    yield frame[start:end]


def _pandas(frame: Any, columns: Sequence[str] | None) -> Any:
    names = [name for name in frame.columns if columns is None or name in columns]
    for name in names:
        if names.count(name) > 1:
            raise DuplicateColumnError(f"the column {name!r} stands there twice")
    return {name: _series(frame[name]) for name in names}


def _series(series: Any) -> Any:
    """Give a column as an Arrow array where pandas has one, or as a numpy array."""
    kind = getattr(series.dtype, "kind", "O")
    if getattr(series.dtype, "tz", None) is not None:
        return series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    if isinstance(series.dtype, np.dtype) and kind in "fiubM":
        return series.to_numpy()
    chunks = getattr(series.array, "__arrow_array__", None)
    if chunks is not None:
        try:
            import pyarrow as pa

            array = chunks()
            return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
        except Exception:
            # Without pyarrow, or where it cannot say it: the plain values.
            pass
    return series.to_numpy(dtype=object)
