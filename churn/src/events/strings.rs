//! Many strings in one allocation.

use crate::parallel;

/// A list of strings in one allocation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Strings {
    bytes: String,
    ends: Vec<usize>,
}

/// Whatever holds numbered texts.
pub(crate) trait Texts: Sync {
    fn len(&self) -> usize;

    fn text(&self, index: usize) -> &str;

    /// Asks for the memory that the text is found through.
    fn call_up(&self, _index: usize) {}
}

impl Texts for Strings {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn text(&self, index: usize) -> &str {
        self.get(index)
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

    /// The strings of these indices, in their order.
    pub(crate) fn select(&self, order: impl IntoIterator<Item = u32>) -> Strings {
        order.into_iter().map(|i| self.get(i as usize)).collect()
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
        let iter = iter.into_iter();
        let mut strings = Strings { bytes: String::new(), ends: Vec::with_capacity(iter.size_hint().0) };
        iter.for_each(|text| strings.push(text));
        strings
    }
}

/// The chosen texts of several lists in byte order, as (list, index); of equal ones the first.
pub(crate) fn sorted<T: Texts>(lists: &[&T], chosen: impl Fn(usize, usize) -> bool + Sync + Send) -> Vec<(u32, u32)> {
    // The first eight bytes decide most comparisons without touching the texts.
    let prefix = |text: &str| {
        let text = text.as_bytes();
        let mut key = [0; 8];
        let n = text.len().min(8);
        key[..n].copy_from_slice(&text[..n]);
        u64::from_be_bytes(key)
    };
    let mut keyed: Vec<(u64, (u32, u32))> = Vec::with_capacity(lists.iter().map(|list| list.len()).sum());
    for (l, list) in lists.iter().enumerate() {
        let of_list = (0..list.len()).filter(|&i| chosen(l, i));
        keyed.extend(of_list.map(|i| (prefix(list.text(i)), (l as u32, i as u32))));
    }
    let get = |(l, i): (u32, u32)| lists[l as usize].text(i as usize);
    parallel::sort_unstable_by(&mut keyed, |a, b| {
        a.0.cmp(&b.0).then_with(|| get(a.1).cmp(get(b.1))).then_with(|| a.1.cmp(&b.1))
    });
    keyed.into_iter().map(|(_, at)| at).collect()
}

/// The texts at these places of several lists, in their order.
pub(crate) fn select<T: Texts>(lists: &[&T], order: &[(u32, u32)]) -> Strings {
    const TOGETHER: usize = 64;
    let mut strings = Strings { bytes: String::new(), ends: Vec::with_capacity(order.len()) };
    for batch in order.chunks(TOGETHER) {
        batch.iter().for_each(|&(l, i)| lists[l as usize].call_up(i as usize));
        batch.iter().for_each(|&(l, i)| strings.push(lists[l as usize].text(i as usize)));
    }
    strings
}
