//! What a test asks of the simulator beyond an ordinary answer.

use std::{str::FromStr, time::Duration};

use http::{HeaderMap, StatusCode};

/// The request header that carries [`Controls`].
pub const CONTROL_HEADER: &str = "x-simulate";

/// The longest generated text that can be asked for.
pub const HUGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The most pieces a text can be asked to come in.
pub const PIECES_MAX: usize = 1_000_000;

/// A content coding of the answer, applied whether or not the client accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// `content-encoding: gzip`.
    Gzip,
    /// `content-encoding: br`.
    Brotli,
    /// `content-encoding: zstd`.
    Zstd,
}

/// What a request asks of the simulator beyond an ordinary answer, as comma-separated words in the
/// [`CONTROL_HEADER`] (`status=429,retry-after=2`) or behind `+` in the model's name
/// (`gpt-5-mini+status=429+retry-after=2`). The header wins over the model's name.
///
/// Byte counts are of the body as sent, after compression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    /// `status=N`: answer with the provider's own error body for this status.
    pub status: Option<StatusCode>,
    /// `html`: the error's body is a proxy's HTML page instead.
    pub html: bool,
    /// `retry-after=S`: in seconds, with an error.
    pub retry_after_s: Option<u64>,
    /// `delay_ms=N`: wait before the status line.
    pub delay: Duration,
    /// `first_byte_ms=N`: wait between the headers and the body's first byte.
    pub first_byte: Duration,
    /// `chunk_delay_ms=N`: wait before every piece after the first.
    pub chunk_delay: Duration,
    /// `split=bytes` or `split=N`: write this many bytes at a time, wherever that cuts.
    pub split: Option<usize>,
    /// `break_after=N`: close the connection after N body bytes without ending the body.
    pub break_after: Option<usize>,
    /// `end_after=N`: end the body in good order after N bytes, without its terminal event.
    pub end_after: Option<usize>,
    /// `hang`: never answer; `hang=N`: send nothing more after N body bytes. Until cancelled.
    pub hang: Option<Hang>,
    /// `error_midstream` or `error_midstream=N`: after N events (default: half of them) the
    /// provider's error event takes the place of the rest.
    pub error_midstream: Option<ErrorAt>,
    /// `gzip`, `br` or `zstd`.
    pub compression: Option<Compression>,
    /// `crlf`: event lines end with CRLF (Gemini's always do).
    pub crlf: bool,
    /// `comments`: a comment before every event.
    pub comments: bool,
    /// `no_space`: `data:{` instead of `data: {`.
    pub no_space: bool,
    /// `huge=N`: the generated text is N bytes long, whatever the limit on output.
    pub text_bytes: Option<usize>,
    /// `pieces=N`: the text streams in N pieces rather than word by word.
    pub pieces: Option<usize>,
    /// `text`: answer with text although there are tools.
    pub text_only: bool,
    /// `echo`: say what the last message says, or give that to the tools that are called.
    pub echo: bool,
    /// `no_usage`: say nothing about tokens.
    pub no_usage: bool,
    /// `no_stream_options`: refuse a request that has them, as some servers do.
    pub no_stream_options: bool,
    /// `cached=N`: this many tokens of the prompt (made longer if need be) were cached.
    pub cached: Option<u64>,
    /// `reasoning=N`: this many tokens of reasoning.
    pub reasoning: Option<u64>,
}

/// Where an answer stops for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hang {
    /// Before its status line.
    BeforeHeaders,
    /// After this many bytes of its body.
    AfterBytes(usize),
}

/// Where a stream turns into an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorAt {
    /// After half of its events.
    Half,
    /// After this many events.
    Event(usize),
}

/// A control that the simulator does not know or cannot read. It answers 400, so that a test with
/// a typing error fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown or malformed control `{0}`")]
pub struct ControlError(pub String);

impl Controls {
    /// The controls of a request: those in the model's name, then those in the header.
    ///
    /// # Errors
    /// The first word that is not a control.
    pub fn of(headers: &HeaderMap, model: Option<&str>) -> Result<Self, ControlError> {
        let mut controls = Self::default();
        let behind_plus = model.and_then(|it| it.split_once('+')).map(|it| it.1);
        for word in behind_plus.into_iter().flat_map(|it| it.split('+')) {
            controls.set(word)?;
        }
        let header = headers.get(CONTROL_HEADER).map(|it| String::from_utf8_lossy(it.as_bytes()));
        for word in header.iter().flat_map(|it| it.split(',')) {
            controls.set(word.trim())?;
        }
        Ok(controls)
    }

    fn set(&mut self, word: &str) -> Result<(), ControlError> {
        let (name, value) = word.split_once('=').map_or((word, None), |(a, b)| (a, Some(b)));
        let known = match value {
            None => self.set_flag(name),
            Some(value) => self.set_value(name, value).is_some(),
        };
        if known { Ok(()) } else { Err(ControlError(word.to_owned())) }
    }

    fn set_flag(&mut self, name: &str) -> bool {
        match name {
            "" => {}
            "html" => self.html = true,
            "hang" => self.hang = Some(Hang::BeforeHeaders),
            "error_midstream" => self.error_midstream = Some(ErrorAt::Half),
            "gzip" => self.compression = Some(Compression::Gzip),
            "br" => self.compression = Some(Compression::Brotli),
            "zstd" => self.compression = Some(Compression::Zstd),
            "crlf" => self.crlf = true,
            "comments" => self.comments = true,
            "no_space" => self.no_space = true,
            "text" => self.text_only = true,
            "echo" => self.echo = true,
            "no_usage" => self.no_usage = true,
            "no_stream_options" => self.no_stream_options = true,
            _ => return false,
        }
        true
    }

    fn set_value(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "status" => self.status = Some(StatusCode::from_bytes(value.as_bytes()).ok()?),
            "retry-after" => self.retry_after_s = Some(number(value)?),
            "delay_ms" => self.delay = millis(value)?,
            "first_byte_ms" => self.first_byte = millis(value)?,
            "chunk_delay_ms" => self.chunk_delay = millis(value)?,
            "split" if value == "bytes" => self.split = Some(1),
            "split" => self.split = Some(number(value).filter(|it| *it > 0)?),
            "break_after" => self.break_after = Some(number(value)?),
            "end_after" => self.end_after = Some(number(value)?),
            "hang" => self.hang = Some(Hang::AfterBytes(number(value)?)),
            "error_midstream" => self.error_midstream = Some(ErrorAt::Event(number(value)?)),
            "huge" => self.text_bytes = Some(number(value).filter(|it| *it <= HUGE_BYTES_MAX)?),
            "pieces" => {
                self.pieces = Some(number(value).filter(|it| (1..=PIECES_MAX).contains(it))?);
            }
            "cached" => self.cached = Some(number(value)?),
            "reasoning" => self.reasoning = Some(number(value)?),
            _ => return None,
        }
        Some(())
    }
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn millis(text: &str) -> Option<Duration> {
    number(text).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, model: &str) -> Result<Controls, ControlError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTROL_HEADER, header.parse().expect("a header value"));
        Controls::of(&headers, Some(model))
    }

    #[test]
    fn reads_the_header_over_the_name_of_the_model() {
        let controls = check("status=503, hang=7", "gpt-5-mini+status=429+retry-after=2").unwrap();
        assert_eq!(controls.status, Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(controls.retry_after_s, Some(2));
        assert_eq!(controls.hang, Some(Hang::AfterBytes(7)));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for bad in ["statsu=429", "status=abc", "split=0", "huge=999999999999", "hang=-1", "gzip=1"]
        {
            assert_eq!(check(bad, "gpt-5"), Err(ControlError(bad.to_owned())));
        }
    }
}
