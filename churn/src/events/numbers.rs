//! Amounts in another form than the standard one: with a decimal comma, thousands separators, currency signs or parentheses.
//!
//! A form is strict, so that a number of another form is refused and never read as another number: groups of digits have
//! three digits (in the Indian form, `1,23,456`, two but for the last), and the first group does not start with 0.

use super::ingest::{BadRowReason, RowError, checked_amount, parse_decimal, quote_for_message};
use crate::error::{Result, invalid_parameter};

/// A form of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct NumberFormat {
    decimal: char,
    thousands: Option<char>,
    currency: bool,
}

/// The words that other programs write for a missing value.
pub(crate) const NULL_WORDS: [&str; 14] =
    ["NULL", "null", "N/A", "n/a", "#N/A", "NA", "\\N", "-", "–", "None", "NaN", "nan", "nil", "(null)"];

/// The decimal marks and thousands separators in use.
pub(crate) const NUMBER_FORMS: [(char, Option<char>); 8] = [
    ('.', None),
    ('.', Some(',')),
    ('.', Some(' ')),
    ('.', Some('\'')),
    (',', None),
    (',', Some('.')),
    (',', Some(' ')),
    (',', Some('\'')),
];

impl NumberFormat {
    /// The format of these options; none if it is the standard form.
    ///
    /// # Errors
    /// `invalid_parameter` for a mark that is none.
    pub(crate) fn new(decimal: char, thousands: Option<char>, currency: bool) -> Result<Option<Self>> {
        if !matches!(decimal, '.' | ',') {
            return Err(invalid_parameter("decimal", format!("{decimal:?}"), "\".\" or \",\""));
        }
        if let Some(mark) = thousands
            && (mark == decimal || !matches!(mark, '.' | ',' | ' ' | '\'' | '_'))
        {
            let expected = "one of \".\", \",\", \" \", \"'\" and \"_\", other than the decimal mark; or none";
            return Err(invalid_parameter("thousands", format!("{mark:?}"), expected));
        }
        let standard = decimal == '.' && thousands.is_none() && !currency;
        Ok((!standard).then_some(NumberFormat { decimal, thousands, currency }))
    }

    /// Parses a field as an amount; an empty field is NaN.
    pub(super) fn amount(&self, field: &[u8]) -> std::result::Result<f64, RowError> {
        let refused = || {
            let message = format!(
                "amount {} is not a number within ±10^12 of the form {}{}",
                quote_for_message(field),
                self.example(),
                advice(field)
            );
            (BadRowReason::InvalidAmount, message)
        };
        let text = std::str::from_utf8(field).map_err(|_| refused())?;
        if text.trim().is_empty() {
            return Ok(f64::NAN);
        }
        self.parse(text).and_then(|value| checked_amount(value).ok()).ok_or_else(refused)
    }

    /// A number of this form.
    fn example(&self) -> String {
        let thousands = self.thousands.map_or(String::new(), String::from);
        format!("1{thousands}234{}50", self.decimal)
    }

    /// Parses a number. None if the text is not a number of this form.
    pub(crate) fn parse(&self, text: &str) -> Option<f64> {
        let (mut text, mut negative) = (text.trim(), false);
        if self.currency {
            if let Some(inside) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
                (text, negative) = (inside.trim(), true);
            }
            (text, negative) = without_currency(text, negative)?;
        } else if let Some(rest) = text.strip_prefix(['-', '\u{2212}']) {
            (text, negative) = (rest, true);
        } else {
            text = text.strip_prefix('+').unwrap_or(text);
        }
        // The number without separators, and the lengths of the groups of digits before the decimal mark.
        let (mut number, mut groups) = (String::new(), Vec::new());
        let (mut length, mut fraction) = (0, false);
        for c in text.chars() {
            if c.is_ascii_digit() {
                number.push(c);
                length += usize::from(!fraction);
            } else if c == self.decimal && !fraction {
                number.push('.');
                fraction = true;
            } else if self.is_separator(c) && !fraction {
                groups.push(length);
                length = 0;
            } else {
                return None;
            }
        }
        if let Some((&first, middle)) = groups.split_first() {
            let by = |most: usize| (1..=most).contains(&first) && middle.iter().all(|&length| length == most);
            if length != 3 || number.starts_with('0') || !(by(3) || self.thousands == Some(',') && by(2)) {
                return None;
            }
        }
        let value = parse_decimal(number.as_bytes())?;
        Some(if negative { -value } else { value })
    }

    fn is_separator(&self, c: char) -> bool {
        match self.thousands {
            Some(' ') => matches!(c, ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}'),
            Some('\'') => matches!(c, '\'' | '\u{2019}'),
            mark => mark == Some(c),
        }
    }
}

/// Takes signs and a currency off both ends of a number: `-$12`, `$-12`, `12 €`, `CHF 12`, `12-`. Returns the rest and whether it
/// is negative; none if there are two signs or two currencies.
fn without_currency(text: &str, negative: bool) -> Option<(&str, bool)> {
    let is_minus = |c: char| matches!(c, '-' | '\u{2212}');
    let (mut text, mut signs, mut currencies) = (text, u32::from(negative), 0);
    let mut is_negative = negative;
    let mut sign = |minus: bool| {
        signs += 1;
        is_negative |= minus;
    };
    loop {
        let before = text;
        text = text.trim();
        for (rest, minus) in
            [(text.strip_prefix(is_minus), true), (text.strip_prefix('+'), false), (text.strip_suffix(is_minus), true)]
        {
            if let Some(rest) = rest {
                sign(minus);
                text = rest;
                break;
            }
        }
        let rest = CURRENCIES.iter().find_map(|currency| without_prefix(text, currency));
        if let Some(rest) = rest.or_else(|| CURRENCIES.iter().find_map(|currency| without_suffix(text, currency))) {
            currencies += 1;
            text = rest;
        }
        if text == before {
            break;
        }
    }
    (signs <= 1 && currencies <= 1).then_some((text, is_negative))
}

/// Takes a currency off the beginning. A point after a word is part of the abbreviation (`Rs.500`).
fn without_prefix<'a>(text: &'a str, currency: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(currency)?;
    Some(if is_word(currency) { rest.strip_prefix('.').unwrap_or(rest) } else { rest })
}

/// Takes a currency off the end.
fn without_suffix<'a>(text: &'a str, currency: &str) -> Option<&'a str> {
    let word = if is_word(currency) { text.strip_suffix('.').unwrap_or(text) } else { text };
    word.strip_suffix(currency)
}

fn is_word(currency: &str) -> bool {
    currency.ends_with(|c: char| c.is_ascii_lowercase() || c == '\u{431}')
}

/// The currency of an amount; none if it has none.
#[cfg(feature = "date-formats")]
pub(crate) fn currency_of(text: &str) -> Option<&'static str> {
    CURRENCIES.iter().copied().find(|currency| text.contains(currency))
}

/// The currencies that an amount may have: signs, codes and common abbreviations. Longer ones come before their parts. Other
/// letters (`1.5k`, `12 DR`, `50p`) change the number, so they are refused.
const CURRENCIES: &[&str] = &[
    "US$", "CA$", "AU$", "NZ$", "HK$", "NT$", "MX$", "R$", "A$", "C$", "S$", "$", "€", "£", "¥", "￥", "₹", "₽", "₩",
    "₺", "₴", "₪", "₫", "₱", "฿", "₦", "₵", "₡", "₲", "₸", "₼", "₾", "₿", "﷼", "円", "元", "원", "EUR", "USD", "GBP",
    "CHF", "JPY", "CNY", "INR", "AUD", "CAD", "NZD", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON", "BGN", "TRY",
    "RUB", "UAH", "BRL", "MXN", "ARS", "CLP", "COP", "ZAR", "NGN", "KES", "EGP", "ILS", "AED", "SAR", "SGD", "HKD",
    "TWD", "KRW", "THB", "MYR", "IDR", "PHP", "VND", "SFr", "Fr", "Rs", "kr", "руб", "zł", "Kč",
];

/// The options that would read this text as a number, for a message: `; decimal = "," reads 12,50`. Empty if there are none.
pub(super) fn advice(text: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(text) else { return String::new() };
    if !super::GIVES_ADVICE {
        return String::new();
    }
    if NULL_WORDS.contains(&text) {
        return format!("; null_values = [{text:?}] reads it as missing");
    }
    let fits = |currency| {
        NUMBER_FORMS.iter().filter_map(move |&(decimal, thousands)| {
            let format = NumberFormat { decimal, thousands, currency };
            // The standard form did not read it, or it is too large in every form.
            let new = currency || (decimal, thousands) != ('.', None);
            let value = format.parse(text).filter(|_| new)?;
            Some((format, checked_amount(value).ok()?))
        })
    };
    let found: Vec<(NumberFormat, f64)> = match fits(false).next() {
        Some(_) => fits(false).collect(),
        None => fits(true).collect(),
    };
    let mut readings: Vec<(String, f64)> = Vec::new();
    for (format, value) in found {
        if readings.iter().all(|(_, other)| *other != value) {
            readings.push((format.options(), value));
        }
    }
    let said: Vec<String> = readings.iter().map(|(options, value)| format!("{options} makes it {value}")).collect();
    if said.is_empty() { String::new() } else { format!("; {}", said.join(", ")) }
}

impl NumberFormat {
    /// The options that differ from the defaults.
    fn options(&self) -> String {
        let mut options = Vec::new();
        if self.decimal != '.' {
            options.push(format!("decimal = \"{}\"", self.decimal));
        }
        if let Some(mark) = self.thousands {
            options.push(format!("thousands = \"{mark}\""));
        }
        if self.currency {
            options.push("currency = true".to_owned());
        }
        options.join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(decimal: char, thousands: Option<char>, currency: bool) -> NumberFormat {
        NumberFormat::new(decimal, thousands, currency).expect("marks").expect("not the standard form")
    }

    #[test]
    fn numbers_of_the_world() {
        for (decimal, thousands, currency, text, value) in [
            (',', None, false, "12,50", 12.5),
            (',', Some('.'), false, "1.234,56", 1234.56),
            (',', Some('.'), false, "-1.234.567,8", -1_234_567.8),
            (',', Some(' '), true, "1\u{202f}234,56\u{a0}€", 1234.56),
            ('.', Some('\''), true, "CHF 1'234.50", 1234.5),
            ('.', Some('\''), true, "Fr. 1\u{2019}234.50", 1234.5),
            ('.', Some(','), true, "$1,234.50", 1234.5),
            ('.', Some(','), true, "-$12.00", -12.0),
            ('.', Some(','), true, "$-12.00", -12.0),
            ('.', Some(','), true, "(12.00)", -12.0),
            ('.', Some(','), true, "($1,212.00)", -1212.0),
            ('.', Some(','), true, "12.00-", -12.0),
            ('.', Some(','), true, "₹1,23,456.00", 123_456.0),
            ('.', Some(','), true, "¥12,345", 12_345.0),
            ('.', Some(','), true, "US$ 12", 12.0),
            ('.', Some(','), false, "0.5", 0.5),
            ('.', Some(','), false, "1234.5", 1234.5),
            (',', None, true, "12,50 zł", 12.5),
            ('.', Some(','), true, "Rs.500", 500.0),
            ('.', Some(','), true, "Rs. 1,23,456.50", 123_456.5),
            (',', None, true, "12,50 kr.", 12.5),
            ('.', None, true, "$.50", 0.5),
        ] {
            assert_eq!(format(decimal, thousands, currency).parse(text), Some(value), "{text}");
        }
        for (decimal, thousands, currency, text) in [
            (',', Some('.'), false, "12.50"),
            (',', Some('.'), false, "1.2345,6"),
            (',', Some('.'), false, "0.123"),
            ('.', Some(','), false, "1,23"),
            ('.', Some(','), false, "12,3456"),
            ('.', Some(','), false, "$12"),
            ('.', Some(','), true, "-(12)"),
            ('.', Some(','), true, "--12"),
            ('.', Some(','), true, "$12 €"),
            ('.', Some(','), true, "12 apples"),
            ('.', Some(','), true, "1.5k"),
            ('.', Some(','), true, "12.50 DR"),
            ('.', Some(','), true, "50p"),
            ('.', Some(','), true, "12 kg"),
            ('.', Some(','), true, "$"),
            ('.', Some(','), true, "1e5"),
            ('.', Some(','), true, "12.3.4"),
            (',', None, false, ","),
            (',', None, false, ""),
        ] {
            assert_eq!(format(decimal, thousands, currency).parse(text), None, "{text}");
        }
    }

    #[test]
    fn advice_names_all_readings() {
        assert_eq!(advice(b"12,50"), "; decimal = \",\" makes it 12.5");
        assert_eq!(advice(b"1,234"), "; thousands = \",\" makes it 1234, decimal = \",\" makes it 1.234");
        assert_eq!(advice("12 €".as_bytes()), "; currency = true makes it 12");
        assert_eq!(advice(b"NULL"), "; null_values = [\"NULL\"] reads it as missing");
        assert_eq!(advice(b"twelve"), "");
        assert_eq!(advice(b"1000000000000.01"), "");
    }
}
