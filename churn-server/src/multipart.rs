//! Streaming parser for forms (`multipart/form-data`, RFC 7578) that accepts any input within limits.
//!
//! Files are passed through. Everything else has a limit: the bytes before the first boundary, the headers of a part, the
//! number of parts, and the size of an unknown part. At most one piece of the body and the length of a boundary are held in
//! memory, and every byte is examined a limited number of times. A sender must keep a minimum rate, averaged over the time that
//! it may be silent, so that a very slow sender does not occupy an upload slot.

use std::time::Duration;

use axum::body::BodyDataStream;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use memchr::memmem;
use serde_json::json;
use tokio::time::Instant;

use crate::error::{ApiError, Result};
use crate::state::AppState;
use crate::storage::UploadError;

/// Maximum bytes of a form besides its file.
const BESIDE_FILE: u64 = 1 << 20;

/// Maximum bytes before the first boundary.
const MAX_PREAMBLE: usize = 4 << 10;

/// Maximum bytes of the headers of a part, including the rest of the boundary line.
const MAX_HEADERS: usize = 8 << 10;

/// Maximum number of parts of a form.
const MAX_PARTS: usize = 64;

/// Maximum bytes of the text of a part.
const MAX_TEXT: usize = 1000;

/// Maximum bytes of a part with an unknown name.
const MAX_SKIPPED: u64 = 64 << 10;

/// Maximum characters of a boundary (RFC 2046, 5.1.1).
const MAX_BOUNDARY: usize = 70;

/// Parser state of a form.
#[derive(Debug)]
pub struct Multipart {
    body: Paced,
    /// Received bytes that are not consumed yet.
    buffer: BytesMut,
    /// `\r
    /// --boundary`: it ends the preamble and every part.
    delimiter: memmem::Finder<'static>,
    state: ParserState,
    parts: usize,
    /// Error while a part was read. The consumer of the stream only learns that reading failed.
    failure: Option<ApiError>,
}

/// State of the parser: the position of the next byte in the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ParserState {
    /// Before the first boundary.
    Preamble,
    /// In the content of a part.
    Content,
    /// After a boundary.
    Boundary,
    /// After the last boundary.
    End,
}

/// A part of a form: its name, and its content as a stream.
#[derive(Debug)]
pub struct FormPart<'a> {
    form: &'a mut Multipart,
    name: Option<String>,
    file_name: Option<String>,
}

impl FromRequest<AppState> for Multipart {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self> {
        let content_type =
            request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            let message = format!("content-type is {content_type:?}; expected multipart/form-data");
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
        }
        let boundary = parameter(parameters, "boundary").filter(|text| (1..=MAX_BOUNDARY).contains(&text.len()));
        let boundary = boundary.ok_or_else(|| {
            let message = "the content-type names no boundary; expected boundary= and 1 to 70 characters";
            ApiError::bad_request("invalid_multipart", message)
        })?;
        let delimiter = memmem::Finder::new(&format!("\r\n--{boundary}")).into_owned();
        let config = &state.config;
        let body = Paced {
            stream: request.into_body().into_data_stream(),
            left: config.max_upload_bytes.saturating_add(BESIDE_FILE),
            limit: config.max_upload_bytes,
            least_rate: config.upload_min_rate,
            patience: config.upload_idle,
            behind: Duration::ZERO,
        };
        // The first boundary needs no line end before it. One is added here so that all boundaries look the same.
        Ok(Multipart {
            body,
            buffer: BytesMut::from("\r\n"),
            delimiter,
            state: ParserState::Preamble,
            parts: 0,
            failure: None,
        })
    }
}

impl Multipart {
    /// Returns the next part, or None after the last one. The rest of the previous part is skipped.
    ///
    /// # Errors
    /// `invalid_multipart`, `upload_broken`, `payload_too_large`, `upload_too_slow`.
    pub async fn next(&mut self) -> Result<Option<FormPart<'_>>> {
        let mut skipped = 0;
        while self.state == ParserState::Content {
            skipped += self.chunk().await?.map_or(0, |piece| piece.len() as u64);
            if skipped > MAX_SKIPPED {
                let message = format!("a field that is not known here has more than {MAX_SKIPPED} bytes");
                return Err(invalid(message));
            }
        }
        if self.state == ParserState::Preamble {
            self.skip_preamble().await?;
        }
        if self.state == ParserState::End || self.at_end().await? {
            return Ok(None);
        }
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(invalid(format!("the form has more than {MAX_PARTS} fields")));
        }
        let headers = self.headers().await?;
        self.state = ParserState::Content;
        let disposition = headers.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
        });
        let parameters = disposition.and_then(|value| value.split_once(';')).map_or("", |(_, parameters)| parameters);
        let (name, file_name) = (parameter(parameters, "name"), parameter(parameters, "filename"));
        Ok(Some(FormPart { form: self, name, file_name }))
    }

    /// Returns the result of storing a part. If the form caused the failure, its error is returned, because it says more than
    /// the failed stream.
    ///
    /// # Errors
    /// The error of the form, or else the error of the upload.
    pub fn own_error_first<T>(&mut self, result: Result<T, UploadError>) -> Result<T> {
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(result?),
        }
    }

    /// Skips everything up to the end of the first boundary.
    async fn skip_preamble(&mut self) -> Result<()> {
        loop {
            if let Some(found) = self.delimiter.find(&self.buffer) {
                self.buffer.advance(found + self.delimiter.needle().len());
                self.state = ParserState::Boundary;
                return Ok(());
            }
            if self.buffer.len() > MAX_PREAMBLE {
                let message = format!("the first {MAX_PREAMBLE} bytes of the form have no boundary");
                return Err(invalid(message));
            }
            if !self.fill().await? {
                return Err(invalid("the form ends before its first boundary"));
            }
        }
    }

    /// Returns true if the boundary was the last one.
    async fn at_end(&mut self) -> Result<bool> {
        while self.buffer.len() < 2 {
            if !self.fill().await? {
                return Err(invalid("the form ends behind a boundary that is not the last one"));
            }
        }
        let is_end = self.buffer.starts_with(b"--");
        if is_end {
            self.state = ParserState::End;
        }
        Ok(is_end)
    }

    /// Reads the headers of a part, after the rest of the boundary line.
    async fn headers(&mut self) -> Result<String> {
        loop {
            // A part without headers has its empty line directly after the boundary line; both share one line end.
            let line = self.buffer.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(self.buffer.len());
            let rest = &self.buffer[line..];
            if !b"\r\n".starts_with(&rest[..rest.len().min(2)]) {
                return Err(invalid("behind a boundary stands something else than the end of its line"));
            }
            if let Some(end) = memmem::find(rest, b"\r\n\r\n") {
                let headers = self.buffer.split_to(line + end + 4);
                let text = headers.get(line + 2..line + end).unwrap_or_default();
                return Ok(String::from_utf8_lossy(text).into_owned());
            }
            if self.buffer.len() > MAX_HEADERS {
                return Err(invalid(format!("the headers of a field have more than {MAX_HEADERS} bytes")));
            }
            if !self.fill().await? {
                return Err(invalid("the form ends in the headers of a field"));
            }
        }
    }

    /// Returns the next piece of the content of a part, or None at its end.
    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        loop {
            if self.state != ParserState::Content {
                return Ok(None);
            }
            let length = self.delimiter.needle().len();
            match self.delimiter.find(&self.buffer) {
                Some(0) => {
                    self.buffer.advance(length);
                    self.state = ParserState::Boundary;
                }
                Some(end) => return Ok(Some(self.buffer.split_to(end).freeze())),
                None => {
                    // The last bytes may be the start of a boundary.
                    let sure = self.buffer.len().saturating_sub(length - 1);
                    if sure > 0 {
                        return Ok(Some(self.buffer.split_to(sure).freeze()));
                    }
                    if !self.fill().await? {
                        let message = "the upload broke off: the form ends in the content of a field";
                        return Err(ApiError::bad_request("upload_broken", message));
                    }
                }
            }
        }
    }

    /// Receives more of the body; returns false at its end.
    async fn fill(&mut self) -> Result<bool> {
        match self.body.next().await? {
            Some(piece) => {
                self.buffer.extend_from_slice(&piece);
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

impl<'a> FormPart<'a> {
    /// Name of the part.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// File name that the sender gave the file.
    pub fn file_name(&self) -> Option<&str> {
        self.file_name.as_deref()
    }

    /// Returns the text of a small part.
    ///
    /// # Errors
    /// `invalid_multipart` for more than a thousand bytes or for bytes that are not UTF-8; the errors of [`Multipart::next`].
    pub async fn text(self) -> Result<String> {
        self.text_within(MAX_TEXT).await
    }

    /// Returns the text of a part with at most this number of bytes.
    ///
    /// # Errors
    /// As [`FormPart::text`].
    pub async fn text_within(self, max_bytes: usize) -> Result<String> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.form.chunk().await? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > max_bytes {
                let name = self.name.unwrap_or_default();
                return Err(invalid(format!("the field {name:?} has more than {max_bytes} bytes")));
            }
        }
        String::from_utf8(bytes)
            .map_err(|_| invalid(format!("the field {:?} is not UTF-8 text", self.name.unwrap_or_default())))
    }

    /// Returns the content as a stream. If the stream fails, [`Multipart::own_error_first`] returns the reason.
    pub fn content(self) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'a {
        stream::unfold(Some(self.form), |form| async {
            let form = form?;
            match form.chunk().await {
                Ok(piece) => piece.map(|piece| (Ok(piece), Some(form))),
                Err(error) => {
                    let seen = std::io::Error::other(error.message().to_owned());
                    form.failure = Some(error);
                    Some((Err(seen), None))
                }
            }
        })
    }
}

/// A body with a maximum length and a minimum rate.
#[derive(Debug)]
struct Paced {
    stream: BodyDataStream,
    /// Bytes that may still arrive.
    left: u64,
    /// Limit that error messages name.
    limit: u64,
    /// Minimum bytes per second; 0 for no minimum.
    least_rate: u64,
    /// Maximum time that a sender may lag behind the minimum rate.
    patience: Duration,
    /// Current lag: the time spent waiting, minus the time that the received bytes may take.
    behind: Duration,
}

impl Paced {
    /// Returns the next piece. Only the time spent waiting for the sender counts, because slow storage is not the sender's
    /// fault.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let began = Instant::now();
        let piece = match self.least_rate {
            0 => self.stream.next().await,
            _ => {
                let patience = self.patience.saturating_sub(self.behind);
                tokio::time::timeout(patience, self.stream.next()).await.map_err(|_| self.too_slow())?
            }
        };
        let piece = match piece {
            None => return Ok(None),
            Some(Ok(piece)) => piece,
            Some(Err(error)) => {
                let message = format!("the upload broke off: {error}");
                return Err(ApiError::bad_request("upload_broken", message));
            }
        };
        let size = piece.len() as u64;
        self.left =
            self.left.checked_sub(size).ok_or_else(|| ApiError::too_large(self.limit, Some("MAX_UPLOAD_BYTES")))?;
        if self.least_rate > 0 {
            let may_take = Duration::from_secs_f64(size as f64 / self.least_rate as f64);
            self.behind = (self.behind + began.elapsed()).saturating_sub(may_take);
        }
        Ok(Some(piece))
    }

    fn too_slow(&self) -> ApiError {
        let (rate, seconds) = (self.least_rate, self.patience.as_secs());
        let message =
            format!("the upload came more slowly than {rate} bytes a second for {seconds} seconds; it was given up");
        let details = json!({ "min_bytes_per_second": rate });
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "upload_too_slow", message).with_details(details)
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("invalid_multipart", message)
}

/// Returns a parameter of a header (`a=b; c="d"`). A value is a token or quoted text. In quoted text, a backslash escapes a
/// quote or a backslash. Before any other character it stands for itself, as in the Windows paths that some clients send.
fn parameter(text: &str, wanted: &str) -> Option<String> {
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_start_matches([';', ' ', '\t']).trim_end();
        let mut value = String::new();
        let after = after.trim_start();
        if let Some(quoted) = after.strip_prefix('"') {
            let mut characters = quoted.char_indices();
            let end = loop {
                match characters.next() {
                    Some((at, '"')) => break at + 1,
                    Some((_, '\\')) if characters.as_str().starts_with(['"', '\\']) => {
                        value.extend(characters.next().map(|(_, character)| character));
                    }
                    Some((_, character)) => value.push(character),
                    // A quote without an end.
                    None => return None,
                }
            };
            rest = &quoted[end..];
        } else {
            let end = after.find(';').unwrap_or(after.len());
            value.push_str(after[..end].trim_end());
            rest = &after[end..];
        }
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_senders_write_them() {
        for (text, name, expected) in [
            (" boundary=edge", "boundary", Some("edge")),
            ("charset=utf-8; Boundary=\"a b\"", "boundary", Some("a b")),
            (" name=\"file\"; filename=\"my \\\"log\\\".csv\"", "filename", Some("my \"log\".csv")),
            (" name=file; filename=\"C:\\data\\log.csv\"", "filename", Some("C:\\data\\log.csv")),
            (" filename=\"name=wrong\"; name=\"right\"", "name", Some("right")),
            (" filename=\"λ;x.csv\" ; name = right ", "name", Some("right")),
            ("name=\"open", "name", None),
            ("nothing", "name", None),
            ("", "name", None),
        ] {
            assert_eq!(parameter(text, name).as_deref(), expected, "{text}");
        }
    }
}
