//! Columns of events, stored as narrow as their values allow. Most logs need half of the memory of the wide form.
//!
//! A column starts narrow and is made wide at the first value that does not fit. Reading returns exactly the bits that were
//! written.

use super::rows::NO_TYPE;

/// A type of values with a narrow form that can represent some of them.
pub(super) trait Packable: Copy {
    type Narrow: Copy;

    /// The narrow form, if it represents the value exactly.
    fn narrow(self) -> Option<Self::Narrow>;

    fn wide(narrow: Self::Narrow) -> Self;
}

/// A day; from 1880 to 2059 it fits in two bytes.
impl Packable for i32 {
    type Narrow = i16;

    #[inline(always)]
    fn narrow(self) -> Option<i16> {
        i16::try_from(self).ok()
    }

    #[inline(always)]
    fn wide(narrow: i16) -> i32 {
        narrow.into()
    }
}

/// The number of an event type; with up to 255 types it fits in one byte.
impl Packable for u16 {
    type Narrow = u8;

    #[inline(always)]
    fn narrow(self) -> Option<u8> {
        match self {
            NO_TYPE => Some(u8::MAX),
            number => u8::try_from(number).ok().filter(|&number| number < u8::MAX),
        }
    }

    #[inline(always)]
    fn wide(narrow: u8) -> u16 {
        if narrow == u8::MAX { NO_TYPE } else { narrow.into() }
    }
}

/// An amount, or NaN; in four bytes as an integer of hundredths if it is the double nearest to such a number.
impl Packable for f64 {
    type Narrow = i32;

    #[inline(always)]
    fn narrow(self) -> Option<i32> {
        if self.is_nan() {
            return Some(i32::MIN);
        }
        // Rounds to the nearest integer. The cast saturates, so a number out of range fails the comparison below.
        let hundredths = (self * 100.0 + 0.5f64.copysign(self)) as i32;
        (f64::wide(hundredths).to_bits() == self.to_bits()).then_some(hundredths)
    }

    #[inline(always)]
    fn wide(narrow: i32) -> f64 {
        if narrow == i32::MIN { f64::NAN } else { f64::from(narrow) / 100.0 }
    }
}

/// A column of values, all in the narrow form or all in the wide form.
#[derive(Clone, Debug)]
pub(super) enum PackedColumn<T: Packable> {
    Narrow(Vec<T::Narrow>),
    Wide(Vec<T>),
}

impl<T: Packable> Default for PackedColumn<T> {
    fn default() -> Self {
        PackedColumn::Narrow(Vec::new())
    }
}

impl<T: Packable> PackedColumn<T> {
    pub(super) fn with_capacity(rows: usize) -> Self {
        PackedColumn::Narrow(Vec::with_capacity(rows))
    }

    #[inline(always)]
    pub(super) fn push(&mut self, value: T) {
        match self {
            PackedColumn::Narrow(values) => match value.narrow() {
                Some(narrow) => values.push(narrow),
                None => self.widen().push(value),
            },
            PackedColumn::Wide(values) => values.push(value),
        }
    }

    #[cold]
    fn widen(&mut self) -> &mut Vec<T> {
        if let PackedColumn::Narrow(values) = self {
            let mut wide = Vec::with_capacity(values.capacity().max(4));
            wide.extend(values.iter().map(|&narrow| T::wide(narrow)));
            *self = PackedColumn::Wide(wide);
        }
        match self {
            PackedColumn::Wide(values) => values,
            PackedColumn::Narrow(_) => unreachable!("it was made wide"),
        }
    }

    /// Frees the unused capacity.
    pub(super) fn shrink(&mut self) {
        match self {
            PackedColumn::Narrow(values) => values.shrink_to_fit(),
            PackedColumn::Wide(values) => values.shrink_to_fit(),
        }
    }

    #[inline(always)]
    pub(super) fn get(&self, row: usize) -> T {
        match self {
            PackedColumn::Narrow(values) => T::wide(values[row]),
            PackedColumn::Wide(values) => values[row],
        }
    }
}

/// Rows as columns; customers are numbers.
#[derive(Default)]
pub(super) struct EventColumns {
    pub(super) customers: Vec<u32>,
    pub(super) days: PackedColumn<i32>,
    pub(super) types: PackedColumn<u16>,
    pub(super) amounts: PackedColumn<f64>,
    /// The orders up to the last row that has one, so a log without orders needs no memory for them.
    orders: Vec<u32>,
}

impl EventColumns {
    pub(super) fn with_capacity(rows: usize) -> Self {
        EventColumns {
            customers: Vec::with_capacity(rows),
            days: PackedColumn::with_capacity(rows),
            types: PackedColumn::with_capacity(rows),
            amounts: PackedColumn::with_capacity(rows),
            orders: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.customers.len()
    }

    #[inline(always)]
    pub(super) fn push(&mut self, customer: u32, order: u32, day: i32, event_type: u16, amount: f64) {
        if order != 0 {
            self.orders.resize(self.customers.len(), 0);
            self.orders.push(order);
        }
        self.customers.push(customer);
        self.days.push(day);
        self.types.push(event_type);
        self.amounts.push(amount);
    }

    /// The order of a row; 0 if it has none.
    #[inline(always)]
    pub(super) fn order(&self, row: usize) -> u32 {
        self.orders.get(row).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through<T: Packable + std::fmt::Debug>(values: &[T]) -> (Vec<T>, bool) {
        let mut column = PackedColumn::default();
        values.iter().for_each(|&value| column.push(value));
        ((0..values.len()).map(|row| column.get(row)).collect(), matches!(column, PackedColumn::Narrow(_)))
    }

    #[test]
    fn what_is_put_in_comes_out() {
        // 1880-04-15 and 2059-09-18 are the first and the last day that fit in two bytes.
        for (days, narrow) in [
            (vec![0, -32_768, 32_767], true),
            (vec![1, -32_769], false),
            (vec![1, 32_768, 2], false),
            (vec![-719_162, 2_932_896], false),
        ] {
            assert_eq!(through(&days), (days, narrow));
        }
        for (types, narrow) in
            [(vec![0, 254, NO_TYPE], true), (vec![NO_TYPE, 255, 3], false), (vec![9_999, NO_TYPE], false)]
        {
            assert_eq!(through(&types), (types, narrow));
        }
        for (amounts, narrow) in [
            (vec![0.0, 0.01, -0.07, 0.29, 19.99, 1e7, f64::NAN], true),
            // The largest amount that fits in four bytes, and the next one.
            (vec![21_474_836.47, -21_474_836.47], true),
            (vec![1.0, 21_474_836.48], false),
            (vec![-21_474_836.48, f64::NAN], false),
            (vec![0.5, 0.005], false),
            // The double next to a hundredth is not that hundredth.
            (vec![0.1 + 0.2, 0.3], false),
            (vec![19.99f64.next_up()], false),
            (vec![1e12, -1e12, f64::NAN], false),
            (vec![f64::MIN_POSITIVE], false),
        ] {
            let (found, is_narrow) = through(&amounts);
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<u64>>();
            assert_eq!((bits(&found), is_narrow), (bits(&amounts), narrow), "{amounts:?}");
        }
    }

    /// Every amount of up to a million in hundredths is the double that its text is parsed to.
    #[test]
    fn hundredths_are_what_their_texts_are() {
        for cents in (0..100_000_000).step_by(997) {
            let amount: f64 = format!("{}.{:02}", cents / 100, cents % 100).parse().expect("a number");
            assert_eq!(amount.narrow(), Some(cents), "{amount}");
        }
    }
}
