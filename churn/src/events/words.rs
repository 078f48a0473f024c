//! Ids and event types in data: text, or a whole number, which is read as its digits. Some table libraries convert a column of
//! integers with missing values to floats, so 12346.0 is read as 12346.

use crate::json::{Json, JsonResult};
use crate::objects::{FromJson, deserialized};

/// The id of a customer, read from text or from a whole number.
///
/// ```
/// use churn::{CustomerId, from_json};
/// let ids: Vec<CustomerId> = from_json(r#"["7", 7, 7.0]"#)?;
/// assert!(ids.iter().all(|id| id.0 == "7"));
/// assert!(from_json::<CustomerId>("7.5").is_err());
/// # Ok::<(), churn::JsonError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerId(pub String);

impl CustomerId {
    /// Returns the digits of a whole number below 2^53; none for another number.
    pub fn of_number(number: f64) -> Option<CustomerId> {
        digits(number).map(CustomerId)
    }
}

impl FromJson for CustomerId {
    fn from_json(json: &Json) -> JsonResult<Self> {
        word(json).map(CustomerId)
    }
}

deserialized!(CustomerId);

/// Reads a text, or a whole number as its digits.
pub(crate) fn word(json: &Json) -> JsonResult<String> {
    match json {
        Json::Text(text) => Ok(text.clone()),
        Json::Unsigned(number) => Ok(number.to_string()),
        Json::Negative(number) => Ok(number.to_string()),
        Json::Float(number) => digits(*number).ok_or_else(|| json.expected("a text or a whole number up to 2^53")),
        _ => Err(json.expected("a text or a whole number")),
    }
}

/// The digits of a whole number. None for a number with a fraction, or so large that doubles cannot represent every integer.
pub(crate) fn digits(number: f64) -> Option<String> {
    const EXACT: f64 = (1u64 << 53) as f64;
    (number.fract() == 0.0 && number.abs() < EXACT).then(|| (number as i64).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_their_digits() {
        let read = |text: &str| word(&Json::parse(text).expect("JSON")).ok();
        for (text, expected) in [
            ("\"7\"", Some("7")),
            ("\"7.0\"", Some("7.0")),
            ("\"\"", Some("")),
            ("7", Some("7")),
            ("-7", Some("-7")),
            ("12346.0", Some("12346")),
            ("-0.0", Some("0")),
            ("1e3", Some("1000")),
            ("9007199254740991.0", Some("9007199254740991")),
            ("18446744073709551615", Some("18446744073709551615")),
            ("9007199254740992.0", None),
            ("7.5", None),
            ("true", None),
            ("null", None),
            ("[7]", None),
        ] {
            assert_eq!(read(text).as_deref(), expected, "{text}");
        }
        assert!([f64::NAN, f64::INFINITY, 1e300].map(digits).iter().all(Option::is_none));
    }
}
