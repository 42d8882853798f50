//! `cargo xtask dist`: the Debian package, checked by lintian and, when asked, by installing, running and purging it.
//!
//! The package is laid out from one table ([`FILES`]) and put together by `dpkg-deb`: everything that ends up on a user's
//! machine can be read here and in `packaging/`.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{
    bpf, command,
    setup::{self, Consent, Group},
    ui,
    workspace::Workspace,
};

/// What the user asked for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) consent: Consent,
    /// The cargo profile of the programs.
    pub(crate) profile: String,
    /// Whether the package is also installed, run and purged, in a mount namespace.
    pub(crate) check: Check,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    Lint,
    LintAndInstall,
}

/// Programs by where they go.
const PROGRAMS: &[(&str, &str)] = &[
    ("tollgate", "usr/bin/tollgate"),
    ("tollgate-desktop", "usr/bin/tollgate-desktop"),
    ("tollgate-helper", "usr/libexec/tollgate/tollgate-helper"),
];

/// Files of the work tree, where they go, and their mode.
const FILES: &[(&str, &str, u32)] = &[
    ("packaging/deb/start-helper", "usr/libexec/tollgate/start-helper", 0o755),
    (
        "packaging/systemd/tollgate-helper@.service",
        "usr/lib/systemd/system/tollgate-helper@.service",
        0o644,
    ),
    (
        "packaging/polkit/dev.tollgate.helper.policy",
        "usr/share/polkit-1/actions/dev.tollgate.helper.policy",
        0o644,
    ),
    (
        "packaging/desktop/tollgate-desktop.desktop",
        "usr/share/applications/tollgate-desktop.desktop",
        0o644,
    ),
    (
        "packaging/metainfo/dev.tollgate.Tollgate.metainfo.xml",
        "usr/share/metainfo/dev.tollgate.Tollgate.metainfo.xml",
        0o644,
    ),
    ("packaging/icons/tollgate.svg", "usr/share/icons/hicolor/scalable/apps/tollgate.svg", 0o644),
    ("src-tauri/icons/32x32.png", "usr/share/icons/hicolor/32x32/apps/tollgate.png", 0o644),
    ("src-tauri/icons/128x128.png", "usr/share/icons/hicolor/128x128/apps/tollgate.png", 0o644),
    ("src-tauri/icons/128x128@2x.png", "usr/share/icons/hicolor/256x256/apps/tollgate.png", 0o644),
    ("src-tauri/icons/icon.png", "usr/share/icons/hicolor/512x512/apps/tollgate.png", 0o644),
    ("packaging/deb/copyright", "usr/share/doc/tollgate/copyright", 0o644),
    ("packaging/deb/postinst", "DEBIAN/postinst", 0o755),
    ("packaging/deb/prerm", "DEBIAN/prerm", 0o755),
    ("packaging/deb/postrm", "DEBIAN/postrm", 0o755),
];

/// Files that Debian wants compressed.
const COMPRESSED: &[(&str, &str)] = &[
    ("packaging/deb/changelog", "usr/share/doc/tollgate/changelog"),
    ("packaging/man/tollgate-desktop.1", "usr/share/man/man1/tollgate-desktop.1"),
    ("packaging/man/tollgate-helper.8", "usr/share/man/man8/tollgate-helper.8"),
];

/// Shell completions, which the command line writes itself.
const COMPLETIONS: &[(&str, &str)] = &[
    ("bash", "usr/share/bash-completion/completions/tollgate"),
    ("zsh", "usr/share/zsh/vendor-completions/_tollgate"),
    ("fish", "usr/share/fish/vendor_completions.d/tollgate.fish"),
];

/// Loaded at run time by name, so `dpkg-shlibdeps` does not see it: the tray.
const LOADED_LIBRARIES: &str = "libayatana-appindicator3-1";

/// `pkexec` to start the helper from the desktop, a Secret Service to keep keys in.
const RECOMMENDED: &str = "pkexec, gnome-keyring | kwalletmanager | keepassxc";

/// Builds the package and returns where it is.
pub(crate) fn run(workspace: &mut Workspace, options: &Options) -> Result<PathBuf> {
    let groups: &[Group] = match options.check {
        Check::Lint => &[Group::Build, Group::Dist],
        Check::LintAndInstall => &[Group::Build, Group::Dist, Group::Install],
    };
    setup::run(workspace, groups, options.consent)?;
    bpf::build(&workspace.root)?;
    ui::build(workspace)?;
    command::run(workspace.cargo(["build", "--profile", &options.profile]).args([
        "--package",
        "tollgate-cli",
        "--package",
        "tollgate-helper",
        "--package",
        "tollgate-desktop",
        "--features",
        "tollgate-desktop/custom-protocol",
    ]))?;
    let deb = package(workspace, &options.profile)?;
    command::run(
        workspace
            .command("lintian")
            .args(["--allow-root", "--fail-on", "error,warning", "--info"])
            .arg(&deb),
    )?;
    match options.check {
        Check::Lint => {}
        Check::LintAndInstall => install_run_purge(workspace, &deb, options.consent)?,
    }
    println!("dist: {}", deb.display());
    Ok(deb)
}

/// The check that needs root's rights, in namespaces of its own.
fn install_run_purge(workspace: &Workspace, deb: &Path, consent: Consent) -> Result<()> {
    let script = "tests/packaging/install-run-purge";
    if rustix::process::geteuid().is_root() {
        return command::run(workspace.command(script).arg(deb));
    }
    if !consent
        .to_use_sudo(workspace, "Install, run and purge it with sudo, apart from this system?")?
    {
        bail!("`{script}` needs root's rights");
    }
    command::run(workspace.command("sudo").args(["--non-interactive", script]).arg(deb))
}

/// Lays out the tree and puts it into a package.
fn package(workspace: &Workspace, profile: &str) -> Result<PathBuf> {
    let built = workspace.target.join(if profile == "dev" { "debug" } else { profile });
    let architecture = answer(workspace, "dpkg", &["--print-architecture"])?;
    let folder = workspace.target.join("package");
    let tree = folder.join("tree");
    if tree.exists() {
        fs::remove_dir_all(&tree).with_context(|| format!("cannot empty `{}`", tree.display()))?;
    }
    for (name, to) in PROGRAMS {
        let to = tree.join(to);
        place(&built.join(name), &to, 0o755)?;
        command::run(workspace.command("strip").arg(&to))?;
    }
    for (from, to, mode) in FILES {
        place(&workspace.root.join(from), &tree.join(to), *mode)?;
    }
    for (from, to) in COMPRESSED {
        let to = tree.join(to);
        place(&workspace.root.join(from), &to, 0o644)?;
        command::run(workspace.command("gzip").args(["--best", "--no-name"]).arg(&to))?;
    }
    write_generated(workspace, &built.join("tollgate"), &tree)?;
    write_control(workspace, &tree, &architecture)?;
    open_folders(&tree)?;

    let version = env!("CARGO_PKG_VERSION");
    let deb = folder.join(format!("tollgate_{version}_{architecture}.deb"));
    command::run(
        workspace
            .command("dpkg-deb")
            .args(["--root-owner-group", "-Zxz", "--build"])
            .args([&tree, &deb]),
    )?;
    Ok(deb)
}

/// Man pages and completions, as the program itself writes them.
fn write_generated(workspace: &Workspace, tollgate: &Path, tree: &Path) -> Result<()> {
    let program = tollgate.to_str().context("the build folder's name is not text")?;
    for (shell, to) in COMPLETIONS {
        write(&tree.join(to), &answer(workspace, program, &["completions", shell])?)?;
    }
    let man = tree.join("usr/share/man/man1");
    fs::create_dir_all(&man).with_context(|| format!("cannot create `{}`", man.display()))?;
    command::run(workspace.command(program).arg("man").arg(&man))?;
    let pages: Vec<PathBuf> =
        children(&man)?.into_iter().filter(|it| it.extension() == Some("1".as_ref())).collect();
    for page in &pages {
        set_mode(page, 0o644)?;
    }
    command::run(workspace.command("gzip").args(["--best", "--no-name"]).args(&pages))?;
    Ok(())
}

/// `DEBIAN/control` and `DEBIAN/md5sums`.
fn write_control(workspace: &Workspace, tree: &Path, architecture: &str) -> Result<()> {
    let depends = library_dependencies(workspace, tree)?;
    let kilobytes = answer(workspace, "du", &["-sk", &tree.to_string_lossy()])?;
    let kilobytes = kilobytes.split_whitespace().next().context("`du` said nothing")?;
    let changelog = fs::read_to_string(workspace.root.join("packaging/deb/changelog"))
        .context("cannot read `packaging/deb/changelog`")?;
    let maintainer = maintainer(&changelog).context("the changelog names no maintainer")?;
    let version = env!("CARGO_PKG_VERSION");
    if !changelog.starts_with(&format!("tollgate ({version}) ")) {
        bail!("`packaging/deb/changelog` does not begin with version {version}");
    }
    let control = format!(
        "Package: tollgate\n\
         Version: {version}\n\
         Architecture: {architecture}\n\
         Maintainer: {maintainer}\n\
         Installed-Size: {kilobytes}\n\
         Depends: {depends}, {LOADED_LIBRARIES}\n\
         Recommends: {RECOMMENDED}\n\
         Section: net\n\
         Priority: optional\n\
         Description: local gateway that shows and controls every LLM call\n\
         \x20Tollgate stands between the programs on this machine and the language models\n\
         \x20they call. For every call it shows which program made it, what it said, what\n\
         \x20it cost and what happened on the wire, and it decides what may happen next.\n\
         \x20.\n\
         \x20It contains the desktop application, the command line with a headless gateway,\n\
         \x20and the helper that observes packets with eBPF.\n"
    );
    write(&tree.join("DEBIAN/control"), &control)?;

    let mut sums = String::new();
    for file in files_below(tree, tree)? {
        if !file.starts_with("DEBIAN") {
            let sum = answer(workspace, "md5sum", &[&tree.join(&file).to_string_lossy()])?;
            let sum = sum.split_whitespace().next().context("`md5sum` said nothing")?;
            writeln!(sums, "{sum}  {}", file.display())?;
        }
    }
    write(&tree.join("DEBIAN/md5sums"), &sums)
}

/// The `Name <address>` of the newest entry.
fn maintainer(changelog: &str) -> Option<&str> {
    changelog.lines().find_map(|it| it.strip_prefix(" -- ")?.split("  ").next())
}

/// What `dpkg-shlibdeps` finds for the programs.
fn library_dependencies(workspace: &Workspace, tree: &Path) -> Result<String> {
    // It insists on the sources' layout; the file's content does not matter.
    let scratch = workspace.target.join("package/shlibdeps");
    write(
        &scratch.join("debian/control"),
        "Source: tollgate\n\nPackage: tollgate\nArchitecture: any\n",
    )?;
    let mut shlibdeps = workspace.command("dpkg-shlibdeps");
    shlibdeps.current_dir(&scratch).arg("-O");
    for (_, to) in PROGRAMS {
        shlibdeps.arg(format!("-e{}", tree.join(to).display()));
    }
    let found = command::ask(&mut shlibdeps).context("`dpkg-shlibdeps` failed")?;
    let depends = found.trim().strip_prefix("shlibs:Depends=");
    depends.map(str::to_owned).context("`dpkg-shlibdeps` found no dependencies")
}

fn answer(workspace: &Workspace, program: &str, arguments: &[&str]) -> Result<String> {
    let mut command = workspace.command(program);
    let text = command::ask(command.args(arguments))
        .with_context(|| format!("`{}` failed", command::line(&command)))?;
    Ok(if text.lines().count() == 1 { text.trim().to_owned() } else { text })
}

fn place(from: &Path, to: &Path, mode: u32) -> Result<()> {
    create_parent(to)?;
    fs::copy(from, to)
        .with_context(|| format!("cannot copy `{}` to `{}`", from.display(), to.display()))?;
    set_mode(to, mode)
}

fn write(to: &Path, text: &str) -> Result<()> {
    create_parent(to)?;
    fs::write(to, text).with_context(|| format!("cannot write `{}`", to.display()))?;
    set_mode(to, 0o644)
}

fn create_parent(file: &Path) -> Result<()> {
    let folder = file.parent().context("a file has no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create `{}`", folder.display()))
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of `{}`", path.display()))
}

/// Gives every folder the mode that packages have, whatever our umask is.
fn open_folders(folder: &Path) -> Result<()> {
    set_mode(folder, 0o755)?;
    for path in children(folder)? {
        if path.is_dir() {
            open_folders(&path)?;
        }
    }
    Ok(())
}

/// Files below `folder`, relative to `base`, in order.
fn files_below(folder: &Path, base: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in children(folder)? {
        if path.is_dir() {
            files.extend(files_below(&path, base)?);
        } else {
            files.push(path.strip_prefix(base).context("a file outside its tree")?.to_owned());
        }
    }
    Ok(files)
}

fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list `{}`", folder.display()))?;
    let mut paths = entries
        .map(|it| it.map(|it| it.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .with_context(|| format!("cannot list `{}`", folder.display()))?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maintainer_is_who_signed_the_newest_entry() {
        let changelog = "tollgate (1.0) unstable; urgency=low\n\n  * A.\n\n -- Ada L <a@b.org>  Mon, 1 Jan 2026\n\n -- Bob <b@b.org>  Sun";
        assert_eq!(maintainer(changelog), Some("Ada L <a@b.org>"));
    }

    #[test]
    fn every_file_of_the_tables_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let named = FILES.iter().map(|it| it.0).chain(COMPRESSED.iter().map(|it| it.0));
        for file in named {
            assert!(root.join(file).is_file(), "`{file}` is named in dist.rs and missing");
        }
    }
}
