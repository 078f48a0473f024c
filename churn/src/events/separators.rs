//! Search for the separators of a text. 64 bytes are reduced to a word of bits: with vector instructions if every machine of
//! the target has them, else with arithmetic on eight bytes at a time.

/// Number of bytes that are reduced to one word.
pub(crate) const GROUP: usize = 64;

/// An iterator over the positions of delimiters, line ends and quotes.
pub(crate) struct Separators {
    delimiter: u8,
    base: usize,
    hits: u64,
}

impl Separators {
    /// Starts at this position.
    pub(crate) fn from(text: &[u8], position: usize, delimiter: u8) -> Self {
        let base = position / GROUP * GROUP;
        let hits = hits_at(text, base, delimiter) & (u64::MAX << (position % GROUP));
        Separators { delimiter, base, hits }
    }

    /// The position of the next separator, or the length of the text.
    #[inline(always)]
    pub(crate) fn next(&mut self, text: &[u8]) -> usize {
        while self.hits == 0 {
            self.base += GROUP;
            if self.base >= text.len() {
                // Keeps the position, so that further calls also return the end.
                self.base -= GROUP;
                return text.len();
            }
            self.hits = hits_at(text, self.base, self.delimiter);
        }
        let at = self.base + self.hits.trailing_zeros() as usize;
        self.hits &= self.hits - 1;
        at
    }
}

/// Writes the positions of all separators of a text to the start of `found`, and returns their number. The list is only
/// made longer, never shorter, so it need not be filled again.
pub(crate) fn positions(text: &[u8], delimiter: u8, found: &mut Vec<u32>) -> usize {
    /// Number of positions that are written per group without testing if there are so many. Most groups have no more.
    const TOGETHER: usize = 8;
    let mut n = 0;
    for base in (0..text.len()).step_by(GROUP) {
        let mut hits = hits_at(text, base, delimiter);
        if found.len() < n + GROUP {
            found.resize(2 * (n + GROUP), 0);
        }
        let room: &mut [u32; GROUP] = (&mut found[n..n + GROUP]).try_into().expect("a whole group");
        n += hits.count_ones() as usize;
        for room in room.chunks_exact_mut(TOGETHER) {
            for position in room {
                // The added bit gives a defined count of zeros if there is no further hit.
                *position = base as u32 + (hits | 1 << 63).trailing_zeros();
                hits &= hits.wrapping_sub(1);
            }
            if hits == 0 {
                break;
            }
        }
    }
    n
}

#[inline(always)]
fn hits_at(text: &[u8], base: usize, delimiter: u8) -> u64 {
    match text.get(base..base + GROUP) {
        Some(group) => hits(group.try_into().expect("a whole group"), delimiter),
        None => {
            // The delimiter is never 0, so the padding contains no separator.
            let mut group = [0; GROUP];
            let rest = text.get(base..).unwrap_or(&[]);
            group[..rest.len()].copy_from_slice(rest);
            hits(&group, delimiter)
        }
    }
}

/// Returns a word in which bit i is set if byte i is the delimiter, a line end or a quote.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[inline(always)]
#[allow(unsafe_code, reason = "the one hot loop that needs the vector unit; the language asks for the word even here")]
fn hits(group: &[u8; GROUP], delimiter: u8) -> u64 {
    // SAFETY: the function reads no memory but its arguments, and this code only exists where the whole target has SSE2.
    unsafe { vector_hits(group, delimiter) }
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[target_feature(enable = "sse2")]
fn vector_hits(group: &[u8; GROUP], delimiter: u8) -> u64 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8};
    let (line_end, quote) = (_mm_set1_epi8(b'\n' as i8), _mm_set1_epi8(b'"' as i8));
    let delimiter = _mm_set1_epi8(delimiter as i8);
    let mut hits = 0;
    for (i, part) in group.chunks_exact(16).enumerate() {
        let half = |at: usize| i64::from_le_bytes(part[at..at + 8].try_into().expect("eight bytes"));
        let bytes = _mm_set_epi64x(half(8), half(0));
        let line_or_quote = _mm_or_si128(_mm_cmpeq_epi8(bytes, line_end), _mm_cmpeq_epi8(bytes, quote));
        let found = _mm_or_si128(_mm_cmpeq_epi8(bytes, delimiter), line_or_quote);
        hits |= u64::from(_mm_movemask_epi8(found) as u16) << (16 * i);
    }
    hits
}

#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
#[inline(always)]
fn hits(group: &[u8; GROUP], delimiter: u8) -> u64 {
    portable_hits(group, delimiter)
}

/// The same as `hits`, by plain arithmetic.
#[cfg(any(test, not(all(target_arch = "x86_64", target_feature = "sse2"))))]
fn portable_hits(group: &[u8; GROUP], delimiter: u8) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let mut hits = 0;
    for (i, part) in group.chunks_exact(8).enumerate() {
        let word = u64::from_le_bytes(part.try_into().expect("eight bytes"));
        // The high bit of every byte that equals c.
        let equal = |c: u8| {
            let x = word ^ (u64::from(c) * 0x0101_0101_0101_0101);
            !(((x & LOW) + LOW) | x | LOW)
        };
        let found = equal(delimiter) | equal(b'\n') | equal(b'"');
        // The product moves bit 8k to bit 56 + k, and no two of its terms overlap.
        hits |= ((found >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i);
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn both_ways_find_what_is_there() {
        let mut random = Random::new(1, 0);
        let alphabet = *b",\n\"a\0\x80\xff;\x2b\x2d\x0b";
        for _ in 0..20_000 {
            let group: [u8; GROUP] = std::array::from_fn(|_| match random.below(3) {
                0 => random.below(256) as u8,
                _ => alphabet[random.below(alphabet.len())],
            });
            for delimiter in [b',', b';', 0x7f] {
                let is_hit = |c: u8| c == delimiter || c == b'\n' || c == b'"';
                let expected = (0..GROUP).filter(|&i| is_hit(group[i])).fold(0, |hits, i| hits | 1 << i);
                assert_eq!(hits(&group, delimiter), expected);
                assert_eq!(portable_hits(&group, delimiter), expected);
            }
        }
    }

    #[test]
    fn positions_from_anywhere() {
        let text: Vec<u8> = (0..200).map(|i| if i % 7 == 3 { b',' } else { b'x' }).collect();
        for from in 0..text.len() {
            let mut separators = Separators::from(&text, from, b',');
            let mut all = Vec::new();
            let n = positions(&text[from..], b',', &mut all);
            assert_eq!(
                all[..n].iter().map(|&at| at as usize + from).collect::<Vec<_>>(),
                (from..text.len()).filter(|i| i % 7 == 3).collect::<Vec<_>>()
            );
            let found: Vec<usize> =
                std::iter::from_fn(|| Some(separators.next(&text)).filter(|&at| at < text.len())).collect();
            assert_eq!(found, (from..text.len()).filter(|i| i % 7 == 3).collect::<Vec<_>>());
            assert_eq!(separators.next(&text), text.len());
        }
    }
}
