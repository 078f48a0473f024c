//! Readers of structs and enums from JSON. A struct is read from an object, never from a list of its values. An unknown key, a
//! key given twice and a value of the wrong type are errors that state the path of the value.

use std::collections::BTreeMap;

use crate::json::{Json, JsonError, JsonResult};

/// A type that can be read from JSON.
pub trait FromJson: Sized {
    /// Reads a value.
    ///
    /// # Errors
    /// An error that states the expected value, the value found, and its path.
    fn from_json(json: &Json) -> Result<Self, JsonError>;

    /// The value of a missing key; `None` if the key is required.
    fn missing() -> Option<Self> {
        None
    }
}

/// Reads a value of JSON text.
///
/// ```
/// use churn::{Scales, from_json};
/// let scales: Scales = from_json(r#"{"frequency": 4, "monetary": 50}"#)?;
/// assert_eq!(scales.monetary, 50.0);
/// assert!(from_json::<Scales>("[4, 50]").is_err());
/// # Ok::<(), churn::JsonError>(())
/// ```
///
/// # Errors
/// The errors of [`Json::parse`]; an error with the path of a value that does not fit the type.
pub fn from_json<T: FromJson>(text: &str) -> Result<T, JsonError> {
    T::from_json(&Json::parse(text)?)
}

/// The keys of an object.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a>(&'a [(String, Json)]);

impl<'a> Object<'a> {
    /// An object whose keys are all known, each at most once. At most 64 keys can be known, because a bit mask marks the seen
    /// ones.
    pub(crate) fn of(json: &'a Json, known: &[&str]) -> JsonResult<Self> {
        let Object(pairs) = Object::any(json)?;
        let mut seen = 0u64;
        for (key, _) in pairs {
            let Some(at) = known.iter().position(|known| known == key) else {
                let start: String = key.chars().take(40).collect();
                let mut known = known.to_vec();
                crate::order::sort(&mut known);
                return Err(JsonError::new(format!("unknown key {start:?}; expected one of {}", known.join(", "))));
            };
            if seen >> at & 1 == 1 {
                return Err(JsonError::new("is there twice").at_key(key));
            }
            seen |= 1 << at;
        }
        Ok(Object(pairs))
    }

    /// An object with any keys.
    pub(crate) fn any(json: &'a Json) -> JsonResult<Self> {
        match json {
            Json::Object(pairs) => Ok(Object(pairs)),
            _ => Err(json.expected("an object")),
        }
    }

    fn get(self, key: &str) -> Option<&'a Json> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// The value of a key.
    #[inline(never)]
    pub(crate) fn field<T: FromJson>(self, key: &str) -> JsonResult<T> {
        match self.get(key) {
            Some(value) => T::from_json(value).map_err(|error| error.at_key(key)),
            None => T::missing().ok_or_else(|| JsonError::new("is missing").at_key(key)),
        }
    }

    /// The value of a key, or `otherwise` if the key is missing.
    #[inline(never)]
    pub(crate) fn field_or<T: FromJson>(self, key: &str, otherwise: T) -> JsonResult<T> {
        match self.get(key) {
            Some(value) => T::from_json(value).map_err(|error| error.at_key(key)),
            None => Ok(otherwise),
        }
    }
}

/// Implements [`FromJson`] for structs. With `Name { keys }` a key is required unless its type has a [`FromJson::missing`]
/// value; `key = value` gives the value of one missing key. `@default Name { keys }` takes all missing keys from the type's
/// default. `field as "key"` reads a field from a key of another name.
macro_rules! objects {
    ($($(@$default:ident)? $type:ident { $($field:ident $(as $key:literal)? $(= $otherwise:expr)?),* $(,)? })*) => {
        $(
            impl $type {
                pub(crate) const KEYS: &'static [&'static str] = &[$(crate::objects::key!($field $($key)?)),*];

                /// Reads the struct's keys from an object that may have other keys too.
                pub(crate) fn of_object(object: crate::objects::Object<'_>) -> crate::json::JsonResult<Self> {
                    crate::objects::objects!(read object $type $($default)? { $($field $(as $key)? $(= $otherwise)?),* })
                }
            }

            impl crate::objects::FromJson for $type {
                fn from_json(json: &crate::json::Json) -> crate::json::JsonResult<Self> {
                    $type::of_object(crate::objects::Object::of(json, Self::KEYS)?)
                }
            }

            crate::objects::deserialized!($type);
        )*
    };
    (read $object:ident $type:ident { $($field:ident $(as $key:literal)? $(= $otherwise:expr)?),* }) => {
        Ok($type { $($field: crate::objects::field!($object, crate::objects::key!($field $($key)?) $(, $otherwise)?)?),* })
    };
    (read $object:ident $type:ident default { $($field:ident),* }) => {{
        let given = $type::default();
        Ok($type { $($field: $object.field_or(stringify!($field), given.$field)?),* })
    }};
}

macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

macro_rules! field {
    ($object:ident, $key:expr) => {
        $object.field($key)
    };
    ($object:ident, $key:expr, $otherwise:expr) => {
        $object.field_or($key, $otherwise)
    };
}

/// Implements [`FromJson`] for enums without values, which are written as their names in snake case.
macro_rules! names {
    ($($type:ident { $($name:ident),* $(,)? })*) => {
        $(
            impl crate::objects::FromJson for $type {
                fn from_json(json: &crate::json::Json) -> crate::json::JsonResult<Self> {
                    const ALL: &[$type] = &[$($type::$name),*];
                    crate::objects::named(json, &[$(stringify!($name)),*]).map(|at| ALL[at])
                }
            }
            crate::objects::deserialized!($type);
        )*
    };
}

/// Implements serde's `Deserialize` by way of [`FromJson`], so both accept the same input.
macro_rules! deserialized {
    ($($type:ty),*) => {
        $(
            impl<'de> serde::Deserialize<'de> for $type {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                    let json = crate::json::Json::deserialize(deserializer)?;
                    crate::objects::FromJson::from_json(&json).map_err(serde::de::Error::custom)
                }
            }
        )*
    };
}

pub(crate) use {deserialized, field, key, names, objects};

/// Returns the index of the name, given in camel case, whose snake case form the text is.
pub(crate) fn named(json: &Json, names: &[&str]) -> JsonResult<usize> {
    let found = match json {
        Json::Text(text) => names.iter().position(|name| snake_case(name) == *text),
        _ => None,
    };
    found.ok_or_else(|| json.expected(&names.iter().map(|name| snake_case(name)).collect::<Vec<_>>().join(" or ")))
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// Returns the name of an enum variant and its value, from `"name"` or `{"name": value}`.
pub(crate) fn case(json: &Json) -> JsonResult<(&str, &Json)> {
    match json {
        Json::Text(name) => Ok((name, &Json::Null)),
        Json::Object(pairs) if pairs.len() == 1 => Ok((&pairs[0].0, &pairs[0].1)),
        _ => Err(json.expected("a name, or an object with one key")),
    }
}

impl Json {
    fn unsigned(&self, most: u64) -> JsonResult<u64> {
        match self {
            Json::Unsigned(number) if *number <= most => Ok(*number),
            _ => Err(self.expected(&format!("a whole number from 0 to {most}"))),
        }
    }

    fn signed(&self, least: i64, most: i64) -> JsonResult<i64> {
        let number = match *self {
            Json::Unsigned(number) => i64::try_from(number).ok(),
            Json::Negative(number) => Some(number),
            _ => None,
        };
        number
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| self.expected(&format!("a whole number from {least} to {most}")))
    }
}

macro_rules! whole_numbers {
    ($($type:ident $reader:ident($($limit:expr),*),)*) => {
        $(impl FromJson for $type {
            fn from_json(json: &Json) -> JsonResult<Self> {
                Ok(json.$reader($($limit),*)? as $type)
            }
        })*
    };
}

whole_numbers! {
    u8 unsigned(u8::MAX.into()), u32 unsigned(u32::MAX.into()), u64 unsigned(u64::MAX), usize unsigned(usize::MAX as u64),
    i32 signed(i32::MIN.into(), i32::MAX.into()), i64 signed(i64::MIN, i64::MAX),
}

impl FromJson for f64 {
    fn from_json(json: &Json) -> JsonResult<Self> {
        match *json {
            Json::Float(number) => Ok(number),
            Json::Unsigned(number) => Ok(number as f64),
            Json::Negative(number) => Ok(number as f64),
            _ => Err(json.expected("a number")),
        }
    }
}

impl FromJson for bool {
    fn from_json(json: &Json) -> JsonResult<Self> {
        match *json {
            Json::Boolean(value) => Ok(value),
            _ => Err(json.expected("true or false")),
        }
    }
}

impl FromJson for char {
    fn from_json(json: &Json) -> JsonResult<Self> {
        let Json::Text(text) = json else { return Err(json.expected("one character")) };
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(c),
            _ => Err(json.expected("one character")),
        }
    }
}

impl FromJson for String {
    fn from_json(json: &Json) -> JsonResult<Self> {
        match json {
            Json::Text(text) => Ok(text.clone()),
            _ => Err(json.expected("a text")),
        }
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(json: &Json) -> JsonResult<Self> {
        match json {
            Json::Null => Ok(None),
            _ => T::from_json(json).map(Some),
        }
    }

    fn missing() -> Option<Self> {
        Some(None)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(json: &Json) -> JsonResult<Self> {
        let Json::List(list) = json else { return Err(json.expected("a list")) };
        let mut values = Vec::with_capacity(list.len());
        for (i, value) in list.iter().enumerate() {
            values.push(T::from_json(value).map_err(|error| error.at_index(i))?);
        }
        Ok(values)
    }
}

impl<T: FromJson> FromJson for (T, T) {
    fn from_json(json: &Json) -> JsonResult<Self> {
        match json {
            Json::List(list) if list.len() == 2 => Ok((T::from_json(&list[0])?, T::from_json(&list[1])?)),
            _ => Err(json.expected("a list of two")),
        }
    }
}

/// If a key is repeated, its last value counts. A missing key is read as an empty map.
impl<T: FromJson> FromJson for BTreeMap<String, T> {
    fn from_json(json: &Json) -> JsonResult<Self> {
        let Json::Object(pairs) = json else { return Err(json.expected("an object")) };
        let mut map = BTreeMap::new();
        for (key, value) in pairs {
            map.insert(key.clone(), T::from_json(value).map_err(|error| error.at_key(key))?);
        }
        Ok(map)
    }

    fn missing() -> Option<Self> {
        Some(BTreeMap::new())
    }
}

impl FromJson for serde_json::Number {
    fn from_json(json: &Json) -> JsonResult<Self> {
        match *json {
            Json::Unsigned(number) => Ok(number.into()),
            Json::Negative(number) => Ok(number.into()),
            Json::Float(number) => {
                serde_json::Number::from_f64(number).ok_or_else(|| json.expected("a number within range"))
            }
            _ => Err(json.expected("a number")),
        }
    }
}

impl FromJson for Json {
    fn from_json(json: &Json) -> JsonResult<Self> {
        Ok(json.clone())
    }
}
