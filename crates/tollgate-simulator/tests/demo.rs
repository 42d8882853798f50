//! The demo's client programs as real processes. This file is both the test and the program that
//! the demo starts under five names.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unreachable,
    reason = "a test without the harness, which clippy does not know for one"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tollgate_simulator::{
    SimulatedCall, Simulator, SimulatorConfig,
    clients::{CHILD_SUBCOMMAND, ClientOptions, Demo, PERSONALITIES, run_child},
};

/// Far beyond what this takes; only a broken test waits that long.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs everything that follows the demo's start as a process that can be killed.
const PARENT: &str = "parent-of-a-demo";

fn main() {
    let args: Vec<_> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    match args.first().map(String::as_str) {
        Some(CHILD_SUBCOMMAND) => runtime.block_on(child(&args)),
        Some(PARENT) => runtime.block_on(parent(&args[1], Path::new(&args[2]))),
        _ => tests(&runtime, &args),
    }
}

/// Lists or runs the tests as the usual harness would, for `cargo test` and for nextest.
fn tests(runtime: &tokio::runtime::Runtime, args: &[String]) {
    let has = |flag: &str| args.iter().any(|it| it == flag);
    let filters: Vec<_> = args.iter().filter(|it| !it.starts_with('-')).collect();
    let is_wanted = |name: &str| {
        let matches = |it: &&String| if has("--exact") { *it == name } else { name.contains(*it) };
        filters.is_empty() || filters.iter().any(matches)
    };
    if has("--list") {
        // None of them is ignored.
        let listed = if has("--ignored") { &[] } else { TESTS };
        listed.iter().for_each(|name| println!("{name}: test"));
        return;
    }
    let wanted: Vec<_> = TESTS.iter().filter(|it| is_wanted(it)).collect();
    for name in &wanted {
        match **name {
            NAMES => runtime.block_on(every_program_is_seen_with_its_name_and_project()),
            ERRORS => runtime.block_on(programs_go_on_through_errors()),
            DROP => runtime.block_on(dropping_the_demo_kills_its_programs()),
            KILL => runtime.block_on(killing_the_parent_ends_its_programs()),
            unknown => unreachable!("no test is called {unknown}"),
        }
        println!("test {name} ... ok");
    }
    let (passed, left) = (wanted.len(), TESTS.len() - wanted.len());
    println!(
        "\ntest result: ok. {passed} passed; 0 failed; 0 ignored; 0 measured; {left} filtered out"
    );
}

const NAMES: &str = "every_program_is_seen_with_its_name_and_project";
const ERRORS: &str = "programs_go_on_through_errors";
const DROP: &str = "dropping_the_demo_kills_its_programs";
const KILL: &str = "killing_the_parent_ends_its_programs";
const TESTS: &[&str] = &[NAMES, ERRORS, DROP, KILL];

/// What the hidden subcommand of `tollgate` does, with the arguments that `child_args` makes.
async fn child(args: &[String]) {
    let value = |name: &str| {
        let at = args.iter().position(|it| it == name)?;
        args.get(at + 1).cloned()
    };
    let millis = value("--pace-ms").and_then(|it| it.parse().ok()).expect("a pace");
    let options = ClientOptions {
        calls: value("--calls").and_then(|it| it.parse().ok()),
        pace: Duration::from_millis(millis),
    };
    let url = value("--base-url").expect("an address");
    run_child(&args[1], &url, options).await.expect("a known name");
}

/// Starts a demo, tells of it and waits to be killed.
async fn parent(url: &str, work_dir: &Path) {
    let _demo = start(url, work_dir, ClientOptions::default());
    println!("started");
    std::future::pending::<()>().await;
}

fn start(url: &str, work_dir: &Path, options: ClientOptions) -> Demo {
    let program = env::current_exe().expect("this program");
    Demo::start_with(url, work_dir, &program, options).expect("a demo")
}

async fn simulator() -> Simulator {
    Simulator::start(SimulatorConfig::default()).await.expect("a simulator")
}

fn credential_of(name: &str) -> impl Fn(&SimulatedCall) -> bool {
    move |it| it.credential.as_deref().is_some_and(|it| it.ends_with(name))
}

async fn every_program_is_seen_with_its_name_and_project() {
    let simulator = simulator().await;
    let folder = tempfile::tempdir().expect("a folder");
    let options = ClientOptions { calls: Some(1000), pace: Duration::from_millis(1) };
    let demo = start(&simulator.base_url(), folder.path(), options);
    for (client, personality) in demo.clients().iter().zip(PERSONALITIES) {
        let link = |name: &str| -> PathBuf {
            fs::read_link(format!("/proc/{}/{name}", client.pid)).expect("a running process")
        };
        let root = folder.path().canonicalize().expect("a folder");
        assert_eq!(link("exe"), root.join("bin").join(personality.name));
        assert_eq!(link("cwd"), root.join(personality.project));
        assert!(link("cwd").join(".git/HEAD").is_file());
    }
    let all_called = |calls: &[SimulatedCall]| {
        PERSONALITIES.iter().all(|it| calls.iter().any(credential_of(it.name)))
    };
    simulator.log().wait_for(LIMIT, all_called).await.expect("a call from every program");
    demo.stop().await;
}

async fn programs_go_on_through_errors() {
    let simulator = simulator().await;
    let folder = tempfile::tempdir().expect("a folder");
    let options = ClientOptions { calls: Some(18), pace: Duration::ZERO };
    let mut demo = start(&simulator.base_url(), folder.path(), options);
    assert_eq!(demo.wait(LIMIT).await, PERSONALITIES.len());
    let calls = simulator.calls();
    for personality in PERSONALITIES {
        let of_it: Vec<_> = calls.iter().filter(|it| credential_of(personality.name)(it)).collect();
        assert_eq!(of_it.len(), 18, "{}", personality.name);
        let statuses: Vec<_> = of_it.iter().filter_map(|it| it.status).collect();
        let failed = statuses.iter().filter(|it| !it.is_success()).count();
        // Two rounds of: 429, 503, 500 and 529. All others only make calls that are right.
        assert_eq!(failed, if personality.name == "flaky" { 8 } else { 0 }, "{of_it:#?}");
    }
    let review = calls.iter().filter(|it| credential_of("code-review")(it));
    let reads = review.filter_map(|it| it.usage?.cache_read).filter(|it| *it > 0).count();
    assert!(reads > 10, "the reviewer's prompt is read from the cache: {reads}");
}

async fn dropping_the_demo_kills_its_programs() {
    let simulator = simulator().await;
    let folder = tempfile::tempdir().expect("a folder");
    let demo = start(&simulator.base_url(), folder.path(), ClientOptions::default());
    let pids: Vec<_> = demo.clients().iter().map(|it| it.pid).collect();
    assert!(pids.iter().all(|it| is_alive(*it)));
    drop(demo);
    until_gone(&pids).await;
}

async fn killing_the_parent_ends_its_programs() {
    let simulator = simulator().await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut parent = Command::new(env::current_exe().expect("this program"))
        .arg(PARENT)
        .arg(simulator.base_url())
        .arg(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a parent");
    let all_called = |calls: &[SimulatedCall]| {
        PERSONALITIES.iter().all(|it| calls.iter().any(credential_of(it.name)))
    };
    simulator.log().wait_for(LIMIT, all_called).await.expect("a call from every program");
    let pids = children_of(parent.id());
    assert_eq!(pids.len(), PERSONALITIES.len());
    parent.kill().expect("to kill");
    parent.wait().expect("to wait");
    until_gone(&pids).await;
}

fn children_of(pid: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let pids = processes.filter_map(|it| it.file_name().to_str()?.parse().ok());
    pids.filter(|it| parent_of(*it) == Some(pid)).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Whether a process runs; one that is dead but not yet waited for does not.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

async fn until_gone(pids: &[u32]) {
    let gone = async {
        while pids.iter().any(|it| is_alive(*it)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.expect("the programs to end");
}
