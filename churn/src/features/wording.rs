//! Wordings of feature values, such as "last purchase 94 days ago" for a recency score of 74.2.

use super::Scales;
use crate::numbers::decimal;

/// The wording of a feature.
#[derive(Clone, Debug)]
pub(crate) struct Wording {
    /// The template: `{}` stands for the value, `{event}` and `{events}` for the word for an event.
    pub(crate) text: String,
    pub(crate) measure: Measure,
    pub(crate) raw: RawQuantity,
    /// The wording of a missing value.
    pub(crate) absent: String,
    /// The theme that it shares with other features, such as counts over several windows. Features of a theme are one reason.
    /// Empty if no other feature has the same theme.
    pub(crate) theme: &'static str,
    /// True if people would count by this feature. The reason of a theme is worded by one of its plain features.
    pub(crate) plain: bool,
}

/// The unit of a quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Measure {
    Days,
    Events,
    Counted(&'static str),
    Money,
    Share,
    Number,
    /// A number whose sign matters.
    Signed,
}

/// The relation of a feature's value to the quantity that is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum RawQuantity {
    /// The quantity is the value itself.
    Value,
    /// A score: 100 is today, 0 is `full_days` days ago or more.
    DaysOfScore { full_days: f64 },
    /// A score: 100 is as many events as the frequency scale, or more.
    OfFrequencyScale,
    /// A score: 100 is an amount of the monetary scale or more, 0 is an amount of 0 or less.
    OfMonetaryScale,
}

/// A quantity that is exact or a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quantity {
    pub(crate) amount: f64,
    pub(crate) bound: Bound,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    Exact,
    AtLeast,
    AtMost,
}

impl RawQuantity {
    /// Returns the quantity of a value. For a score at an end of its range the quantity is only a bound.
    pub(crate) fn quantity(self, value: f64, scales: Option<Scales>) -> Quantity {
        let of_scale = |scale: f64| match value {
            v if v >= 100.0 => Quantity { amount: scale, bound: Bound::AtLeast },
            v => Quantity { amount: v / 100.0 * scale, bound: Bound::Exact },
        };
        match (self, scales) {
            (RawQuantity::DaysOfScore { full_days }, _) => {
                let bound = if value <= 0.0 { Bound::AtLeast } else { Bound::Exact };
                Quantity { amount: (full_days * (1.0 - value / 100.0)).round(), bound }
            }
            (RawQuantity::OfFrequencyScale, Some(scales)) => {
                let Quantity { amount, bound } = of_scale(scales.frequency);
                // A score below 100 stands for a whole number of events, up to rounding; the scale itself need not be whole.
                Quantity { amount: if bound == Bound::AtLeast { amount.ceil() } else { amount.round() }, bound }
            }
            (RawQuantity::OfMonetaryScale, Some(scales)) => match of_scale(scales.monetary) {
                Quantity { amount, .. } if value <= 0.0 => Quantity { amount, bound: Bound::AtMost },
                quantity => quantity,
            },
            _ => Quantity { amount: value, bound: Bound::Exact },
        }
    }
}

impl Wording {
    /// The wording of a joined column, of which only the name is known.
    pub(crate) fn of_column(name: &str) -> Self {
        let name = name.replace('{', "(").replace('}', ")");
        let absent = format!("{name} is missing");
        Wording {
            text: format!("{name} is {{}}"),
            measure: Measure::Number,
            raw: RawQuantity::Value,
            absent,
            theme: "",
            plain: true,
        }
    }

    /// The wording with a value filled in.
    pub(crate) fn fill(&self, value: &str, event: &str) -> String {
        with_event(&self.text, event).replacen("{}", value, 1)
    }

    /// The wording of a missing value.
    pub(crate) fn fill_absent(&self, event: &str) -> String {
        with_event(&self.absent, event)
    }
}

fn with_event(text: &str, event: &str) -> String {
    text.replace("{event}", event).replace("{events}", &format!("{event}s"))
}

impl Measure {
    /// Formats an amount with its unit, rounded for reading: money to the cent, numbers to two digits. `towards` is the
    /// direction of rounding in which a bound stays true.
    pub(crate) fn format(self, amount: f64, towards: Bound, event: &str) -> String {
        let counted =
            |unit: &str| format!("{} {unit}{}", digits(amount, 1, towards), if amount == 1.0 { "" } else { "s" });
        match self {
            Measure::Days => counted("day"),
            Measure::Events => counted(event),
            Measure::Counted(unit) => counted(unit),
            Measure::Money => decimal(rounded(amount, 2, towards), 2),
            Measure::Share => format!("{} %", digits(100.0 * amount, 0, towards)),
            Measure::Number => digits(amount, 2, towards),
            Measure::Signed if amount > 0.0 => format!("+{}", digits(amount, 3, towards)),
            Measure::Signed => digits(amount, 3, towards),
        }
    }
}

/// Formats a number with up to `decimals` decimals, without trailing zeros.
fn digits(amount: f64, decimals: usize, towards: Bound) -> String {
    let text = decimal(rounded(amount, decimals, towards), decimals);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn rounded(amount: f64, decimals: usize, towards: Bound) -> f64 {
    let unit = 10f64.powi(decimals as i32);
    // A small tolerance, so that 0.1 + 0.2 is not rounded up to 0.31.
    let (scaled, hair) = (amount * unit, 1e-9 * (amount * unit).abs());
    let whole = match towards {
        Bound::Exact => scaled.round(),
        Bound::AtLeast => (scaled + hair).floor(),
        Bound::AtMost => (scaled - hair).ceil(),
    };
    whole / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 365 · (1 − 74.2466 %) = 94 days; 45 % of a scale of 20 are 9 events; at the ends the quantity is a bound.
    #[test]
    fn quantities_behind_scores() {
        let scales = Some(Scales { frequency: 20.5, monetary: 400.0 });
        let days = RawQuantity::DaysOfScore { full_days: 365.0 };
        let exact = |amount| Quantity { amount, bound: Bound::Exact };
        assert_eq!(days.quantity(100.0 * (1.0 - 94.0 / 365.0), scales), exact(94.0));
        assert_eq!(days.quantity(0.0, scales), Quantity { amount: 365.0, bound: Bound::AtLeast });
        assert_eq!(RawQuantity::OfFrequencyScale.quantity(100.0 * 9.0 / 20.5, scales), exact(9.0));
        assert_eq!(
            RawQuantity::OfFrequencyScale.quantity(100.0, scales),
            Quantity { amount: 21.0, bound: Bound::AtLeast }
        );
        assert_eq!(RawQuantity::OfMonetaryScale.quantity(25.0, scales), exact(100.0));
        assert_eq!(RawQuantity::OfMonetaryScale.quantity(0.0, scales), Quantity { amount: 0.0, bound: Bound::AtMost });
        assert_eq!(RawQuantity::Value.quantity(7.5, None), exact(7.5));
    }

    #[test]
    fn amounts_in_words() {
        let format = |measure: Measure, amount| measure.format(amount, Bound::Exact, "purchase");
        assert_eq!(format(Measure::Days, 1.0), "1 day");
        assert_eq!(format(Measure::Days, 12.34), "12.3 days");
        assert_eq!(format(Measure::Events, 1234.0), "1,234 purchases");
        assert_eq!(format(Measure::Counted("refund"), 0.0), "0 refunds");
        assert_eq!(format(Measure::Money, -1_234_567.891), "−1,234,567.89");
        assert_eq!(format(Measure::Money, -0.001), "0.00");
        assert_eq!(format(Measure::Share, 0.335), "34 %");
        assert_eq!(format(Measure::Number, 100.0), "100");
        assert_eq!(format(Measure::Signed, 0.0102), "+0.01");
        // A bound is rounded in the direction in which it stays true.
        assert_eq!(Measure::Money.format(25.1049, Bound::AtMost, ""), "25.11");
        assert_eq!(Measure::Money.format(25.1049, Bound::AtLeast, ""), "25.10");
        assert_eq!(Measure::Number.format(0.1 + 0.2, Bound::AtMost, ""), "0.3");
    }

    #[test]
    fn names_with_braces_do_no_harm() {
        let wording = Wording::of_column("{} {event}");
        assert_eq!(wording.fill("7", "visit"), "() (event) is 7");
    }
}
