//! Without the helper: from the start, or because it was killed.

use std::{fs, process::Stdio};

use tollgate_app::api::view::{CallPage, HelperState, PacketPage};
use tollgate_tests::{Home, Product};

use super::{
    attribution::STAY,
    harness::{Helper, Watched, chat, detail, eventually, finish, script, serve, simulator},
};

/// Makes one call and checks that it was given to the process that made it, which stays until then:
/// without the helper one that is gone cannot be found.
async fn called_by(product: &Product, question: &str, source: &str) {
    let before: CallPage = product.admin().get("/calls?limit=1000").await.unwrap();
    let mut command = script(product, "stay.py", STAY);
    let mut child = command.arg(chat(question)).stdin(Stdio::piped()).spawn().unwrap();
    let calls = product.calls(before.calls.len() + 1).await;
    let caller = detail(product, calls.last().unwrap()).await.caller.expect("a caller");
    assert_eq!((Some(caller.pid), caller.program.as_str()), (child.id(), "stay.py (python3)"));
    assert_eq!(caller.source, source);
    assert!(caller.argv.contains(&chat(question)), "{:?}", caller.argv);
    assert_eq!(caller.cwd.as_deref(), product.home().path().to_str());
    drop(child.stdin.take());
    assert!(child.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_gateway_without_the_helper_says_so_and_finds_callers_by_itself() {
    let simulator = simulator().await;
    let home = Home::simulated(&simulator);
    let product = serve(&home, "127.0.0.1:0", &[]).await;
    let status = product.status(|it| it.helper.reason.is_some()).await;
    assert_eq!(status.helper.state, HelperState::Absent);
    let reason = status.helper.reason.unwrap();
    assert!(reason.contains("not running") && reason.contains("helper.sock"), "{reason}");
    assert!(status.helper.version.is_none() && status.helper.probes.is_empty());
    assert_eq!((status.capture.seen, status.capture.kept), (0, 0));
    called_by(&product, "alone", "sock-diag").await;
    let page: PacketPage = product.admin().get("/packets").await.unwrap();
    assert!(page.packets.is_empty() && page.newest.is_none() && page.kept == 0);
    let flows: Vec<serde_json::Value> = product.admin().get("/flows").await.unwrap();
    assert!(flows.is_empty());
    let calls = product.calls(1).await;
    assert!(detail(&product, &calls[0]).await.flows.is_empty());
    let path = format!("/calls/{}/packets", calls[0].id);
    let page: PacketPage = product.admin().get(&path).await.unwrap();
    assert!(page.packets.is_empty());
    // Nobody knows how many packets there were: that is not none.
    let programs: Vec<serde_json::Value> = product.admin().get("/programs").await.unwrap();
    let row = programs.iter().find(|it| it["program"] == "stay.py (python3)").unwrap();
    assert!(row["packets"].is_null() && row["bytes"].is_null(), "{row}");
    product.stop().await;
}

/// The ids of the programs and links that a process holds, as `prog 7` and `link 9`.
fn held_by(pid: u32) -> Vec<String> {
    let mut held = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        let id = |key| text.lines().find_map(|it| it.strip_prefix(key)).map(str::trim);
        held.extend(id("prog_id:").map(|it| format!("prog {it}")));
        held.extend(id("link_id:").map(|it| format!("link {it}")));
    }
    held.sort_unstable();
    held.dedup();
    held
}

/// Prints those of its arguments that the kernel still has (`BPF_PROG_GET_FD_BY_ID`,
/// `BPF_LINK_GET_FD_BY_ID`).
const STILL_THERE: &str = r#"
import ctypes, os, platform, struct, sys
bpf = {"x86_64": 321, "aarch64": 280}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)
for it in sys.argv[3:]:
    kind, id = it.split()
    attr = ctypes.create_string_buffer(struct.pack("III", int(id), 0, 0), 128)
    fd = libc.syscall(bpf, {"prog": 13, "link": 30}[kind], attr, 128)
    if fd >= 0:
        print(it)
        os.close(fd)
"#;

fn pinned() -> Vec<String> {
    let entries = fs::read_dir("/sys/fs/bpf").into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|it| it.path().display().to_string()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_killed_helper_costs_packets_but_no_call_and_a_new_one_is_found() {
    let Some(watched) = Watched::start("SIGKILL").await else { return };
    called_by(&watched.product, "with it", "helper").await;
    let held = held_by(watched.helper.pid());
    assert!(held.len() > 20 && held.iter().any(|it| it.starts_with("link ")), "{held:?}");
    let witness = || {
        let mut command = watched.script("still_there.py", STILL_THERE);
        command.args(&held);
        command
    };
    let seen = finish(&mut witness()).await;
    assert_eq!(seen.lines().count(), held.len(), "the witness sees them");
    let pinned_before = pinned();

    // A client is in the middle of its calls on a connection of its own.
    let mut asking = watched.script("ask.py", super::harness::ASK);
    let asking = tokio::spawn(async move { finish(asking.arg("50")).await });
    watched.product.calls(10).await;
    let Watched { product, helper, simulator, home } = watched;
    helper.kill().await;
    let status = product.status(|it| it.helper.state == HelperState::Failed).await;
    assert!(status.helper.reason.is_some_and(|it| it.contains("helper")));
    // The kernel frees them once no processor can be in one.
    eventually("the programs to be gone", async || {
        let mut command = script(&product, "still_there.py", STILL_THERE);
        let left = finish(command.args(&held)).await;
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    assert_eq!(pinned(), pinned_before);
    let pid: u32 = asking.await.unwrap().trim().parse().unwrap();
    let calls = product.calls(51).await;
    assert_eq!(calls.len(), 51);
    assert!(calls[1..].iter().all(|it| it.caller.as_ref().is_some_and(|it| it.pid == pid)));
    called_by(&product, "without it", "sock-diag").await;
    assert_eq!(simulator.calls().len(), 52);

    let helper = Helper::start(&home).await;
    let watched = Watched { product, helper, simulator, home };
    watched.ready().await;
    called_by(&watched.product, "with it again", "helper").await;
    let calls = watched.product.calls(53).await;
    watched.packets_of_whole(&calls[52].id).await;
    let status = watched.product.status(|it| it.helper.reason.is_none()).await;
    assert_eq!(status.helper.state, HelperState::Connected);
    watched.product.stop().await;
}
