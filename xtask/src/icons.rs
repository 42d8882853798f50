//! `cargo xtask icons`: draws the icons that the window, the tray and the package use from `packaging/icons/*.svg`.
//!
//! The results are committed: a build needs no renderer.

use std::fs;

use anyhow::{Context, Result};

use crate::{command, workspace::Workspace};

/// Source, size in pixels, file below `src-tauri/icons`. Tauri wants RGBA, which is what the renderer writes.
const ICONS: &[(&str, u32, &str)] = &[
    ("tollgate", 32, "32x32.png"),
    ("tollgate", 128, "128x128.png"),
    ("tollgate", 256, "128x128@2x.png"),
    ("tollgate", 512, "icon.png"),
    ("tray-on", 64, "tray-on.png"),
    ("tray-off", 64, "tray-off.png"),
];

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let folder = workspace.root.join("src-tauri/icons");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
    for (source, pixels, file) in ICONS {
        let pixels = pixels.to_string();
        command::run(
            workspace
                .command("rsvg-convert")
                .args(["--width", &pixels, "--height", &pixels])
                .arg(workspace.root.join(format!("packaging/icons/{source}.svg")))
                .arg("--output")
                .arg(folder.join(file)),
        )?;
    }
    Ok(())
}
