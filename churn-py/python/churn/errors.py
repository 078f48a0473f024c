"""What goes wrong, by kind.

Every exception is a :class:`ChurnError`, which is a ``ValueError``. Its ``code`` is the same in every language of the
library and never changes its meaning; its message says what was found, where, and what would be right.

>>> import churn
>>> try:
...     churn.read_csv(b"customer_id,event_date\\nanna,2024-13-01\\n")
... except churn.ChurnError as error:
...     print(error.code, error.line)
bad_rows 2
"""

from __future__ import annotations

from typing import Any, ClassVar


class ChurnError(ValueError):
    """The base of all exceptions of this package.

    Attributes
    ----------
    code : str
        The stable snake_case code of the kind.
    line : int or None
        For errors in data the line (from 1, with the header) or, for tables without lines, the row (from 1).
    report : dict or None
        What had been read when reading failed for its rows.
    """

    code: ClassVar[str] = ""

    def __init__(self, message: str, *, line: int | None = None, report: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.report = report

    def _in_file(self, path: str) -> None:
        """Say in which of several files it was."""
        self.args = (f"{path}: {self.args[0]}", *self.args[1:])


class IoError(ChurnError):
    """A source could not be read or written. A file that cannot be opened is an ``OSError``."""

    code = "io"


class EmptyFileError(ChurnError):
    """The input holds nothing."""

    code = "empty_file"


class UnclearFileError(ChurnError):
    """The file can be read in several ways, or its columns are not clear; the message names the options that answer."""

    code = "unclear_file"


class MissingColumnError(ChurnError):
    """A column that is needed is not there."""

    code = "missing_column"


class DuplicateColumnError(ChurnError):
    """A column stands there twice."""

    code = "duplicate_column"


class NotUtf8Error(ChurnError):
    """The input is not UTF-8 text."""

    code = "not_utf8"


class UnclosedQuoteError(ChurnError):
    """A quoted field is never closed."""

    code = "unclosed_quote"


class RecordTooLongError(ChurnError):
    """One record is longer than any real one."""

    code = "record_too_long"


class BadRowsError(ChurnError):
    """Rows that cannot be read; all of them are in ``report``."""

    code = "bad_rows"


class TooManyBadRowsError(ChurnError):
    """More unreadable rows than the share that may be skipped."""

    code = "too_many_bad_rows"


class NoGoodRowsError(ChurnError):
    """Not one row could be used."""

    code = "no_good_rows"


class TooManyValuesError(ChurnError):
    """More distinct event types, categories or columns than can mean anything."""

    code = "too_many_values"


class InvalidColumnError(ChurnError):
    """A column has a type or a value that cannot serve."""

    code = "invalid_column"


class InvalidParameterError(ChurnError):
    """A setting is unknown, out of its range, or contradicts another."""

    code = "invalid_parameter"


class CutoffOutsideDataError(ChurnError):
    """A cutoff whose past or future is not inside the data."""

    code = "cutoff_outside_data"


class MissingLabelsError(ChurnError):
    """Labels were asked for that the data does not carry."""

    code = "missing_labels"


class NoCustomersError(ChurnError):
    """No customer is left to look at."""

    code = "no_customers"


class TooFewRowsError(ChurnError):
    """Too few rows to learn or to judge from."""

    code = "too_few_rows"


class OneClassError(ChurnError):
    """Only one class, or too few of one."""

    code = "one_class"


class ShapeMismatchError(ChurnError):
    """Two inputs that belong together differ in length or shape."""

    code = "shape_mismatch"


class InvalidProbabilityError(ChurnError):
    """A probability outside 0..1."""

    code = "invalid_probability"


class FeatureMismatchError(ChurnError):
    """The features given are not those that the model was trained on."""

    code = "feature_mismatch"


class MissingBackgroundError(ChurnError):
    """The model document does not hold what explanations compare with."""

    code = "missing_background"


class FindingError(ChurnError):
    """The data would make the results wrong; ``allow`` with the code of the finding goes on all the same.

    Attributes
    ----------
    findings : list of dict
        What was found: ``code``, ``severity``, ``message``, ``evidence`` and ``suggestion``.
    """

    code = "finding"

    def __init__(
        self,
        message: str,
        *,
        line: int | None = None,
        report: dict[str, Any] | None = None,
        findings: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(message, line=line, report=report)
        self.findings = findings or []


class LeakError(ChurnError):
    """The audit found that the future reaches the features."""

    code = "leak"


class InvalidDocumentError(ChurnError):
    """Not a model document, or a damaged one."""

    code = "invalid_document"


class UnsupportedVersionError(ChurnError):
    """A model document of a version that this library does not read."""

    code = "unsupported_version"


class GoldenMismatchError(ChurnError):
    """The document's golden rows do not come out as written."""

    code = "golden_mismatch"


class CancelledError(ChurnError):
    """The work was asked to stop. Ctrl-C raises ``KeyboardInterrupt`` instead."""

    code = "cancelled"


BY_CODE: dict[str, type[ChurnError]] = {kind.code: kind for kind in ChurnError.__subclasses__()}
"""The exception of each code."""

__all__ = [
    "BY_CODE",
    "BadRowsError",
    "CancelledError",
    "ChurnError",
    "CutoffOutsideDataError",
    "DuplicateColumnError",
    "EmptyFileError",
    "FeatureMismatchError",
    "FindingError",
    "GoldenMismatchError",
    "InvalidColumnError",
    "InvalidDocumentError",
    "InvalidParameterError",
    "InvalidProbabilityError",
    "IoError",
    "LeakError",
    "MissingBackgroundError",
    "MissingColumnError",
    "MissingLabelsError",
    "NoCustomersError",
    "NoGoodRowsError",
    "NotUtf8Error",
    "OneClassError",
    "RecordTooLongError",
    "ShapeMismatchError",
    "TooFewRowsError",
    "TooManyBadRowsError",
    "TooManyValuesError",
    "UnclearFileError",
    "UnclosedQuoteError",
    "UnsupportedVersionError",
]
