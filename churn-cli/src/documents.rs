//! Parts of the JSON documents that several subcommands print.

use std::path::{Path, PathBuf};

use churn::{Events, Found, Model, Predictions, Segment, Subscriptions};
use serde_json::{Value, json};

/// The log that was read, and the options that were found in its file.
pub(crate) fn input(path: &Path, events: &Events, found: &[Found]) -> Value {
    json!({
        "file": path.to_string_lossy(),
        "found": found,
        "events": events.len(),
        "customers": events.customers(),
        "first_day": events.first_day(),
        "last_day": events.last_day(),
        "event_unit": events.unit(),
        "report": events.report(),
    })
}

/// The periods that were read.
pub(crate) fn periods(path: &Path, subscriptions: &Subscriptions) -> Value {
    json!({
        "file": path.to_string_lossy(),
        "periods": subscriptions.len(),
        "customers": subscriptions.customers(),
        "first_day": subscriptions.first_day(),
        "last_day": subscriptions.last_day(),
        "ends_known": subscriptions.ends_known(),
        "report": subscriptions.report(),
    })
}

/// The model, without the curves of its evaluation.
pub(crate) fn model(model: &Model) -> Value {
    let evaluation = model.evaluation().map(|evaluation| {
        json!({
            "protocol": evaluation.protocol,
            "test_cutoff": evaluation.test_cutoff,
            "train_rows": evaluation.train_rows,
            "test_rows": evaluation.test_rows,
            "metrics": evaluation.metrics,
            "over_time": evaluation.over_time,
            "logistic_regression": evaluation.logistic_regression,
            "recency_auc": evaluation.recency_auc,
            "segments": evaluation.segments,
            "importance": evaluation.importance,
            "candidates": evaluation.candidates,
        })
    });
    json!({
        "model": model.kind().name(),
        "definition": model.definition(),
        "findings": model.findings(),
        "evaluation": evaluation,
    })
}

/// The scored customers, counted.
pub(crate) fn predictions(predictions: &Predictions) -> Value {
    let count = |segment: Segment| predictions.risk_segments().filter(|&found| found == segment).count();
    let segments: serde_json::Map<String, Value> =
        Segment::ALL.into_iter().map(|segment| (segment.name().to_owned(), count(segment).into())).collect();
    json!({
        "as_of": predictions.as_of(),
        "customers": predictions.len(),
        "coverage": predictions.coverage(),
        "segments": segments,
        "findings": predictions.findings(),
    })
}

/// The files that were written.
pub(crate) fn files(written: &[(PathBuf, u64)]) -> Value {
    written.iter().map(|(path, bytes)| json!({ "file": path.to_string_lossy(), "bytes": bytes })).collect()
}
