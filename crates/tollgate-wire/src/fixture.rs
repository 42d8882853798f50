//! Recorded shapes of bodies under `fixtures/<format>/<case>.{json,sse}`, for tests.
//!
//! `<case>.request.json` is a request; `<case>-NNN` was sent with that status; `-list` is a Gemini
//! stream without `alt=sse`; `-broken` ended with its connection.

use std::path::{Path, PathBuf};

use tollgate_core::{Format, Operation};

use crate::tap::{End, Report, Tap, TapConfig};

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
    Fixture {
        name: format!("{format}/{}", path.file_name().unwrap().to_str().unwrap()),
        format,
        body: std::fs::read(path).unwrap(),
        request: std::fs::read(request).unwrap_or_default(),
        status,
        is_stream: path.extension().unwrap() == "sse",
    }
}

impl Fixture {
    pub(crate) fn config(&self) -> TapConfig<'static> {
        TapConfig {
            format: self.format,
            operation: Operation::Generate,
            posted: true,
            status: self.status,
            content_type: Some(if self.is_stream {
                "text/event-stream; charset=utf-8"
            } else {
                "application/json"
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
