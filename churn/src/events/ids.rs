//! Customer ids as numbers: a table made for short ids, which it holds in its slots, and for batches, whose memory accesses
//! it makes overlap.
//!
//! A slot is 16 bytes: 12 for the id and 4 for its number. An id of up to 11 bytes stands there itself, so finding it touches
//! one line of memory; of a longer one a hash stands there, and the text decides.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::interner::Strings;

/// Ids that are looked up together: enough that their cache misses overlap, few enough to stay in registers' reach.
pub(crate) const BATCH: usize = 64;

/// An id of up to 11 bytes, or the hash of a longer one with its place among the long ids of its rows. The low 96 bits are
/// in use: byte 11 is the length, or [`LONG`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Id(u128);

const SHORT: usize = 11;
const LONG: u8 = 0xff;
const LOW_96: u128 = (1 << 96) - 1;
/// The place of a long id among those of its rows.
const PLACE: u128 = 0xff_ffff << 64;

impl Id {
    #[inline(always)]
    pub(crate) fn short(text: &[u8]) -> Option<Id> {
        let n = text.len();
        if n > SHORT {
            return None;
        }
        let word = |at: usize| u64::from_le_bytes(text[at..at + 8].try_into().expect("eight bytes"));
        let half = |at: usize| u32::from_le_bytes(text[at..at + 4].try_into().expect("four bytes"));
        // Two loads that overlap give any length between their width and twice that.
        let bytes = match n {
            8.. => u128::from(word(0)) | u128::from(word(n - 8)) << (8 * (n - 8)),
            4.. => u128::from(u64::from(half(0)) | u64::from(half(n - 4)) << (8 * (n - 4))),
            0 => 0,
            _ => {
                let byte = |at: usize| u32::from(text[at]) << (8 * at);
                u128::from(byte(0) | byte(n / 2) | byte(n - 1))
            }
        };
        Some(Id(bytes | (n as u128) << 88))
    }

    fn is_long(self) -> bool {
        (self.0 >> 88) as u8 == LONG
    }

    fn place(self) -> usize {
        ((self.0 & PLACE) >> 64) as usize
    }

    /// What stands in a slot.
    #[inline(always)]
    fn key(self) -> u128 {
        if self.is_long() { self.0 & !PLACE } else { self.0 }
    }

    /// Whether every byte of a short id is ASCII.
    #[inline(always)]
    pub(crate) fn is_ascii(self) -> bool {
        const HIGH: u128 = 0x80_8080_8080_8080_8080_8080;
        self.0 & HIGH == 0
    }
}

/// Spreads ids over slots and shards. It is seeded, so that no file can be made to collide; nothing depends on the seed.
#[derive(Clone, Default)]
pub(crate) struct Spread(RandomState);

impl Spread {
    /// A long id that stands at this place among the long ids of its rows.
    pub(crate) fn long(&self, text: &[u8], place: usize) -> Id {
        Id(u128::from(self.0.hash_one(text)) | (place as u128) << 64 & PLACE | u128::from(LONG) << 88)
    }

    /// The id of a text that stands alone.
    pub(crate) fn id(&self, text: &str) -> Id {
        Id::short(text.as_bytes()).unwrap_or_else(|| self.long(text.as_bytes(), 0))
    }

    #[inline(always)]
    fn hash(&self, id: Id) -> u64 {
        self.0.hash_one(id.key())
    }

    /// Which of a power of two of shards an id belongs to. The slots use the low bits of the hash, the shards its high ones.
    #[inline(always)]
    pub(crate) fn shard(&self, id: Id, shards: usize) -> usize {
        ((self.hash(id) >> 40) as usize) & (shards - 1)
    }
}

/// Ids numbered 0, 1, 2, … in the order they were first seen.
#[derive(Clone, Default)]
pub(crate) struct Ids {
    /// Number + 1 in the high 32 bits, 0 where the slot is free.
    slots: Vec<u128>,
    strings: Strings,
    spread: Spread,
}

impl Ids {
    pub(crate) fn new(spread: Spread) -> Self {
        Ids { slots: Vec::new(), strings: Strings::default(), spread }
    }

    pub(crate) fn len(&self) -> usize {
        self.strings.len()
    }

    pub(crate) fn strings(&self) -> &Strings {
        &self.strings
    }

    /// The ids, without the table that finds them.
    pub(crate) fn into_strings(self) -> Strings {
        self.strings
    }

    /// The number of an id whose text, if it is long, is given.
    pub(crate) fn number(&mut self, id: Id, long: &str) -> u32 {
        let hash = self.spread.hash(id);
        self.find(id, hash, long)
    }

    /// The numbers of up to [`BATCH`] ids; `long` holds the texts of the long ones.
    #[inline(always)]
    pub(crate) fn numbers(&mut self, ids: &[Id], long: &Strings, numbers: &mut [u32; BATCH]) {
        let mut hashes = [0; BATCH];
        for (hash, &id) in hashes.iter_mut().zip(ids) {
            *hash = self.spread.hash(id);
        }
        // Reads every slot once before any is looked at: these reads do not wait for one another.
        if !self.slots.is_empty() {
            let mask = self.slots.len() - 1;
            let touched =
                hashes[..ids.len()].iter().fold(0, |sum, &hash| sum ^ self.slots[hash as usize & mask] as u64);
            std::hint::black_box(touched);
        }
        for ((number, &id), &hash) in numbers.iter_mut().zip(ids).zip(&hashes) {
            let text = if id.is_long() { long.get(id.place()) } else { "" };
            *number = self.find(id, hash, text);
        }
    }

    #[inline(always)]
    fn find(&mut self, id: Id, hash: u64, long: &str) -> u32 {
        let key = id.key();
        if !self.slots.is_empty() {
            let mask = self.slots.len() - 1;
            let mut at = hash as usize & mask;
            loop {
                let slot = self.slots[at];
                if slot == 0 {
                    break;
                }
                if slot & LOW_96 == key {
                    let number = (slot >> 96) as u32 - 1;
                    if !id.is_long() || self.strings.get(number as usize) == long {
                        return number;
                    }
                }
                at = (at + 1) & mask;
            }
        }
        self.add(id, hash, long)
    }

    #[cold]
    fn add(&mut self, id: Id, hash: u64, long: &str) -> u32 {
        // At most three in four slots are taken, so that a free one is near.
        if 4 * (self.len() + 1) > 3 * self.slots.len() {
            let mut larger = vec![0; (2 * self.slots.len()).max(1024)];
            for &slot in self.slots.iter().filter(|&&slot| slot != 0) {
                place(&mut larger, self.spread.hash(Id(slot & LOW_96)), slot);
            }
            self.slots = larger;
        }
        let number = self.len() as u32;
        place(&mut self.slots, hash, id.key() | u128::from(number + 1) << 96);
        if id.is_long() {
            self.strings.push(long);
        } else {
            let bytes = id.0.to_le_bytes();
            let length = usize::from(bytes[SHORT]);
            self.strings.push(std::str::from_utf8(&bytes[..length]).expect("ids are checked where they come in"));
        }
        number
    }
}

/// Puts a slot in the first free place.
fn place(slots: &mut [u128], hash: u64, slot: u128) {
    let mask = slots.len() - 1;
    let mut at = hash as usize & mask;
    while slots[at] != 0 {
        at = (at + 1) & mask;
    }
    slots[at] = slot;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_length_are_told_apart() {
        let spread = Spread::default();
        let mut ids = Ids::new(spread.clone());
        let texts: Vec<String> = (0..40)
            .flat_map(|n| {
                ["a".repeat(n), "\0".repeat(n), format!("{n:>n$}"), "é".repeat(n), format!("x{}", "\0".repeat(n))]
            })
            .chain((0..5000).map(|i| format!("{i}")))
            .chain((0..5000).map(|i| format!("customer number {i}")))
            .collect();
        let mut distinct: Vec<&str> = Vec::new();
        for text in &texts {
            let expected = distinct.iter().position(|known| known == text).unwrap_or_else(|| {
                distinct.push(text);
                distinct.len() - 1
            });
            assert_eq!(ids.number(spread.id(text), text) as usize, expected, "{text:?}");
        }
        assert_eq!(ids.strings().iter().collect::<Vec<_>>(), distinct);
    }
}
