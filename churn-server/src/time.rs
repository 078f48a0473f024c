//! The clock of the server. The core library has none: everything that depends on today is decided here.

use std::fmt;

use churn::Day;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time in milliseconds. RFC 3339 in UTC in JSON, milliseconds since 1970 in SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct Stamp(pub i64);

impl Stamp {
    /// Returns the current time.
    pub fn now() -> Stamp {
        Stamp(Timestamp::now().as_millisecond())
    }

    /// Returns the time moved by this many milliseconds.
    pub fn plus_millis(self, millis: i64) -> Stamp {
        Stamp(self.0.saturating_add(millis))
    }
}

/// Returns today's date in UTC.
pub fn today() -> Day {
    let days = Timestamp::now().as_second().div_euclid(86_400);
    i32::try_from(days).ok().and_then(Day::new).unwrap_or(Day::MAX)
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse::<Timestamp>().map(|moment| Stamp(moment.as_millisecond())).map_err(|_| {
            serde::de::Error::custom(format!(
                "{text:?} is not a moment (expected RFC 3339, such as 2026-11-24T16:30:00Z)"
            ))
        })
    }
}

impl utoipa::PartialSchema for Stamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("RFC 3339 in UTC"))
            .into()
    }
}

impl utoipa::ToSchema for Stamp {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_what_it_writes() {
        // 2001-09-09T01:46:40Z is second 1,000,000,000.
        let stamp = Stamp(1_000_000_000_123);
        assert_eq!(stamp.to_string(), "2001-09-09T01:46:40.123Z");
        let text = serde_json::to_string(&stamp).expect("serializes");
        assert_eq!(serde_json::from_str::<Stamp>(&text).expect("reads"), stamp);
        assert_eq!(serde_json::from_str::<Stamp>("\"2001-09-09T03:46:40.123+02:00\"").expect("reads"), stamp);
        assert!(serde_json::from_str::<Stamp>("\"yesterday\"").is_err());
    }
}
