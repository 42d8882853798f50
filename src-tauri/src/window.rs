//! The one window: closing it leaves the tray, and with it the gateway, running.
//!
//! It is really closed, so that its page and the page's processes do not go on unseen.

use tauri::{AppHandle, Manager as _, WebviewUrl, WebviewWindowBuilder, Window, WindowEvent};

use crate::commands::Streams;

const LABEL: &str = "main";

/// Shows the window, made anew unless it is open.
pub(crate) fn show(handle: &AppHandle) {
    let window = handle.get_webview_window(LABEL).map_or_else(|| build(handle), Ok);
    let shown = window.and_then(|window| {
        window.show()?;
        window.unminimize()?;
        window.set_focus()
    });
    if let Err(err) = shown {
        tracing::error!(error = %err, "the window cannot be shown");
    }
}

fn build(handle: &AppHandle) -> tauri::Result<tauri::WebviewWindow> {
    WebviewWindowBuilder::new(handle, LABEL, WebviewUrl::App("index.html".into()))
        .title("Tollgate")
        .inner_size(1280.0, 800.0)
        .min_inner_size(760.0, 480.0)
        .build()
}

/// Ends what fed the window's page: a closed window costs nothing until it is opened again.
pub(crate) fn on_event(window: &Window, event: &WindowEvent) {
    if let WindowEvent::Destroyed = event
        && let Some(streams) = window.try_state::<Streams>()
    {
        streams.end_all();
    }
}
