//! Sums that do not depend on the order of their terms, as fixed-point integers.

/// A sum in units of 2^-55 as a 128-bit integer.
///
/// Each term, of up to 10^12, is rounded once to a unit. The error is at most 2^-56, about 1.4e-17; terms of 1/8 and more are
/// exact. 2^32 such terms fit, so any order and any grouping of the additions gives the same integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fixed(i128);

const UNITS: f64 = (1u64 << 55) as f64;

impl Fixed {
    #[inline(always)]
    pub(crate) fn add(&mut self, term: f64) {
        self.merge(Fixed::of(term));
    }

    /// Converts one term.
    #[inline(always)]
    pub(crate) fn of(term: f64) -> Fixed {
        debug_assert!(term.abs() <= crate::events::MAX_AMOUNT, "terms are checked where they come in");
        // In two parts: the multiples of 2^48 and the rest. Each is below 2^53 and so exact; only the rest can have a fraction.
        const PART: f64 = (1u64 << 48) as f64;
        // Adding this constant rounds to an integer, ties to even, and leaves the integer in the low bits of the mantissa.
        const WHOLE: f64 = 3.0 * (1u64 << 51) as f64;
        let units = term * UNITS;
        let high = (units * (1.0 / PART)) as i64;
        let rest = units - high as f64 * PART;
        let low = (rest + WHOLE).to_bits() as i64 - WHOLE.to_bits() as i64;
        Fixed((i128::from(high) << 48) + i128::from(low))
    }

    /// Converts a number of units.
    #[inline(always)]
    pub(crate) fn of_units(units: u64) -> Fixed {
        Fixed(i128::from(units))
    }

    /// The number of units.
    pub(crate) fn units(self) -> i128 {
        self.0
    }

    /// Returns the sum if the condition is true, else 0, without a branch.
    #[inline(always)]
    pub(crate) fn zero_unless(self, condition: bool) -> Fixed {
        Fixed(self.0 & -i128::from(condition))
    }

    #[inline(always)]
    pub(crate) fn merge(&mut self, other: Fixed) {
        self.0 = self.0.saturating_add(other.0);
    }

    #[cfg(feature = "subscriptions")]
    pub(crate) fn plus(self, other: Fixed) -> Fixed {
        Fixed(self.0.saturating_add(other.0))
    }

    #[cfg(feature = "subscriptions")]
    pub(crate) fn minus(self, other: Fixed) -> Fixed {
        Fixed(self.0.saturating_sub(other.0))
    }

    /// The sum, rounded once.
    pub(crate) fn value(self) -> f64 {
        self.0 as f64 / UNITS
    }
}

/// A [`Fixed`] sum in 96 bits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fixed96([u32; 3]);

impl Fixed96 {
    #[inline(always)]
    pub(crate) fn wide(self) -> Fixed {
        let [low, middle, high] = self.0;
        Fixed(i128::from(u64::from(low) | u64::from(middle) << 32) | i128::from(high as i32) << 64)
    }

    /// Returns the sum plus a term; none if the result does not fit.
    #[inline(always)]
    pub(crate) fn plus(self, term: Fixed) -> Option<Fixed96> {
        Fixed96::of(Fixed(self.wide().0 + term.0))
    }

    #[inline(always)]
    pub(crate) fn of(Fixed(sum): Fixed) -> Option<Fixed96> {
        let high = (sum >> 64) as i64;
        (i64::from(high as i32) == high).then_some(Fixed96([sum as u32, (sum >> 32) as u32, high as u32]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with the conversion of the standard library.
    #[test]
    fn a_term_is_rounded_once() {
        let mut random = crate::random::Random::new(3, 0);
        for i in 0..200_000 {
            let scale = libm::scalbn(1.0, random.below(140) as i32 - 100);
            let mut term = (random.next() as i64 as f64) / (1u64 << 63) as f64 * scale;
            if i % 5 == 0 {
                // A tie between two units.
                let units = (random.below(1 << 20) as f64) * f64::from(1 << 20) + random.below(1 << 20) as f64;
                term = (units + 0.5) / UNITS;
            }
            if term.abs() <= 1e12 {
                assert_eq!(Fixed::of(term).0, (term * UNITS).round_ties_even() as i128, "{term:e}");
            }
        }
    }

    #[test]
    fn order_does_not_matter_and_cents_cancel() {
        let terms = [1e12, 0.1, -1e12, 0.2, 1e-9, -0.2, -0.1, -1e-9, 20.10];
        let sum = |terms: &mut dyn Iterator<Item = &f64>| {
            let mut sum = Fixed::default();
            terms.for_each(|&term| sum.add(term));
            sum
        };
        assert_eq!(sum(&mut terms.iter()), sum(&mut terms.iter().rev()));
        assert_eq!(sum(&mut terms.iter()).value(), 20.10);
    }
}
