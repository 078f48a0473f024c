//! Many strings in one allocation.

use std::cmp::Ordering;

use crate::parallel;

/// A list of strings in one allocation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Strings {
    bytes: String,
    ends: Vec<usize>,
}

/// A collection of numbered texts.
pub(crate) trait Texts: Sync {
    fn len(&self) -> usize;

    fn bytes(&self, index: usize) -> &[u8];

    /// Prefetches the memory that is read first to find the text.
    fn prefetch(&self, _index: usize) {}
}

impl Texts for Strings {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn bytes(&self, index: usize) -> &[u8] {
        self.get(index).as_bytes()
    }
}

impl Strings {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
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
        sorted(&[self], |_, _| true).into_iter().map(|(_, i)| i).collect()
    }

    /// Returns the strings of these indices, in this order.
    pub(crate) fn select(&self, order: impl IntoIterator<Item = u32>) -> Strings {
        order.into_iter().map(|i| self.get(i as usize)).collect()
    }

    /// Finds the index of a string by binary search. The list must be in byte order.
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
        let iter = iter.into_iter();
        let mut strings = Strings { bytes: String::new(), ends: Vec::with_capacity(iter.size_hint().0) };
        iter.for_each(|text| strings.push(text));
        strings
    }
}

/// Sorts the chosen texts of several lists in byte order, as (list, index). Of equal texts only the first is kept.
pub(crate) fn sorted<T: Texts>(lists: &[&T], chosen: impl Fn(usize, usize) -> bool + Sync + Send) -> Vec<(u32, u32)> {
    let get = |(l, i): (u32, u32)| lists[l as usize].bytes(i as usize);
    let mut keyed: Vec<Keyed> = Vec::with_capacity(lists.iter().map(|list| list.len()).sum());
    for (l, list) in lists.iter().enumerate() {
        keyed.extend((0..list.len()).filter(|&i| chosen(l, i)).map(|i| (0, (l as u32, i as u32))));
    }
    // The eight bytes after the common prefix decide nearly all comparisons without access to the texts.
    let first = keyed.first().map_or(&[][..], |&(_, at)| get(at));
    let common = keyed.iter().fold(first.len(), |common, &(_, at)| {
        let both = first[..common].iter().zip(get(at));
        both.take_while(|(a, b)| a == b).count()
    });
    for (key, at) in &mut keyed {
        *key = leading(get(*at).get(common..).unwrap_or(&[]));
    }
    sort_keyed(&mut keyed, &|a, b| get(a).cmp(get(b)).then_with(|| a.cmp(&b)));
    keyed.into_iter().map(|(_, at)| at).collect()
}

/// Sorts by the keys, and by the comparison if the keys are equal. It is one function for lists of all types, because the
/// code of two sorts is large.
fn sort_keyed(keyed: &mut [Keyed], compare: &(dyn Fn((u32, u32), (u32, u32)) -> Ordering + Sync)) {
    parallel::sort_unstable_by(keyed, |a, b| a.0.cmp(&b.0));
    for same in keyed.chunk_by_mut(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
        parallel::sort_unstable_by(same, |a, b| compare(a.1, b.1));
    }
}

/// The sort key of a text, and its (list, index).
type Keyed = (u64, (u32, u32));

/// The first eight bytes as a number with the same order.
fn leading(text: &[u8]) -> u64 {
    match text.first_chunk() {
        Some(first) => u64::from_be_bytes(*first),
        None => text.iter().zip((0..8).rev()).fold(0, |key, (&byte, place)| key | u64::from(byte) << (8 * place)),
    }
}

/// Copies the texts at these positions of several lists, in this order.
pub(crate) fn select<T: Texts>(lists: &[&T], order: &[(u32, u32)]) -> Strings {
    const TOGETHER: usize = 64;
    let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(order.len()));
    for batch in order.chunks(TOGETHER) {
        batch.iter().for_each(|&(l, i)| lists[l as usize].prefetch(i as usize));
        for &(l, i) in batch {
            bytes.extend_from_slice(lists[l as usize].bytes(i as usize));
            ends.push(bytes.len());
        }
    }
    Strings { bytes: String::from_utf8(bytes).expect("texts are UTF-8"), ends }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_as_the_standard_library_sorts() {
        let mut random = crate::random::Random::new(5, 0);
        for common in ["", "C", "customer number "] {
            for alphabet in ["ab", "\0\u{1}", "0123456789é"] {
                let letters: Vec<char> = alphabet.chars().collect();
                let mut text = || -> String {
                    let length = random.below(14);
                    common.chars().chain((0..length).map(|_| letters[random.below(letters.len())])).collect()
                };
                let lists: [Strings; 2] = std::array::from_fn(|_| {
                    let texts: Vec<String> = (0..300).map(|_| text()).collect();
                    texts.iter().map(String::as_str).collect()
                });
                let [one, two] = &lists;
                let chosen = |list: usize, i: usize| !(list + i).is_multiple_of(5);
                let order = sorted(&[one, two], chosen);
                let mut expected: Vec<(&str, (u32, u32))> = Vec::new();
                for (l, list) in lists.iter().enumerate() {
                    let chosen = (0..list.len()).filter(|&i| chosen(l, i));
                    expected.extend(chosen.map(|i| (list.get(i), (l as u32, i as u32))));
                }
                expected.sort();
                assert_eq!(order, expected.iter().map(|&(_, at)| at).collect::<Vec<_>>());
                let texts = select(&[one, two], &order);
                assert!(texts.iter().eq(expected.iter().map(|&(text, _)| text)));
            }
        }
        assert_eq!(sorted::<Strings>(&[], |_, _| true), []);
    }
}
