//! The tray: the switch, today's cost, and the way back to the window.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::StreamExt as _;
use tauri::{
    AppHandle, Wry,
    image::Image,
    menu::{CheckMenuItem, Menu, MenuItem, PredefinedMenuItem},
    tray::{TrayIcon, TrayIconBuilder},
};
use tauri_plugin_autostart::ManagerExt as _;
use tauri_plugin_dialog::{DialogExt as _, MessageDialogKind};
use tollgate_app::{
    App, Toggle,
    api::{
        self,
        events::EventQuery,
        view::{EventView, HelperState, StatusView},
    },
    helper, money,
};

use crate::window;

const ON: &[u8] = include_bytes!("../icons/tray-on.png");
const OFF: &[u8] = include_bytes!("../icons/tray-off.png");

/// The parts of the tray that change.
struct Tray {
    icon: TrayIcon,
    today: MenuItem<Wry>,
    gateway: CheckMenuItem<Wry>,
    paused: CheckMenuItem<Wry>,
    helper: MenuItem<Wry>,
    on: Image<'static>,
    off: Image<'static>,
    /// Whether a click has flipped a box, which it does also where what it asks for then fails.
    clicked: Arc<AtomicBool>,
}

/// What the tray shows.
struct Shown {
    today: String,
    on: bool,
    paused: bool,
    connected: bool,
    can_start: bool,
}

/// Puts the icon into the tray and keeps it true.
pub(crate) fn build(handle: &AppHandle, app: &Arc<App>) -> tauri::Result<()> {
    let item =
        |id: &str, text: &str, enabled| MenuItem::with_id(handle, id, text, enabled, None::<&str>);
    let check = |id: &str, text: &str, checked| {
        CheckMenuItem::with_id(handle, id, text, true, checked, None::<&str>)
    };
    let today = item("today", "Today: nothing yet", false)?;
    let gateway = check("gateway", "Gateway on", true)?;
    let paused = check("paused", "Pause capture", false)?;
    let helper = item("helper", "Start the packet helper…", true)?;
    let login =
        check("login", "Start at login", handle.autolaunch().is_enabled().unwrap_or(false))?;
    let menu = Menu::with_items(
        handle,
        &[
            &today,
            &PredefinedMenuItem::separator(handle)?,
            &gateway,
            &paused,
            &helper,
            &PredefinedMenuItem::separator(handle)?,
            &login,
            &item("open", "Open Tollgate", true)?,
            &item("quit", "Quit", true)?,
        ],
    )?;
    let (on, off) = (Image::from_bytes(ON)?, Image::from_bytes(OFF)?);
    let clicked = Arc::new(AtomicBool::new(false));
    let (asked, click) = (Arc::clone(app), Arc::clone(&clicked));
    let icon = TrayIconBuilder::with_id("main")
        .icon(on.clone())
        .menu(&menu)
        .show_menu_on_left_click(true)
        .on_menu_event(move |handle, event| {
            click.store(true, Ordering::Relaxed);
            chosen(handle, &asked, event.id().as_ref(), &login);
        })
        .build(handle)?;
    let tray = Tray { icon, today, gateway, paused, helper, on, off, clicked };
    tauri::async_runtime::spawn(follow(tray, Arc::clone(app)));
    Ok(())
}

fn chosen(handle: &AppHandle, app: &Arc<App>, item: &str, login: &CheckMenuItem<Wry>) {
    match item {
        "gateway" => switch(handle, app),
        "paused" => app.capture().set_paused(!app.capture().counters().paused),
        "helper" => {
            if let Err(err) = helper::start() {
                tell(handle, "The packet helper cannot be started", err);
            }
        }
        "login" => {
            let autostart = handle.autolaunch();
            let is_on = autostart.is_enabled().unwrap_or(false);
            let changed = if is_on { autostart.disable() } else { autostart.enable() };
            if let Err(err) = changed {
                tracing::error!(error = %err, "the start at login cannot be changed");
            }
            // Says what is, not what was asked for.
            let _ = login.set_checked(autostart.is_enabled().unwrap_or(false));
        }
        "open" => window::show(handle),
        "quit" => handle.exit(0),
        _ => {}
    }
}

fn switch(handle: &AppHandle, app: &Arc<App>) {
    let (handle, app) = (handle.clone(), Arc::clone(app));
    tauri::async_runtime::spawn(async move {
        let toggle = if app.listening().is_some() { Toggle::Off } else { Toggle::On };
        if let Err(err) = app.set_on(toggle).await {
            tell(&handle, "The gateway cannot be switched", err);
        }
    });
}

/// Tells a person what failed, with every cause: the last one is what can be acted on.
fn tell(handle: &AppHandle, title: &str, err: impl Into<anyhow::Error>) {
    let message = format!("{:#}", err.into());
    tracing::error!(error = message, "{title}");
    handle.dialog().message(message).title(title).kind(MessageDialogKind::Error).show(|_| {});
}

/// Shows the status now, and again whenever it changes.
async fn follow(tray: Tray, app: Arc<App>) {
    let Ok(events) = api::events::events(&app, &EventQuery::default()) else { return };
    let mut events = Box::pin(events);
    let mut shown = show(&tray, None, &api::status::status(&app).await);
    while let Some(event) = events.next().await {
        let status = match event {
            EventView::Status { status } => *status,
            EventView::Lagged { .. } => api::status::status(&app).await,
            EventView::Call { .. } | EventView::Packets { .. } | EventView::Budget { .. } => {
                continue;
            }
        };
        let known = if tray.clicked.swap(false, Ordering::Relaxed) { None } else { shown.take() };
        shown = show(&tray, known.as_ref(), &status);
    }
}

/// Shows the status, and says what is shown then; `None` where that is not known.
fn show(tray: &Tray, shown: Option<&Shown>, status: &StatusView) -> Option<Shown> {
    let wanted = Shown::new(status);
    match change(tray, shown, &wanted) {
        Ok(()) => Some(wanted),
        Err(err) => {
            tracing::error!(error = %err, "the tray cannot be changed");
            None
        }
    }
}

/// Touches only what differs: each change is told to the panel over the bus, and with the helper
/// the status changes every second.
fn change(tray: &Tray, shown: Option<&Shown>, wanted: &Shown) -> tauri::Result<()> {
    let differs = |same: fn(&Shown, &Shown) -> bool| shown.is_none_or(|it| !same(it, wanted));
    if differs(|it, other| it.today == other.today) {
        tray.today.set_text(&wanted.today)?;
    }
    if differs(|it, other| it.on == other.on) {
        tray.gateway.set_checked(wanted.on)?;
        let icon = if wanted.on { &tray.on } else { &tray.off };
        tray.icon.set_icon(Some(icon.clone()))?;
    }
    if differs(|it, other| it.paused == other.paused) {
        tray.paused.set_checked(wanted.paused)?;
    }
    if differs(|it, other| (it.connected, it.can_start) == (other.connected, other.can_start)) {
        tray.helper.set_text(match wanted.connected {
            true => "Packet helper is running",
            false => "Start the packet helper…",
        })?;
        tray.helper.set_enabled(!wanted.connected && wanted.can_start)?;
    }
    Ok(())
}

impl Shown {
    fn new(status: &StatusView) -> Self {
        let cost = status.today_cost_pico_usd.as_deref().map_or_else(|| "–".into(), money::rounded);
        let estimated = match status.today_estimated_pico_usd.as_deref() {
            None | Some("0") => "",
            Some(_) => ", part of it estimated",
        };
        let simulated = if status.simulated { " (simulated)" } else { "" };
        let unknown = match status.today_unknown_cost {
            None | Some(0) => String::new(),
            Some(count) => format!(" + {count} of unknown cost"),
        };
        let live = status.live_calls;
        let calls = status.today_calls.map_or_else(|| "–".into(), |it| it.to_string());
        Self {
            today: format!(
                "Today: {cost}{estimated}{unknown}{simulated} · {calls} calls · {live} live"
            ),
            on: status.on,
            paused: status.capture.paused,
            connected: status.helper.state == HelperState::Connected,
            can_start: helper::can_start(),
        }
    }
}
