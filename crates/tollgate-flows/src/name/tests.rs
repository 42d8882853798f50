use super::*;

fn name_of(exe: &str, command_line: &[&str], comm: &str) -> String {
    let argv: Vec<String> = command_line.iter().map(|it| (*it).to_owned()).collect();
    program_name((!exe.is_empty()).then_some(exe), &argv, comm)
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn programs_have_the_name_a_person_would_use() {
    let table: &[(&str, &[&str], &str, &str)] = &[
        // Plain executables.
        ("/usr/bin/curl", &["curl", "-s", "http://x"], "curl", "curl"),
        ("/usr/bin/curl (deleted)", &["curl"], "curl", "curl"),
        ("", &["/usr/bin/curl"], "curl", "curl"),
        ("/usr/bin/bash", &["-bash"], "bash", "bash"),
        ("/bin/busybox", &["wget", "x"], "wget", "wget"),
        ("/usr/sbin/nginx", &["nginx: worker process"], "nginx", "nginx"),
        ("/nix/store/abc-foo/bin/.foo-wrapped", &["foo"], "foo", "foo"),
        ("/opt/codex/codex-x86_64-unknown-linux-musl", &["codex"], "codex", "codex"),
        // Claude Code: its own installer names the executable after its version.
        ("/home/u/.local/share/claude/versions/2.0.14", &["claude"], "claude", "claude"),
        ("/home/u/.local/share/claude/versions/2.0.14", &[], "2.0.14", "claude"),
        // Claude Code by npm: Node runs a command without an ending, or the process has a title.
        ("/usr/bin/node", &["node", "/usr/local/bin/claude", "-p"], "node", "claude"),
        ("/usr/bin/node", &["claude"], "claude", "claude"),
        (
            "/usr/bin/node",
            &["node", "/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js"],
            "node",
            "claude-code",
        ),
        // Python.
        (
            "/usr/bin/python3.12",
            &["python3", "ingest.py", "--all"],
            "python3",
            "ingest.py (python3)",
        ),
        (
            "/usr/bin/python3.11",
            &["/usr/bin/python3.11", "-u", "-X", "dev", "/srv/ingest.py"],
            "python3.11",
            "ingest.py (python3)",
        ),
        (
            "/usr/bin/python3",
            &["python3", "-m", "http.server", "80"],
            "python3",
            "http.server (python3)",
        ),
        ("/usr/bin/python3", &["python3", "-mhttp.server"], "python3", "http.server (python3)"),
        ("/usr/bin/python3", &["python3", "-c", "print(1)"], "python3", "python3 -c"),
        ("/usr/bin/python3", &["python3", "-Bc", "print(1)"], "python3", "python3 -c"),
        ("/usr/bin/python3", &["python3"], "python3", "python3"),
        ("/usr/bin/python3", &["python3", "-"], "python3", "python3"),
        ("/usr/bin/python2.7", &["python", "old.py"], "python", "old.py (python2)"),
        ("/usr/bin/pypy3.10", &["pypy3", "x.py"], "pypy3", "x.py (pypy3)"),
        (
            "/home/u/.venv/bin/python",
            &["/home/u/.venv/bin/python", "/home/u/.venv/bin/aider"],
            "aider",
            "aider",
        ),
        (
            "/usr/bin/python3",
            &["/usr/bin/python3", "/srv/bot/__main__.py"],
            "python3",
            "bot/__main__.py (python3)",
        ),
        ("/usr/bin/python3.11", &["gunicorn: worker [app]"], "gunicorn", "gunicorn (python3)"),
        ("/usr/bin/python3.11", &[], "ingest", "ingest (python3)"),
        // Node and its relatives.
        ("/usr/bin/node", &["node", "server.js"], "node", "server.js (node)"),
        (
            "/usr/bin/nodejs",
            &["nodejs", "--require", "x.js", "--inspect", "server.mjs"],
            "nodejs",
            "server.mjs (node)",
        ),
        ("/usr/bin/node22", &["node", "/srv/shop/dist/index.js"], "node", "shop/index.js (node)"),
        ("/usr/bin/node", &["node", "-e", "1"], "node", "node -e"),
        ("/usr/bin/node", &["node"], "node-MainThread", "node"),
        ("/usr/bin/node", &["npm exec cowsay"], "npm exec cowsay", "cowsay (npm)"),
        (
            "/usr/bin/node",
            &["node", "/usr/lib/node_modules/npm/bin/npx-cli.js", "-y", "@scope/tool@1.2"],
            "node",
            "tool (npx)",
        ),
        (
            "/usr/bin/node",
            &["node", "/usr/lib/node_modules/npm/bin/npm-cli.js", "run", "dev"],
            "node",
            "dev (npm)",
        ),
        ("/usr/bin/node", &["node", "/usr/bin/npx", "cowsay"], "node", "cowsay (npx)"),
        ("/usr/bin/node", &["node", "/srv/app/node_modules/.bin/vite"], "node", "vite"),
        ("/home/u/.bun/bin/bun", &["bun", "run", "agent.ts"], "bun", "agent.ts (bun)"),
        ("/home/u/.bun/bin/bun", &["bun", "x", "cowsay"], "bun", "cowsay (bun)"),
        ("/home/u/.bun/bin/bun", &["bunx", "cowsay"], "bunx", "cowsay (bunx)"),
        ("/usr/bin/deno", &["deno", "run", "-A", "main.ts"], "deno", "main.ts (deno)"),
        ("/usr/bin/deno", &["deno", "task", "start"], "deno", "start (deno)"),
        // Wrappers.
        ("/usr/bin/uv", &["uv", "run", "ingest.py"], "uv", "ingest.py (uv)"),
        (
            "/usr/bin/uv",
            &["uv", "run", "--with", "httpx", "python", "-u", "ingest.py"],
            "uv",
            "ingest.py (uv)",
        ),
        ("/usr/bin/uvx", &["uvx", "--from", "x", "ruff@latest"], "uvx", "ruff (uvx)"),
        ("/usr/bin/uv", &["uv", "tool", "run", "ruff"], "uv", "ruff (uv)"),
        ("/usr/bin/uv", &["uv", "sync"], "uv", "uv"),
        (
            "/usr/bin/timeout",
            &["timeout", "-k", "5", "10s", "python3", "x.py"],
            "timeout",
            "x.py (python3)",
        ),
        ("/usr/bin/env", &["env", "A=1", "node", "server.js"], "env", "server.js (node)"),
        ("/usr/bin/sudo", &["sudo", "-u", "bob", "curl", "x"], "sudo", "curl"),
        // AppImages and Electron.
        ("/tmp/.mount_CursorAb12Cd/usr/share/cursor/cursor", &["cursor"], "cursor", "cursor"),
        ("/tmp/.mount_CursorAb12Cd/AppRun", &["AppRun"], "AppRun", "Cursor"),
        (
            "/home/u/Cursor-1.2.3-x86_64.AppImage",
            &["./Cursor.AppImage"],
            "Cursor-1.2.3-x8",
            "Cursor",
        ),
        (
            "/usr/lib/electron32/electron",
            &["electron", "/usr/lib/obsidian/app.asar"],
            "electron",
            "obsidian",
        ),
        (
            "/usr/lib/electron/electron",
            &["electron", "/opt/Slack/resources/app.asar"],
            "electron",
            "Slack",
        ),
        ("/usr/share/code/code", &["/proc/self/exe", "--type=utility"], "code", "code"),
        ("/opt/google/chrome/chrome", &["chrome", "--type=utility"], "chrome", "chrome"),
        // Others.
        ("/usr/bin/java", &["java", "-Xmx1g", "-jar", "/opt/app.jar"], "java", "app.jar (java)"),
        ("/usr/bin/java", &["java", "-cp", "a:b", "com.example.Main"], "java", "Main (java)"),
        ("/usr/bin/bash", &["bash", "-lc", "curl x"], "bash", "bash -c"),
        ("/usr/bin/bash", &["bash", "./deploy.sh"], "bash", "deploy.sh (bash)"),
        ("/usr/bin/perl", &["perl", "-w", "report.pl"], "perl", "report.pl (perl)"),
        ("/usr/bin/ruby3.1", &["ruby", "app.rb"], "ruby", "app.rb (ruby)"),
        // The kernel's name alone; fifteen characters have most likely been cut.
        ("", &[], "curl", "curl"),
        ("", &[], "a-very-long-nam", "a-very-long-nam…"),
        ("", &[], "", "?"),
        ("", &[""], "", "?"),
    ];
    for (exe, argv, comm, want) in table {
        assert_eq!(name_of(exe, argv, comm), *want, "{exe} {argv:?} {comm}");
    }
}

#[test]
fn names_are_bounded_and_readable() {
    let long = "x".repeat(500);
    assert_eq!(name_of(&long, &[], "").chars().count(), NAME_CHARS_MAX);
    assert_eq!(name_of("/bin/a\x1b[31mb\n", &[], ""), "a·[31mb·");
}

#[test]
fn a_script_is_told_from_its_interpreter() {
    let argv = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    assert!(runs_an_interpreter(&argv(&["/usr/bin/python3", "/bin/x"]), "/bin/x"));
    assert!(!runs_an_interpreter(&argv(&["python3", "x"]), "/usr/bin/python3"));
    assert!(!runs_an_interpreter(&argv(&["curl"]), "/usr/bin/curl"));
    assert!(!runs_an_interpreter(&argv(&["renamed"]), "/usr/bin/curl"));
}

#[test]
fn a_project_is_the_nearest_folder_with_git() {
    let exists = |path: &str| matches!(path, "/home/u/work/.git" | "/home/u/work/sub/mod/.git");
    let root = |cwd: &str| project_of(cwd, &exists).map(|it| (it.name, it.root));
    let work = Some(("work".to_owned(), "/home/u/work".to_owned()));
    assert_eq!(root("/home/u/work"), work);
    assert_eq!(root("/home/u/work/"), work);
    assert_eq!(root("/home/u/work/src/deep"), work);
    assert_eq!(root("/home/u/work/src (deleted)"), work);
    let inner = Some(("mod".to_owned(), "/home/u/work/sub/mod".to_owned()));
    assert_eq!(root("/home/u/work/sub/mod/src"), inner);
    assert_eq!(root("/home/u"), None);
    assert_eq!(root("/"), None);
    assert_eq!(root("relative"), None);
    assert_eq!(root(""), None);
    assert_eq!(project_of(&"/a".repeat(200), &|it| it == "/a/.git"), None, "bounded depth");
}

proptest::proptest! {
    #[test]
    fn any_command_line_has_a_name(exe in proptest::option::of(".{0,40}"), argv in proptest::collection::vec(".{0,30}", 0..6), comm in ".{0,15}") {
        let name = program_name(exe.as_deref(), &argv, &comm);
        proptest::prop_assert!(!name.is_empty() || exe.is_some() || !argv.is_empty() || !comm.is_empty());
        proptest::prop_assert!(name.chars().count() <= NAME_CHARS_MAX);
    }

    #[test]
    fn wrappers_in_wrappers_come_to_an_end(words in proptest::collection::vec(proptest::sample::select(vec!["env", "sudo", "timeout", "5", "python3", "-c", "uv", "run", "npx", "node", "x.js", "-m", "--"]), 0..40)) {
        let argv: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
        proptest::prop_assert!(program_name(None, &argv, "x").chars().count() <= NAME_CHARS_MAX);
    }
}
