//! The form of the amounts.

use super::{Reading, text};
use crate::events::{NULL_WORDS, NUMBER_FORMS, NumberFormat, parse_decimal};
use crate::json::Json;
use crate::order;

/// The forms that read all values of a column.
pub(super) enum Form {
    /// One, or several that give the same numbers.
    One { decimal: char, thousands: Option<char>, currency: bool, example: String },
    /// Several that give different numbers.
    Several { readings: Vec<Reading>, message: String },
    /// None. A reading takes the values that are no numbers as missing.
    None { readings: Vec<Reading>, message: String },
}

/// The options of a form: decimal mark, thousands separator and currency.
type Marks = (char, Option<char>, bool);

fn parse((decimal, thousands, currency): Marks, value: &str) -> Option<f64> {
    match NumberFormat::new(decimal, thousands, currency).ok()? {
        None => parse_decimal(value.as_bytes()),
        Some(format) => format.parse(value),
    }
}

fn is_null(value: &str, given: &[String]) -> bool {
    NULL_WORDS.contains(&value) || given.iter().any(|null| null == value)
}

/// The forms that read all of these values, without a currency if there is none.
fn fitting(values: &[&str]) -> Vec<Marks> {
    let fits = |currency| -> Vec<Marks> {
        let forms = NUMBER_FORMS.iter().map(|&(decimal, thousands)| (decimal, thousands, currency));
        forms.filter(|&marks| values.iter().all(|value| parse(marks, value).is_some())).collect()
    };
    Some(fits(false)).filter(|forms| !forms.is_empty()).unwrap_or_else(|| fits(true))
}

/// True if the values are numbers of one form.
pub(super) fn are_numbers(values: &[&str]) -> bool {
    let values: Vec<&str> = values.iter().copied().filter(|value| !is_null(value, &[])).collect();
    !values.is_empty() && !fitting(&values).is_empty()
}

/// The given words for a missing value and those among these amounts.
pub(super) fn null_words(values: &[&str], given: &[String]) -> Vec<String> {
    let mut nulls = given.to_vec();
    for value in values.iter().filter(|value| NULL_WORDS.contains(value)) {
        if !nulls.iter().any(|null| null == value) {
            nulls.push((*value).to_owned());
        }
    }
    nulls
}

/// The form of these amounts.
pub(super) fn form(values: &[&str], given_nulls: &[String]) -> Form {
    let values: Vec<&str> = values.iter().copied().filter(|value| !is_null(value, given_nulls)).collect();
    let one = |(decimal, thousands, currency): Marks, example: &str| Form::One {
        decimal,
        thousands,
        currency,
        example: example.to_owned(),
    };
    if values.is_empty() {
        return one(('.', None, false), "");
    }
    let mut values = values;
    let mut forms = fitting(&values);
    if forms.is_empty() {
        // A few values that no form reads do not count: the reader refuses their rows.
        let best = best(&values);
        let (read, failing): (Vec<&str>, Vec<&str>) = values.iter().partition(|value| parse(best, value).is_some());
        if failing.len() * 10 > values.len()
            || failing.iter().any(|value| all_forms().any(|m| parse(m, value).is_some()))
        {
            return none(&values, best, given_nulls);
        }
        (forms, values) = (fitting(&read), read);
    }
    let readings = distinct(&forms, &values);
    match &readings[..] {
        [(marks, _)] => one(*marks, example(*marks, &values)),
        _ => {
            let differ = |i: &usize| readings.iter().any(|(_, numbers)| numbers[*i] != readings[0].1[*i]);
            let at = (0..values.len()).find(differ).unwrap_or(0);
            let value = values[at];
            let said: Vec<String> = readings.iter().map(|(_, numbers)| numbers[at].to_string()).collect();
            let message = format!(
                "is the amount {value:?} {}? All amounts of the sample can be read either way",
                said.join(" or ")
            );
            let reading = |(marks, numbers): &(Marks, Vec<f64>)| {
                // An answer must differ from the defaults. These numbers are the same with thousands separators, of which they
                // have none.
                let (decimal, thousands, currency) = match marks {
                    ('.', None, false) => ('.', Some(','), false),
                    other => *other,
                };
                let mut options = vec![("decimal".to_owned(), text(decimal))];
                options.extend(thousands.map(|mark| ("thousands".to_owned(), text(mark))));
                options.extend(currency.then(|| ("currency".to_owned(), Json::Boolean(true))));
                Reading { options, example: format!("{value:?} is {}", numbers[at]) }
            };
            Form::Several { readings: readings.iter().map(reading).collect(), message }
        }
    }
}

/// The forms with different numbers; of forms with the same numbers the first.
fn distinct(forms: &[Marks], values: &[&str]) -> Vec<(Marks, Vec<f64>)> {
    let mut readings: Vec<(Marks, Vec<f64>)> = Vec::new();
    for &marks in forms {
        let numbers: Vec<f64> = values.iter().filter_map(|value| parse(marks, value)).collect();
        if readings.iter().all(|(_, other)| *other != numbers) {
            readings.push((marks, numbers));
        }
    }
    readings
}

/// A value that shows the form: one with a thousands separator if there are such, else one with a decimal mark.
fn example<'a>((decimal, thousands, currency): Marks, values: &[&'a str]) -> &'a str {
    let without = |value: &&&str| parse((decimal, None, currency), value).is_none();
    let shows = thousands.and_then(|_| values.iter().find(without));
    shows.or_else(|| values.iter().find(|value| value.contains(decimal))).unwrap_or(&values[0])
}

fn all_forms() -> impl Iterator<Item = Marks> {
    NUMBER_FORMS.iter().flat_map(|&(decimal, thousands)| [(decimal, thousands, false), (decimal, thousands, true)])
}

/// The form that reads most of the values.
fn best(values: &[&str]) -> Marks {
    let failing = |marks: &Marks| values.iter().filter(|value| parse(*marks, value).is_none()).count();
    all_forms().min_by_key(failing).expect("there are forms")
}

/// No form reads all values: names one that the form that reads most of them does not read.
fn none(values: &[&str], best: Marks, given_nulls: &[String]) -> Form {
    let failing = |marks: Marks| values.iter().filter(move |value| parse(marks, value).is_none());
    let (count, value) = (failing(best).count(), failing(best).next().copied().unwrap_or_default());
    let message = format!(
        "{count} of {} amounts are not numbers of the form that most of them have, such as {value:?}; `null_values` names \
         texts that stand for a missing amount",
        values.len()
    );
    // A few words without a digit may stand for a missing amount.
    let mut words: Vec<&str> = failing(best).copied().collect();
    order::sort(&mut words);
    words.dedup();
    let mut readings = Vec::new();
    if words.len() <= 5 && !words.iter().any(|word| word.contains(|c: char| c.is_ascii_digit())) {
        let nulls = given_nulls.iter().map(String::as_str).chain(words.iter().copied());
        let options = vec![("null_values".to_owned(), Json::List(nulls.map(text).collect()))];
        let shown: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
        readings.push(Reading { options, example: format!("{} is a missing amount", shown.join(" or ")) });
    }
    Form::None { readings, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(values: &[&str]) -> String {
        match form(values, &[]) {
            Form::One { decimal, thousands, currency, .. } => {
                let thousands = thousands.map_or("none".to_owned(), String::from);
                format!("{decimal} {thousands} {currency} {}", null_words(values, &[]).join("|"))
            }
            Form::Several { readings, .. } => format!("{}", readings.len()),
            Form::None { message, .. } => message,
        }
    }

    #[test]
    fn few_values_that_are_no_numbers_do_not_count() {
        let with = |other: &'static str, times: usize| {
            let mut values = ["1.234,50", "7,25"].repeat(9);
            values.extend(vec![other; times]);
            found(&values)
        };
        assert_eq!(with("abc", 2), ", . false ");
        assert!(with("abc", 3).starts_with("3 of 21 amounts"));
        assert!(with("12.5", 1).starts_with("1 of 19 amounts"));
    }

    #[test]
    fn forms_of_the_world() {
        for (values, expected) in [
            (&["12.50", "3"][..], ". none false "),
            (&["12,50", "3"], ", none false "),
            (&["1.234,56", "12,00"], ", . false "),
            (&["$1,234.56", "$12.00", "($3.00)"], ". , true "),
            (&["12.50", "NULL", "-"], ". none false NULL|-"),
            (&["1.234", "12.345"], "2"),
            (&["1,234", "12,345"], "2"),
            (&["0.125", "12.345"], ". none false "),
            (&["1234", "17"], ". none false "),
            (&["1'234.50", "7.00"], ". ' false "),
            (&["NULL"], ". none false NULL"),
        ] {
            assert_eq!(found(values), expected, "{values:?}");
        }
        assert!(found(&["12.50", "twelve"]).contains("\"twelve\""));
    }
}
