//! The random number generator: xoshiro256++ (Blackman and Vigna 2019), seeded by SplitMix64.
//!
//! A seed must give the same numbers on every platform and in every release. So the generator is implemented here and not
//! taken from a crate, which may change its generator.

#![cfg_attr(not(feature = "train"), allow(dead_code, reason = "learning uses more of it than scoring"))]

pub(crate) struct Random([u64; 4]);

/// The finaliser of SplitMix64: a bijection of 64 bits that mixes all bits.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    /// Creates stream number `stream` of this seed. Streams are independent, so work can be split without sharing a generator.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut state = mix(seed) ^ mix(stream.wrapping_add(0x9e37_79b9_7f4a_7c15));
        Random(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(state)
        }))
    }

    pub(crate) fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A uniform number in 0..n, as the high half of a product (Lemire 2019, without the rejection step: the bias is below
    /// n / 2^64).
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First output of the reference C code for the state {1, 2, 3, 4}: rotl(1 + 4, 23) + 1 = 5 · 2^23 + 1.
    #[test]
    fn reference_output() {
        let mut random = Random([1, 2, 3, 4]);
        assert_eq!(random.next(), 41_943_041);
        // s = {1^4^... } after one step by hand: s0 = 1^(4^2)=7, s1 = 2^(3^1)=0, s2 = (3^1)^(2<<17)=262146, s3 = rotl(4^2, 45).
        assert_eq!(random.0, [7, 0, 262_146, 6u64.rotate_left(45)]);
    }
}
