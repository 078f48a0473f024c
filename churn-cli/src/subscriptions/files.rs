//! The files of `churn subscriptions`.

use std::io::Write;
use std::path::Path;

use churn::report::Report;
use churn::{ExplainConfig, Movement, MovementValues};

use super::customers::Risk;
use super::reading::Data;
use super::{Curves, Results, Scored};
use crate::failure::Result;
use crate::files::Files;

/// Writes the files of the results to a folder.
pub(super) fn write(out: &Path, source: &Path, data: &Data, results: &Results, files: &mut Files<'_>) -> Result<()> {
    let Results { base, movements, curves, model, scored, .. } = results;
    let mut write = |name: &str, fill: &dyn Fn(&mut dyn Write) -> churn::Result<()>| files.write(&out.join(name), fill);
    write("movements.csv", &|writer| write_movements(movements, writer))?;
    write("retention.csv", &|writer| write_retention(curves, writer))?;
    let Ok(model) = model else { return Ok(()) };
    if let Some(Scored { predictions, risks, .. }) = scored {
        write("predictions.csv", &|writer| write_predictions(risks, writer))?;
        if predictions.dunning().is_some() {
            write("dunning.csv", &|writer| base.write_dunning(predictions, writer))?;
        }
    }
    write("already_cancelled.csv", &|writer| base.write_cancelled(writer))?;
    write("model.json", &|writer| Ok(writer.write_all(model.to_json().as_bytes())?))?;
    let source = source.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let words = ExplainConfig::default();
    let mut report = Report::new("Churn report", model);
    report.source = Some(&source);
    report.subscriptions = Some(&data.subscriptions);
    if let Some(Scored { features, predictions, slipping, .. }) = scored {
        report.predictions = Some(predictions);
        report.reasons = Some((features, &words));
        report.slipping = Some(slipping);
    }
    write("report.html", &|writer| Ok(writer.write_all(report.to_html()?.as_bytes())?))
}

/// Writes a CSV table.
fn write_table(
    writer: &mut dyn Write,
    header: &[String],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> churn::Result<()> {
    let mut table = csv::Writer::from_writer(writer);
    table.write_record(header).map_err(std::io::Error::from)?;
    for row in rows {
        table.write_record(row).map_err(std::io::Error::from)?;
    }
    Ok(table.flush()?)
}

/// An empty field for none.
fn field(value: Option<impl ToString>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn owned<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

/// A row for each month.
fn write_movements(months: &[Movement], writer: &mut dyn Write) -> churn::Result<()> {
    let parts = ["start", "new", "expansion", "reactivation", "contraction", "churn", "end"];
    let values = |values: &MovementValues| {
        let MovementValues { start, new, expansion, reactivation, contraction, churn, end } = *values;
        [start, new, expansion, reactivation, contraction, churn, end].map(|value| value.to_string())
    };
    let mut header = owned(["month"]);
    for of in ["customers", "amounts"] {
        header.extend(parts.map(|part| format!("{of}_{part}")));
    }
    let rates = ["gross_retention", "net_retention", "customer_churn_rate", "revenue_churn_rate", "provisional"];
    header.extend(owned(rates));
    let rows = months.iter().map(|month| {
        let mut row = vec![month.month.to_string()];
        row.extend(values(&month.customers));
        row.extend(values(&month.amounts));
        let rates = [month.gross_retention, month.net_retention, month.customer_churn_rate, month.revenue_churn_rate];
        row.extend(rates.map(field));
        row.push(month.provisional.to_string());
        row
    });
    write_table(writer, &header, rows)
}

/// A row for each step of a curve: of all spells, of each cohort and of each plan.
fn write_retention(curves: &Curves, writer: &mut dyn Write) -> churn::Result<()> {
    let header = owned(["by", "group", "days", "at_risk", "ended", "survival", "low", "high"]);
    let groups = curves.by().into_iter().flat_map(|(by, groups)| groups.iter().map(move |group| (by, group)));
    let rows = groups.flat_map(|(by, group)| {
        group.curve.iter().map(move |point| {
            vec![
                by.to_owned(),
                field(group.group.as_ref()),
                point.time.to_string(),
                point.at_risk.to_string(),
                point.ended.to_string(),
                point.survival.to_string(),
                field(point.low),
                field(point.high),
            ]
        })
    });
    write_table(writer, &header, rows)
}

/// A row for each active customer, in byte order of the ids, with a column for each cause.
fn write_predictions(risks: &[Risk], writer: &mut dyn Write) -> churn::Result<()> {
    let mut header = owned(["customer_id", "churn_probability", "risk_segment"]);
    let causes = risks.first().map_or(&[][..], |risk| &risk.causes);
    header.extend(causes.iter().map(|(cause, _)| format!("{}_probability", cause.name())));
    header.extend(owned(["amount", "expected_value"]));
    let rows = risks.iter().map(|risk| {
        let mut row = vec![risk.customer_id.clone(), risk.churn_probability.to_string()];
        row.push(risk.risk_segment.name().to_owned());
        row.extend(risk.causes.iter().map(|(_, p)| p.to_string()));
        row.extend([field(risk.amount), field(risk.expected_value)]);
        row
    });
    write_table(writer, &header, rows)
}
