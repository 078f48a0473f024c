"""Files as people have them: every export is read as pandas reads it with explicit options, or there is a question."""

from __future__ import annotations

import io
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import churn

FILES = ROOT / "tests" / "files"
EXPECTED: dict[str, Any] = json.loads((FILES / "expected.json").read_text(encoding="utf-8"))

Event = tuple[str, str, "str | None", "float | None"]


def events_of(rows: list[list[Any]]) -> list[Event]:
    """Give the events of rows: those of an order are one event, whose amount is the sum."""
    orders: dict[tuple[str, str, str | None, str], float | None] = {}
    events: list[Event] = []
    for customer, day, amount, kind, order in rows:
        if order is None:
            events.append((customer, day, kind, amount))
            continue
        key = (customer, day, kind, order)
        before = orders.get(key)
        orders[key] = amount if before is None else before + (amount or 0)
    return events + [(customer, day, kind, amount) for (customer, day, kind, _), amount in orders.items()]


def in_order(events: list[Event]) -> list[Event]:
    """Give the events in an order of their own, amounts rounded to what a sum can change."""
    rounded = [(*event[:3], None if event[3] is None else round(event[3], 6)) for event in events]
    return sorted(rounded, key=repr)


def present(value: Any) -> Any:
    """Give a value of a frame, or None where it is missing."""
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else value


@pytest.mark.parametrize("name", list(EXPECTED))
def test_exports(name: str) -> None:
    path, right = FILES / "exports" / name, EXPECTED[name]
    form = churn.detect(path)
    assert [question["code"] for question in form["questions"]] == [right["question"]] * (right["question"] is not None)
    if form["questions"]:
        with pytest.raises(churn.errors.UnclearFileError) as raised:
            churn.read_csv(path, detect=True)
        assert str(raised.value).startswith(form["questions"][0]["message"])
        return
    events = churn.read_csv(path, detect=True)
    wanted = events_of(right["rows"])
    assert events.detected == form
    assert (len(events), events.customers) == (len(wanted), len({event[0] for event in wanted}))
    assert [str(events.first_day), str(events.last_day)] == [f(event[1] for event in wanted) for f in (min, max)]
    # The options that were found are options of the reader.
    assert len(churn.read_csv(path, **form["options"])) == len(events)
    pytest.importorskip("pandas")
    rows = events.to_pandas().itertuples(index=False)
    found = [(row[0], str(row[1])[:10], present(row[3]), present(row[2])) for row in rows]
    assert in_order(found) == in_order(wanted)


def test_any_source_and_known_options() -> None:
    log = b"Kunde;Datum;Betrag\nanna;03.04.2024;1,5\nbert;05.06.2024;2,25\n"
    with pytest.raises(churn.errors.UnclearFileError, match=r'date_format = "%d.%m.%Y"'):
        churn.read_csv(log, detect=True)
    for source in (log, io.BytesIO(log), io.StringIO(log.decode())):
        events = churn.read_csv(source, detect=True, date_format="%d.%m.%Y")
        assert (len(events), str(events.last_day)) == (2, "2024-06-05")
    assert churn.read_csv(b"customer_id,event_date\na,2024-01-05\n").detected is None


def test_what_is_no_file_of_events(tmp_path: Path) -> None:
    for text, error in (("", "EmptyFileError"), ("\n\n", "EmptyFileError"), ("a,b\n1,2\n", "UnclearFileError")):
        path = tmp_path / "log.csv"
        path.write_text(text)
        with pytest.raises(getattr(churn.errors, error)):
            churn.read_csv(path, detect=True)
    with pytest.raises(churn.errors.InvalidParameterError, match="decimal"):
        churn.read_csv(b"customer_id,event_date\na,2024-01-05\n", decimal=";")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content",
    [
        'customer_id,event_date,amount\na,2024-01-05,"12,50"\n',
        "customer_id,event_date,amount\na,2024-01-05,$12\n",
        "customer_id,event_date,amount\na,2024-01-05,N/A\n",
        "customer_id,event_date\na,31.12.2024\n",
        "customer_id,event_date\na,1704412800\n",
        "customer_id;event_date\na;2024-01-05\n",
        "Report of 2024\n\ncustomer_id,event_date\na,2024-01-05\n",
        "customer_id,event_date\n,2024-01-05\n",
        "customer_id,event_date,event_type\n" + "".join(f"a,2024-01-05,{i}\n" for i in range(10_001)),
    ],
)
def test_the_options_that_a_refusal_names_exist(content: str) -> None:
    options = churn.detect(b"customer_id,event_date\na,2024-01-05\n")["options"]
    names = {*options, *options["columns"]}
    with pytest.raises(churn.errors.ChurnError) as raised:
        churn.read_csv(content.encode())
    named = re.findall(r"(\w+) = ", str(raised.value))
    assert named, str(raised.value)
    assert set(named) <= names, named


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"horizon_days": 0}, "horizon_days"),
        ({"trees": 0}, "trees"),
        ({"snapshots": 0}, "snapshots"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"allow": ["x"]}, "allow"),
    ],
)
def test_a_refused_setting_is_named(settings: dict[str, Any], name: str) -> None:
    events = churn.read_csv(b"customer_id,event_date\na,2024-01-05\n")
    with pytest.raises(churn.errors.InvalidParameterError, match=rf"^{name} "):
        churn.train(events, **settings)


def test_a_frame_without_the_columns_is_shown_its_own() -> None:
    pd = pytest.importorskip("pandas")
    pl = pytest.importorskip("polars")
    columns = {"Kunde": ["anna"], "Datum": ["2024-01-05"]}
    for table in (columns, pd.DataFrame(columns), pl.DataFrame(columns)):
        with pytest.raises(
            churn.errors.MissingColumnError, match='no column "customer_id"; the header has "Kunde", "Datum"'
        ):
            churn.Events.from_table(table)
    with pytest.raises(churn.errors.InvalidParameterError, match="a column named 0"):
        churn.Events.from_table(pd.DataFrame({0: ["anna"], 1: ["2024-01-05"]}))
