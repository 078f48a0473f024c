"""From data to the page in one call."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churn._churn import Events, Subscriptions, read_csv, read_parquet, train

if TYPE_CHECKING:
    from churn._churn import Model, _Path, _Table


def report(
    data: Events | Subscriptions | _Path | _Table,
    path: _Path = "report.html",
    *,
    title: str = "Churn report",
    **parameters: Any,
) -> Model:
    """Train a model on a log or on subscriptions and write the report on it and on the customers of the last day.

    For other columns, formats and days, read the data first and use :func:`train` and :meth:`Model.report`.

    Parameters
    ----------
    data : Events, Subscriptions, path or table
        The data; the path of a CSV, Excel or Parquet file of events, whose form is found (as by :func:`read_csv` with
        ``detect=True``); or a table of events.
    path : path, default "report.html"
        The file to write.
    title : str, default "Churn report"
        The title of the page.
    **parameters
        As for :func:`train`.

    Returns
    -------
    Model

    Examples
    --------
    >>> import tempfile
    >>> import churn
    >>> model = churn.report(events, tempfile.mkdtemp() + "/report.html", horizon_days=60)
    >>> model.training["rows"] > 0
    True
    """
    source = None
    if isinstance(data, (str, os.PathLike)):
        source = Path(data).name
        data = read_parquet(data) if Path(data).suffix.lower() == ".parquet" else read_csv(data, detect=True)
    elif not isinstance(data, (Events, Subscriptions)):
        data = Events.from_table(data)
    model = train(data, **parameters)
    joined = {name: parameters[name] for name in ("allow", "attributes", "usage") if name in parameters}
    model.report(path, data, title=title, source=source, **joined)
    return model
