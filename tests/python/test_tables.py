"""Tables of every kind: the same data gives the same bits, and what cannot be read is refused by name."""

from __future__ import annotations

import csv
import datetime
import io
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Row, columns_of, csv_of

import churn
from churn import _interop

Columns = dict[str, list[Any]]


def rows_of(events: churn.Events) -> str:
    """Everything that a log holds, amounts by their bits."""
    features = churn.features(events, feature_set="behavioral")
    bits = features.to_numpy().view(np.int64).tolist()
    return repr((len(events), events.customer_ids, events.event_types, events.first_day, events.last_day, bits))


def with_pandas(columns: Columns) -> Any:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(columns)
    frame["event_date"] = pd.to_datetime(frame["event_date"])
    return frame


def with_pandas_of_objects(columns: Columns) -> Any:
    return with_pandas(columns).astype({"customer_id": object, "event_type": object})


def with_pandas_of_dates(columns: Columns) -> Any:
    return pytest.importorskip("pandas").DataFrame(columns)


def with_pandas_categories(columns: Columns) -> Any:
    return with_pandas(columns).astype({"customer_id": "category", "event_type": "category"})


def with_pandas_zones(columns: Columns) -> Any:
    frame = with_pandas(columns)
    frame["event_date"] = frame["event_date"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
    return frame


def with_pandas_of_arrow(columns: Columns) -> Any:
    pytest.importorskip("pyarrow")
    return with_pandas(columns).convert_dtypes(dtype_backend="pyarrow")


def with_pandas_nullable(columns: Columns) -> Any:
    return with_pandas(columns).convert_dtypes()


def with_polars(columns: Columns) -> Any:
    return pytest.importorskip("polars").DataFrame(columns)


def with_lazy_polars(columns: Columns) -> Any:
    return with_polars(columns).lazy()


def with_polars_categories(columns: Columns) -> Any:
    pl = pytest.importorskip("polars")
    return with_polars(columns).with_columns(pl.col("event_type").cast(pl.Categorical))


def with_pyarrow(columns: Columns) -> Any:
    return pytest.importorskip("pyarrow").table(columns)


def with_pyarrow_batch(columns: Columns) -> Any:
    return with_pyarrow(columns).to_batches()[0]


def with_pyarrow_reader(columns: Columns) -> Any:
    return with_pyarrow(columns).to_reader(max_chunksize=100)


def with_duckdb(columns: Columns) -> Any:
    duckdb = pytest.importorskip("duckdb")
    table = with_pyarrow(columns)
    return duckdb.connect().from_arrow(table)


def with_lists(columns: Columns) -> Any:
    return columns


def with_texts(columns: Columns) -> Any:
    return {**columns, "event_date": [day.isoformat() for day in columns["event_date"]]}


def with_datetimes(columns: Columns) -> Any:
    late = [datetime.datetime(day.year, day.month, day.day, 23, 59, 59) for day in columns["event_date"]]
    return {**columns, "event_date": late}


def with_zones(columns: Columns) -> Any:
    # 01:30 in Tokyo is the day before in UTC.
    tokyo = datetime.timezone(datetime.timedelta(hours=9))
    next_day = [day + datetime.timedelta(days=1) for day in columns["event_date"]]
    moved = [datetime.datetime(day.year, day.month, day.day, 1, 30, tzinfo=tokyo) for day in next_day]
    return {**columns, "event_date": moved}


def with_arrays(unit: str) -> Callable[[Columns], Any]:
    def arrays(columns: Columns) -> Any:
        return {
            "customer_id": np.array(columns["customer_id"]),
            "event_date": np.array(columns["event_date"], dtype=f"datetime64[{unit}]"),
            "amount": np.array([np.nan if amount is None else amount for amount in columns["amount"]]),
            "event_type": np.array(columns["event_type"], dtype=object),
        }

    arrays.__name__ = f"with_arrays_{unit}"
    return arrays


def with_scalars(columns: Columns) -> Any:
    return {
        **columns,
        "event_date": [np.datetime64(day, "ns") for day in columns["event_date"]],
        "amount": [None if amount is None else np.float64(amount) for amount in columns["amount"]],
    }


MAKERS = [
    with_pandas,
    with_pandas_of_objects,
    with_pandas_of_dates,
    with_pandas_categories,
    with_pandas_zones,
    with_pandas_of_arrow,
    with_pandas_nullable,
    with_polars,
    with_lazy_polars,
    with_polars_categories,
    with_pyarrow,
    with_pyarrow_batch,
    with_pyarrow_reader,
    with_duckdb,
    with_lists,
    with_texts,
    with_datetimes,
    with_zones,
    *(with_arrays(unit) for unit in ("D", "s", "ms", "us", "ns")),
    with_scalars,
]


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__[5:])
def test_every_table_gives_the_same_bits(make: Callable[[Columns], Any], rows: list[Row], columns: Columns) -> None:
    expected = churn.read_csv(csv_of(rows).encode())
    assert rows_of(churn.Events.from_table(make(columns))) == rows_of(expected)


def test_large_frames_go_out_part_by_part(
    monkeypatch: pytest.MonkeyPatch, columns: Columns, events: churn.Events
) -> None:
    """Polars would join the pieces of a frame first: a second copy of all of it."""
    pl = pytest.importorskip("polars")
    monkeypatch.setattr("churn._interop.TOGETHER", 1000)
    frame = pl.concat([with_polars(part) for part in parts(columns, 300)], rechunk=False)
    whole = with_polars(columns)
    large = pl.concat([whole[:50], whole[50:2000], whole[2000:2010], whole[2010:]], rechunk=False)
    for table, first in ((frame, [900, 900]), (large, [50, 1950, 10])):
        sizes = [part.height for part in _interop.plain(table, ["customer_id", "event_date"])]
        assert sizes[: len(first)] == first
        assert sum(sizes) == len(events)
        assert rows_of(churn.Events.from_table(table)) == rows_of(events)
    uneven = frame.with_columns(whole["event_date"])
    assert rows_of(churn.Events.from_table(uneven)) == rows_of(events)
    assert _interop.plain(whole, None).height == len(events)
    expected = churn.features(events, feature_set="behavioral").to_numpy()
    for source in (frame, frame.lazy(), iter([frame[:2500], frame[2500:]])):
        table = churn.features(source, events.last_day, "behavioral")
        np.testing.assert_array_equal(table.to_numpy().view(np.int64), expected.view(np.int64))


def test_models_of_every_library_are_the_same_document(columns: Columns) -> None:
    documents = {
        make.__name__: churn.train(churn.Events.from_table(make(columns))).to_json()
        for make in (with_lists, with_pandas, with_polars, with_pyarrow, with_duckdb)
    }
    assert len(set(documents.values())) == 1


def test_sources_of_csv(rows: list[Row], tmp_path: Path) -> None:
    text = csv_of(rows)
    path = tmp_path / "log.csv"
    path.write_text(text, encoding="utf-8")
    with path.open("rb") as binary, path.open(encoding="utf-8") as opened:
        sources: list[Any] = [
            path,
            str(path),
            text.encode(),
            io.BytesIO(text.encode()),
            io.StringIO(text),
            binary,
            opened,
        ]
        found = {rows_of(churn.read_csv(source)) for source in sources}
    assert len(found) == 1


def write_parquet(columns: Columns, path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(with_pyarrow(columns), path)


def test_parquet(columns: Columns, events: churn.Events, tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    write_parquet(columns, path)
    assert rows_of(churn.read_parquet(path)) == rows_of(events)


def parts(columns: Columns, size: int = 500) -> list[Columns]:
    length = len(columns["customer_id"])
    return [{name: cells[at : at + size] for name, cells in columns.items()} for at in range(0, length, size)]


def test_features_in_one_pass(rows: list[Row], columns: Columns, events: churn.Events, tmp_path: Path) -> None:
    """A file, a folder, batches of every kind and merged streams give the bits of the log in memory."""
    as_of = events.last_day
    expected = churn.features(events, as_of, "behavioral").to_numpy().view(np.int64)

    def same(table: churn.FeatureTable) -> None:
        assert table.customer_ids == events.customer_ids
        np.testing.assert_array_equal(table.to_numpy().view(np.int64), expected)

    path = tmp_path / "log.csv"
    path.write_text(csv_of(rows), encoding="utf-8")
    same(churn.features(path, as_of, "behavioral"))
    folder = tmp_path / "folder"
    (folder / "year=2023").mkdir(parents=True)
    half = len(rows) // 2
    (folder / "year=2023" / "a.csv").write_text(csv_of(rows[:half]), encoding="utf-8")
    (folder / "b.csv").write_text(csv_of(rows[half:]), encoding="utf-8")
    (folder / "_SUCCESS").write_text("not a log", encoding="utf-8")
    same(churn.features(folder, as_of, "behavioral"))
    same(churn.features(columns, as_of, "behavioral"))
    same(churn.features(iter(parts(columns)), as_of, "behavioral"))

    streams = []
    for part in parts(columns, 3000):
        stream = churn.FeatureStream(as_of, feature_set="behavioral")
        stream.read(part)
        streams.append(stream)
    for other in streams[1:]:
        streams[0].merge(other)
    same(streams[0].finish())
    with pytest.raises(churn.errors.InvalidParameterError, match="closed"):
        streams[0].finish()


def test_features_in_one_pass_of_libraries(columns: Columns, events: churn.Events, tmp_path: Path) -> None:
    as_of = events.last_day
    expected = churn.features(events, as_of).to_numpy().view(np.int64)
    write_parquet(columns, tmp_path / "log.PARQUET")
    tables: list[Any] = [
        tmp_path / "log.PARQUET",
        with_pyarrow(columns).to_batches(max_chunksize=700),
        with_pyarrow_reader(columns),
        (with_polars(part) for part in parts(columns)),
        (with_pandas({**part, "rest": [object()] * len(part["amount"])}) for part in parts(columns)),
        with_duckdb(columns),
    ]
    for table in tables:
        found = churn.features(table, as_of).to_numpy().view(np.int64)
        np.testing.assert_array_equal(found, expected)


def test_a_stream_needs_its_day(rows: list[Row]) -> None:
    with pytest.raises(churn.errors.InvalidParameterError, match="as_of is missing; expected the day"):
        churn.features(csv_of(rows).encode())


def test_names_can_be_mapped(columns: Columns) -> None:
    names: Any = {"customer_id": "who", "event_date": "day", "amount": "eur", "event_type": "what"}
    renamed = {names[name]: cells for name, cells in columns.items()} | {"rest": [object()] * len(columns["amount"])}
    found = churn.Events.from_table(renamed, columns=names)
    assert rows_of(found) == rows_of(churn.Events.from_table(columns))


def test_results_go_out_again(events: churn.Events, model: churn.Model) -> None:
    pl, pa, pd = (pytest.importorskip(name) for name in ("polars", "pyarrow", "pandas"))
    predictions, labels = model.predict(events), churn.labels(events, "2023-12-31")
    contacts = churn.profit.contact_list(predictions)
    table = churn.features(events)
    for result in (events, table, predictions, labels, contacts):
        frame = result.to_pandas()
        assert len(frame) == len(result)
        assert pl.DataFrame(result).shape == frame.shape
        assert pa.table(result).column_names == list(frame.columns)
        pd.testing.assert_frame_equal(pl.DataFrame(result).to_pandas(), frame, check_dtype=False)
    np.testing.assert_array_equal(np.asarray(table), table.to_numpy())
    assert rows_of(churn.Events.from_table(pl.DataFrame(events))) == rows_of(events)
    # What was computed goes on into a list, by way of any library.
    assert churn.profit.contact_list(predictions.to_pandas()).to_dict() == contacts.to_dict()
    assert churn.profit.contact_list(pl.DataFrame(predictions)).to_dict() == contacts.to_dict()


def test_amounts_of_decimals() -> None:
    from decimal import Decimal

    pa = pytest.importorskip("pyarrow")
    amounts = [Decimal("0.1"), Decimal("12345678901.23"), None]
    base = {"customer_id": ["a", "a", "b"], "event_date": ["2024-01-01"] * 3}
    plain = churn.Events.from_table({**base, "amount": [0.1, 12345678901.23, None]})
    for table in ({**base, "amount": amounts}, pa.table({**base, "amount": pa.array(amounts)})):
        assert rows_of(churn.Events.from_table(table)) == rows_of(plain)


GOOD: Columns = {"customer_id": ["a", "b"], "event_date": ["2024-01-01", "2024-01-02"]}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"event_date": None}, "missing_column", "event_date"),
        ({"customer_id": [1.5, 2.5]}, "invalid_column", "expected strings, or whole numbers"),
        ({"customer_id": [None, None]}, "bad_rows", "customer_id"),
        ({"event_date": [None, None]}, "bad_rows", "2 of 2 rows are bad"),
        ({"event_date": [1.5, 2.5]}, "invalid_column", "expected dates, timestamps or strings"),
        ({"event_date": ["2024-01-01", "tomorrow"]}, "bad_rows", "tomorrow"),
        ({"event_date": [True, False]}, "invalid_column", "expected dates"),
        ({"amount": ["5", "six"]}, "invalid_column", "expected numbers"),
        ({"amount": [5, "six"]}, "invalid_column", "row 2: \"amount\" is 'six' (str); expected a number"),
        ({"amount": [1e13, 1.0]}, "bad_rows", "10^12"),
        ({"amount": [float("inf"), 1.0]}, "bad_rows", "amount"),
        ({"amount": [object(), 1.0]}, "invalid_column", "row 1"),
        ({"amount": [1.0]}, "shape_mismatch", "1 rows"),
        ({"amount": np.zeros((2, 2))}, "shape_mismatch", "2 dimensions"),
        ({"amount": "12"}, "invalid_column", "expected a list"),
        ({"amount": 12}, "invalid_column", "expected a list"),
        ({"customer_id": [], "event_date": []}, "no_good_rows", "row"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bad_tables_of_columns(change: Columns, error: str, words: str) -> None:
    table = {name: cells for name, cells in {**GOOD, **change}.items() if cells is not None}
    with pytest.raises(churn.errors.BY_CODE[error]) as caught:
        churn.Events.from_table(table)
    assert words in str(caught.value)
    assert caught.value.code == error


@pytest.mark.parametrize("table", [None, 5, "log.csv", [1, 2], object()], ids=repr)
def test_what_is_no_table(table: Any) -> None:
    with pytest.raises(churn.ChurnError, match=r"expected anything with the Arrow PyCapsule interface|is no table"):
        churn.Events.from_table(table)


def test_bad_frames() -> None:
    pl, pa = (pytest.importorskip(name) for name in ("polars", "pyarrow"))
    pd = pytest.importorskip("pandas")
    for make in (pl.DataFrame, pa.table, pd.DataFrame):
        with pytest.raises(churn.errors.MissingColumnError, match='"event_date"'):
            churn.Events.from_table(make({"customer_id": ["a"], "amount": [1.0]}))
        with pytest.raises(churn.errors.InvalidColumnError):
            churn.Events.from_table(make({"customer_id": ["a"], "event_date": ["2024-01-01"], "amount": ["x"]}))
        with pytest.raises(churn.errors.BadRowsError) as caught:
            churn.Events.from_table(make({"customer_id": ["a", ""], "event_date": ["2024-01-01"] * 2}))
        assert caught.value.line == 2
        assert caught.value.report is not None
        assert caught.value.report["bad_rows"][0]["reason"] == "missing_customer"
    empty = {"customer_id": pa.array([], pa.string()), "event_date": pa.array([], pa.date32())}
    for table in (pa.table(empty), pl.DataFrame(pa.table(empty)), pa.table(empty).to_pandas()):
        with pytest.raises(churn.errors.NoGoodRowsError, match="no row"):
            churn.Events.from_table(table)
    twice = pd.DataFrame([["a", "b", "2024-01-01"]], columns=["customer_id", "customer_id", "event_date"])
    with pytest.raises(churn.errors.DuplicateColumnError, match="customer_id"):
        churn.Events.from_table(twice)


def test_nulls_everywhere(columns: Columns) -> None:
    """Amounts and types may all be missing; ids and dates may not, unless they are to be skipped."""
    nothing = [None] * len(columns["amount"])
    for make in (with_lists, with_pandas, with_polars, with_pyarrow):
        events = churn.Events.from_table(make({**columns, "amount": nothing, "event_type": nothing}))
        assert events.event_types == []
        assert churn.train(events).evaluation["metrics"]["n"] > 0
    some = [None if at % 50 == 0 else cell for at, cell in enumerate(columns["customer_id"])]
    with pytest.raises(churn.errors.BadRowsError):
        churn.Events.from_table({**columns, "customer_id": some})
    skipped = churn.Events.from_table({**columns, "customer_id": some}, on_bad_row="skip")
    assert skipped.report["bad"] == some.count(None)
    with pytest.raises(churn.errors.TooManyBadRowsError):
        churn.Events.from_table({**columns, "customer_id": some}, on_bad_row="skip", max_bad_share=0.001)


def test_integers_as_ids_and_days() -> None:
    big = 10**25
    events = churn.Events.from_table(
        {"customer_id": [7, big], "event_date": [19970101, 19970102]}, date_format="%Y%m%d"
    )
    assert events.customer_ids == sorted(["7", str(big)])
    assert events.first_day == datetime.date(1997, 1, 1)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for read in (churn.read_csv, churn.read_parquet, churn.load):
        with pytest.raises(FileNotFoundError, match="missing"):
            read(tmp_path / "missing")
    with pytest.raises(OSError, match=os.path.basename(tmp_path)):
        churn.read_csv(tmp_path)
    with pytest.raises(churn.errors.EmptyFileError, match=r"no \.csv"):
        churn.features(tmp_path, "2024-01-01")
    (tmp_path / "a.csv").write_text("customer_id,event_date\na,2024-01-01\n")
    (tmp_path / "b.csv").write_text("customer_id,event_date\na,nonsense\n")
    with pytest.raises(churn.errors.BadRowsError, match=r"b\.csv.*1 of 1"):
        churn.features(tmp_path, "2024-01-01")
    (tmp_path / "c.parquet").write_text("no parquet")
    with pytest.raises(churn.errors.IoError, match="Parquet"):
        churn.read_parquet(tmp_path / "c.parquet")


def test_a_source_that_fails_says_why() -> None:
    class Broken:
        def read(self, size: int, /) -> bytes:
            raise RuntimeError("the disk is on fire")

    with pytest.raises(RuntimeError, match="on fire"):
        churn.read_csv(Broken())

    def batches() -> Any:
        yield GOOD
        raise RuntimeError("the network is down")

    with pytest.raises(RuntimeError, match="is down"):
        churn.features(batches(), "2024-01-02")
    with pytest.raises(churn.ChurnError, match="no table"):
        churn.features(iter([GOOD, 5]), "2024-01-02")  # type: ignore[arg-type]


def test_quoted_ids_of_csv() -> None:
    ids = ['a,"b"', "line\nbreak", "ünïcode", " space "]
    text = io.StringIO()
    csv.writer(text).writerows([["customer_id", "event_date"], *([name, "2024-01-01"] for name in ids)])
    assert churn.read_csv(text.getvalue().encode()).customer_ids == sorted(ids, key=lambda name: name.encode())


ORDERS = [
    # customer, day, amount, type, order: two lines of one order, one of another, one without.
    ("anna", "2024-01-05", 0.1, "p", "1"),
    ("anna", "2024-01-05", 0.2, "p", "1"),
    ("anna", "2024-01-05", 4.0, "p", "2"),
    ("anna", "2024-01-05", 4.0, "p", None),
    ("bert", "2024-01-07", None, "login", None),
]


def test_rows_of_an_order_are_one_event() -> None:
    names = ["customer_id", "event_date", "amount", "event_type", "invoice"]
    table = {name: [row[at] for row in ORDERS] for at, name in enumerate(names)}
    mapped: dict[str, Any] = {"columns": {"order_id": "invoice"}}
    pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    digits = {**table, "invoice": pa.array([None if order is None else int(order) for order in table["invoice"]])}
    for source in (table, pd.DataFrame(table), pl.DataFrame(table), pa.table(table), pa.table(digits)):
        orders = churn.Events.from_table(source, **mapped)
        assert sorted(orders.to_pandas().amount.dropna()) == [0.3, 4.0, 4.0]
        assert orders.unit == "order"
        counts = {key: orders.report[key] for key in ("good", "rows_sharing_day", "duplicate_rows", "merged_rows")}
        # The order tells the equal lines of 4.0 apart.
        assert counts == {"good": 5, "rows_sharing_day": 4, "duplicate_rows": 0, "merged_rows": 1}
        days = churn.Events.from_table(source, merge="day")
        assert (len(days), days.unit, days.report["duplicate_rows"]) == (2, "day", 2)
        assert sorted(days.to_pandas().amount.dropna()) == [8.3]
        # Without either each row is one, and what they share is counted.
        plain = churn.Events.from_table(source)
        assert (len(plain), plain.unit, plain.report["rows_sharing_day"]) == (5, "row", 4)
        stream = churn.FeatureStream("2024-01-07")
        stream.read(source, **mapped)
        expected = churn.features(orders, "2024-01-07")
        np.testing.assert_array_equal(stream.finish().to_numpy(), expected.to_numpy())
    with pytest.raises(churn.errors.InvalidParameterError, match="merge"):
        churn.Events.from_table(table, merge="day", **mapped)
    with pytest.raises(churn.errors.InvalidParameterError, match="merge"):
        churn.Events.from_table(table, merge="week")  # type: ignore[arg-type]


def test_one_customer_counts_as_the_models_log(rows: list[Row]) -> None:
    """Each row in two lines of an order of its own, scored line by line as in the batch."""
    lines = [
        (customer, day, None if amount is None else part, kind, at)
        for at, (customer, day, amount, kind) in enumerate(rows)
        for part in (1.25, round((amount or 0) - 1.25, 2))
    ]
    names = ["customer_id", "event_date", "amount", "event_type", "order_id"]
    table = {name: [line[at] for line in lines] for at, name in enumerate(names)}
    grouped = churn.train(churn.Events.from_table(columns_of(rows)))
    cases: list[tuple[Any, str]] = [({}, "order"), ({"merge": "day"}, "day")]
    for options, unit in cases:
        events = churn.Events.from_table(table, **options)
        model = churn.train(events)
        assert (events.unit, model.event_unit) == (unit, unit)
        if unit == "order":
            assert (len(events), events.report["merged_rows"]) == (len(rows), len(rows))
            assert model.training == grouped.training
        predictions = model.predict(events)
        for at in range(0, len(predictions), 7):
            customer = predictions.customer_id[at]
            own: Any = [dict(zip(names[1:], line[1:])) for line in lines if line[0] == customer]
            one = model.predict_one({"customer_id": customer, "transactions": own}, events.last_day)
            assert one["churn_probability"] == predictions.churn_probability[at]
        assert churn.Model.from_json(model.to_json()).event_unit == unit
    with pytest.raises(churn.errors.InvalidParameterError, match="order_id"):
        churn.train(events).predict_one(
            {"customer_id": "x", "transactions": [{"event_date": "2024-01-01", "order_id": 1.5}]}
        )


def test_ids_of_a_column_with_gaps() -> None:
    """pandas and numpy have no missing integer: a column of ids with a gap is of floats."""
    pd = pytest.importorskip("pandas")
    dates = ["2024-01-01", "2024-01-02", "2024-01-03"]
    ids = [12346.0, math.nan, -7.0]
    options: Any = {"on_bad_row": "skip", "max_bad_share": 0.5}
    for table in (
        {"customer_id": ids, "event_date": dates},
        {"customer_id": np.array(ids), "event_date": dates},
        pd.DataFrame({"customer_id": [12346, None, -7], "event_date": dates}),
        pd.DataFrame({"customer_id": ids, "event_date": dates, "event_type": [1.0, 2.0, math.nan]}),
    ):
        events = churn.Events.from_table(table, **options)
        assert events.customer_ids == ["-7", "12346"]
        (bad,) = events.report["bad_rows"]
        assert (bad["line"], bad["reason"]) == (2, "missing_customer")
        with pytest.raises(churn.errors.BadRowsError, match="customer_id is empty"):
            churn.Events.from_table(table)
    assert events.event_types == ["1"]
    for wrong in (7.5, 2.0**53, math.inf):
        with pytest.raises(churn.errors.InvalidColumnError, match="row 2 of the column"):
            churn.Events.from_table({"customer_id": [1.0, wrong], "event_date": dates[:2]})
    joined = pd.DataFrame({"customer_id": [12346.0, -7.0, 5.0], "age": [30, 40, 50]})
    table = churn.features(events, "2024-02-01").join(joined)
    assert table.to_numpy()[:, -1].tolist() == [40, 30]


def test_text_behind_a_quote() -> None:
    lines = ['a,2024-01-01,1,"TV 32""', 'b,2024-01-02,1,"TV 40"', 'c,2024-01-03,"1"5,y', "d,2024-01-04,1,y"]
    log = "\n".join(["customer_id,event_date,amount,note", *lines]).encode()
    with pytest.raises(churn.errors.BadRowsError, match="line 2: text stands behind the closing quote") as caught:
        churn.read_csv(log)
    assert caught.value.line == 2
    events = churn.read_csv(log, on_bad_row="skip", max_bad_share=0.5)
    assert events.customer_ids == ["b", "d"]
    assert [(row["line"], row["reason"]) for row in events.report["bad_rows"]] == [
        (2, "text_after_quote"),
        (4, "text_after_quote"),
    ]


def test_categories_of_many_levels() -> None:
    shops = [f"shop {row % 400:03}" for row in range(4000)]
    # Every customer of 40 shops leaves, and of the others one in ten.
    churned = [row % 400 < 40 or row // 400 == 0 for row in range(4000)]
    model = churn.train_table({"shop": shops, "churned": churned}, model="logistic_regression")
    p = model.predict({"shop": ["shop 007", "shop 300", "elsewhere", "(other)", None]}).churn_probability
    assert p[0] > 0.6
    assert p[1] < 0.2
    assert p[2] == p[3]
    assert churn.Model.from_json(model.to_json()) == model
    explanation = model.explain({"shop": ["shop 007", "elsewhere"]})
    assert "shop 007" in explanation.reasons[0][0]
    assert "(other)" in explanation.reasons[1][0]
    with pytest.raises(churn.ChurnError) as caught:
        churn.train_table({"name": [f"customer {row}" for row in range(4000)], "churned": churned})
    assert caught.value.code == "too_many_values"
