//! Formatting of numbers, names and text from the data for the page.

use std::borrow::Cow;
use std::fmt;

use crate::features::{HALF_LIVES, WINDOWS};
use crate::model::ModelKind;
pub(super) use crate::numbers::{count, decimal};

/// Text from the data, escaped for an element or a quoted attribute. Control characters, which HTML does not allow, become
/// U+FFFD. Overlong text is cut and ends in "…".
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 300;
        for (i, c) in self.0.chars().enumerate() {
            if i == MOST {
                return f.write_str("…");
            }
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_str(" ")?,
                c if c.is_control() => f.write_str("\u{fffd}")?,
                c => fmt::Write::write_char(f, c)?,
            }
        }
        Ok(())
    }
}

/// Formats a count with its noun: `1 customer`, `2 customers`.
pub(super) fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// Formats a large number of customers shortly, for charts: 1234 → `1,234`, 123456 → `123k`, 12345678 → `12M`.
pub(super) fn short_count(n: f64) -> String {
    match n {
        n if n < 99_999.5 => decimal(n, 0),
        n if n < 9_999_500.0 => decimal(n / 1e3, 0) + "k",
        n => decimal(n / 1e6, 0) + "M",
    }
}

/// Formats a difference with its sign: 0.02 → `+0.02`.
pub(super) fn signed(value: f64, places: usize) -> String {
    let text = decimal(value, places);
    let positive = value > 0.0 && text.bytes().any(|c| matches!(c, b'1'..=b'9'));
    if positive { format!("+{text}") } else { text }
}

/// Formats a share with one decimal: 0.1834 → `18.3 %`.
pub(super) fn percent(share: f64) -> String {
    decimal(100.0 * share, 1) + "\u{a0}%"
}

/// Formats a share in whole percent: 0.1834 → `18 %`.
pub(super) fn whole_percent(share: f64) -> String {
    decimal(100.0 * share, 0) + "\u{a0}%"
}

/// Formats a bound of a band: 0.7 → `70 %`, 0.125 → `12.5 %`.
pub(super) fn bound(share: f64) -> String {
    let percent = 100.0 * share;
    decimal(percent, if (percent - percent.round()).abs() < 1e-9 { 0 } else { 1 }) + "\u{a0}%"
}

/// The name of the learner in words.
pub(super) fn kind_name(kind: ModelKind) -> &'static str {
    match kind {
        ModelKind::LogisticRegression => "Logistic regression",
        ModelKind::RandomForest => "Random forest",
        ModelKind::GradientBoosting => "Gradient boosting",
        ModelKind::Auto => "Weighted mean",
    }
}

/// The name of a computed feature in words; a joined column keeps its name.
pub(super) fn plain_name(feature: &str) -> Cow<'_, str> {
    let fixed = match feature {
        "recency_score" => "How recent the last activity is",
        "frequency_score" => "How often they were active lately",
        "monetary_score" => "How much they spent lately",
        "engagement_score" => "Engagement over the last weeks",
        "tenure_days" => "How long they have been a customer",
        "activity_trend" => "Activity rising or falling",
        "avg_transaction_value" => "Average amount of a transaction",
        "days_between_transactions" => "Usual time between events",
        "active_months" => "Months with activity",
        "largest_amount" => "Largest amount",
        "refund_count" => "Refunds",
        "refund_share" => "Share of refunds",
        "days_since_first" => "Days since the first event",
        "days_since_last" => "Days since the last event",
        "count_ratio_30d_90d" => "Last 30 days against the 90 before",
        "event_type_other" => "Events of other types",
        _ => return windowed(feature).map_or(Cow::Borrowed(feature), Cow::Owned),
    };
    Cow::Borrowed(fixed)
}

fn windowed(feature: &str) -> Option<String> {
    if let Some(event_type) = feature.strip_prefix("event_type=") {
        return Some(format!("Events of type {event_type}"));
    }
    let (name, days) = feature.strip_suffix('d')?.rsplit_once('_')?;
    let days: i32 = days.parse().ok()?;
    match name {
        "count" if WINDOWS.contains(&days) => Some(format!("Events in the last {days} days")),
        "amount" if WINDOWS.contains(&days) => Some(format!("Amount in the last {days} days")),
        "decayed_count" if HALF_LIVES.contains(&days) => Some(format!("Events, fading by half every {days} days")),
        "decayed_amount" if HALF_LIVES.contains(&days) => Some(format!("Amounts, fading by half every {days} days")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([counted(1, "row"), counted(2, "row")], ["1 row", "2 rows"]);
        assert_eq!([percent(0.1834), whole_percent(0.1834)], ["18.3\u{a0}%", "18\u{a0}%"]);
        assert_eq!([1234.4, 99_999.5, 12_345_678.0].map(short_count), ["1,234", "100k", "12M"]);
        assert_eq!([signed(0.02, 2), signed(-0.02, 2), signed(0.001, 2)], ["+0.02", "−0.02", "0.00"]);
        assert_eq!([bound(0.7), bound(0.125)], ["70\u{a0}%", "12.5\u{a0}%"]);
    }

    #[test]
    fn foreign_text_cannot_leave_its_place() {
        assert_eq!(
            Escaped("<a b='c' d=\"e\">&\u{0}").to_string(),
            "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;\u{fffd}"
        );
        assert_eq!(Escaped(&"x".repeat(1000)).to_string().chars().count(), 301);
    }

    #[test]
    fn every_feature_of_ours_has_a_plain_name() {
        let types = ["login".to_owned()];
        for info in crate::registry(crate::FeatureSet::Behavioral, &crate::Windows::default(), &types) {
            assert_ne!(plain_name(&info.name), info.name);
        }
        assert_eq!(plain_name("MonthlyCharges"), "MonthlyCharges");
        assert_eq!(plain_name("count_8d"), "count_8d");
    }
}
