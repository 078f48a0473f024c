"""From data to the page in one call."""

from __future__ import annotations

import os
from collections.abc import Mapping
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
    read: Mapping[str, Any] | None = None,
    **parameters: Any,
) -> Model:
    """Train a model on a log or on subscriptions and write the report on it and on the customers of the last day.

    For another day, or another word for an event, use :func:`train` and :meth:`Model.report`.

    Parameters
    ----------
    data : Events, Subscriptions, path or table
        The data; the path of a CSV, Excel or Parquet file of events, whose form is found (as by :func:`read_csv` with
        ``detect=True``); or a table of events.
    path : path, default "report.html"
        The file to write; its name ends in ``.html``.
    title : str, default "Churn report"
        The title of the page.
    read : dict, optional
        Settings for reading a file or a table, as for :func:`read_csv`, such as ``{"date_format": "%d/%m/%Y"}``. A file
        of subscriptions is read by :func:`read_subscriptions` first.
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
    # What cannot be written is known before the training, which may take minutes.
    if not isinstance(title, str):
        raise TypeError(f"title is {title!r}; expected a text")
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"the page would be written to {os.fspath(path)!r}; expected a name that ends in .html")
    if not Path(path).absolute().parent.is_dir():
        raise FileNotFoundError(f"{os.fspath(path)}: there is no such folder")
    if parameters.get("evaluation") is False:
        raise ValueError("evaluation is False; a report needs the evaluation, to say how far to believe it")
    source, options = None, dict(read or {})
    if isinstance(data, (Events, Subscriptions)):
        if options:
            raise TypeError("read is given, but the data has been read already")
    elif isinstance(data, (str, os.PathLike)):
        source = Path(data).name
        if Path(data).suffix.lower() == ".parquet":
            data = read_parquet(data, **options)
        else:
            data = read_csv(data, **{"detect": True, **options})
    else:
        data = Events.from_table(data, **options)
    model = train(data, **parameters)
    joined = {name: parameters[name] for name in ("allow", "attributes", "usage") if name in parameters}
    model.report(path, data, title=title, source=source, **joined)
    return model
