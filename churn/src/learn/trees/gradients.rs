//! First and second derivatives of the log-loss, as integers.
//!
//! With the margin m, p = 1 / (1 + e^−m) and the weight w, a row's gradient is g = w (y − p) and its curvature
//! h = w p (1 − p). Both are computed in single precision, with a relative error of about 10^-7, which does not affect the
//! trees. They use only additions, multiplications and one division in a fixed order. So the compiler can vectorise four rows,
//! and every target gets the same bits. The results are rounded to multiples of a unit, 2^-30 of the largest possible value,
//! because sums of integers do not depend on order or threads. Reported probabilities do not come from here.

/// Gradient and curvature of a row, as integers in [`Units`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub(crate) struct Gradient {
    pub(crate) g: i32,
    pub(crate) h: i32,
}

/// The values of one unit of the gradient and of the curvature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Units {
    pub(crate) g: f64,
    pub(crate) h: f64,
}

/// Number of bits of the largest gradient.
const BITS: i32 = 30;

impl Units {
    /// The units for rows of at most this weight. As |g| ≤ w and h ≤ w/4, each is below 2^30 units, and a sum of 2^33 rows fits
    /// in 64 bits.
    pub(crate) fn for_weights_up_to(largest: f64) -> Self {
        let exponent = libm::ilogb(largest) + 1;
        Units { g: libm::scalbn(1.0, exponent - BITS), h: libm::scalbn(1.0, exponent - BITS - 2) }
    }
}

/// The weight of each row as a share of 2^30 units of gradient, at most 1. It is negative for a row that stayed.
pub(crate) fn signed_weights(churned: &[bool], weights: &[f64], units: Units) -> Vec<f32> {
    let share = |weight: f64| (weight / units.g / PER_G) as f32;
    churned.iter().zip(weights).map(|(&churned, &w)| if churned { share(w) } else { -share(w) }).collect()
}

const PER_G: f64 = (1u64 << BITS) as f64;
const PER_H: f64 = (1u64 << (BITS + 2)) as f64;

/// Computes the gradients of some rows in units. `weights` are the weights of the same rows as signed shares.
pub(crate) fn fill(out: &mut [Gradient], margins: &[f64], weights: &[f32]) {
    for ((out, &margin), &weight) in out.iter_mut().zip(margins).zip(weights) {
        // The margin of the observed outcome: negative if that was the less likely one.
        let agreed = f32::from_bits((margin as f32).to_bits() ^ (weight.to_bits() & SIGN));
        // With e = e^−|m| the probabilities of the two outcomes are 1/(1 + e) and e/(1 + e), each to full relative precision.
        let e = exp_of_negative(-agreed.abs());
        let likely = 1.0 / (1.0 + e);
        let unlikely = e * likely;
        // The gradient is the probability of the other outcome, positive for a churner.
        let missed = if agreed < 0.0 { likely } else { unlikely };
        *out = Gradient {
            g: integer(f64::from(missed * weight) * PER_G),
            h: integer(f64::from(likely * unlikely * weight.abs()) * PER_H),
        };
    }
}

const SIGN: u32 = 1 << 31;

/// Rounds a number within ±2^31 to the nearest integer, ties to even. Added to 1.5 · 2^52, it is in the low bits of the sum.
#[inline(always)]
fn integer(value: f64) -> i32 {
    (value + 6_755_399_441_055_744.0).to_bits() as i32
}

/// e^x for x ≤ 0, to about 1 unit in the last place; never below 2^-125.
///
/// x = k ln 2 + r with |r| ≤ ½ ln 2. e^r is computed by its Taylor polynomial, whose next term is below 2^-26. ln 2 is split
/// into two parts, the first short enough that k times it is exact.
#[inline(always)]
fn exp_of_negative(x: f32) -> f32 {
    // Adding this constant rounds to an integer, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = if x < -86.0 { -86.0 } else { x };
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let k = rounded - ROUND;
    let r = (x - k * LN2_HIGH) - k * LN2_LOW;
    let r2 = r * r;
    let tail = (1.0 / 2.0 + r * (1.0 / 6.0))
        + r2 * ((1.0 / 24.0 + r * (1.0 / 120.0)) + r2 * (1.0 / 720.0 + r * (1.0 / 5040.0)));
    let e = 1.0 + (r + r2 * tail);
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(127 << 23));
    e * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_agrees_with_libm() {
        let mut worst = 0.0f64;
        for i in 0..2_000_000 {
            let x = -86.0 * (i as f32 / 2_000_000.0);
            let exact = libm::exp(f64::from(x));
            let off = (f64::from(exp_of_negative(x)) - exact).abs() / exact;
            worst = worst.max(off);
        }
        // One unit in the last place is between 2^-24 and 2^-23 of the value.
        assert!(worst < 1.2 / f64::from(1 << 23), "{worst:e}");
        assert_eq!(exp_of_negative(0.0), 1.0);
        assert!(exp_of_negative(-1e30) > 0.0 && exp_of_negative(-1e30) < 1e-37);
    }

    #[test]
    fn gradients_are_those_of_the_log_loss() {
        for weight in [1.0, 3.0, 1e-6, 1e9, 1e-300] {
            let units = Units::for_weights_up_to(weight);
            for i in -4000..4000 {
                let margin = f64::from(i) * 0.01;
                for churned in [false, true] {
                    let mut out = [Gradient::default()];
                    fill(&mut out, &[margin], &signed_weights(&[churned], &[weight], units));
                    let p = 1.0 / (1.0 + libm::exp(-margin));
                    let other = 1.0 / (1.0 + libm::exp(margin));
                    let g = if churned { weight * other } else { -weight * p };
                    let h = weight * p * other;
                    let near = |found: f64, expected: f64, unit: f64| {
                        (found - expected).abs() <= unit + 1e-6 * expected.abs() * (1.0 + margin.abs())
                    };
                    assert!(near(f64::from(out[0].g) * units.g, g, units.g), "{margin} {churned} {weight}");
                    assert!(near(f64::from(out[0].h) * units.h, h, units.h), "{margin} {churned} {weight}");
                }
            }
        }
    }

    /// For weights up to w, the largest gradient w and the largest curvature w/4 are below 2^30 units and above 2^28 units.
    #[test]
    fn the_largest_fit() {
        for weight in [1e-9, 0.3, 0.5, 1.0, 1.999, 2.0, 1e9] {
            let units = Units::for_weights_up_to(weight);
            for largest in [weight / units.g, weight / 4.0 / units.h] {
                assert!(largest <= 2f64.powi(30) && largest > 2f64.powi(28), "{weight}: {largest}");
            }
        }
    }
}
