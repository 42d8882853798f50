//! `tollgate doctor`: each thing Tollgate needs, what was found, and what to do about it.

use std::sync::Arc;

use tollgate_core::provider::Catalogue;
use tollgate_gateway::Blocks;
use tollgate_ledger::{Progress, SumQuery};

use crate::{
    App, Environment, Problem, Severity,
    api::{
        self,
        view::{CheckView, HelperState},
    },
    credentials::{self, CredentialFile, Lock},
    descriptors,
    paths::Paths,
    settings::{self, Settings, Sources},
};

/// The checks of a running gateway.
pub async fn checks(app: &Arc<App>) -> Vec<CheckView> {
    let mut checks = vec![listening(app), ledger(app).await];
    checks.push(callers());
    checks.extend(user());
    checks.extend(open_files(descriptors::connections_max()));
    checks.extend(helper(app));
    checks.extend(credential_file(app.settings().credentials()));
    checks.extend(blocks(&app.settings().blocks().get()));
    checks.extend(app.problems().into_iter().map(problem));
    if app.is_simulated() {
        let found = "the built-in simulator answers instead of the providers; nobody is billed";
        let remedy = "stop the demo and start `tollgate serve` to reach real providers";
        checks.push(check("providers", "warning", found.to_owned(), Some(remedy.to_owned())));
    }
    checks
}

/// What can be said when no gateway runs: also whether one could follow the configuration.
pub async fn checks_without_gateway(paths: &Paths, env: Environment) -> Vec<CheckView> {
    let found = format!("no gateway answers at `{}`", paths.admin_socket().display());
    let remedy = "start one with `tollgate serve`, or open the app".to_owned();
    let there = paths.helper_sockets.iter().find(|it| it.exists());
    let helper = if let Some(socket) = there {
        check("helper", "ok", format!("`{}` is there", socket.display()), None)
    } else {
        let looked = paths.helper_sockets.iter().map(|it| format!("`{}`", it.display()));
        let found = format!("{} is not there", looked.collect::<Vec<_>>().join(" or "));
        check("helper", "warning", found, Some(helper_remedy()))
    };
    let mut checks = vec![check("gateway", "error", found, Some(remedy))];
    checks.extend(configuration(paths, env).await);
    checks.extend([callers(), helper]);
    checks
}

async fn configuration(paths: &Paths, env: Environment) -> Vec<CheckView> {
    let path = paths.config.clone();
    let shown = path.display().to_string();
    let wrong = |found: String| {
        vec![check("configuration", "error", found, Some(format!("mend `{shown}`")))]
    };
    let catalogue = match Catalogue::embedded() {
        Ok(catalogue) => catalogue,
        Err(err) => return wrong(err.to_string()),
    };
    let there = path.exists();
    let data = paths.data.clone();
    let credentials = match credentials::file_of(paths, &*env) {
        Ok(file) => file,
        Err(err) => return wrong(err.to_string()),
    };
    let sources = Sources { path, catalogue, prices: Arc::default(), data, env, credentials };
    let settings = match Settings::load(sources, None) {
        Ok(settings) => settings,
        Err(err) => return wrong(settings::with_causes(&err)),
    };
    settings.begin(None).await;
    let found = if there { "has no mistake" } else { "is not there, and need not be" };
    let mut checks = vec![check("configuration", "ok", format!("`{shown}` {found}"), None)];
    checks.extend(credential_file(settings.credentials()));
    checks.extend(settings.problems().into_iter().map(problem));
    checks
}

/// What the file of credentials protects from, where there is one. What it keeps from a provider stands
/// with that.
fn credential_file(file: &CredentialFile) -> Option<CheckView> {
    let path = file.path();
    let shown = path.display();
    Some(match file.lock() {
        Ok(None) => return None,
        Ok(Some(Lock::Passphrase)) => {
            check("credentials", "ok", format!("`{shown}` has a passphrase"), None)
        }
        Ok(Some(Lock::KeyFile)) => {
            let key = file.key_path();
            let found = format!(
                "`{shown}` is opened by `{}` beside it: who reads both has your credentials",
                key.display()
            );
            let remedy =
                "give it a passphrase with `tollgate providers passphrase`, or use a keyring";
            check("credentials", "warning", found, Some(remedy.to_owned()))
        }
        Err(err) => {
            let remedy = format!("mend `{shown}`, or remove it and store the credentials again");
            check("credentials", "error", err.to_string(), Some(remedy))
        }
    })
}

/// Whose calls are refused: that is easily forgotten.
fn blocks(blocks: &Blocks) -> Option<CheckView> {
    let programs = blocks.programs.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>();
    let (found, remedy) = match (blocks.all, programs.as_slice()) {
        (true, _) => ("all calls are refused".to_owned(), "`tollgate unblock --all`"),
        (false, []) => return None,
        (false, _) => {
            let found = format!("calls of {} are refused", programs.join(", "));
            (found, "`tollgate unblock --program NAME`")
        }
    };
    let remedy = format!("{remedy} lets them through again");
    Some(check("blocks", "warning", found, Some(remedy)))
}

fn problem(it: Problem) -> CheckView {
    let level = match it.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    check(&it.name, level, it.found, Some(it.remedy))
}

/// What to do where there is no helper.
fn helper_remedy() -> String {
    let start = if crate::helper::can_start() {
        "start it from the tray, or with `pkexec /usr/libexec/tollgate/start-helper`"
    } else {
        "install the package, or run `sudo target/debug/tollgate-helper --uid $(id -u) --socket \
         /run/tollgate/helper.sock` from a build"
    };
    format!("{start}; without it there are no packets")
}

fn listening(app: &App) -> CheckView {
    match app.listening() {
        Some(listen) => check("gateway", "ok", format!("serves on `{listen}`"), None),
        None => {
            let remedy = Some("turn it on with `tollgate on`".to_owned());
            check("gateway", "warning", "is turned off".to_owned(), remedy)
        }
    }
}

async fn ledger(app: &App) -> CheckView {
    let path = app.paths().data.join("ledger.db");
    let reader = app.reader();
    let read = api::blocking(move || Ok(reader.totals(&SumQuery::default())?)).await;
    match read {
        Ok(totals) => {
            let found = format!("`{}` holds {} calls", path.display(), totals.calls);
            writing(found, app.ledger_lost(), &app.ledger_progress())
        }
        Err(err) => {
            let remedy = format!("look at `{}`", path.display());
            check("ledger", "error", err.to_string(), Some(remedy))
        }
    }
}

/// Whether calls reach the ledger, added to what it holds.
fn writing(mut found: String, lost: u64, progress: &Progress) -> CheckView {
    let Progress { committed: _, refused, waiting, bodies_given_up, failure, checked, recovery } =
        progress;
    if *checked {
        found.push_str(" and is not damaged");
    }
    for (count, what) in [
        (lost, "calls could not be written and are lost"),
        (*refused, "were refused for what they are"),
        (*bodies_given_up, "lost their bodies so that they themselves found room"),
    ] {
        if count > 0 {
            found.push_str(&format!("; {count} {what}"));
        }
    }
    if let Some(failure) = failure {
        let found =
            format!("{found}; {waiting} calls wait because the last commit failed: {failure}");
        let remedy = "make room on the disk, or see what the file's health is; they are written as soon as \
                      that works, and kept in memory until then";
        return check("ledger", "error", found, Some(remedy.to_owned()));
    }
    if lost > 0 || *refused > 0 {
        let remedy = "the log says why (`TOLLGATE_LOG=warn`); was the disk full?";
        return check("ledger", "error", found, Some(remedy.to_owned()));
    }
    if let Some(recovery) = recovery {
        let found = format!("{found}; {recovery}");
        let remedy = "look at the health of the disk; the damaged file and a report lie beside the \
                      new ledger, delete them when you need them no more";
        return check("ledger", "warning", found, Some(remedy.to_owned()));
    }
    let level = if *bodies_given_up > 0 { "warning" } else { "ok" };
    let remedy = (*bodies_given_up > 0).then(|| "was the disk full?".to_owned());
    check("ledger", level, found, remedy)
}

/// Root's gateway would hand root's rights to whatever finds a hole in it.
fn user() -> Option<CheckView> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let remedy = "run it as yourself: only the helper needs root".to_owned();
    Some(check("user", "warning", "the gateway runs as root".to_owned(), Some(remedy)))
}

/// A limit of open files that is low leaves few connections.
fn open_files(connections: usize) -> Option<CheckView> {
    if connections >= descriptors::CONNECTIONS_MAX {
        return None;
    }
    let found = format!("the limit of open files leaves {connections} connections at once");
    let remedy = "raise the hard limit: `ulimit -Hn`, or `LimitNOFILE=` in systemd".to_owned();
    Some(check("open files", "warning", found, Some(remedy)))
}

/// Whether the fallback for attribution works.
fn callers() -> CheckView {
    match crate::procfs::tcp_sockets() {
        Ok(_) => check("callers", "ok", "`sock_diag` and `/proc` tell who calls".to_owned(), None),
        Err(err) => {
            let found = format!("`sock_diag` does not work here: {err}");
            let remedy = "load the kernel module `inet_diag`, or install the helper".to_owned();
            check("callers", "warning", found, Some(remedy))
        }
    }
}

fn helper(app: &App) -> Vec<CheckView> {
    let helper = app.capture().helper();
    let reason = || helper.reason.clone().unwrap_or_default();
    let mut checks = vec![match helper.state {
        HelperState::Connected => {
            let version = helper.version.as_deref().unwrap_or("?");
            check("helper", "ok", format!("version {version} is connected"), None)
        }
        HelperState::Absent | HelperState::Failed => {
            check("helper", "warning", reason(), Some(helper_remedy()))
        }
    }];
    let missing = helper.probes.iter().filter(|it| !it.attached);
    checks.extend(missing.map(|it| {
        let found = it.reason.clone().unwrap_or_else(|| "not attached".to_owned());
        let remedy = Some("a newer kernel may have it; Tollgate works on without".to_owned());
        check(&format!("eBPF {}", it.name), "warning", found, remedy)
    }));
    checks
}

fn check(name: &str, level: &str, found: String, remedy: Option<String>) -> CheckView {
    CheckView { name: name.to_owned(), level: level.to_owned(), found, remedy }
}

#[cfg(test)]
mod tests {
    use tollgate_core::PicoUsd;
    use tollgate_ledger::Recovery;

    use super::*;

    #[test]
    fn a_ledger_that_cannot_write_is_an_error_before_a_call_is_lost() {
        let said = |lost, progress: &Progress| {
            let check = writing("`l` holds 9 calls".to_owned(), lost, progress);
            (check.level, check.found)
        };
        let fine = Progress::default();
        assert_eq!(said(0, &fine), ("ok".to_owned(), "`l` holds 9 calls".to_owned()));
        let full = Some("database or disk is full".to_owned());
        let stuck =
            Progress { waiting: 3, bodies_given_up: 2, failure: full, ..Progress::default() };
        let (level, found) = said(0, &stuck);
        assert_eq!(level, "error");
        assert!(found.contains("3 calls wait") && found.contains("disk is full"), "{found}");
        assert!(found.contains("2 lost their bodies"), "{found}");
        let after = Progress { bodies_given_up: 2, ..Progress::default() };
        assert_eq!(said(0, &after).0, "warning");
        assert_eq!(said(0, &Progress { refused: 1, ..Progress::default() }).0, "error");
        assert_eq!(said(1, &fine).0, "error");
        let checked = Progress { checked: true, ..Progress::default() };
        assert_eq!(said(0, &checked).1, "`l` holds 9 calls and is not damaged");
        let recovery = Recovery {
            aside: "/d/ledger-damaged.db".into(),
            reason: "malformed".to_owned(),
            calls: 9,
            lost: Some(2),
            lost_cost: Some(PicoUsd::ZERO),
            with_bodies: 9,
        };
        let repaired = Progress { recovery: Some(recovery), ..Progress::default() };
        let (level, found) = said(0, &repaired);
        assert_eq!(level, "warning");
        assert!(found.contains("2 calls") && found.contains("/d/ledger-damaged.db"), "{found}");
    }
}
