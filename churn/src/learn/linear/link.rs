//! The logistic link for blocks of rows: e^x and ln(1 + x) from additions, multiplications and at most one division each. So
//! the compiler can vectorise them, and every target gives the same bits.
//!
//! e^x = 2^k · e^r, where k is the integer nearest to x / ln 2 and |r| ≤ ln 2 / 2. The Taylor series of e^r is exact to the
//! last bit after fourteen terms. ln(1 + x) = 2 artanh z with z = x / (2 + x) ≤ 1/3 for x ≤ 1, and its series in z² needs
//! seventeen terms.

/// e^x for x ≤ 0, to within 2 units in the last place. Below −708, where e^x would become subnormal, it is e^−708.
#[inline(always)]
pub(crate) fn exp_of_negative(x: f64) -> f64 {
    // ln 2 in two parts. The first has 21 zero bits at its end, so that k times it is exact.
    const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    // Adding 1.5 · 2^52 leaves the nearest integer in the last bits of the sum.
    const TO_INTEGER: f64 = 6_755_399_441_055_744.0;
    let x = if x > -708.0 { x } else { -708.0 };
    let shifted = x * std::f64::consts::LOG2_E + TO_INTEGER;
    let k = shifted - TO_INTEGER;
    let r = (x - k * LN_2_HIGH) - k * LN_2_LOW;
    let mut series = 1.0 / 6_227_020_800.0;
    for factor in [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        1.0 / 2.0,
    ] {
        series = series * r + factor;
    }
    let power = 1.0 + (r + r * r * series);
    // Adds k, which is in the last bits of `shifted`, to the exponent.
    f64::from_bits(power.to_bits().wrapping_add(shifted.to_bits() << 52))
}

/// ln(1 + x) for 0 ≤ x ≤ 1, to within 2 units in the last place.
#[inline(always)]
pub(crate) fn ln_1p(x: f64) -> f64 {
    let z = x / (2.0 + x);
    let square = z * z;
    let mut series = 1.0 / 35.0;
    for divisor in [33.0, 31.0, 29.0, 27.0, 25.0, 23.0, 21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        series = series * square + 1.0 / divisor;
    }
    2.0 * (z + z * square * series)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error in units in the last place of the correct value.
    fn ulps(found: f64, right: f64) -> f64 {
        (found - right).abs() / (right.next_up() - right)
    }

    /// Some ten thousand arguments from 0 to −1000 of every size.
    fn arguments() -> impl Iterator<Item = f64> {
        (0..10_000).map(|i| -libm::exp2(f64::from(i) / 250.0 - 30.0)).chain((0..10_000).map(|i| -0.1 * f64::from(i)))
    }

    #[test]
    fn exponentials_are_those_of_libm() {
        for x in arguments().filter(|&x| x > -708.0) {
            assert!(ulps(exp_of_negative(x), libm::exp(x)) <= 2.0, "e^{x} = {}", exp_of_negative(x));
        }
        assert_eq!([exp_of_negative(0.0), exp_of_negative(-0.0)], [1.0, 1.0]);
        for x in [-708.0, -709.0, -1e6, -1e300, f64::NEG_INFINITY] {
            assert!(exp_of_negative(x) > 0.0 && exp_of_negative(x) < 1e-307, "e^{x} = {}", exp_of_negative(x));
        }
    }

    #[test]
    fn logarithms_are_those_of_libm() {
        for x in arguments().map(|x| -x).filter(|&x| x <= 1.0) {
            assert!(ulps(ln_1p(x), libm::log1p(x)) <= 2.0, "ln(1 + {x}) = {}", ln_1p(x));
        }
        assert_eq!([ln_1p(0.0), ln_1p(1.0)], [0.0, std::f64::consts::LN_2]);
    }
}
