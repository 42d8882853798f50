//! The web console in a real browser: over the real demonstration and, as root, the real helper; and
//! over a gateway that routes between two simulated providers.
//!
//! Limits: Chromium alone; the window's engine is driven by the `desktop` test. Without root there
//! is no helper, and the pages are only asked to say so.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a harness fails by panicking, in the test that uses it"
)]

use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    net::TcpStream,
    process::Child,
    time::timeout,
};
use tollgate_simulator::{Simulator, SimulatorConfig};
use tollgate_tests::{Home, PATIENCE, PROVIDER_KEY, program};

/// The browser, unless `TOLLGATE_CHROMIUM` names another.
const CHROMIUM: &str = "/usr/bin/chromium";
/// What stands before the console's address in the greeting.
const CONSOLE_AT: &str = "  web console  ";
/// Longer than the browser's own limit, so that it is the one that tells what is missing.
const RUN: Duration = Duration::from_secs(300);
/// Where providers' keys are, by their variables.
const KEYS: [(&str, &str); 2] = [("ONE_KEY", "sk-one"), ("OTHER_KEY", "sk-other")];

#[tokio::test]
async fn a_real_browser_drives_the_console() {
    let Some(script) = script("console") else { return };
    let home = Home::new();
    let helper = helper(&home).await;
    let (demo, address) = demo(&home, helper.as_ref().map(|it| it.socket.as_path())).await;
    let more: &[&str] = if helper.is_some() { &["--helper"] } else { &[] };
    assert_eq!(drive(&home, &script, &address, more).await, 11);

    // The browser turned the gateway off; what it told its reader to run turns it on again.
    let status = home.run(&["status", "--json"]).await.json();
    assert_eq!(status["on"], false, "{status}");
    home.run(&["on"]).await.expect();
    let status = home.run(&["status", "--json"]).await.json();
    assert_eq!(status["on"], true, "{status}");
    TcpStream::connect(text(&status["listen"])).await.unwrap();
    drop(demo);
}

#[tokio::test]
async fn a_real_browser_sees_how_a_call_was_routed() {
    let Some(script) = script("routing") else { return };
    let start = || Simulator::start(SimulatorConfig::default());
    let (one, other) = (start().await.unwrap(), start().await.unwrap());
    let provider = |id: &str, at: &Simulator, (variable, _): (&str, &str)| {
        let origin = at.base_url();
        format!(
            "[[providers]]\nid = '{id}'\nbase_url = '{origin}/v1'\napi_key.env = '{variable}'\n"
        )
    };
    let home = Home::new();
    home.configure(&(provider("openai", &one, KEYS[0]) + &provider("anthropic", &other, KEYS[1])));
    let product = home
        .serve_with(|it| {
            it.envs(KEYS);
        })
        .await;
    let address = format!("{}/#token={}", product.base_url(), product.token());
    assert_eq!(drive(&home, &script, &address, &[]).await, 7);

    let asked = |at: &Simulator| -> Vec<(String, Option<String>)> {
        at.calls().into_iter().map(|it| (it.path().to_owned(), it.credential)).collect()
    };
    let at = |path: &str, key: &str| (path.to_owned(), Some(key.to_owned()));
    assert_eq!(asked(&one), vec![at("/v1/chat/completions", "sk-one"); 4]);
    assert_eq!(asked(&other), vec![at("/v1/messages", "sk-other"); 3]);
}

/// The browser knows the admin token and a name that means this machine, and gets nothing for either.
#[tokio::test]
async fn pages_of_other_sites_in_a_real_browser_get_nothing() {
    let Some(script) = script("attacker") else { return };
    let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
    let product = Home::keyed(&simulator, "")
        .serve_with(|it| {
            it.env(PROVIDER_KEY, "sk-paid");
        })
        .await;
    let token = product.token();
    let address = format!("{}/#token={token}", product.base_url());
    assert_eq!(drive(product.home(), &script, &address, &[]).await, 8);

    assert!(simulator.calls().is_empty(), "{:#?}", simulator.calls());
    let calls = product.calls(1).await;
    let posts = calls.iter().filter(|it| it.method == "POST" && it.path.starts_with("/v1/"));
    // What a page may send without asking first has come, from each of the sites.
    assert!(posts.count() >= 6, "{calls:#?}");
    // The console's own tab asks for it, as every browser does.
    for call in calls.iter().filter(|it| it.path != "/favicon.ico") {
        let seen = (call.error_code.as_deref(), call.status, call.request_bytes);
        assert_eq!(seen, (Some("forbidden"), Some(403), 0), "{call:#?}");
    }
    assert_eq!(product.token(), token);
    let status = product.run(&["status", "--json"]).await.json();
    assert_eq!(status["on"], true, "{status}");
    product.stop().await;
}

/// Lets a browser's program drive the console at `address`; how many things it found in order.
async fn drive(home: &Home, script: &Path, address: &str, more: &[&str]) -> usize {
    let picture = picture(script);
    let mut browser = home.command("node");
    if let Some(chromium) = env::var_os("TOLLGATE_CHROMIUM") {
        browser.env("TOLLGATE_CHROMIUM", chromium);
    }
    browser.arg(script).arg(address).arg("--picture").arg(&picture).args(more);
    let output = timeout(RUN, browser.output()).await.expect("the browser to end").unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let seen = picture.display();
    assert!(output.status.success(), "{told}\n{errors}\nwhat the tab showed: {seen}");
    told.lines().filter(|it| it.starts_with("ok: ")).count()
}

/// A browser's program, or `None`, and the reason printed, where it cannot be run.
fn script(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui");
    let browser = env::var_os("TOLLGATE_CHROMIUM").unwrap_or_else(|| CHROMIUM.into());
    let needed = [folder.join("node_modules/playwright-core"), PathBuf::from(browser)];
    for it in needed {
        if !it.exists() {
            let reason = format!("no {}: run `cargo xtask test`", it.display());
            assert!(env::var_os("TOLLGATE_REQUIRE_CLIENTS").is_none(), "{reason}");
            println!("skipped: {reason}");
            return None;
        }
    }
    Some(folder.join(name).with_extension("mjs"))
}

/// Where the browser puts what it showed when something did not hold: stays after the test.
fn picture(script: &Path) -> PathBuf {
    let name = script.file_stem().unwrap().to_string_lossy();
    program("tollgate").with_file_name(format!("{name}-failed.png"))
}

struct Helper {
    socket: PathBuf,
    _process: Child,
}

/// The helper, ready for connections; `None` for those who may not start it.
async fn helper(home: &Home) -> Option<Helper> {
    if !rustix::process::geteuid().is_root() {
        println!("without the helper: only root can start it");
        return None;
    }
    let socket = home.path().join("helper/helper.sock");
    let mut command = home.command(program("tollgate-helper"));
    command.args(["--uid", "0", "--socket"]).arg(&socket).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let ready = async {
        while !socket.exists() {
            if process.try_wait().unwrap().is_some() {
                let mut said = String::new();
                process.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
                panic!("the helper does not start: {said}");
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, ready).await.expect("the helper to listen");
    Some(Helper { socket, _process: process })
}

/// `tollgate demo` on a free port, and the console's address with the token in it; with a helper,
/// once it is connected.
async fn demo(home: &Arc<Home>, helper: Option<&Path>) -> (Child, String) {
    let mut command = home.command(program("tollgate"));
    command.args(["demo", "--listen", "127.0.0.1:0"]).stdout(Stdio::null()).stderr(Stdio::piped());
    if let Some(socket) = helper {
        command.env("TOLLGATE_HELPER_SOCKET", socket);
    }
    let mut demo = command.spawn().unwrap();
    let mut lines = BufReader::new(demo.stderr.take().unwrap()).lines();
    let greeted = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("a greeting with an address");
            if let Some(address) = line.strip_prefix(CONSOLE_AT) {
                return address.to_owned();
            }
        }
    };
    let address = timeout(PATIENCE, greeted).await.expect("the demonstration to serve");
    // Whoever is not listened to may stop speaking.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    if helper.is_some() {
        let connected = async {
            loop {
                let status = home.run(&["status", "--json"]).await.json();
                if status["helper"]["state"] == "connected" {
                    return;
                }
            }
        };
        timeout(PATIENCE, connected).await.expect("the helper to be found");
    }
    (demo, address)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
