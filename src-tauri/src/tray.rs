//! The tray: the switch, today's cost, and the way back to the window.

use std::sync::Arc;

use futures_util::StreamExt as _;
use tauri::{
    AppHandle, Wry,
    image::Image,
    menu::{CheckMenuItem, Menu, MenuItem, PredefinedMenuItem},
    tray::{TrayIcon, TrayIconBuilder},
};
use tauri_plugin_autostart::ManagerExt as _;
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
    let asked = Arc::clone(app);
    let icon = TrayIconBuilder::with_id("main")
        .icon(Image::from_bytes(ON)?)
        .menu(&menu)
        .show_menu_on_left_click(true)
        .on_menu_event(move |handle, event| chosen(handle, &asked, event.id().as_ref(), &login))
        .build(handle)?;
    let tray = Tray { icon, today, gateway, paused, helper };
    tauri::async_runtime::spawn(follow(tray, Arc::clone(app)));
    Ok(())
}

fn chosen(handle: &AppHandle, app: &Arc<App>, item: &str, login: &CheckMenuItem<Wry>) {
    match item {
        "gateway" => switch(app),
        "paused" => app.capture().set_paused(!app.capture().counters().paused),
        "helper" => {
            if let Err(err) = helper::start() {
                tracing::error!(error = %err, "the helper cannot be started");
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

fn switch(app: &Arc<App>) {
    let app = Arc::clone(app);
    tauri::async_runtime::spawn(async move {
        let toggle = if app.listening().await.is_some() { Toggle::Off } else { Toggle::On };
        if let Err(err) = app.set_on(toggle).await {
            tracing::error!(error = %err, "the gateway cannot be switched");
        }
    });
}

/// Shows the status now, and again whenever it changes.
async fn follow(tray: Tray, app: Arc<App>) {
    let Ok(events) = api::events::events(&app, &EventQuery::default()) else { return };
    let mut events = Box::pin(events);
    show(&tray, &api::status::status(&app).await);
    while let Some(event) = events.next().await {
        match event {
            EventView::Status { status } => show(&tray, &status),
            EventView::Lagged { .. } => show(&tray, &api::status::status(&app).await),
            EventView::Call { .. } | EventView::Packets { .. } => {}
        }
    }
}

fn show(tray: &Tray, status: &StatusView) {
    let cost = money::rounded(&status.today_cost_pico_usd);
    let simulated = if status.simulated { " (simulated)" } else { "" };
    let unknown = match status.today_unknown_cost {
        0 => String::new(),
        count => format!(" + {count} of unknown cost"),
    };
    let live = status.live_calls;
    let calls = status.today_calls;
    let text = format!("Today: {cost}{unknown}{simulated} · {calls} calls · {live} live");
    let icon = if status.on { ON } else { OFF };
    let connected = status.helper.state == HelperState::Connected;
    let helper = match connected {
        true => "Packet helper is running",
        false => "Start the packet helper…",
    };
    let shown = (|| {
        tray.today.set_text(text)?;
        // A click has already flipped the box, even where the switch failed.
        tray.gateway.set_checked(status.on)?;
        tray.paused.set_checked(status.capture.paused)?;
        tray.helper.set_text(helper)?;
        tray.helper.set_enabled(!connected && helper::can_start())?;
        tray.icon.set_icon(Some(Image::from_bytes(icon)?))
    })();
    if let Err(err) = shown {
        tracing::error!(error = %err, "the tray cannot be changed");
    }
}
