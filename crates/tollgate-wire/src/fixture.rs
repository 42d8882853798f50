//! Recorded shapes of bodies under `fixtures/<format>/<case>.{json,sse,frames}`, for tests.
//!
//! `<case>.request.json` is a request; `<case>-NNN` was sent with that status; `-list` is a Gemini
//! stream without `alt=sse`; `-broken` ended with its connection. `.frames` are those of a binary
//! stream, one a line: kind, name and payload; they are made binary when they are loaded.

use std::path::{Path, PathBuf};

use tollgate_core::{Format, Operation};

use crate::{
    event_stream::{EVENT_STREAM, frame},
    tap::{End, Report, Tap, TapConfig},
};

/// One recorded answer.
pub(crate) struct Fixture {
    /// `<format>/<case>.<extension>`.
    pub(crate) name: String,
    pub(crate) format: Format,
    pub(crate) body: Vec<u8>,
    /// The request, if it is recorded.
    pub(crate) request: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) is_stream: bool,
}

/// Every recorded answer, by name.
pub(crate) fn all() -> Vec<Fixture> {
    let found: Vec<Fixture> = Format::ALL
        .into_iter()
        .flat_map(|format| files(format).into_iter().map(move |it| load(format, &it)))
        .collect();
    assert!(found.len() > 50, "only {} fixtures", found.len());
    found
}

/// The answer of that name.
pub(crate) fn named(name: &str) -> Fixture {
    all().into_iter().find(|it| it.name == name).unwrap_or_else(|| panic!("no fixture `{name}`"))
}

fn folder(format: Format) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(format.as_str())
}

fn files(format: Format) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder(format)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|it| it.unwrap().path()).collect();
    paths.retain(|it| !it.to_str().unwrap().ends_with(".request.json"));
    paths.sort();
    paths
}

fn load(format: Format, path: &Path) -> Fixture {
    let case = path.file_stem().unwrap().to_str().unwrap();
    let status = case.rsplit('-').next().and_then(|it| it.parse().ok()).unwrap_or(200);
    let request = folder(format).join(format!("{case}.request.json"));
    let extension = path.extension().unwrap();
    let mut body = std::fs::read(path).unwrap();
    if extension == "frames" {
        body = frames(std::str::from_utf8(&body).unwrap());
        if case.contains("-broken") {
            body.truncate(body.len() - 20);
        }
    }
    Fixture {
        name: format!("{format}/{}", path.file_name().unwrap().to_str().unwrap()),
        format,
        body,
        request: std::fs::read(request).unwrap_or_default(),
        status,
        is_stream: extension == "sse" || extension == "frames",
    }
}

/// The binary stream that the lines tell.
pub(crate) fn frames(lines: &str) -> Vec<u8> {
    let frames = lines.lines().map(|line| {
        let mut words = line.splitn(3, ' ');
        let (kind, name, payload) =
            (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let name_header = if kind == "error" { ":error-code" } else { &format!(":{kind}-type") };
        let headers = [(name_header, name), (":message-type", kind)];
        match kind {
            "error" => frame(&[headers[0], headers[1], (":error-message", payload)], b""),
            _ => frame(&headers, payload.as_bytes()),
        }
        .unwrap()
    });
    frames.collect::<Vec<_>>().concat()
}

impl Fixture {
    pub(crate) fn config(&self) -> TapConfig<'static> {
        TapConfig {
            format: self.format,
            operation: Operation::Generate,
            posted: true,
            status: self.status,
            content_type: Some(match (self.is_stream, self.format) {
                (true, Format::BedrockConverse) => EVENT_STREAM,
                (true, _) => "text/event-stream; charset=utf-8",
                (false, _) => "application/json",
            }),
            content_encoding: None,
        }
    }

    pub(crate) fn end(&self) -> End {
        if self.name.contains("-broken") { End::Broken } else { End::Complete }
    }

    /// What the tap reads from these pieces of the body.
    pub(crate) fn report<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Report {
        let mut tap = Tap::new(self.config());
        for piece in pieces {
            tap.push(piece);
        }
        tap.finish(self.end())
    }
}
