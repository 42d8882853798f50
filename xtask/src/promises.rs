//! `docs/promises.md` names the tests that hold each promise: they must be there.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The rows of the page's tables, without heads and rules.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let rows = page.lines().filter(|it| it.starts_with("| ") && !it.starts_with("| ---"));
    let rows = rows.map(|it| it.trim_matches('|').split(" | ").map(str::trim).collect());
    rows.filter(|it: &Vec<&str>| it.first() != Some(&"state")).collect()
}

/// The names of all functions below `folder` that have a test's attribute.
fn tests_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !["target", "node_modules", ".git"].contains(&name.as_str()) {
            tests_below(&path, found);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    is_test = true;
                } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
                    found.extend(rest.split('(').next().map(str::to_owned));
                    is_test = false;
                }
            }
        }
    }
}

#[test]
fn every_promise_names_tests_that_are_there() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/promises.md")).unwrap();
    let mut tests = BTreeSet::new();
    for folder in ["crates", "tests", "privileged-helper", "src-tauri"] {
        tests_below(&root.join(folder), &mut tests);
    }
    let rows = rows(&page);
    assert!(rows.len() > 20, "the tables are read: {}", rows.len());
    for row in rows {
        let [state, promise, held_by] = row[..] else { panic!("three cells: {row:?}") };
        let named: Vec<&str> = held_by.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "nothing holds this promise: {state}: {promise}");
        for name in named {
            assert!(tests.contains(name), "there is no test `{name}`, named for: {promise}");
        }
    }
}
