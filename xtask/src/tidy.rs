//! Repository rules that `cargo test` enforces: the picture in ARCHITECTURE.md and the house rules, as data.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Who may depend on whom. Names are without `tollgate-`.
const ALLOWED: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("helper-protocol", &[]),
    ("bpf-abi", &[]),
    ("simulator", &[]),
    ("wire", &["core"]),
    ("flows", &["core"]),
    ("ledger", &["core"]),
    ("gateway", &["core", "wire", "ledger"]),
    ("helper", &["helper-protocol", "bpf-abi"]),
    ("app", &["core", "wire", "gateway", "ledger", "flows", "helper-protocol", "simulator"]),
    ("cli", &["app", "core"]),
    ("desktop", &["app"]),
    (
        "tests",
        &["app", "core", "wire", "gateway", "ledger", "flows", "helper-protocol", "simulator"],
    ),
];

/// Who may depend on whom for its own tests only.
const ALLOWED_IN_TESTS: &[(&str, &[&str])] = &[("gateway", &["simulator"])];

/// What only one package may name: the boundary that package exists for.
const SOLE_USER: &[(&str, &str)] =
    &[("rusqlite", "ledger"), ("aya", "helper"), ("tauri", "desktop")];

const RUNTIMES: &[&str] = &["tokio", "mio", "axum", "hyper", "reqwest", "rusqlite", "tauri", "aya"];

/// What a package may not reach, even through others.
const UNREACHABLE: &[(&str, &[&str])] = &[
    ("core", RUNTIMES),
    ("wire", RUNTIMES),
    ("flows", RUNTIMES),
    ("bpf-abi", RUNTIMES),
    ("helper-protocol", RUNTIMES),
    ("helper", &["tauri", "axum", "hyper", "reqwest", "rusqlite"]),
    ("ledger", &["tauri", "aya", "axum", "hyper", "reqwest"]),
    ("gateway", &["tauri", "aya"]),
    ("app", &["tauri", "aya"]),
    ("cli", &["tauri", "aya"]),
];

/// Lines of a source file without the tests at its end.
const FILE_LINES_MAX: usize = 600;

/// Files that are longer, and why that is right.
const LONG_FILES: &[(&str, &str)] = &[(
    "crates/tollgate-app/src/api/view.rs",
    "the whole vocabulary of the admin API: plain structures, each field with its documentation",
)];

#[test]
fn packages_depend_only_along_the_architecture() {
    for package in packages() {
        let Some(name) = short_name(&package["name"]) else { continue };
        let (_, allowed) = ALLOWED.iter().find(|(it, _)| *it == name).unwrap_or_else(|| {
            panic!("`{name}` is new: add it to ALLOWED in xtask/src/tidy.rs and to ARCHITECTURE.md")
        });
        let in_tests =
            ALLOWED_IN_TESTS.iter().find(|(it, _)| *it == name).map_or(&[][..], |it| it.1);
        for dependency in package["dependencies"].as_array().unwrap() {
            let Some(other) = short_name(&dependency["name"]) else { continue };
            let only_in_tests = dependency["kind"] == "dev" && in_tests.contains(&other);
            assert!(
                allowed.contains(&other) || only_in_tests,
                "`{name}` must not depend on `{other}`: see ARCHITECTURE.md"
            );
        }
    }
}

#[test]
fn the_table_names_only_packages_that_exist() {
    let packages = packages();
    let names: BTreeSet<&str> = packages.iter().filter_map(|it| short_name(&it["name"])).collect();
    for (name, _) in ALLOWED {
        assert!(
            names.contains(name),
            "`{name}` is gone: remove it from ALLOWED in xtask/src/tidy.rs"
        );
    }
}

#[test]
fn xtask_depends_on_no_package_of_the_workspace() {
    let packages = packages();
    let xtask = packages.iter().find(|it| it["name"] == "xtask").unwrap();
    for dependency in xtask["dependencies"].as_array().unwrap() {
        assert_eq!(short_name(&dependency["name"]), None, "xtask must build before the rest does");
    }
}

#[test]
fn a_boundary_library_is_named_by_one_package_only() {
    for package in packages() {
        let name = short_name(&package["name"]).unwrap_or("xtask");
        for dependency in package["dependencies"].as_array().unwrap() {
            let sole = SOLE_USER.iter().find(|(library, _)| dependency["name"] == *library);
            let Some((library, user)) = sole else { continue };
            assert!(
                name == *user || dependency["kind"] == "dev",
                "only `{user}` may depend on `{library}`, `{name}` does too: see ARCHITECTURE.md"
            );
        }
    }
}

#[test]
fn pure_and_privileged_packages_reach_no_banned_library() {
    for (name, banned) in UNREACHABLE {
        let package = format!("tollgate-{name}");
        let tree = output(
            env!("CARGO"),
            &["tree", "--package", &package, "--edges", "normal", "--prefix", "none"],
        );
        let reached: BTreeSet<&str> = tree.lines().filter_map(|it| it.split(' ').next()).collect();
        for library in *banned {
            assert!(
                !reached.contains(library),
                "`{name}` must not reach `{library}`: see ARCHITECTURE.md; \
                 `cargo tree -p {package} -i {library}` shows how it does"
            );
        }
    }
}

#[test]
fn every_package_inherits_the_workspace_lints() {
    for package in packages() {
        let path = package["manifest_path"].as_str().unwrap();
        let manifest = fs::read_to_string(path).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "`{path}` must say `[lints] workspace = true`"
        );
    }
}

#[test]
fn source_files_are_short_enough_to_read() {
    let mut long = Vec::new();
    for file in tracked(&["*.rs", "ui/src/*.ts", "ui/src/*.tsx"]) {
        let lines = lines_without_tests(&fs::read_to_string(root().join(&file)).unwrap());
        let excused = LONG_FILES.iter().any(|(it, _)| *it == file);
        assert!(
            !excused || lines > FILE_LINES_MAX,
            "`{file}` is short enough now: remove it from LONG_FILES in xtask/src/tidy.rs"
        );
        let is_test = file.ends_with("/tests.rs") || file.contains(".test.");
        let is_generated = file.ends_with(".d.ts");
        if lines > FILE_LINES_MAX && !excused && !is_test && !is_generated {
            long.push(format!("{file} ({lines})"));
        }
    }
    assert!(
        long.is_empty(),
        "more than {FILE_LINES_MAX} lines without the tests; split along a concept: {}",
        long.join(", ")
    );
}

#[test]
fn no_file_is_called_mod_rs() {
    for file in tracked(&["*.rs"]) {
        assert!(!file.ends_with("/mod.rs"), "`{file}`: use `foo.rs` beside `foo/`");
    }
}

/// A path of one person's machine, or the address of one network's package registry, works nowhere else.
#[test]
fn nothing_names_a_machine() {
    // Composed, so that this file does not name them.
    let folders = ["work", "root"].map(|it| format!("/{it}/"));
    for file in tracked(&["*", ":!*.lock", ":!*-lock.json"]) {
        let Ok(text) = fs::read_to_string(root().join(&file)) else { continue };
        for (number, line) in text.lines().enumerate() {
            for folder in &folders {
                assert!(
                    !starts_a_path(line, folder),
                    "`{file}` line {}: `{folder}` is a path of one machine",
                    number + 1
                );
            }
        }
    }
}

/// Lock files are the same for everybody when they name the public registries, or none.
#[test]
fn lock_files_name_public_registries_only() {
    for file in tracked(&["*package-lock.json", "*Cargo.lock"]) {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        for line in text.lines().map(str::trim) {
            let (npm, cargo) =
                (line.strip_prefix("\"resolved\": \""), line.strip_prefix("source = \""));
            assert!(
                npm.is_none_or(|it| it.starts_with("https://registry.npmjs.org/")),
                "`{file}`: {line}"
            );
            assert!(
                cargo.is_none_or(
                    |it| it == "registry+https://github.com/rust-lang/crates.io-index\""
                ),
                "`{file}`: {line}"
            );
        }
    }
}

#[test]
fn only_the_host_module_of_the_interface_knows_tauri() {
    for file in tracked(&["ui/src/*.ts", "ui/src/*.tsx"]) {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        let is_host = file.starts_with("ui/src/lib/host");
        assert!(
            is_host || !text.contains("@tauri-apps/"),
            "`{file}` imports `@tauri-apps/*`: only `ui/src/lib/host*.ts` may"
        );
    }
}

/// Whether `folder` begins a path in `line`, as opposed to being the middle of a longer one or of an address.
fn starts_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        !line[..at].ends_with(|it: char| it.is_alphanumeric() || "._-/}{*$>)]".contains(it))
    })
}

/// Lines before the first `#[cfg(test)]` that starts a line.
fn lines_without_tests(text: &str) -> usize {
    text.lines().take_while(|it| *it != "#[cfg(test)]").count()
}

fn packages() -> Vec<Value> {
    let metadata = output(env!("CARGO"), &["metadata", "--no-deps", "--format-version=1"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn short_name(name: &Value) -> Option<&str> {
    name.as_str().and_then(|it| it.strip_prefix("tollgate-"))
}

/// Files that git knows and that are there, by its path patterns.
fn tracked(patterns: &[&str]) -> Vec<String> {
    let mut arguments = vec!["ls-files", "--"];
    arguments.extend(patterns);
    let files = output("git", &arguments);
    files.lines().filter(|it| root().join(it).is_file()).map(str::to_owned).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_path_is_told_from_the_middle_of_one() {
    let folder = format!("/{}/", "work");
    assert!(starts_a_path(&format!("see {folder}main"), &folder));
    assert!(starts_a_path(&format!("\"{folder}main\""), &folder));
    assert!(!starts_a_path(&format!("https://host{folder}main"), &folder));
    assert!(!starts_a_path(&format!("$HOME{folder}main"), &folder));
}
