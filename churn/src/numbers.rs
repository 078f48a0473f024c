//! Formatting of numbers for people.

/// Formats a count with thousands separators: 1234567 → `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Formats a number with fixed decimals, thousands separators and a true minus sign; NaN and infinities are a dash.
pub(crate) fn decimal(value: f64, places: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{:.places$}", value.abs());
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let sign = if value < 0.0 && text.bytes().any(|c| matches!(c, b'1'..=b'9')) { "−" } else { "" };
    match whole.parse() {
        Ok(whole) => format!("{sign}{}{fraction}", count(whole)),
        // Beyond 2^64 the number is written with an exponent.
        Err(_) => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([count(0), count(999), count(1_000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([decimal(-1234.5, 2), decimal(-0.001, 1)], ["−1,234.50", "0.0"]);
        assert_eq!([decimal(f64::NAN, 1), decimal(1e300, 0)], ["–", "1.0e300"]);
    }
}
