//! A JSON parser that turns text into a tree of values.
//!
//! Documents, settings and rows are all read through this tree. Readers derived by serde go directly from text to a struct.
//! But each derived reader is a state machine of its own, and together they were the largest part of the WebAssembly module.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// A JSON value.
///
/// ```
/// use churn::Json;
/// let json = Json::parse(r#"{"rows": 12, "rates": [0.25, null]}"#)?;
/// assert_eq!(json.get("rows"), Some(&Json::Unsigned(12)));
/// assert_eq!(json.get("rates"), Some(&Json::List(vec![Json::Float(0.25), Json::Null])));
/// assert!(Json::parse("{rows: 12}").is_err());
/// # Ok::<(), churn::JsonError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// null.
    Null,
    /// true or false.
    Boolean(bool),
    /// A whole number from 0 to 2^64 − 1.
    Unsigned(u64),
    /// A whole number from −2^63 to −1.
    Negative(i64),
    /// Any other number, correctly rounded.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// The keys with their values, in the order of the text. A repeated key is listed again.
    Object(Vec<(String, Json)>),
}

/// An error in a JSON text, or in a value read from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError(Box<Wrong>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Wrong {
    /// The path of the value, as in `features[3].name`; empty for the whole text.
    path: String,
    what: String,
}

/// The result of reading JSON.
pub(crate) type JsonResult<T> = Result<T, JsonError>;

impl JsonError {
    /// Creates an error at the value itself, with an empty path.
    pub fn new(what: impl Into<String>) -> Self {
        JsonError(Box::new(Wrong { path: String::new(), what: what.into() }))
    }

    /// Returns the error with this key in front of its path.
    pub(crate) fn at_key(mut self, key: &str) -> Self {
        let behind = &self.0.path;
        self.0.path = match behind.is_empty() || behind.starts_with('[') {
            true => [key, behind].concat(),
            false => [key, ".", behind].concat(),
        };
        self
    }

    /// Returns the error with this list index, counted from 0, in front of its path.
    pub(crate) fn at_index(self, index: usize) -> Self {
        self.at_key(&format!("[{index}]"))
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.path.is_empty() {
            f.write_str(&self.0.path)?;
            f.write_str(": ")?;
        }
        f.write_str(&self.0.what)
    }
}

impl std::error::Error for JsonError {}

impl Json {
    /// Reads a text that consists of one value. Lists and objects may be nested 128 levels deep.
    ///
    /// # Errors
    /// An error with line and column if the text is not valid JSON, or has a number beyond the range of doubles.
    pub fn parse(text: &str) -> Result<Json, JsonError> {
        let mut parser = Parser { text, at: 0 };
        let value = parser.value(MOST_DEPTH)?;
        parser.blanks();
        match parser.at == text.len() {
            true => Ok(value),
            false => Err(parser.wrong("expected the end")),
        }
    }

    /// Returns the value of a key, or `None` if this is not an object or does not have the key.
    pub fn get(&self, key: &str) -> Option<&Json> {
        let Json::Object(pairs) = self else { return None };
        pairs.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// The name of the value's type, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Boolean(true) => "true",
            Json::Boolean(false) => "false",
            Json::Unsigned(_) | Json::Negative(_) | Json::Float(_) => "a number",
            Json::Text(_) => "a text",
            Json::List(_) => "a list",
            Json::Object(_) => "an object",
        }
    }

    pub(crate) fn expected(&self, what: &str) -> JsonError {
        let found = match self {
            Json::Unsigned(number) => number.to_string(),
            Json::Negative(number) => number.to_string(),
            Json::Float(number) => number.to_string(),
            Json::Text(text) => {
                let start: String = text.chars().take(40).collect();
                format!("{start:?}")
            }
            _ => self.kind().to_owned(),
        };
        JsonError::new(format!("expected {what}, found {found}"))
    }
}

const MOST_DEPTH: u32 = 128;

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> u8 {
        // 0 stands for the end of the text. That is safe: valid JSON has no zero byte, and one in the text is refused anyway.
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    #[cold]
    fn wrong(&self, what: &str) -> JsonError {
        let before = &self.text.as_bytes()[..self.at];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count() + 1;
        JsonError::new(format!("{what} at line {line} column {column}"))
    }

    fn take(&mut self, expected: u8) -> bool {
        let found = self.peek() == expected;
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: u32) -> JsonResult<Json> {
        self.blanks();
        let rest = &self.text.as_bytes()[self.at..];
        for (word, value) in [("null", Json::Null), ("true", Json::Boolean(true)), ("false", Json::Boolean(false))] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        match self.peek() {
            b'"' => Ok(Json::Text(self.string()?)),
            b'-' | b'0'..=b'9' => self.number(),
            b'[' | b'{' if depth == 0 => Err(self.wrong("nested too deep")),
            b'[' => {
                let mut list = Vec::new();
                self.items(b']', |parser| {
                    list.push(parser.value(depth - 1)?);
                    Ok(())
                })?;
                Ok(Json::List(list))
            }
            b'{' => {
                let mut pairs = Vec::new();
                self.items(b'}', |parser| {
                    parser.blanks();
                    let key = parser.string()?;
                    parser.blanks();
                    if !parser.take(b':') {
                        return Err(parser.wrong("expected a colon"));
                    }
                    pairs.push((key, parser.value(depth - 1)?));
                    Ok(())
                })?;
                Ok(Json::Object(pairs))
            }
            _ => Err(self.wrong("expected a value")),
        }
    }

    /// Reads the items between two brackets, separated by commas. Calls `item` at the start of each.
    fn items(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> JsonResult<()>) -> JsonResult<()> {
        self.at += 1;
        self.blanks();
        if self.take(end) {
            return Ok(());
        }
        loop {
            item(self)?;
            self.blanks();
            if self.take(end) {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.wrong("expected a comma or the end of the list or object"));
            }
        }
    }

    fn digits(&mut self) -> JsonResult<()> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        match self.at > start {
            true => Ok(()),
            false => Err(self.wrong("expected a digit")),
        }
    }

    fn number(&mut self) -> JsonResult<Json> {
        let start = self.at;
        let negative = self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        let mut whole = true;
        if self.take(b'.') {
            whole = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            whole = false;
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        // −0 is read as a double, because an integer would lose its sign.
        if whole && text != "-0" {
            if let Ok(number) = text.parse() {
                return Ok(Json::Unsigned(number));
            }
            if negative && let Ok(number) = text.parse() {
                return Ok(Json::Negative(number));
            }
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Json::Float(number)),
            _ => Err(self.wrong("a number out of range")),
        }
    }

    fn string(&mut self) -> JsonResult<String> {
        if !self.take(b'"') {
            return Err(self.wrong("expected a text in double quotes"));
        }
        let mut out = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), b'"' | b'\\' | 0..0x20) {
                self.at += 1;
            }
            out.push_str(&self.text[start..self.at]);
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(out);
                }
                b'\\' => {
                    self.at += 1;
                    let escape = self.peek();
                    self.at += 1;
                    out.push(match escape {
                        b'"' | b'\\' | b'/' => escape as char,
                        b'b' => '\u{8}',
                        b'f' => '\u{c}',
                        b'n' => '\n',
                        b'r' => '\r',
                        b't' => '\t',
                        b'u' => self.unicode()?,
                        _ => {
                            self.at -= 1;
                            return Err(self.wrong("an escape that there is not"));
                        }
                    });
                }
                _ => return Err(self.wrong("a text that does not end, or has a control character")),
            }
        }
    }

    /// Reads the rest of a `\u` escape: four hexadecimal digits, or a surrogate pair (four digits, `\u`, four digits) for a
    /// character beyond 16 bits.
    fn unicode(&mut self) -> JsonResult<char> {
        let mut code = self.hex4()?;
        if (0xd800..0xdc00).contains(&code) && self.take(b'\\') && self.take(b'u') {
            let low = self.hex4()?;
            // If this is not a low surrogate, `code` stays a lone high surrogate, which is refused below.
            if (0xdc00..0xe000).contains(&low) {
                code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            }
        }
        char::from_u32(code).ok_or_else(|| self.wrong("half a character"))
    }

    fn hex4(&mut self) -> JsonResult<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let digit =
                (self.peek() as char).to_digit(16).ok_or_else(|| self.wrong("expected four hexadecimal digits"))?;
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Null => serializer.serialize_unit(),
            Json::Boolean(value) => serializer.serialize_bool(*value),
            Json::Unsigned(number) => serializer.serialize_u64(*number),
            Json::Negative(number) => serializer.serialize_i64(*number),
            Json::Float(number) => serializer.serialize_f64(*number),
            Json::Text(text) => serializer.serialize_str(text),
            Json::List(list) => list.serialize(serializer),
            Json::Object(pairs) => serializer.collect_map(pairs.iter().map(|(key, value)| (key, value))),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Boolean(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(u64::try_from(value).map_or(Json::Negative(value), Json::Unsigned))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_none<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        Json::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Ok(Json::Object(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// serde_json accepts and refuses the same texts and reads the same values, to the last bit.
    #[test]
    fn agrees_with_another_reader() {
        let seeds = [
            r#"{"a": [1, -2, 3.25, 1e-7, 18446744073709551615, -9223372036854775808, 18446744073709551616, -0, 5e-324]}"#,
            r#"[null, true, false, "", "q\"\\\/\b\f\n\r\t", "\u00e9\ud83d\ude00", "é😀", {"": {}, "b": []}]"#,
            "[0.1, 123456789.123456789, 2.2250738585072011e-308, 1.7976931348623157e308, 9007199254740993.0, 1E+2]",
        ];
        let pieces = [
            "0",
            "1",
            "-",
            "+",
            ".",
            "e",
            "E9",
            "\"",
            "\\",
            "\\u",
            "d83d",
            "[",
            "]",
            "{",
            "}",
            ":",
            ",",
            " ",
            "\n",
            "\t",
            "null",
            "true",
            "\u{1}",
            "é",
            "99999999999999999999",
            "e400",
            "1e-400",
        ];
        let mut random = Random::new(1, 2);
        let mut good = 0;
        for i in 0..60_000 {
            let mut text = seeds[i % seeds.len()].to_owned();
            for _ in 0..random.below(3) {
                let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
                let at = places[random.below(places.len())];
                match random.below(3) {
                    0 => text.insert_str(at, pieces[random.below(pieces.len())]),
                    1 => drop(text.remove(at)),
                    _ => text.truncate(at.max(1)),
                }
            }
            let (ours, theirs) = (Json::parse(&text), serde_json::from_str::<Json>(&text));
            match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => {
                    good += 1;
                    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{text}");
                }
                (ours, theirs) => assert_eq!(ours.is_ok(), theirs.is_ok(), "{text}: {ours:?} {theirs:?}"),
            }
        }
        assert!((10_000..50_000).contains(&good), "{good}");
    }

    #[test]
    fn doubles_keep_their_bits() {
        let mut random = Random::new(3, 4);
        for _ in 0..20_000 {
            let number = f64::from_bits(random.next());
            if number.is_finite() && number.fract() != 0.0 {
                let Ok(Json::Float(read)) = Json::parse(&number.to_string()) else { panic!("{number}") };
                assert_eq!(read.to_bits(), number.to_bits());
            }
        }
    }

    #[test]
    fn depth_has_an_end_and_errors_a_place() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(Json::parse(&nested(128)).is_ok());
        assert!(Json::parse(&nested(129)).is_err());
        assert!(Json::parse(&"{\"a\":".repeat(1_000_000)).is_err());
        let error = Json::parse("{\n  \"a\": 1,\n  b\n}").expect_err("no quotes");
        assert_eq!(error.to_string(), "expected a text in double quotes at line 3 column 3");
        let within = JsonError::new("expected a number, found a text").at_index(2).at_key("b").at_key("a");
        assert_eq!(within.to_string(), "a.b[2]: expected a number, found a text");
    }
}
