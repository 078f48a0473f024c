//! The text of a file: decompressed, and decoded to UTF-8.
//!
//! Compression and spreadsheets are recognised by their first bytes, encodings by a byte order mark; other encodings must be
//! given. The feature `files` brings all of it. Without it the bytes are taken as they are, and the reader of the records
//! refuses what is not text.

#[cfg(feature = "files")]
pub use files::{DecodedText, decoded_text};

#[cfg(feature = "files")]
pub(crate) use files::Text;

#[cfg(not(feature = "files"))]
pub(crate) use plain::Text;

#[cfg(not(feature = "files"))]
mod plain {
    use std::io::Read;

    use crate::error::{Result, invalid_parameter};

    pub(crate) struct Text<R>(R);

    impl<R: Read> Text<R> {
        pub(crate) fn new(reader: R, encoding: Option<&str>) -> Result<Self> {
            match encoding {
                None => Ok(Text(reader)),
                Some(label) if label.eq_ignore_ascii_case("utf-8") => Ok(Text(reader)),
                Some(label) => {
                    let expected = "utf-8: this build reads no other encoding; the feature `files` does";
                    Err(invalid_parameter("encoding", format!("{label:?}"), expected))
                }
            }
        }
    }

    impl<R: Read> Read for Text<R> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(out)
        }
    }
}

#[cfg(feature = "files")]
mod files {
    use std::io::{self, Chain, Cursor, ErrorKind, Read};

    use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};
    use flate2::read::MultiGzDecoder;

    #[cfg(target_family = "wasm")]
    use crate::error::Error;
    use crate::error::{Result, invalid_parameter};
    use crate::events::records::compression;
    use crate::events::sheet;

    /// Opens the text of a file: decompressed, a spreadsheet as CSV, and in UTF-8. This is the text that the readers of
    /// [`Events`](crate::Events) read from the same file.
    ///
    /// `encoding` is that of [`ReadOptions`](crate::ReadOptions). `most_bytes` limits the size of the text, and that of the parts of a
    /// spreadsheet together; reading fails with `io` where it is exceeded, or where zstd needs a window of more than 8 MiB.
    ///
    /// # Errors
    /// `invalid_parameter` for an unknown encoding; `io` for a spreadsheet that cannot be read or is too large.
    pub fn decoded_text<R: Read>(reader: R, encoding: Option<&str>, most_bytes: u64) -> Result<DecodedText<R>> {
        let text = Text::bounded(reader, encoding, most_bytes, WINDOW)?;
        Ok(DecodedText { text, left: most_bytes, most: most_bytes })
    }

    /// The window of 8 MiB of the levels of zstd up to 19; those beyond, and long distances, must be asked for.
    const WINDOW: u32 = 23;

    /// The text of a file, of limited size; see [`decoded_text`].
    pub struct DecodedText<R> {
        text: Text<R>,
        left: u64,
        most: u64,
    }

    impl<R> DecodedText<R> {
        /// True if the text is the bytes of the file as they are.
        pub fn is_verbatim(&self) -> bool {
            matches!(self.text.bytes, Bytes::Plain(_)) && self.text.decoding.is_none()
        }
    }

    impl<R: Read> Read for DecodedText<R> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let read = self.text.read(out)?;
            match self.left.checked_sub(read as u64) {
                Some(left) => self.left = left,
                None => {
                    return Err(io::Error::other(format!("the text of the file is larger than {} bytes", self.most)));
                }
            }
            Ok(read)
        }
    }

    /// The source with its first bytes, which were read to recognise it.
    type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

    pub(crate) struct Text<R> {
        /// The first bytes of UTF-8 text, which were read to look for a mark.
        head: Cursor<Vec<u8>>,
        bytes: Bytes<R>,
        /// None for UTF-8.
        decoding: Option<Box<Decoding>>,
    }

    /// The bytes after decompression.
    enum Bytes<R> {
        Plain(Whole<R>),
        Gzip(Box<MultiGzDecoder<Whole<R>>>),
        #[cfg(not(target_family = "wasm"))]
        Zstd(Box<zstd::Decoder<'static, io::BufReader<Whole<R>>>>),
        Sheet(Cursor<Vec<u8>>),
    }

    impl<R: Read> Read for Bytes<R> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let named = |name: &str, error: io::Error| {
                io::Error::new(error.kind(), format!("the {name} data cannot be read: {error}"))
            };
            match self {
                Bytes::Plain(bytes) => bytes.read(out),
                Bytes::Sheet(bytes) => bytes.read(out),
                Bytes::Gzip(bytes) => bytes.read(out).map_err(|error| named("gzip", error)),
                #[cfg(not(target_family = "wasm"))]
                Bytes::Zstd(bytes) => bytes.read(out).map_err(|error| named("zstd", error)),
            }
        }
    }

    impl<R: Read> Text<R> {
        /// Opens the text of a file in an encoding, or in the one that the file itself names.
        ///
        /// # Errors
        /// `invalid_parameter` for an unknown encoding, `io`.
        pub(crate) fn new(reader: R, encoding: Option<&str>) -> Result<Self> {
            Text::bounded(reader, encoding, sheet::MOST_BYTES, 27)
        }

        /// [`Text::new`] with a limit on the size of a spreadsheet and of its parts together, and on the window of zstd (2^`window`
        /// bytes), which is held in memory.
        #[cfg_attr(target_family = "wasm", expect(unused_variables, reason = "no zstd there"))]
        fn bounded(mut reader: R, encoding: Option<&str>, most_bytes: u64, window: u32) -> Result<Self> {
            let given = encoding.map(named).transpose()?;
            let mut head = Vec::new();
            reader.by_ref().take(4).read_to_end(&mut head)?;
            let kind = compression(&head);
            let whole = Cursor::new(head).chain(reader);
            let bytes = match kind {
                None => Bytes::Plain(whole),
                Some("gzip") => Bytes::Gzip(Box::new(MultiGzDecoder::new(whole))),
                #[cfg(not(target_family = "wasm"))]
                Some("zstd") => {
                    let mut decoder = zstd::Decoder::new(whole)?;
                    decoder.window_log_max(window)?;
                    Bytes::Zstd(Box::new(decoder))
                }
                #[cfg(target_family = "wasm")]
                Some("zstd") => {
                    let message =
                        "the file is compressed with zstd, which this build does not read; decompress it first";
                    return Err(Error::new(crate::error::ErrorKind::NotUtf8, message));
                }
                Some(_) => Bytes::Sheet(Cursor::new(sheet::to_csv(whole, most_bytes)?)),
            };
            Text::decoded(bytes, given)
        }

        fn decoded(mut bytes: Bytes<R>, given: Option<&'static Encoding>) -> Result<Self> {
            let mut head = Vec::with_capacity(3);
            bytes.by_ref().take(3).read_to_end(&mut head)?;
            let marked = Encoding::for_bom(&head).map(|(encoding, _)| encoding);
            let encoding = marked.or(given).unwrap_or(UTF_8);
            // UTF-8 is passed on as it is, because its errors are those of single rows.
            let decoding = (encoding != UTF_8).then(|| Decoding {
                decoder: encoding.new_decoder(),
                input: std::mem::take(&mut head),
                output: Vec::new(),
                given: 0,
                position: 0,
                ended: false,
            });
            Ok(Text { head: Cursor::new(head), bytes, decoding: decoding.map(Box::new) })
        }
    }

    /// The encoding of a label.
    fn named(label: &str) -> Result<&'static Encoding> {
        Encoding::for_label(label.as_bytes()).ok_or_else(|| {
            let expected = "the name of an encoding, such as utf-8, utf-16, windows-1252, windows-1251 or shift_jis";
            invalid_parameter("encoding", format!("{label:?}"), expected)
        })
    }

    /// Number of bytes that are decoded together.
    const PIECE: usize = 1 << 16;

    struct Decoding {
        decoder: Decoder,
        input: Vec<u8>,
        /// Decoded text, of which the first `given` bytes were passed on.
        output: Vec<u8>,
        given: usize,
        /// Number of bytes decoded so far.
        position: u64,
        ended: bool,
    }

    impl Decoding {
        /// Decodes the next piece into the empty output.
        fn fill(&mut self, bytes: &mut impl Read) -> io::Result<()> {
            let missing = PIECE - self.input.len().min(PIECE);
            let read = bytes.by_ref().take(missing as u64).read_to_end(&mut self.input)?;
            self.ended = read < missing;
            let room = self.decoder.max_utf8_buffer_length_without_replacement(self.input.len());
            self.output.resize(room.unwrap_or(4 * PIECE).max(16), 0);
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(&self.input, &mut self.output, self.ended);
            self.output.truncate(written);
            self.given = 0;
            self.position += read as u64;
            self.input.drain(..read);
            match result {
                DecoderResult::Malformed(..) => {
                    let (at, name) = (self.position, self.decoder.encoding().name());
                    let message = format!("near byte {at}: this is not text in {name}; is the encoding another one?");
                    Err(io::Error::new(ErrorKind::InvalidData, message))
                }
                DecoderResult::InputEmpty | DecoderResult::OutputFull => Ok(()),
            }
        }
    }

    impl<R: Read> Read for Text<R> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let Some(decoding) = &mut self.decoding else {
                return match self.head.read(out)? {
                    0 => self.bytes.read(out),
                    read => Ok(read),
                };
            };
            while decoding.given == decoding.output.len() {
                if decoding.ended && decoding.input.is_empty() {
                    return Ok(0);
                }
                decoding.fill(&mut self.bytes)?;
            }
            let rest = &decoding.output[decoding.given..];
            let length = rest.len().min(out.len());
            out[..length].copy_from_slice(&rest[..length]);
            decoding.given += length;
            Ok(length)
        }
    }

    #[cfg(test)]
    mod tests {
        use std::io::Write;

        use super::*;

        fn read(bytes: &[u8], encoding: Option<&str>) -> Result<String> {
            let mut text = String::new();
            // One byte at a time, as a slow source gives them.
            Text::new(OneByOne(bytes), encoding)?.read_to_string(&mut text)?;
            Ok(text)
        }

        struct OneByOne<'a>(&'a [u8]);

        impl Read for OneByOne<'_> {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                let length = out.len().min(1);
                self.0.read(&mut out[..length])
            }
        }

        #[test]
        fn the_window_of_zstd_is_limited() {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("memory");
            encoder.window_log(27).expect("a window");
            encoder.write_all(&b"id,day\n7,2024-01-05\n".repeat(50_000)).expect("memory");
            let packed = encoder.finish().expect("memory");
            assert_eq!(read(&packed[..], None).expect("it is allowed here").len(), 20 * 50_000);
            let refused = decoded_text(&packed[..], None, 1 << 30).err().expect("128 MiB are too many");
            assert!(refused.to_string().contains("zstd"), "{refused}");
        }

        #[test]
        fn text_of_any_form() {
            let plain = "id,städte\n7,Köln – 12 €\n".repeat(5_000);
            let gzip = |text: &[u8]| {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(text).and_then(|()| encoder.finish()).expect("memory")
            };
            assert_eq!(read(plain.as_bytes(), None).expect("UTF-8"), plain);
            assert_eq!(read(&gzip(plain.as_bytes()), None).expect("gzip"), plain);
            let (western, ..) = encoding_rs::WINDOWS_1252.encode(&plain);
            assert_eq!(read(&western, Some("windows-1252")).expect("text"), plain);
            assert_eq!(read(&gzip(&western), Some("latin1")).expect("text"), plain);
            let zstd = zstd::encode_all(plain.as_bytes(), 1).expect("memory");
            assert_eq!(read(&zstd, None).expect("zstd"), plain);
            let wide: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert_eq!(read(&[&[0xff, 0xfe], &wide[..]].concat(), None).expect("UTF-16"), plain);
            assert_eq!(read(b"", None).expect("empty"), "");
            assert_eq!(read(b"a", Some("utf-16")).expect_err("half a character").code(), "io");
            assert_eq!(read(&gzip(b"abc")[..12], None).expect_err("cut off").code(), "io");
            assert_eq!(read(b"a", Some("klingon")).expect_err("unknown").code(), "invalid_parameter");
        }
    }
}
