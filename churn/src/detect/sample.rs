//! A sample of the whole file: its beginning, pieces at even distances, and its end.

use std::io::Read;

use crate::error::{Error, ErrorKind, Result};
use crate::events::{MAX_RECORD, Text};

const HEAD: usize = 1 << 18;
const PIECE: usize = 1 << 16;
/// Largest number of pieces between the beginning and the end.
const MOST_PIECES: usize = 64;

pub(super) struct Sample {
    /// The pieces in the order of the file. Except at the beginning and the end of the file, they are cut anywhere.
    pieces: Vec<Vec<u8>>,
    /// True if the pieces are all of the file.
    whole: bool,
    /// True if the whole file is UTF-8.
    pub(super) is_utf8: bool,
}

impl Sample {
    /// Reads the file to its end, and keeps some of it.
    pub(super) fn read(reader: impl Read, encoding: Option<&str>) -> Result<Self> {
        let mut source = Text::new(reader, encoding)?;
        let mut first = Vec::new();
        source.by_ref().take(HEAD as u64).read_to_end(&mut first)?;
        if first.len() == HEAD && !has_line_end(&first) {
            source.by_ref().take((MAX_RECORD - HEAD) as u64).read_to_end(&mut first)?;
            if first.len() == MAX_RECORD && !has_line_end(&first) {
                let message = "the first line is longer than 1 MiB; is this a CSV file?";
                return Err(Error::new(ErrorKind::RecordTooLong, message).at_line(1));
            }
        }
        if first.starts_with(b"\xef\xbb\xbf") {
            first.drain(..3);
        }
        let mut utf8 = Utf8Check::default();
        utf8.add(&first);
        // Every `stride`-th piece is kept; if they become too many, every second of them.
        let (mut kept, mut stride, mut number) = (Vec::new(), 1, 0);
        let (mut before, mut last) = (Vec::new(), Vec::new());
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            source.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
            if piece.is_empty() {
                break;
            }
            utf8.add(&piece);
            if number % stride == 0 {
                kept.push((number, piece.clone()));
            }
            if kept.len() > MOST_PIECES {
                stride *= 2;
                kept.retain(|(number, _)| number % stride == 0);
            }
            (before, last) = (last, piece);
            number += 1;
        }
        let whole = kept.len() == number;
        let mut pieces = vec![first];
        if whole {
            // One text, so that no line is cut.
            kept.iter().for_each(|(_, piece)| pieces[0].extend_from_slice(piece));
        } else {
            kept.retain(|(at, _)| at + 2 < number);
            pieces.extend(kept.into_iter().map(|(_, piece)| piece));
            before.extend_from_slice(&last);
            pieces.push(before);
        }
        let mut sample = Sample { pieces, whole, is_utf8: utf8.is_valid() };
        sample.read_returns();
        Ok(sample)
    }

    /// Reads CR as a line end if there is no LF in the beginning of the file.
    fn read_returns(&mut self) {
        let head = &self.pieces[0][..self.pieces[0].len().min(HEAD / 2)];
        if head.contains(&b'\r') && !head.contains(&b'\n') {
            let bytes = self.pieces.iter_mut().flatten();
            bytes.filter(|c| **c == b'\r').for_each(|c| *c = b'\n');
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces[0].iter().all(u8::is_ascii_whitespace)
    }

    /// True if the beginning has bytes of 0, which no text has in an encoding of bytes; those of UTF-16 without a mark have many.
    pub(super) fn is_binary(&self) -> bool {
        self.pieces[0].contains(&0)
    }

    /// Number of characters beyond ASCII that are UTF-8, and of bytes that are not.
    pub(super) fn utf8_and_broken(&self) -> (usize, usize) {
        let (mut characters, mut broken) = (0, 0);
        for piece in self.texts() {
            for chunk in piece.utf8_chunks() {
                characters += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
                broken += chunk.invalid().len();
            }
        }
        (characters, broken)
    }

    /// The sample decoded as windows-1252, with a word that has a letter beyond ASCII. None if it does not look like such a text:
    /// it has bytes that none has, or many words of such letters alone, as other alphabets have.
    pub(super) fn western(self) -> Option<(Sample, String)> {
        let unused = |c: &u8| matches!(c, 0 | 0x81 | 0x8d | 0x8f | 0x90 | 0x9d);
        let high = |c: &u8| !c.is_ascii();
        let bytes = || self.pieces.iter().flat_map(|piece| piece.windows(3));
        let (all, together) = (bytes().filter(|w| high(&w[1])).count(), bytes().filter(|w| w.iter().all(high)).count());
        if !cfg!(feature = "files") || self.pieces.iter().flatten().any(unused) || together * 10 > all {
            return None;
        }
        let mut example = None;
        let mut pieces = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            let mut decoded = String::with_capacity(piece.len());
            Text::new(&piece[..], Some("windows-1252")).ok()?.read_to_string(&mut decoded).ok()?;
            let mut words = decoded.split(|c: char| !c.is_alphanumeric());
            example = example.or_else(|| words.find(|word| !word.is_ascii()).map(str::to_owned));
            pieces.push(decoded.into_bytes());
        }
        let example = example.unwrap_or_default();
        Some((Sample { pieces, is_utf8: true, ..self }, example))
    }

    /// The pieces cut at line ends: the first and the last reach to the ends of the file.
    pub(super) fn texts(&self) -> Vec<&[u8]> {
        let last = self.pieces.len() - 1;
        let line_end = |piece: &[u8], from_end: bool| match from_end {
            true => piece.iter().rposition(|&c| c == b'\n'),
            false => piece.iter().position(|&c| c == b'\n'),
        };
        let cut = |(i, piece): (usize, &'_ Vec<u8>)| -> std::ops::Range<usize> {
            let from = if i == 0 { 0 } else { line_end(piece, false).map_or(piece.len(), |at| at + 1) };
            let to = if self.whole || i == last { piece.len() } else { line_end(piece, true).map_or(0, |at| at + 1) };
            from..to.max(from)
        };
        self.pieces.iter().enumerate().map(|(i, piece)| &piece[cut((i, piece))]).collect()
    }
}

fn has_line_end(text: &[u8]) -> bool {
    text.iter().any(|c| matches!(c, b'\n' | b'\r'))
}

/// A check that the pieces of a text are UTF-8 together.
#[derive(Default)]
struct Utf8Check {
    /// The beginning of a character whose rest is in the next piece.
    carry: Vec<u8>,
    failed: bool,
}

impl Utf8Check {
    fn add(&mut self, piece: &[u8]) {
        if self.failed {
            return;
        }
        let mut piece = piece;
        while !self.carry.is_empty() && !piece.is_empty() {
            self.carry.push(piece[0]);
            piece = &piece[1..];
            match std::str::from_utf8(&self.carry) {
                Ok(_) => self.carry.clear(),
                Err(error) if error.error_len().is_none() => (),
                Err(_) => self.failed = true,
            }
            if self.failed {
                return;
            }
        }
        if let Err(error) = std::str::from_utf8(piece) {
            match error.error_len() {
                None => self.carry = piece[error.valid_up_to()..].to_vec(),
                Some(_) => self.failed = true,
            }
        }
    }

    fn is_valid(&self) -> bool {
        !self.failed && self.carry.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_across_pieces_are_whole() {
        let text = "añ€😀".repeat(50);
        for size in 1..7 {
            let mut check = Utf8Check::default();
            text.as_bytes().chunks(size).for_each(|piece| check.add(piece));
            assert!(check.is_valid(), "{size}");
            check.add(b"\xf0\x9f");
            assert!(!check.is_valid());
        }
        let mut check = Utf8Check::default();
        check.add(b"K\xe4ufer");
        assert!(!check.is_valid());
    }

    #[test]
    fn a_sample_has_the_beginning_and_the_end_and_whole_lines() {
        let file: String = (0..2_000_000).map(|i| format!("{i:07}\n")).collect();
        let sample = Sample::read(file.as_bytes(), None).expect("memory");
        let texts = sample.texts();
        assert!(texts[0].starts_with(b"0000000\n") && texts[texts.len() - 1].ends_with(b"1999999\n"));
        assert!((10..=MOST_PIECES + 3).contains(&texts.len()), "{}", texts.len());
        let mut before = None;
        for line in texts.iter().flat_map(|text| text.split(|&c| c == b'\n')).filter(|line| !line.is_empty()) {
            let number: u32 = std::str::from_utf8(line).expect("digits").parse().expect("a number");
            assert!(line.len() == 7 && before < Some(number), "{number}");
            before = Some(number);
        }
    }
}
