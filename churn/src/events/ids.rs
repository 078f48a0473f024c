//! A hash table that numbers customer ids. It is made for short ids, and for batches, whose memory accesses it overlaps.
//!
//! An id of up to 11 bytes is stored in its record itself. For a longer id the record has a hash, and the text is compared.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::strings::{Strings, Texts};

/// Number of ids that are looked up together: enough that their cache misses overlap, and few enough to stay in the cache.
const BATCH: usize = 64;

/// An id of up to 11 bytes, or the hash of a longer one with its index among the long ids of its rows. The low 96 bits are
/// used: byte 11 is the length, or [`LONG`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Id(u128);

const SHORT: usize = 11;
const LONG: u8 = 0xff;
/// The bits of the index of a long id among those of its rows.
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
        // Two overlapping loads read any length between their width and twice their width.
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

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn is_long(self) -> bool {
        (self.0 >> 88) as u8 == LONG
    }

    fn place(self) -> usize {
        ((self.0 & PLACE) >> 64) as usize
    }

    /// The part of a long id that its key stores: the mark [`LONG`] and 56 bits of the hash.
    fn long_bits(self) -> u128 {
        u128::from(LONG) << 56 | self.0 & ((1 << 56) - 1)
    }
}

/// The hash function that spreads ids over slots and shards. It is seeded randomly, so that no file can be made to cause
/// collisions. The results do not depend on the seed.
#[derive(Clone, Default)]
pub(crate) struct IdHasher(RandomState);

impl IdHasher {
    /// Creates a long id with this index among the long ids of its rows.
    pub(crate) fn long(&self, text: &[u8], place: usize) -> Id {
        Id(u128::from(self.0.hash_one(text)) | (place as u128) << 64 & PLACE | u128::from(LONG) << 88)
    }

    /// The id of a single text.
    #[inline(always)]
    pub(crate) fn id(&self, text: &[u8]) -> Id {
        Id::short(text).unwrap_or_else(|| self.long(text, 0))
    }

    #[inline(always)]
    fn hash(&self, id: Id) -> u64 {
        self.0.hash_one(if id.is_long() { id.0 & !PLACE } else { id.0 })
    }

    /// The part of the hash that gives the first slot of the search and is stored in the slot for comparison.
    #[inline(always)]
    fn tag(&self, id: Id) -> u32 {
        self.hash(id) as u32
    }

    /// The shard of an id; `shards` is a power of two. The slots use the low half of the hash, the shards the high half.
    #[inline(always)]
    pub(crate) fn shard(&self, id: Id, shards: usize) -> usize {
        ((self.hash(id) >> 40) as usize) & (shards - 1)
    }
}

/// The id of a record, in 12 bytes. A short id is stored as in [`Id`]; a long one as the index of its text among the long ids
/// of the table and 56 bits of its hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdKey([u8; 12]);

impl IdKey {
    #[inline(always)]
    fn bits(self) -> u128 {
        let low = u64::from_le_bytes(self.0[..8].try_into().expect("eight bytes"));
        let high = u32::from_le_bytes(self.0[8..].try_into().expect("four bytes"));
        u128::from(low) | u128::from(high) << 64
    }

    fn of_bits(bits: u128) -> IdKey {
        IdKey(bits.to_le_bytes()[..12].try_into().expect("twelve bytes"))
    }

    fn is_long(self) -> bool {
        self.0[SHORT] == LONG
    }

    /// The index of the text of a long id.
    fn place(self) -> usize {
        u32::from_le_bytes(self.0[..4].try_into().expect("four bytes")) as usize
    }
}

/// The record of an id in a table.
pub(crate) trait IdRecord: Send + Sync {
    fn new(key: IdKey) -> Self;

    fn key(&self) -> &IdKey;
}

impl IdRecord for IdKey {
    fn new(key: IdKey) -> Self {
        key
    }

    fn key(&self) -> &IdKey {
        self
    }
}

/// A list that grows without copying: existing items keep their addresses.
#[derive(Clone)]
struct ChunkedVec<R> {
    chunks: Vec<Vec<R>>,
}

const CHUNK: usize = 1 << 12;

impl<R> ChunkedVec<R> {
    fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    #[inline(always)]
    fn get(&self, index: usize) -> Option<&R> {
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    fn push(&mut self, record: R) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(record),
            // Only the first chunk may be small.
            last => {
                let room = if last.is_some() { CHUNK } else { 0 };
                let mut chunk = Vec::with_capacity(room);
                chunk.push(record);
                self.chunks.push(chunk);
            }
        }
    }
}

impl<R> std::ops::Index<usize> for ChunkedVec<R> {
    type Output = R;

    #[inline(always)]
    fn index(&self, index: usize) -> &R {
        &self.chunks[index / CHUNK][index % CHUNK]
    }
}

impl<R> std::ops::IndexMut<usize> for ChunkedVec<R> {
    #[inline(always)]
    fn index_mut(&mut self, index: usize) -> &mut R {
        &mut self.chunks[index / CHUNK][index % CHUNK]
    }
}

/// A table that numbers texts, without further data.
pub(crate) type Names = IdTable<IdKey>;

/// A hash table with a record for each id, numbered 0, 1, 2, … in the order in which they were first seen.
///
/// A slot is 8 bytes: 32 bits of the hash, and the record's number. So the slots of a million ids stay in the cache of the
/// machine. The id itself is in the record, which must be read anyway.
#[derive(Clone)]
pub(crate) struct IdTable<R> {
    /// The hash slots, with number + 1 in the high half and the tag in the low half; 0 is a free slot.
    slots: Vec<u64>,
    records: ChunkedVec<R>,
    /// The texts of the long ids.
    long: Strings,
    hasher: IdHasher,
}

impl<R: IdRecord> Texts for IdTable<R> {
    fn len(&self) -> usize {
        self.records.len()
    }

    fn prefetch(&self, index: usize) {
        prefetch(self.records[index].key());
    }

    fn bytes(&self, index: usize) -> &[u8] {
        let key = self.records[index].key();
        if key.is_long() {
            return self.long.get(key.place()).as_bytes();
        }
        &key.0[..usize::from(key.0[SHORT])]
    }
}

impl<R: IdRecord> Default for IdTable<R> {
    fn default() -> Self {
        IdTable::new(IdHasher::default())
    }
}

impl<R: IdRecord> IdTable<R> {
    pub(crate) fn new(hasher: IdHasher) -> Self {
        IdTable { slots: Vec::new(), records: ChunkedVec { chunks: Vec::new() }, long: Strings::default(), hasher }
    }

    /// The record with this number.
    #[inline(always)]
    pub(crate) fn at(&self, number: usize) -> &R {
        &self.records[number]
    }

    pub(crate) fn at_mut(&mut self, number: usize) -> &mut R {
        &mut self.records[number]
    }

    /// The text with this number.
    pub(crate) fn text(&self, number: usize) -> &str {
        std::str::from_utf8(self.bytes(number)).expect("ids are checked where they come in")
    }

    /// The texts in the order of their numbers.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        (0..self.records.len()).map(|i| self.text(i))
    }

    /// Frees the memory that is only needed for finding ids.
    pub(crate) fn drop_index(&mut self) {
        self.slots = Vec::new();
    }

    /// The number of a text, which must be UTF-8; a new number if it was not seen before.
    #[inline(always)]
    pub(crate) fn number(&mut self, text: &[u8]) -> u32 {
        let id = self.hasher.id(text);
        let long =
            if id.is_long() { std::str::from_utf8(text).expect("ids are checked where they come in") } else { "" };
        self.find(id, self.hasher.tag(id), long)
    }

    pub(crate) fn record(&mut self, text: &[u8]) -> (u32, &mut R) {
        let number = self.number(text);
        (number, &mut self.records[number as usize])
    }

    /// Calls `update(i, number, record)` for the ids 0..n, in order; `long` holds the texts of the long ones.
    ///
    /// The work is a pipeline of three steps, each one batch behind the one before it. The first prefetches the slots; the
    /// second reads the slots and prefetches the records; the third updates the records. So the memory accesses of a batch
    /// overlap with each other and with the work on the neighbouring batches.
    #[inline(always)]
    pub(crate) fn upsert_batch(
        &mut self,
        n: usize,
        id: impl Fn(usize) -> Id,
        long: &Strings,
        mut update: impl FnMut(usize, u32, &mut R),
    ) {
        let batches = n.div_ceil(BATCH);
        let rows = |batch: usize| (batch * BATCH..n.min((batch + 1) * BATCH)).enumerate();
        let mut tags = [[0u32; BATCH]; 3];
        let mut candidates = [[0u32; BATCH]; 2];
        for step in 0..batches + 2 {
            if step < batches {
                for (i, row) in rows(step) {
                    let tag = self.hasher.tag(id(row));
                    tags[step % 3][i] = tag;
                    if let Some(slot) = self.slots.get(tag as usize & self.slots.len().wrapping_sub(1)) {
                        prefetch(slot);
                    }
                }
            }
            if step >= 1 && step <= batches {
                let batch = step - 1;
                for (i, _) in rows(batch) {
                    let candidate = self.candidate(tags[batch % 3][i]);
                    candidates[batch % 2][i] = candidate;
                    if let Some(record) = self.records.get(candidate.wrapping_sub(1) as usize) {
                        prefetch(record);
                    }
                }
            }
            if step >= 2 {
                let batch = step - 2;
                for (i, row) in rows(batch) {
                    let id = id(row);
                    let candidate = candidates[batch % 2][i].wrapping_sub(1);
                    let number = match self.records.get(candidate as usize) {
                        Some(record) if !id.is_long() && record.key().bits() == id.0 => candidate,
                        _ => {
                            let text = if id.is_long() { long.get(id.place()) } else { "" };
                            self.find(id, tags[batch % 3][i], text)
                        }
                    };
                    update(row, number, &mut self.records[number as usize]);
                }
            }
        }
    }

    /// Number + 1 of the first record whose slot has this tag, or 0 if a free slot comes first.
    #[inline(always)]
    fn candidate(&self, tag: u32) -> u32 {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = tag as usize & mask;
        loop {
            match self.slots.get(at) {
                Some(&slot) if slot != 0 => {
                    if slot as u32 == tag {
                        return (slot >> 32) as u32;
                    }
                }
                _ => return 0,
            }
            at = (at + 1) & mask;
        }
    }

    fn find(&mut self, id: Id, tag: u32, long: &str) -> u32 {
        if !self.slots.is_empty() {
            let mask = self.slots.len() - 1;
            let mut at = tag as usize & mask;
            while self.slots[at] != 0 {
                let slot = self.slots[at];
                if slot as u32 == tag {
                    let number = (slot >> 32) as u32 - 1;
                    let key = *self.records[number as usize].key();
                    let is_it = match id.is_long() {
                        false => key.bits() == id.0,
                        true => key.bits() >> 32 == id.long_bits() && self.long.get(key.place()) == long,
                    };
                    if is_it {
                        return number;
                    }
                }
                at = (at + 1) & mask;
            }
        }
        self.add(id, tag, long)
    }

    #[cold]
    fn add(&mut self, id: Id, tag: u32, long: &str) -> u32 {
        // At most three quarters of the slots are used, so that a free one is near.
        if 4 * (self.records.len() + 1) > 3 * self.slots.len() {
            let mut larger = vec![0; (2 * self.slots.len()).max(64)];
            for &slot in self.slots.iter().filter(|&&slot| slot != 0) {
                place(&mut larger, slot);
            }
            self.slots = larger;
        }
        let number = u32::try_from(self.records.len()).expect("fewer than 2^32 ids fit into memory");
        place(&mut self.slots, u64::from(number + 1) << 32 | u64::from(tag));
        let bits = match id.is_long() {
            false => id.0,
            true => {
                self.long.push(long);
                (self.long.len() - 1) as u128 | id.long_bits() << 32
            }
        };
        self.records.push(R::new(IdKey::of_bits(bits)));
        number
    }
}

/// Stores a slot at the first free position.
fn place(slots: &mut [u64], slot: u64) {
    let mask = slots.len() - 1;
    let mut at = slot as usize & mask;
    while slots[at] != 0 {
        at = (at + 1) & mask;
    }
    slots[at] = slot;
}

/// Prefetches the memory of an item that will be used soon.
#[inline(always)]
#[allow(unsafe_code, reason = "the one hot loop that waits for memory; the language asks for the word")]
pub(crate) fn prefetch<T>(item: &T) {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse"))]
    for line in 0..size_of::<T>().div_ceil(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which reads nothing and cannot fault, at an address within the item.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(item).cast::<i8>().add(64 * line)) };
    }
    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse")))]
    let _ = item;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_length_are_told_apart() {
        let hasher = IdHasher::default();
        let mut ids = IdTable::<IdKey>::new(hasher);
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
            assert_eq!(ids.number(text.as_bytes()) as usize, expected, "{text:?}");
        }
        assert_eq!(ids.texts().collect::<Vec<_>>(), distinct);
    }
}
