"""Rows of several inputs that belong to the same customers, brought into one order.

An input has ids if it is one of our results, a dict by id, a Series whose index are the ids, or a frame with the column
``customer_id``. Those are aligned by id. A list, an array or a Polars Series has no ids and is taken row by row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from churn.errors import InvalidColumnError, InvalidParameterError, MissingColumnError, ShapeMismatchError

# Whole numbers up to here are exact in a double.
_EXACT = 2**53


def aligned(ids: Sequence[str] | None, inputs: Sequence[tuple[str, str, Any]]) -> list[Any]:
    """Give the numbers of each input in the order of the ids, or of the first input that has ids.

    Parameters
    ----------
    ids : list of str, optional
        The customers that the rows are of. The order of the first input that has ids if left out.
    inputs : list of name, column and value
        How a message calls it; the column of a frame that is meant if it has several; the input, or None.
    """
    split = [(name, value, *_split(name, column, value)) for name, column, value in inputs]
    rows_of, rows_are = (None, "") if ids is None else (list(ids), "the predictions")
    by_id = next(((own, name) for name, _, own, _ in split if own is not None), None)
    if rows_of is None and by_id is not None:
        rows_of, rows_are = by_id
    found = []
    for name, value, own, values in split:
        if own is not None and rows_of is not None:
            values = _in_order(name, own, values, rows_of, rows_are)
        elif rows_of is not None and _is_series(value):
            raise ShapeMismatchError(
                f"{name} is a Series numbered by row, not by customer, and may be in any order; expected one with the "
                f"ids as index, a dict by id, a frame with customer_id, or {name}.to_numpy() in the order of {rows_are}"
            )
        elif rows_of is not None and values is not None and _rows(values) not in (None, len(rows_of)):
            raise ShapeMismatchError(
                f"{name} has {len(values)} rows, {rows_are} {len(rows_of)}; expected one for each customer in the same "
                "order, or by id: a Series with the ids as index, a dict, or a frame with customer_id"
            )
        found.append(values)
    return found


def _rows(values: Any) -> int | None:
    try:
        return len(values)
    except TypeError:
        # No column at all, which is refused where it is read.
        return None


def _is_series(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "to_numpy") and value.ndim == 1


def _split(name: str, column: str, value: Any) -> tuple[list[str] | None, Any]:
    """Give the ids of an input, if it has some, and its values."""
    if value is None:
        return None, None
    if isinstance(value, Mapping) and not _is_columns(value):
        return _texts(name, value.keys()), list(value.values())
    if _is_series(value):
        index = value.index
        if not hasattr(index, "start") or index.name is not None:
            return _texts(name, index), value.to_numpy()
        return None, value.to_numpy()
    own = getattr(value, "customer_id", None)
    if isinstance(own, list) and hasattr(value, column):
        # A result of ours.
        return own, getattr(value, column)
    if isinstance(value, Mapping) or hasattr(value, "columns") or hasattr(value, "column_names"):
        return _of_frame(name, column, value)
    return None, value


def _is_columns(value: Mapping[Any, Any]) -> bool:
    own = value.get("customer_id")
    return own is not None and not isinstance(own, str) and hasattr(own, "__len__")


def _of_frame(name: str, column: str, frame: Any) -> tuple[list[str], Any]:
    if getattr(getattr(frame, "index", None), "name", None) == "customer_id" and "customer_id" not in frame.columns:
        frame = frame.reset_index()
    columns = frame.keys() if isinstance(frame, Mapping) else getattr(frame, "column_names", None) or frame.columns
    names = [str(label) for label in columns]
    others = [label for label in names if label != "customer_id"]
    if "customer_id" not in names or not others:
        raise MissingColumnError(
            f"{name} has the columns {', '.join(names) or 'none'}; expected customer_id and {column}"
        )
    if column not in others and len(others) > 1:
        raise MissingColumnError(f"{name} has no column {column!r}; it has {', '.join(others)}: which is meant?")
    chosen = column if column in others else others[0]
    return _texts(name, _plain(frame["customer_id"])), _plain(frame[chosen])


def _plain(column: Any) -> Any:
    return column.to_pylist() if hasattr(column, "to_pylist") else column


def _texts(name: str, ids: Iterable[Any]) -> list[str]:
    """Give ids as the core knows them: integers and whole numbers by their digits."""
    return [label if type(label) is str else _text(name, row, label) for row, label in enumerate(ids)]


def _text(name: str, row: int, label: Any) -> str:
    if isinstance(label, str):
        return str(label)
    if isinstance(label, (int, np.integer)) and not isinstance(label, bool):
        return str(int(label))
    if isinstance(label, (float, np.floating)) and float(label).is_integer() and abs(label) < _EXACT:
        return str(int(label))
    raise InvalidColumnError(f"row {row + 1} of {name} has the id {label!r}; expected text or an integer")


def _in_order(name: str, own: Sequence[str], values: Any, rows_of: Sequence[str], rows_are: str) -> Any:
    values = np.asarray(values)
    if len(own) == len(rows_of) and all(map(str.__eq__, own, rows_of)):
        return values
    place: dict[str, int] = {}
    for row, customer in enumerate(own):
        if place.setdefault(customer, row) != row:
            raise InvalidParameterError(f"{name} has the customer {customer!r} twice; expected one value for each")
    missing = [customer for customer in rows_of if customer not in place]
    if len(missing) == len(rows_of) and own:
        raise ShapeMismatchError(
            f"{name} has none of the customers of {rows_are}, {missing[0]!r} for one; its own begin with {own[0]!r}: "
            "expected the same ids, byte for byte"
        )
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InvalidParameterError(
            f"{name} lacks the customer {missing[0]!r}{more} of {rows_are}; expected a value for each"
        )
    return values[[place[customer] for customer in rows_of]]
