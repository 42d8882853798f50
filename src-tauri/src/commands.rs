//! What the page may ask of this process: requests to the admin API, its live events, and to save
//! a file. They are thin: all logic is the admin API's.

#![expect(clippy::unreachable, reason = "`tauri::command` writes it into asynchronous commands")]
#![expect(clippy::needless_pass_by_value, reason = "`tauri::command` hands over owned values")]

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{
    body::{Body, Bytes},
    http::{Request, header},
};
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use serde::Serialize;
use tauri::{AppHandle, Manager as _, State, async_runtime::JoinHandle, ipc::Channel};
use tollgate_app::{
    App,
    api::{self, events::EventQuery, view::EventView},
};
use tower::ServiceExt as _;

/// The longest answer that is handed to the page.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// What the admin API answered.
#[derive(Serialize)]
pub(crate) struct Answer {
    status: u16,
    body: String,
}

/// The live streams of the page, by their numbers.
#[derive(Default)]
pub(crate) struct Streams {
    next: AtomicU32,
    running: Mutex<HashMap<u32, JoinHandle<()>>>,
}

impl Streams {
    /// Ends all of them: the page is gone.
    pub(crate) fn end_all(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.drain().for_each(|(_, task)| task.abort());
    }
}

/// Forwards a request into the admin API.
#[tauri::command]
pub(crate) async fn api(
    app: State<'_, Arc<App>>,
    method: String,
    path: String,
    body: Option<String>,
) -> Result<Answer, String> {
    let (status, body) = send(&app, &method, &path, body).await?;
    Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
}

async fn send(
    app: &Arc<App>,
    method: &str,
    path: &str,
    body: Option<String>,
) -> Result<(u16, Bytes), String> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.map_or_else(Body::empty, Body::from))
        .map_err(|err| err.to_string())?;
    let routes = axum::Router::new().nest("/api", api::router(Arc::clone(app)));
    let Ok(response) = routes.oneshot(request).await;
    let status = response.status().as_u16();
    let limited = http_body_util::Limited::new(response.into_body(), ANSWER_BYTES_MAX);
    let body = limited.collect().await.map_err(|err| err.to_string())?;
    Ok((status, body.to_bytes()))
}

/// Starts a stream of live events into the channel and says its number.
#[tauri::command]
pub(crate) async fn events(
    app: State<'_, Arc<App>>,
    streams: State<'_, Streams>,
    packets: bool,
    filter: String,
    channel: Channel<EventView>,
) -> Result<u32, String> {
    let filter = (!filter.is_empty()).then_some(filter);
    let events = api::events::events(&app, &EventQuery { packets, filter });
    let mut events = Box::pin(events.map_err(|err| err.to_string())?);
    let id = streams.next.fetch_add(1, Ordering::Relaxed);
    let task = tauri::async_runtime::spawn(async move {
        while let Some(event) = events.next().await {
            if channel.send(event).is_err() {
                return;
            }
        }
    });
    streams.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id, task);
    Ok(id)
}

/// Ends a stream; one that has ended is left alone.
#[tauri::command]
pub(crate) fn events_stop(streams: State<'_, Streams>, id: u32) {
    let task = streams.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    if let Some(task) = task {
        task.abort();
    }
}

/// Saves what a GET of `path` answers in the user's download folder, and says where. A file that is
/// there already is never overwritten.
#[tauri::command]
pub(crate) async fn save_file(
    handle: AppHandle,
    app: State<'_, Arc<App>>,
    path: String,
    name: String,
) -> Result<String, String> {
    let (status, body) = send(&app, "GET", &path, None).await?;
    if status != 200 {
        return Err(String::from_utf8_lossy(&body).into_owned());
    }
    let folder = handle.path().download_dir().or_else(|_| handle.path().home_dir());
    let folder = folder.map_err(|err| err.to_string())?;
    let file = free_name(&folder, &name)?;
    fs::create_dir_all(file.parent().unwrap_or(&file)).map_err(|err| err.to_string())?;
    fs::write(&file, body).map_err(|err| err.to_string())?;
    Ok(file.display().to_string())
}

/// `name` in `folder`, with a number before its ending if it is taken.
fn free_name(folder: &Path, name: &str) -> Result<PathBuf, String> {
    const NUMBERS_MAX: u32 = 10_000;
    let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    if !plain {
        return Err(format!("`{name}` is not a file's name"));
    }
    let (stem, ending) = name.split_once('.').unwrap_or((name, ""));
    let dot = if ending.is_empty() { "" } else { "." };
    let mut names = std::iter::once(name.to_owned())
        .chain((2..NUMBERS_MAX).map(|number| format!("{stem}-{number}{dot}{ending}")));
    let free = names.find(|it| !folder.join(it).exists());
    free.map(|it| folder.join(it)).ok_or_else(|| format!("there are too many files like `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_file_never_replaces_another_or_leaves_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| free_name(folder.path(), name);
        let first = at("tollgate.pcapng").unwrap();
        fs::write(&first, "").unwrap();
        assert_eq!(at("tollgate.pcapng").unwrap(), folder.path().join("tollgate-2.pcapng"));
        for wrong in ["", "../x", "/etc/passwd", ".profile"] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }
}
