//! Sums that do not depend on order: fixed-point integers.

/// A sum in units of 2^-55 held in 128 bits.
///
/// A term of up to 10^12 is rounded once to a unit (an error of at most 2^-56, about 1.4e-17; terms of 1/8 and more are
/// taken exactly) and 2^32 such terms fit, so adding in any order and any grouping gives the same integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fixed(i128);

const UNITS: f64 = (1u64 << 55) as f64;

impl Fixed {
    pub(crate) fn add(&mut self, term: f64) {
        debug_assert!(term.abs() <= crate::events::MAX_AMOUNT, "terms are checked where they come in");
        // The product is exact, a power of two only moves the exponent.
        self.0 = self.0.saturating_add((term * UNITS).round_ties_even() as i128);
    }

    pub(crate) fn merge(&mut self, other: Fixed) {
        self.0 = self.0.saturating_add(other.0);
    }

    /// The sum, rounded once.
    pub(crate) fn value(self) -> f64 {
        self.0 as f64 / UNITS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
