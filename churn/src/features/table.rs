//! The table of features: one row per customer, and the columns that are joined to it.

use std::io::Write;

use ndarray::Array2;

use super::{FeatureConfig, FeatureSpec, Scales, matrix};
use crate::coverage::Coverage;
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Strings, parse_decimal, quoted};
use crate::findings::Finding;
use crate::table::{ColumnData, MAX_LEVELS, MAX_NUMBER, MOST_LEVELS, OTHER, Table, VALID_FROM, Value, level};

/// The result of joining a table.
pub(crate) struct Joined {
    /// Number of customers found in the table.
    pub(crate) matched: u64,
    /// For each joined column, the number of values of these customers that are not a level of the column.
    pub(crate) unknown: Vec<u64>,
}

/// A table of features with one row per customer.
#[derive(Clone, Debug)]
pub struct FeatureTable {
    pub(crate) ids: Strings,
    pub(crate) specs: Vec<FeatureSpec>,
    pub(crate) values: Array2<f64>,
    pub(crate) as_of: Option<Day>,
    pub(crate) config: Option<FeatureConfig>,
    /// For features of events: the day number of each row's last event up to as_of.
    pub(crate) last_events: Option<Vec<i32>>,
    /// For features of subscriptions: true for each row whose customer has already cancelled.
    pub(crate) cancelled: Option<Vec<bool>>,
    /// The numbers of customers of the day that are covered, and that were left out of this table.
    pub(crate) coverage: Option<Coverage>,
    /// True if a model should also score customers that its definition does not cover.
    pub(crate) include_inactive: bool,
    /// The findings about the data that the features were computed from.
    pub(crate) findings: Vec<Finding>,
}

impl FeatureTable {
    /// Creates a table of rows that do not come from events.
    pub(crate) fn of_columns(ids: Strings, specs: Vec<FeatureSpec>, values: Array2<f64>) -> Self {
        FeatureTable {
            ids,
            specs,
            values,
            as_of: None,
            config: None,
            last_events: None,
            cancelled: None,
            coverage: None,
            include_inactive: false,
            findings: Vec::new(),
        }
    }

    /// The customer ids, one per row; for a log in byte order.
    pub fn customer_ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter()
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.values.nrows()
    }

    /// The column names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.specs.iter().map(|spec| spec.name.as_str())
    }

    /// The descriptions of the columns.
    pub fn specs(&self) -> &[FeatureSpec] {
        &self.specs
    }

    /// The values as rows × columns. A missing value is NaN; a value of a categorical column is the index of its level.
    pub fn values(&self) -> &Array2<f64> {
        &self.values
    }

    /// The day as of which the features were computed, if they come from events.
    pub fn as_of(&self) -> Option<Day> {
        self.as_of
    }

    /// The scales, fitted or given, if the features come from events.
    pub fn scales(&self) -> Option<Scales> {
        self.config.as_ref()?.scales
    }

    /// The configuration with all fitted values filled in, which later data must be computed with. None if the features do not
    /// come from events.
    pub fn fitted_config(&self) -> Option<&FeatureConfig> {
        self.config.as_ref()
    }

    /// Returns a table of the rows with these indices, in this order.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn select(&self, rows: &[usize]) -> FeatureTable {
        FeatureTable {
            ids: self.ids.select(rows.iter().map(|&row| row as u32)),
            specs: self.specs.clone(),
            values: matrix(
                rows.len(),
                self.specs.len(),
                rows.iter().flat_map(|&row| self.values.row(row)).copied().collect(),
            ),
            as_of: self.as_of,
            config: self.config.clone(),
            last_events: self.last_events.as_ref().map(|days| rows.iter().map(|&row| days[row]).collect()),
            cancelled: self.cancelled.as_ref().map(|cancelled| rows.iter().map(|&row| cancelled[row]).collect()),
            coverage: self.coverage,
            include_inactive: self.include_inactive,
            findings: self.findings.clone(),
        }
    }

    /// The numbers of customers of the day that the model's definition of churn covers, and that it leaves out of this table.
    /// Present only in a table made by [`Model::features`](crate::Model::features).
    pub fn coverage(&self) -> Option<Coverage> {
        self.coverage
    }

    /// The findings about the data from which [`Model::features`](crate::Model::features) computed the table.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns the table with the setting that a model scores every row, as
    /// [`Input::include_inactive`](crate::Input::include_inactive) does.
    pub fn include_inactive(self, include: bool) -> FeatureTable {
        FeatureTable { include_inactive: include, ..self }
    }

    /// Returns the features of a customer in order, or `None` for an unknown customer.
    pub fn row(&self, customer_id: &str) -> Option<ndarray::ArrayView1<'_, f64>> {
        self.ids.iter().position(|id| id == customer_id).map(|i| self.values.row(i))
    }

    /// Appends the columns of a table. Rows are matched by the ids in its column `customer_id`. With a column `valid_from`, a
    /// customer has a row for each change, and the row with the latest day up to [`FeatureTable::as_of`] is used. Without it a
    /// customer has at most one row. Customers that are not in the table get missing values; rows of other customers are
    /// ignored. True and false become 1 and 0.
    ///
    /// # Errors
    /// `missing_column`, `too_many_values` for names and ids (most values are there once), `duplicate_column`,
    /// `invalid_column` if a customer is in the table twice or a day cannot be read.
    pub fn join(&mut self, table: &Table, customer_id: &str) -> Result<()> {
        let specs = infer_specs(table, &[customer_id, VALID_FROM])?;
        self.join_as(table, customer_id, &specs).map(|_| ())
    }

    pub(crate) fn join_as(&mut self, table: &Table, customer_id: &str, specs: &[FeatureSpec]) -> Result<Joined> {
        let ids = table.customer_ids(Some(customer_id))?;
        let valid_from = table.valid_from()?;
        let from = |row: u32| valid_from.as_ref().map(|days| days[row as usize]);
        let mut order = ids.sorted();
        let customer = |row: u32| ids.get(row as usize);
        order.sort_by(|&a, &b| customer(a).cmp(customer(b)).then(from(a).cmp(&from(b))));
        let twice = |pair: &&[u32]| customer(pair[0]) == customer(pair[1]) && from(pair[0]) == from(pair[1]);
        if let Some(pair) = order.windows(2).find(twice) {
            let when = from(pair[0]).map_or(String::new(), |day| format!(" from {day} on"));
            let message = format!(
                "the customer {:?} stands in the joined table twice{when}; expected one row{}",
                customer(pair[0]),
                if when.is_empty() { ", or a column valid_from with the day from which each holds" } else { "" }
            );
            return Err(Error::new(ErrorKind::InvalidColumn, message));
        }
        if let Some(spec) = specs.iter().find(|spec| self.specs.iter().any(|own| own.name == spec.name)) {
            return Err(Error::new(ErrorKind::DuplicateColumn, format!("there is a feature {:?} already", spec.name)));
        }
        let encoded = encode(table, specs)?;
        let columns: Vec<usize> = specs
            .iter()
            .map(|spec| table.columns().iter().position(|column| column.name == spec.name).expect("it was encoded"))
            .collect();
        let as_of = self.as_of.unwrap_or(Day::MAX);
        let mut joined = Joined { matched: 0, unknown: vec![0; specs.len()] };
        let width = self.specs.len();
        let rows = self.rows();
        let mut values = Vec::with_capacity(rows * (width + specs.len()));
        for (i, id) in self.ids.iter().enumerate() {
            values.extend(self.values.row(i));
            // The last row of the customer that was valid by as_of.
            let after = order.partition_point(|&row| {
                customer(row) < id || (customer(row) == id && from(row).is_none_or(|day| day <= as_of))
            });
            match order[..after].last().filter(|&&row| customer(row) == id) {
                Some(&row) => {
                    joined.matched += 1;
                    for (j, spec) in specs.iter().enumerate() {
                        let value = encoded[(row as usize, j)];
                        let in_doubt = value.is_nan() || spec.other_level().is_some_and(|other| value == other as f64);
                        joined.unknown[j] +=
                            u64::from(in_doubt && spec.is_unknown(&table.value(columns[j], row as usize)));
                        values.push(value);
                    }
                }
                None => values.extend(std::iter::repeat_n(f64::NAN, specs.len())),
            }
        }
        self.values = matrix(rows, width + specs.len(), values);
        self.specs.extend_from_slice(specs);
        Ok(joined)
    }

    /// Writes `customer_id` and the features as CSV. Missing values are empty; categories are written by name.
    ///
    /// # Errors
    /// `io`.
    pub fn write_csv(&self, mut writer: impl Write) -> Result<()> {
        let mut line = "customer_id".to_owned();
        for spec in &self.specs {
            line.extend([",", &quoted(&spec.name)]);
        }
        line.push('\n');
        writer.write_all(line.as_bytes())?;
        for (i, id) in self.ids.iter().enumerate() {
            line.clear();
            line.push_str(&quoted(id));
            for (value, spec) in self.values.row(i).iter().zip(&self.specs) {
                line.push(',');
                match &spec.levels {
                    _ if value.is_nan() => (),
                    Some(levels) => line.push_str(&quoted(&levels[*value as usize])),
                    None => line.push_str(&value.to_string()),
                }
            }
            line.push('\n');
            writer.write_all(line.as_bytes())?;
        }
        writer.flush()?;
        Ok(())
    }
}

/// Derives the specs of a table's columns, except those to leave out. Levels are in byte order. Texts that are numbers but for
/// blank ones are numbers, as in a CSV file: a frame has such texts where a program wrote a space for a missing number.
pub(crate) fn infer_specs(table: &Table, leave_out: &[&str]) -> Result<Vec<FeatureSpec>> {
    let columns = table.columns().iter().filter(|column| !leave_out.contains(&column.name.as_str()));
    columns
        .map(|column| {
            let ColumnData::Categorical(values) = &column.data else { return Ok(FeatureSpec::numeric(&column.name)) };
            let texts = || values.iter().flatten();
            if texts().any(|text| is_blank(text)) && texts().all(|text| is_blank(text) || number(text).is_some()) {
                return Ok(FeatureSpec::numeric(&column.name));
            }
            let levels = levels_of(&column.name, texts().map(String::as_str).collect())?;
            Ok(FeatureSpec { name: column.name.clone(), levels: Some(levels) })
        })
        .collect()
}

/// The levels of a category with these values. If there are more than [`MAX_LEVELS`], rare values have no level of their own.
fn levels_of(name: &str, mut values: Vec<&str>) -> Result<Vec<String>> {
    /// A value of this number of rows has a level of its own. Of a single row, training could learn nothing but that row.
    const ENOUGH_ROWS: usize = 2;
    values.sort_unstable();
    let mut counted: Vec<(&str, usize)> = values.chunk_by(|a, b| a == b).map(|rows| (rows[0], rows.len())).collect();
    if counted.len() > MAX_LEVELS {
        let once = counted.iter().filter(|(_, rows)| *rows == 1).count();
        if 2 * once > values.len() {
            let message = format!(
                "the column {name:?} has {} distinct values in {} rows, most of them once: it is a name or an id, not a category; leave it out",
                counted.len(),
                values.len()
            );
            return Err(Error::new(ErrorKind::TooManyValues, message));
        }
        crate::order::sort_by(&mut counted, |a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let enough = counted.partition_point(|(_, rows)| *rows >= ENOUGH_ROWS);
        counted.truncate(enough.clamp(MAX_LEVELS + 1, MOST_LEVELS - 1));
        counted.push((OTHER, 0));
        crate::order::sort_by(&mut counted, |a, b| a.0.cmp(b.0));
        counted.dedup_by_key(|(value, _)| *value);
    }
    Ok(counted.into_iter().map(|(value, _)| value.to_owned()).collect())
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// The number that a text of a numeric column stands for.
fn number(text: &str) -> Option<f64> {
    parse_decimal(text.trim().as_bytes()).filter(|number| number.abs() <= MAX_NUMBER)
}

/// Converts the columns of these specs to numbers. A level that is not listed becomes a missing value, or the level
/// [`OTHER`] of a category of many levels.
pub(crate) fn encode(table: &Table, specs: &[FeatureSpec]) -> Result<Array2<f64>> {
    let mut values = Array2::from_elem((table.rows(), specs.len()), f64::NAN);
    for (j, spec) in specs.iter().enumerate() {
        table.column(&spec.name)?;
        let at = table.columns().iter().position(|column| column.name == spec.name).expect("the column is there");
        if let (None, ColumnData::Numeric(numbers)) = (&spec.levels, &table.columns()[at].data)
            && !numbers.iter().any(|number| number.abs() > MAX_NUMBER)
        {
            values.column_mut(j).iter_mut().zip(numbers).for_each(|(value, number)| *value = *number);
            continue;
        }
        for i in 0..table.rows() {
            values[(i, j)] = encode_value(&table.value(at, i), spec).map_err(|error| error.at_line(i as u64 + 1))?;
        }
    }
    Ok(values)
}

pub(crate) fn encode_value(value: &Value, spec: &FeatureSpec) -> Result<f64> {
    match (&spec.levels, value) {
        (_, Value::Missing(())) => Ok(f64::NAN),
        (Some(levels), value) => {
            let found = level(value).and_then(|text| levels.binary_search(&text).ok());
            Ok(found.or_else(|| spec.other_level()).map_or(f64::NAN, |code| code as f64))
        }
        (None, Value::Number(number)) if number.abs() <= MAX_NUMBER => Ok(*number),
        (None, Value::Boolean(value)) => Ok(f64::from(u8::from(*value))),
        (None, Value::Text(text)) if is_blank(text) => Ok(f64::NAN),
        (None, value) => {
            if let Value::Text(text) = value
                && let Some(number) = number(text)
            {
                return Ok(number);
            }
            let found = level(value).unwrap_or_default();
            let message =
                format!("the feature {:?} is {:?}; the model knows it as a number within ±10^100", spec.name, found);
            Err(Error::new(ErrorKind::FeatureMismatch, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Column;

    /// The column TotalCharges of the Telco data, as a frame has it.
    #[test]
    fn texts_of_numbers_and_blanks_are_numbers() {
        let table = |texts: &[&str]| {
            let values = texts.iter().map(|text| Some((*text).to_owned())).collect();
            let column = Column { name: "TotalCharges".to_owned(), data: ColumnData::Categorical(values) };
            Table::new(vec![column]).expect("a table")
        };
        let with_blanks = table(&["29.85", " ", "1889.5"]);
        let specs = infer_specs(&with_blanks, &[]).expect("a column");
        assert_eq!(specs, [FeatureSpec::numeric("TotalCharges")]);
        let values = encode(&with_blanks, &specs).expect("numbers");
        assert_eq!((values[(0, 0)], values[(1, 0)].is_nan(), values[(2, 0)]), (29.85, true, 1889.5));
        // A later table without a blank is read by the same specs, and a word is refused.
        assert_eq!(encode(&table(&["7"]), &specs).expect("a number")[(0, 0)], 7.0);
        assert_eq!(encode(&table(&["seven"]), &specs).expect_err("a word").code(), "feature_mismatch");
        // Without a blank, texts are categories: they may be codes.
        let codes = infer_specs(&table(&["01234", "98765"]), &[]).expect("a column");
        assert_eq!(codes[0].levels.as_deref(), Some(&["01234".to_owned(), "98765".to_owned()][..]));
    }
}
