//! The prices in force, and how they change: the embedded book, what refreshes from public lists
//! brought (in the data folder), and the user's own in the configuration. A refresh needs no running
//! gateway; one that runs follows the file.

pub mod reprice;
pub mod set;

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::Uri;
use rustix::fs::{FlockOperation, flock};
use tokio_util::sync::CancellationToken;
use tollgate_core::{
    UnixMs,
    price::{
        PriceBook,
        list::{ListError, PriceList, Quarantined},
        refresh::{Changes, Refreshed},
    },
    provider::Catalogue,
};
use tollgate_gateway::{FetchError, Proxies};

use crate::{App, Environment, api, config::RefreshConfig};

/// What refreshes brought, in the data folder.
const FILE_NAME: &str = "prices.json";

/// The longest price list that is read: ten times the longest that is known.
pub const LIST_BYTES_MAX: usize = 32 << 20;

/// How often it is looked whether prices are to be refreshed.
const PRICES_LOOK_EVERY: Duration = Duration::from_secs(60 * 60);

/// The longest file of refreshed prices that is read: a list's whole content, several times.
const FILE_BYTES_MAX: u64 = 128 << 20;

/// Why prices were not refreshed or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PricesError {
    /// The file of refreshed prices cannot be read or written.
    #[error("keep refreshed prices in `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file of refreshed prices is not what this program wrote.
    #[error("read the refreshed prices in `{path}`: delete it to begin anew")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: serde_json::Error,
    },
    /// The list was not fetched.
    #[error("fetch the price list")]
    Fetch(#[from] FetchError),
    /// The list's own file cannot be read.
    #[error("read the price list `{path}`")]
    ListFile {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The text is no price list.
    #[error(transparent)]
    List(#[from] ListError),
    /// The address of the list is not one.
    #[error("the address of the price list `{0}` is not a URL")]
    Url(String),
    /// The program stops.
    #[error("the refresh was broken off")]
    Stopped,
    /// The clock is out of every calendar.
    #[error("find the day of the refresh")]
    Day(#[from] jiff::Error),
}

/// The text of a price list, and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundList {
    /// Which list it is.
    pub list: PriceList,
    /// A file or URL.
    pub from: String,
    /// The whole text.
    pub text: String,
}

/// Whether a refresh is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is stored and followed.
    Store,
    /// It is only shown.
    Show,
}

/// What a refresh did or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Which list was read.
    pub list: PriceList,
    /// The file or URL it was read from.
    pub from: String,
    /// What changes.
    pub changes: Changes,
    /// What was not believed.
    pub quarantined: Vec<Quarantined>,
}

/// The file of refreshed prices in a data folder.
#[must_use]
pub fn file_in(data: &Path) -> PathBuf {
    data.join(FILE_NAME)
}

/// What refreshes brought so far; nothing where there was none. Blocks on the disk.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn load(data: &Path) -> Result<Refreshed, PricesError> {
    let path = file_in(data);
    let failed = |source| PricesError::File { path: path.clone(), source };
    let text = match crate::config::read_bounded(&path, FILE_BYTES_MAX) {
        Ok(text) => text,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Refreshed::default()),
        Err(err) => return Err(failed(err)),
    };
    serde_json::from_str(&text).map_err(|source| PricesError::Damaged { path, source })
}

/// Fetches a list from where the configuration says, or from where it is published. `list` is read
/// instead of the configured one. Proxies are those of the environment `env`.
///
/// # Errors
/// When it cannot be fetched.
pub async fn fetched(
    config: &RefreshConfig,
    list: Option<PriceList>,
    env: &Environment,
) -> Result<FoundList, PricesError> {
    let list = list.unwrap_or(config.list);
    // The configured address is the configured list's.
    let configured = config.url.clone().filter(|_| list == config.list);
    let url = match configured {
        Some(url) => url,
        None => {
            let published = list.url()?;
            published.parse::<Uri>().map_err(|_| PricesError::Url(published))?
        }
    };
    let bytes = tollgate_gateway::fetch(&url, LIST_BYTES_MAX, Proxies::from_env(&**env)).await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(FoundList { list, from: url.to_string(), text })
}

/// Reads a list from a file; which one it is, its content tells. Blocks on the disk.
///
/// # Errors
/// When it cannot be read or is no list.
pub fn in_file(path: &Path) -> Result<FoundList, PricesError> {
    let max = u64::try_from(LIST_BYTES_MAX).unwrap_or(u64::MAX);
    let text = crate::config::read_bounded(path, max)
        .map_err(|source| PricesError::ListFile { path: path.to_owned(), source })?;
    Ok(FoundList { list: PriceList::of(&text)?, from: path.display().to_string(), text })
}

/// Takes over what a list says. Of two programs that do so at once the second waits. Blocks on the
/// disk.
///
/// # Errors
/// When the list is not one, or the file of refreshed prices cannot be read or written; then it is
/// as it was.
pub fn refresh(
    data: &Path,
    found: FoundList,
    catalogue: &Catalogue,
    keep: Keep,
    now: UnixMs,
) -> Result<Outcome, PricesError> {
    let FoundList { list, from, text } = found;
    let reading = list.read(&text, &|id| catalogue.get(id).is_some())?;
    let embedded = PriceBook::embedded().unwrap_or_default();
    let path = file_in(data);
    let failed = |source| PricesError::File { path: path.clone(), source };
    let _lock = match keep {
        Keep::Store => Some(lock(data).map_err(failed)?),
        Keep::Show => None,
    };
    let mut refreshed = load(data)?;
    let changes = refreshed.take(&embedded, list, reading, now)?;
    if keep == Keep::Store {
        let text = serde_json::to_vec(&refreshed)
            .map_err(|source| PricesError::Damaged { path: path.clone(), source })?;
        store(&path, &text).map_err(failed)?;
    }
    let newest = refreshed.refreshes.into_iter().find(|it| it.list == list);
    let quarantined = newest.map(|it| it.quarantined).unwrap_or_default();
    Ok(Outcome { list, from, changes, quarantined })
}

/// Refreshes prices as often as the configuration says, which may be never, until `stop`. Nothing is
/// fetched at a start: the first look comes a while later. The demonstration fetches nothing.
pub(crate) async fn keep_fresh(app: Arc<App>, stop: CancellationToken) {
    if app.is_simulated() {
        return;
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PRICES_LOOK_EVERY) => {}
        }
        let Some(every) = app.settings().price_refresh().every else { continue };
        let data = app.paths().data.clone();
        let known = tokio::task::spawn_blocking(move || load(&data)).await;
        let last = known.ok().and_then(Result::ok).and_then(|it| it.last_at_ms());
        if !is_due(last, every, app.clock().now()) {
            continue;
        }
        match api::prices::refreshed(&app, None, Keep::Store).await {
            Ok(outcome) => tracing::info!(
                list = outcome.list.as_str(),
                added = outcome.changes.added.len(),
                changed = outcome.changes.changed.len(),
                quarantined = outcome.quarantined.len(),
                "prices were refreshed"
            ),
            Err(err) => tracing::warn!(error = %err, "prices could not be refreshed"),
        }
    }
}

/// Whether it is time for a refresh that nobody asked for.
fn is_due(last: Option<UnixMs>, every: Duration, now: UnixMs) -> bool {
    let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
    last.is_none_or(|last| now.0.saturating_sub(last.0) >= every)
}

fn lock(data: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(data)?;
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).mode(0o600).open(data.join("prices.lock"))?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

/// Replaces a file at once, so that nobody ever reads half of it. One that is there keeps its mode.
fn store(path: &Path, text: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    if let Ok(known) = fs::metadata(path) {
        file.set_permissions(known.permissions())?;
    }
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_is_due_when_the_last_is_long_enough_ago() {
        let every = Duration::from_secs(60);
        assert!(is_due(None, every, UnixMs(0)));
        assert!(!is_due(Some(UnixMs(1_000)), every, UnixMs(60_999)));
        assert!(is_due(Some(UnixMs(1_000)), every, UnixMs(61_000)));
        // A clock that was set back.
        assert!(!is_due(Some(UnixMs(1_000)), every, UnixMs(0)));
    }
}
