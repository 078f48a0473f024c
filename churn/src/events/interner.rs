//! Distinct strings as small numbers: all bytes in one arena, found through an open-addressing table.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::parallel;

/// Strings numbered 0, 1, 2, … in the order they were first seen.
#[derive(Default)]
pub(crate) struct Interner {
    strings: Strings,
    table: HashTable<u32>,
    state: RandomState,
    last: Option<u32>,
}

/// A list of strings in one allocation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Strings {
    bytes: String,
    ends: Vec<usize>,
}

impl Strings {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }

    pub(crate) fn push(&mut self, text: &str) {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|i| self.get(i))
    }

    /// The indices in byte order of the strings.
    pub(crate) fn sorted(&self) -> Vec<u32> {
        Strings::sorted_together(&[self]).into_iter().map(|(_, i)| i).collect()
    }

    /// The strings of several lists in byte order, as (list, index); of equal ones the first.
    pub(crate) fn sorted_together(lists: &[&Strings]) -> Vec<(u32, u32)> {
        // The first eight bytes decide most comparisons without touching the arena.
        let prefix = |text: &str| {
            let text = text.as_bytes();
            let mut key = [0; 8];
            let n = text.len().min(8);
            key[..n].copy_from_slice(&text[..n]);
            u64::from_be_bytes(key)
        };
        let mut keyed: Vec<(u64, (u32, u32))> = Vec::with_capacity(lists.iter().map(|list| list.len()).sum());
        for (l, list) in lists.iter().enumerate() {
            keyed.extend(list.iter().enumerate().map(|(i, text)| (prefix(text), (l as u32, i as u32))));
        }
        let get = |(l, i): (u32, u32)| lists[l as usize].get(i as usize);
        parallel::sort_unstable_by(&mut keyed, |a, b| {
            a.0.cmp(&b.0).then_with(|| get(a.1).cmp(get(b.1))).then_with(|| a.1.cmp(&b.1))
        });
        keyed.into_iter().map(|(_, at)| at).collect()
    }

    /// The strings at these places of several lists, in their order.
    pub(crate) fn select_together(lists: &[&Strings], order: &[(u32, u32)]) -> Strings {
        let bytes = lists.iter().map(|list| list.bytes.len()).sum();
        let mut selected = Strings { bytes: String::with_capacity(bytes), ends: Vec::with_capacity(order.len()) };
        for &(l, i) in order {
            selected.push(lists[l as usize].get(i as usize));
        }
        selected
    }

    /// The strings of these indices, in their order.
    pub(crate) fn select(&self, order: impl IntoIterator<Item = u32>) -> Strings {
        let mut selected = Strings::default();
        for i in order {
            selected.push(self.get(i as usize));
        }
        selected
    }

    /// The position of a string among strings in byte order.
    pub(crate) fn search(&self, text: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            match self.get(middle).cmp(text) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

impl<'a> FromIterator<&'a str> for Strings {
    fn from_iter<I: IntoIterator<Item = &'a str>>(iter: I) -> Self {
        let mut strings = Strings::default();
        iter.into_iter().for_each(|text| strings.push(text));
        strings
    }
}

impl Interner {
    pub(crate) fn len(&self) -> usize {
        self.strings.len()
    }

    /// The number of this string, a new one if it was not seen before.
    pub(crate) fn intern(&mut self, text: &str) -> u32 {
        // Logs sorted by customer repeat the id of the row before.
        if let Some(last) = self.last
            && self.strings.get(last as usize) == text
        {
            return last;
        }
        let hash = self.state.hash_one(text);
        let (strings, state) = (&mut self.strings, &self.state);
        let entry =
            self.table.entry(hash, |&i| strings.get(i as usize) == text, |&i| state.hash_one(strings.get(i as usize)));
        let index = match entry {
            hashbrown::hash_table::Entry::Occupied(found) => *found.get(),
            hashbrown::hash_table::Entry::Vacant(vacant) => {
                let index = strings.len() as u32;
                vacant.insert(index);
                strings.push(text);
                index
            }
        };
        self.last = Some(index);
        index
    }

    pub(crate) fn strings(&self) -> &Strings {
        &self.strings
    }
}
