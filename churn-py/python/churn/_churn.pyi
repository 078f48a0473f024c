import datetime
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, SupportsFloat, TypedDict, final, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import Self, TypeAlias, Unpack

from churn.plot import BacktestPlots, ExplanationPlots, ModelPlots

__all__ = [
    "ERROR_CODES",
    "Backtest",
    "BacktestPredictions",
    "ContactList",
    "Events",
    "Explanation",
    "FeatureStream",
    "FeatureTable",
    "Labels",
    "Model",
    "Predictions",
    "SlippingList",
    "SubscriptionLabels",
    "Subscriptions",
    "__version__",
    "backtest",
    "campaign_outcome",
    "check",
    "compare",
    "compare_models",
    "contact_list",
    "cost_thresholds",
    "curve",
    "detect",
    "empc",
    "evaluate",
    "expected_curve",
    "features",
    "finding_codes",
    "kaplan_meier",
    "labels",
    "load",
    "movements",
    "mpc",
    "read_csv",
    "read_parquet",
    "read_subscriptions",
    "retention",
    "run_command",
    "savings",
    "segment",
    "segment_table",
    "suggest",
    "train",
    "train_matrix",
    "train_table",
]

__version__: str
ERROR_CODES: list[str]

class _ArrowStream(Protocol):
    def __arrow_c_stream__(self, requested_schema: object = None, /) -> object: ...

class _ArrowArray(Protocol):
    def __arrow_c_array__(self, requested_schema: object = None, /) -> tuple[object, object]: ...

class _Readable(Protocol):
    def read(self, size: int, /) -> bytes | str: ...

_Table: TypeAlias = _ArrowStream | _ArrowArray | Mapping[str, Any]
_Path: TypeAlias = str | os.PathLike[str]
_Date: TypeAlias = str | datetime.date | np.datetime64
_Progress: TypeAlias = bool | Callable[[str, int, int], object] | None
# Row by row, or by id: a dict, a Series with the ids as index, a frame with customer_id, a result of this package.
_Outcomes: TypeAlias = ArrayLike | Labels | Mapping[Any, Any] | _Table
_Risks: TypeAlias = ArrayLike | Predictions | Mapping[Any, Any] | _Table
# One cost for all customers, or one for each, as above.
_Costs: TypeAlias = float | ArrayLike | Mapping[Any, Any] | _Table
_FeatureSet: TypeAlias = Literal["rfm", "behavioral"]
_LabelKind: TypeAlias = Literal["outcome_window", "inactivity", "provided", "subscription_end"]
_EndReason: TypeAlias = Literal["voluntary", "involuntary", "trial_not_converted", "other"]
_Status: TypeAlias = Literal["active", "already_cancelled", "not_active"]
_Learner: TypeAlias = Literal["logistic_regression", "random_forest", "gradient_boosting"]
_Kind: TypeAlias = Literal["logistic_regression", "random_forest", "gradient_boosting", "auto"]
_Segment: TypeAlias = Literal["Low", "Medium", "High", "Critical"]

class _Columns(TypedDict, total=False):
    customer_id: str | None
    event_date: str | None
    amount: str | None
    event_type: str | None
    order_id: str | None
    churn_label: str | None

class _ReadOptions(TypedDict, total=False):
    columns: _Columns
    date_format: str | None
    delimiter: str
    on_bad_row: Literal["fail", "skip"]
    max_bad_share: float
    first_day: _Date | None
    last_day: _Date | None
    merge: Literal["none", "day"]
    encoding: str | None
    skip_lines: int
    decimal: Literal[".", ","]
    thousands: str | None
    currency: bool
    null_values: list[str]
    ignore_rows: list[str]
    skip_anonymous: bool

class _PeriodColumns(TypedDict, total=False):
    customer_id: str | None
    start_date: str | None
    end_date: str | None
    subscription_id: str | None
    plan: str | None
    amount: str | None
    known_at: str | None
    end_reason: str | None
    trial: str | None

class _ReadPeriods(TypedDict, total=False):
    columns: _PeriodColumns
    preset: Literal["stripe", "stripe_invoices", "recurly", "recurly_history", "chargebee", "chartmogul"] | None
    ends_known: Literal["at_end", "at_start"]
    inclusive_ends: bool
    last_day: _Date | None
    reasons: dict[str, _EndReason]
    date_format: str | None
    delimiter: str
    on_bad_row: Literal["fail", "skip"]
    max_bad_share: float
    encoding: str | None
    skip_lines: int
    decimal: Literal[".", ","]
    thousands: str | None
    currency: bool
    null_values: list[str]

class _Windows(TypedDict, total=False):
    recent_days: int
    activity_days: int
    full_days: int

class _Scales(TypedDict):
    frequency: float
    monetary: float

class _Thresholds(TypedDict, total=False):
    medium: float
    high: float
    critical: float

class _MoreFeatures(TypedDict, total=False):
    windows: _Windows
    event_type_columns: Sequence[str] | None
    top_event_types: int

class _StreamFeatures(_MoreFeatures, total=False):
    feature_set: _FeatureSet
    scales: _Scales | None

class _ReadFeatures(_MoreFeatures, _ReadOptions, total=False): ...

class _Labels(TypedDict, total=False):
    labels: _LabelKind
    horizon_days: int
    gap_days: int
    active_within_days: int | None
    event_types: Sequence[str] | None
    threshold_days: int
    allowed_gap_days: int
    before_renewal_days: int | None

class _MoreLabels(TypedDict, total=False):
    labels: _LabelKind
    threshold_days: int
    allowed_gap_days: int
    before_renewal_days: int | None

class _Learning(TypedDict, total=False):
    calibration: Literal["auto", "platt", "isotonic", "none"]
    class_weight: Literal["none", "balanced"]
    l2: float
    trees: int
    rounds: int | None
    learning_rate: float
    max_depth: int | None
    min_child_weight: float | None
    leaf_l2: float | None
    row_sample: float
    column_sample: float
    features_per_split: int | None

# A recipe of a weighted mean.
class _Member(TypedDict, total=False):
    weight: float
    model: Literal["logistic_regression", "gradient_boosting"]
    l2: float
    rounds: int | None
    learning_rate: float
    max_depth: int | None
    min_child_weight: float | None
    leaf_l2: float | None
    row_sample: float
    column_sample: float

class _ModelLearning(_Learning, total=False):
    thresholds: _Thresholds
    background_rows: int
    time_budget: float | None
    members: Sequence[_Member]

class _MoreBacktest(_ModelLearning, _MoreFeatures, total=False):
    gap_days: int
    allowed_gap_days: int
    before_renewal_days: int | None
    active_within_days: int | None
    event_types: Sequence[str] | None
    threshold_days: int
    scales: _Scales | None
    audit: bool
    weight: str | None
    allow: Sequence[str]

class _MoreTraining(_MoreBacktest, total=False):
    cutoffs: Sequence[_Date] | None
    evaluation: bool
    compare_with_logistic: bool

# What may differ between the recipes of a backtest.
class _Recipe(_ModelLearning, total=False):
    model: _Kind
    snapshots: int | None
    feature_set: _FeatureSet
    seed: int
    scales: _Scales | None
    event_type_columns: Sequence[str] | None
    top_event_types: int

class _MoreTable(_ModelLearning, total=False):
    model: _Kind
    seed: int
    weight: str | None
    leave_out: Sequence[str]
    evaluation: bool
    compare_with_logistic: bool

class _MatrixSettings(_ModelLearning, total=False):
    model: str
    seed: int
    evaluation: bool
    compare_with_logistic: bool

class _Explain(TypedDict, total=False):
    feature_perturbation: Literal["tree_path_dependent", "interventional"]
    reasons: int
    event: str

class _Slipping(TypedDict, total=False):
    days: int | None
    customers: int
    changes: int
    event: str

class _Report(TypedDict, total=False):
    title: str
    source: str | None
    event: str | None

class _Changes(TypedDict, total=False):
    below: float | None
    features: Sequence[str] | None

class _Judging(TypedDict, total=False):
    threshold: float
    bins: int

class _Confidence(TypedDict, total=False):
    confidence: float

class _Empc(TypedDict, total=False):
    alpha: float
    beta: float
    clv: float
    incentive_cost: float
    contact_cost: float

class _Campaign(TypedDict, total=False):
    clv: float
    incentive_cost: float
    contact_cost: float
    success_rate: float

class _Savings(TypedDict, total=False):
    threshold: float | None

class _Contacting(_Campaign, total=False):
    budget: float | None
    control_share: float
    seed: int
    rank_by: Literal["expected_profit", "probability"]

class _Transaction(TypedDict, total=False):
    event_date: _Date
    amount: SupportsFloat | None
    event_type: str | float | None
    order_id: str | float | None

class _Customer(TypedDict):
    customer_id: str | float
    transactions: Iterable[_Transaction]

class _CustomerWith(_Customer):
    attributes: Mapping[str, float | bool | str | None]

class _CertainPrediction(TypedDict):
    customer_id: Any
    churn_probability: float
    risk_segment: _Segment
    covered: bool

class _Prediction(_CertainPrediction, total=False):
    note: str

class _Finding(TypedDict):
    code: str
    severity: Literal["note", "warning", "error"]
    message: str
    evidence: dict[str, Any]
    suggestion: dict[str, Any]

class _Estimate(TypedDict):
    mean: float
    standard_error: float
    low: float
    high: float

class _Scores(TypedDict):
    roc_auc: float
    log_loss: float
    brier: float

class _CutoffResult(_Scores):
    cutoff: str
    customers: int
    churned: int
    base_rate: float
    expected: float
    learned_from: list[str]
    train_rows: int
    lift_10: float
    recency_auc: float | None
    against: dict[str, _Scores]

class _PairedResult(TypedDict):
    name: str
    mean_roc_auc: float
    roc_auc: _Estimate
    log_loss: _Estimate | None
    brier: _Estimate | None
    cutoffs_won: int

class _Bin(TypedDict):
    customers: int
    predicted: float
    observed: float

# One key is a keyword of Python.
_SegmentRow = TypedDict(
    "_SegmentRow",
    {
        "segment": _Segment,
        "from": float,
        "to": float,
        "customers": int,
        "churned": int,
        "observed_rate": float | None,
        "mean_probability": float | None,
    },
)

class _OverTime(TypedDict):
    cutoffs: list[_CutoffResult]
    roc_auc: _Estimate
    earlier_roc_auc: _Estimate | None
    log_loss: _Estimate
    brier: _Estimate
    lift_10: _Estimate
    base_rate: _Estimate
    predicted_minus_observed: _Estimate
    recency_auc: _Estimate | None
    against: list[_PairedResult]
    reliability: list[_Bin]
    segments: list[_SegmentRow]

class _Evaluation(TypedDict):
    protocol: Literal["out_of_time", "holdout"]
    test_cutoff: str | None
    train_rows: int
    test_rows: int
    metrics: dict[str, float]
    over_time: _OverTime | None
    logistic_regression: dict[str, float] | Any  # None with compare_with_logistic=False
    recency_auc: float | None
    curves: dict[str, Any]
    segments: list[_SegmentRow]
    importance: list[dict[str, Any]]
    search_protocol: Literal["out_of_time", "customers"] | None
    candidates: list[dict[str, Any]]

class _SkippedCutoff(TypedDict):
    cutoff: str
    reason: str

class _WhatIf(TypedDict):
    before: _Prediction
    after: _Prediction

@final
class Events:
    @staticmethod
    def from_table(table: _Table, *, progress: _Progress = None, **options: Unpack[_ReadOptions]) -> Events: ...
    @property
    def customers(self) -> int: ...
    @property
    def customer_ids(self) -> list[str]: ...
    @property
    def first_day(self) -> datetime.date: ...
    @property
    def last_day(self) -> datetime.date: ...
    @property
    def event_types(self) -> list[str]: ...
    @property
    def unit(self) -> Literal["row", "order", "day"]: ...
    @property
    def report(self) -> dict[str, Any]: ...
    @property
    def detected(self) -> dict[str, Any] | None: ...
    def to_pandas(self) -> Any: ...
    def __len__(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    def _repr_html_(self) -> str: ...

@final
class FeatureTable:
    @property
    def customer_ids(self) -> list[str]: ...
    @property
    def names(self) -> list[str]: ...
    @property
    def levels(self) -> dict[str, list[str]]: ...
    @property
    def scales(self) -> _Scales | None: ...
    @property
    def as_of(self) -> datetime.date | None: ...
    @property
    def config(self) -> dict[str, Any] | None: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def coverage(self) -> dict[str, int] | None: ...
    @property
    def findings(self) -> list[_Finding]: ...
    def join(self, table: _Table, customer_id: str = "customer_id") -> FeatureTable: ...
    def to_numpy(self) -> NDArray[np.float64]: ...
    def to_pandas(self) -> Any: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]: ...
    def __len__(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    def _repr_html_(self) -> str: ...

@final
class FeatureStream:
    def __new__(cls, as_of: _Date, **config: Unpack[_StreamFeatures]) -> Self: ...
    def read(
        self,
        source: _Path | bytes | _Readable | _Table | Iterable[_Table],
        *,
        progress: _Progress = None,
        **options: Unpack[_ReadOptions],
    ) -> None: ...
    def merge(self, other: FeatureStream) -> None: ...
    def finish(self) -> FeatureTable: ...

@final
class Labels:
    @property
    def customer_id(self) -> list[str]: ...
    @property
    def churned(self) -> NDArray[np.bool_]: ...
    def to_numpy(self) -> NDArray[np.bool_]: ...
    def to_pandas(self) -> Any: ...
    def __len__(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    def _repr_html_(self) -> str: ...

@final
class Subscriptions:
    @staticmethod
    def from_table(table: _Table, **options: Unpack[_ReadPeriods]) -> Subscriptions: ...
    @staticmethod
    def from_payments(payments: Events, term_days: int) -> Subscriptions: ...
    @property
    def customers(self) -> int: ...
    @property
    def customer_ids(self) -> list[str]: ...
    @property
    def first_day(self) -> datetime.date: ...
    @property
    def last_day(self) -> datetime.date: ...
    @property
    def report(self) -> dict[str, Any]: ...
    def status(self, as_of: _Date | None = None) -> dict[Any, _Status]: ...
    def customer_base(self, as_of: _Date | None = None) -> dict[str, Any]: ...
    def to_pandas(self) -> Any: ...
    def __len__(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    def _repr_html_(self) -> str: ...

@final
class SubscriptionLabels:
    @property
    def customer_id(self) -> list[str]: ...
    @property
    def churned(self) -> NDArray[np.bool_]: ...
    @property
    def cause(self) -> list[_EndReason | None]: ...
    def to_pandas(self) -> Any: ...
    def __len__(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    def _repr_html_(self) -> str: ...

@final
class Predictions:
    @property
    def customer_id(self) -> list[str]: ...
    @property
    def churn_probability(self) -> NDArray[np.float64]: ...
    @property
    def risk_segment(self) -> list[_Segment]: ...
    @property
    def coverage(self) -> dict[str, int] | None: ...
    @property
    def covered(self) -> NDArray[np.bool_] | None: ...
    @property
    def causes(self) -> dict[_EndReason, NDArray[np.float64]]: ...
    def dunning(self) -> list[Any] | None: ...
    @property
    def findings(self) -> list[_Finding]: ...
    @property
    def as_of(self) -> datetime.date | None: ...
    def to_numpy(self) -> NDArray[np.float64]: ...
    def to_pandas(self) -> Any: ...
    def __len__(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    def _repr_html_(self) -> str: ...

@final
class Explanation:
    @property
    def customer_ids(self) -> list[str]: ...
    @property
    def names(self) -> list[str]: ...
    @property
    def contributions(self) -> NDArray[np.float64]: ...
    @property
    def base(self) -> float: ...
    @property
    def margin(self) -> NDArray[np.float64]: ...
    @property
    def churn_probability(self) -> NDArray[np.float64]: ...
    @property
    def output(self) -> Literal["log_odds", "rate"]: ...
    @property
    def reasons(self) -> list[list[str]]: ...
    def reasons_of(self, row: int) -> list[dict[str, Any]]: ...
    def list_reasons(self, rows: Sequence[int] | None = None) -> dict[str, Any]: ...
    def importance(self) -> list[dict[str, Any]]: ...
    def dependence(self, feature: str) -> NDArray[np.float64]: ...
    def to_numpy(self) -> NDArray[np.float64]: ...
    def to_pandas(self) -> Any: ...
    def __len__(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    @property
    def plot(self) -> ExplanationPlots: ...
    def _repr_html_(self) -> str: ...

@final
class SlippingList:
    @property
    def as_of(self) -> datetime.date: ...
    @property
    def before(self) -> datetime.date: ...
    @property
    def customer_id(self) -> list[str]: ...
    @property
    def probability_before(self) -> NDArray[np.float64]: ...
    @property
    def churn_probability(self) -> NDArray[np.float64]: ...
    @property
    def risk_segment(self) -> list[_Segment]: ...
    @property
    def changes(self) -> list[list[str]]: ...
    @property
    def value_at_risk(self) -> NDArray[np.float64]: ...
    def to_dict(self) -> dict[str, Any]: ...
    def to_pandas(self) -> Any: ...
    def __len__(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    def _repr_html_(self) -> str: ...

@final
class Backtest:
    @property
    def cutoffs(self) -> list[_CutoffResult]: ...
    @property
    def roc_auc(self) -> _Estimate: ...
    @property
    def earlier_roc_auc(self) -> _Estimate | None: ...
    @property
    def recency_auc(self) -> _Estimate | None: ...
    @property
    def log_loss(self) -> _Estimate: ...
    @property
    def brier(self) -> _Estimate: ...
    @property
    def lift_10(self) -> _Estimate: ...
    @property
    def base_rate(self) -> _Estimate: ...
    @property
    def predicted_minus_observed(self) -> _Estimate: ...
    @property
    def against(self) -> list[_PairedResult]: ...
    @property
    def reliability(self) -> list[_Bin]: ...
    @property
    def segments(self) -> list[_SegmentRow]: ...
    @property
    def skipped(self) -> list[_SkippedCutoff]: ...
    @property
    def findings(self) -> list[_Finding]: ...
    @property
    def audit(self) -> dict[str, Any] | None: ...
    @property
    def definition(self) -> str: ...
    @property
    def library_version(self) -> str: ...
    @property
    def predictions(self) -> BacktestPredictions | None: ...
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...
    def to_pandas(self) -> Any: ...
    def __len__(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    @property
    def plot(self) -> BacktestPlots: ...
    def _repr_html_(self) -> str: ...

@final
class BacktestPredictions:
    @property
    def cutoff(self) -> NDArray[np.datetime64]: ...
    @property
    def customer_id(self) -> list[str]: ...
    @property
    def churned(self) -> NDArray[np.bool_]: ...
    @property
    def churn_probability(self) -> NDArray[np.float64]: ...
    @property
    def against(self) -> dict[str, NDArray[np.float64]]: ...
    def to_pandas(self) -> Any: ...
    def __len__(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    def _repr_html_(self) -> str: ...

@final
class Model:
    @property
    def kind(self) -> _Learner: ...
    @property
    def evaluation(self) -> _Evaluation | Any: ...  # None if it was trained with evaluation=False, which is rare
    @property
    def training(self) -> dict[str, Any]: ...
    @property
    def parameters(self) -> dict[str, Any]: ...
    @property
    def thresholds(self) -> _Thresholds: ...
    @property
    def calibration(self) -> str: ...
    def probabilities(self, x: NDArray[np.float64] | _Table) -> NDArray[np.float64]: ...
    def split_importance(self) -> NDArray[np.float64] | None: ...
    def coefficients(self) -> tuple[float, NDArray[np.float64]] | None: ...
    @property
    def feature_names(self) -> list[str]: ...
    @property
    def cutoffs(self) -> list[datetime.date]: ...
    @property
    def event_unit(self) -> Literal["row", "order", "day"]: ...
    @property
    def definition(self) -> str: ...
    @property
    def warnings(self) -> list[str]: ...
    @property
    def findings(self) -> list[_Finding] | None: ...
    @property
    def audit(self) -> dict[str, Any] | None: ...
    @property
    def library_version(self) -> str: ...
    def features(
        self,
        events: Events | Subscriptions,
        as_of: _Date | None = None,
        include_inactive: bool = False,
        allow: Sequence[str] | None = None,
        *,
        attributes: _Table | None = None,
        usage: Events | None = None,
    ) -> FeatureTable: ...
    def predict(
        self,
        events_or_table: Events | Subscriptions | FeatureTable | _Table,
        as_of: _Date | None = None,
        include_inactive: bool = False,
        allow: Sequence[str] | None = None,
        *,
        attributes: _Table | None = None,
        customer_id: str | None = None,
        usage: Events | None = None,
    ) -> Predictions: ...
    def predict_one(self, customer: _Customer | _CustomerWith, as_of: _Date | None = None) -> _Prediction: ...
    def predict_subscriber(self, subscriber: Mapping[str, Any], as_of: _Date | None = None) -> dict[str, Any]: ...
    def subscription_values(
        self, predictions: Predictions, subscriptions: Subscriptions, months: float = 36.0
    ) -> NDArray[np.float64]: ...
    def explain(
        self,
        events_or_table: Events | Subscriptions | FeatureTable | _Table,
        as_of: _Date | None = None,
        include_inactive: bool = False,
        allow: Sequence[str] | None = None,
        *,
        attributes: _Table | None = None,
        customer_id: str | None = None,
        usage: Events | None = None,
        progress: _Progress = None,
        **config: Unpack[_Explain],
    ) -> Explanation: ...
    def explain_one(
        self, customer: _Customer | _CustomerWith, as_of: _Date | None = None, **config: Unpack[_Explain]
    ) -> dict[str, Any]: ...
    def slipping_away(
        self,
        events: Events | Subscriptions,
        as_of: _Date | None = None,
        *,
        allow: Sequence[str] | None = None,
        attributes: _Table | None = None,
        usage: Events | None = None,
        **config: Unpack[_Slipping],
    ) -> SlippingList: ...
    def report(
        self,
        path: _Path | None = None,
        events: Events | Subscriptions | None = None,
        as_of: _Date | None = None,
        *,
        allow: Sequence[str] | None = None,
        attributes: _Table | None = None,
        usage: Events | None = None,
        **config: Unpack[_Report],
    ) -> str | None: ...
    def what_if(
        self, table: FeatureTable, customer_id: str | int, changes: Mapping[str, float | bool | str | None]
    ) -> _WhatIf: ...
    def smallest_changes(
        self, table: FeatureTable, customer_id: str | int, **config: Unpack[_Changes]
    ) -> list[dict[str, Any]]: ...
    def to_json(self) -> str: ...
    @staticmethod
    def from_json(text: str) -> Model: ...
    def save(self, path: _Path) -> None: ...
    def __reduce__(self) -> tuple[Callable[[str], Model], tuple[str]]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    @property
    def plot(self) -> ModelPlots: ...
    def _repr_html_(self) -> str: ...

@final
class ContactList:
    @property
    def customer_id(self) -> list[str]: ...
    @property
    def churn_probability(self) -> NDArray[np.float64]: ...
    @property
    def value(self) -> NDArray[np.float64]: ...
    @property
    def profit(self) -> NDArray[np.float64]: ...
    @property
    def group(self) -> list[Literal["contact", "control"]]: ...
    @property
    def contacts(self) -> int: ...
    @property
    def controls(self) -> int: ...
    @property
    def reserved_budget(self) -> float: ...
    @property
    def expected_profit(self) -> float: ...
    def to_dict(self) -> dict[str, Any]: ...
    def write_group(self, group: Literal["contact", "control"], path: _Path) -> None: ...
    def to_pandas(self) -> Any: ...
    def __len__(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    def _repr_html_(self) -> str: ...

def read_csv(
    source: _Path | bytes | _Readable,
    *,
    detect: bool = False,
    progress: _Progress = None,
    **options: Unpack[_ReadOptions],
) -> Events: ...
def detect(
    source: _Path | bytes | _Readable, *, progress: _Progress = None, **options: Unpack[_ReadOptions]
) -> dict[str, Any]: ...
def read_parquet(path: _Path, *, progress: _Progress = None, **options: Unpack[_ReadOptions]) -> Events: ...
def read_subscriptions(path_or_buffer: _Path | bytes | _Readable, **options: Unpack[_ReadPeriods]) -> Subscriptions: ...
@overload
def features(events: Subscriptions, as_of: _Date | None = None, *, allowed_gap_days: int = 30) -> FeatureTable: ...
@overload
def features(
    events: Events | _Path | bytes | _Readable | _Table | Iterable[_Table],
    as_of: _Date | None = None,
    feature_set: _FeatureSet = "rfm",
    scales: _Scales | None = None,
    *,
    progress: _Progress = None,
    **config: Unpack[_ReadFeatures],
) -> FeatureTable: ...
@overload
def labels(
    events: Subscriptions, cutoff: _Date, horizon_days: int = 90, gap_days: int = 0, *, allowed_gap_days: int = 30
) -> SubscriptionLabels: ...
@overload
def labels(
    events: Events,
    cutoff: _Date,
    horizon_days: int = 90,
    gap_days: int = 0,
    active_within_days: int | None = 365,
    event_types: Sequence[str] | None = None,
    **config: Unpack[_MoreLabels],
) -> Labels: ...
def movements(subscriptions: Subscriptions, allowed_gap_days: int = 30) -> list[dict[str, Any]]: ...
def retention(
    subscriptions: Subscriptions, by: Literal["all", "cohort", "plan"] = "all", allowed_gap_days: int = 30
) -> list[dict[str, Any]]: ...
def kaplan_meier(durations: ArrayLike, ended: ArrayLike) -> list[dict[str, Any]]: ...
def train(
    events: Events | Subscriptions,
    model: _Kind = "random_forest",
    labels: _LabelKind = "outcome_window",
    horizon_days: int = 90,
    snapshots: int | None = None,
    feature_set: _FeatureSet = "behavioral",
    seed: int = 0,
    *,
    attributes: _Table | None = None,
    usage: Events | None = None,
    progress: _Progress = None,
    **parameters: Unpack[_MoreTraining],
) -> Model: ...
def backtest(
    events: Events,
    model: _Kind = "random_forest",
    labels: _LabelKind = "outcome_window",
    horizon_days: int = 90,
    snapshots: int | None = None,
    feature_set: _FeatureSet = "behavioral",
    seed: int = 0,
    *,
    attributes: _Table | None = None,
    cutoffs: Sequence[_Date] | None = None,
    step_days: int | None = None,
    most_cutoffs: int | None = None,
    against: Mapping[str, _Recipe] | None = None,
    predictions: bool = False,
    progress: _Progress = None,
    **parameters: Unpack[_MoreBacktest],
) -> Backtest: ...
def train_table(
    table: _Table,
    label: str = "churned",
    customer_id: str | None = None,
    *,
    progress: _Progress = None,
    **parameters: Unpack[_MoreTable],
) -> Model: ...
def train_matrix(
    x: NDArray[np.float64],
    names: Sequence[str],
    y: ArrayLike,
    weights: ArrayLike | None = None,
    **parameters: Unpack[_MatrixSettings],
) -> Model: ...
def load(path: _Path) -> Model: ...
def run_command(arguments: Sequence[str]) -> int: ...
def check(events: Events | Subscriptions, **definition: Unpack[_Labels]) -> list[_Finding]: ...
def suggest(events: Events) -> dict[str, Any]: ...
def finding_codes() -> list[dict[str, str]]: ...
def compare_models(
    a: Model, b: Model, events: Events, confidence: float = 0.95, *, attributes: _Table | None = None
) -> dict[str, Any]: ...
def evaluate(y_true: _Outcomes, y_prob: _Risks, **config: Unpack[_Judging]) -> dict[str, Any]: ...
def compare(y_true: _Outcomes, a: _Risks, b: _Risks, **config: Unpack[_Confidence]) -> dict[str, Any]: ...
@overload
def segment(p: float, thresholds: _Thresholds | None = None) -> _Segment: ...
@overload
def segment(
    p: Sequence[float] | NDArray[np.floating[Any]], thresholds: _Thresholds | None = None
) -> list[_Segment]: ...
def segment_table(y_true: _Outcomes, y_prob: _Risks, thresholds: _Thresholds | None = None) -> list[_SegmentRow]: ...
def empc(y_true: _Outcomes, y_prob: _Risks, **config: Unpack[_Empc]) -> dict[str, float]: ...
def mpc(y_true: _Outcomes, y_prob: _Risks, **config: Unpack[_Campaign]) -> dict[str, float | None]: ...
def curve(y_true: _Outcomes, y_prob: _Risks, **config: Unpack[_Campaign]) -> dict[str, Any]: ...
def expected_curve(
    y_prob: _Risks, values: ArrayLike | Mapping[Any, Any] | _Table | None = None, **config: Unpack[_Campaign]
) -> dict[str, Any]: ...
def contact_list(
    predictions: Predictions | _Table,
    values: ArrayLike | Mapping[Any, Any] | _Table | None = None,
    **config: Unpack[_Contacting],
) -> ContactList: ...
def savings(
    y_true: _Outcomes,
    y_prob: _Risks,
    *,
    tp_cost: _Costs = 0.0,
    fp_cost: _Costs = 0.0,
    tn_cost: _Costs = 0.0,
    fn_cost: _Costs = 0.0,
    **config: Unpack[_Savings],
) -> dict[str, Any]: ...
def cost_thresholds(
    *, tp_cost: _Costs = 0.0, fp_cost: _Costs = 0.0, tn_cost: _Costs = 0.0, fn_cost: _Costs = 0.0
) -> NDArray[np.float64]: ...
def campaign_outcome(contacted: _Outcomes, y_true: _Outcomes, **config: Unpack[_Confidence]) -> dict[str, Any]: ...
