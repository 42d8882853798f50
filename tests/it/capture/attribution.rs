//! Every call is given to the process that made it.

use std::{collections::HashMap, fs, os::unix::fs::PermissionsExt, process::Stdio};

use tollgate_app::api::view::{CallDetail, CallState};
use tollgate_tests::{Product, kernel::no_senders};

use super::harness::{Watched, chat, detail, finish, run};

/// Clients at once.
const CLIENTS: usize = 200;

/// Every call in full, by the question in its body; at least so many.
async fn by_question(product: &Product, count: usize) -> HashMap<String, CallDetail> {
    let mut asked = HashMap::new();
    for call in product.calls(count).await {
        let detail = detail(product, &call).await;
        let body: serde_json::Value =
            serde_json::from_str(&detail.request.as_ref().expect("a body").text).unwrap();
        let question = body["messages"][0]["content"].as_str().unwrap().to_owned();
        assert!(asked.insert(question, detail).is_none(), "each asks something else");
    }
    asked
}

/// Lines of a question and the process id of who asked it.
fn truth(printed: &str) -> Vec<(String, u32)> {
    let line = |it: &str| {
        let (question, pid) = it.split_once(' ').unwrap();
        (question.to_owned(), pid.parse().unwrap())
    };
    printed.lines().map(line).collect()
}

/// Starts so many programs at once; each is another one that makes one call and ends.
const MANY_PROGRAMS: &str = r#"
for n in $(seq "$1"); do
    curl --silent --show-error --fail --noproxy '*' --output /dev/null \
        --header 'content-type: application/json' --header 'authorization: Bearer sk-client' \
        --data "{\"model\":\"gpt-5-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"q$n\"}]}" \
        "$2/v1/chat/completions" &
    echo "q$n $!"
done
wait
"#;

#[tokio::test]
async fn two_hundred_short_lived_programs_at_once_are_told_apart() {
    let Some(watched) = Watched::start("200 programs").await else { return };
    let mut shell = watched.home.command("sh");
    shell.args(["-c", MANY_PROGRAMS, "sh", &CLIENTS.to_string(), &watched.product.base_url()]);
    let truth = truth(&finish(&mut shell).await);
    assert_eq!(truth.len(), CLIENTS);
    let asked = by_question(&watched.product, CLIENTS).await;
    assert_eq!(asked.len(), CLIENTS);
    let mut wrong = Vec::new();
    for (question, pid) in &truth {
        let caller = asked[question].caller.as_ref();
        let right = caller.is_some_and(|it| {
            let named = it.argv.iter().any(|it| it.contains(&format!("\"{question}\"")));
            (it.pid, it.program.as_str(), it.source.as_str()) == (*pid, "curl", "helper") && named
        });
        if !right {
            wrong.push((question, pid, caller));
        }
    }
    let said = watched.product.said();
    assert!(wrong.is_empty(), "{} of {CLIENTS}: {:#?} {said}", wrong.len(), wrong[0]);
    watched.product.stop().await;
}

/// Forks so many clients at once. Each asks one question and is gone; every other one does not even
/// wait for the answer.
const MANY_FORKS: &str = r#"
import json, os, socket, sys
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
def client(n):
    said = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": f"q{n}"}]}
    body = json.dumps(said)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}:{port}\r\n"
    head += "authorization: Bearer sk-client\r\ncontent-type: application/json\r\n"
    head += f"content-length: {len(body)}\r\n\r\n"
    s = socket.create_connection((host, port))
    s.sendall((head + body).encode())
    if n % 2: s.recv(1)
    os._exit(0)
for n in range(count):
    pid = os.fork()
    if pid == 0: client(n)
    print(f"q{n}", pid)
for n in range(count): os.wait()
"#;

#[tokio::test]
async fn two_hundred_forks_that_leave_at_once_are_told_apart() {
    let Some(watched) = Watched::start("200 forks").await else { return };
    let mut command = watched.script("forks.py", MANY_FORKS);
    let truth = truth(&finish(command.arg(CLIENTS.to_string())).await);
    assert_eq!(truth.len(), CLIENTS);
    // Of those that left at once, some were gone before the gateway had read a request.
    let asked = by_question(&watched.product, CLIENTS / 2).await;
    let (mut wrong, mut finished) = (Vec::new(), 0);
    for (question, pid) in &truth {
        let Some(call) = asked.get(question) else { continue };
        finished += usize::from(call.call.state == CallState::Finished);
        let caller = call.caller.as_ref();
        let right = caller.is_some_and(|it| {
            (it.pid, it.program.as_str(), it.source.as_str())
                == (*pid, "forks.py (python3)", "helper")
        });
        if !right {
            wrong.push((question, pid, caller));
        }
    }
    println!("{} of {CLIENTS} came to be calls, {finished} were answered", asked.len());
    let said = watched.product.said();
    assert!(wrong.is_empty(), "{} of {CLIENTS}: {:#?} {said}", wrong.len(), wrong[0]);
    assert!(finished >= CLIENTS / 2, "{finished}");
    watched.product.stop().await;
}

/// Asks what is its third argument, then stays until its input ends: a folder is read while its process is there.
pub(super) const STAY: &str = r#"
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]))
headers = {"authorization": "Bearer sk-client", "content-type": "application/json"}
connection.request("POST", "/v1/chat/completions", sys.argv[3], headers)
assert connection.getresponse().status == 200
sys.stdin.read()
"#;

#[tokio::test]
async fn a_client_in_a_work_tree_works_for_that_project() {
    let Some(watched) = Watched::start("project").await else { return };
    let folder = watched.home.path().join("shop/backend");
    fs::create_dir_all(&folder).unwrap();
    let root = watched.home.path().join("shop");
    let mut git = watched.home.command("git");
    finish(git.args(["init", "--quiet"]).arg(&root)).await;
    let mut pids = Vec::new();
    for (question, folder) in [("inside", folder.as_path()), ("outside", watched.home.path())] {
        let mut command = watched.script("stay.py", STAY);
        command.arg(chat(question)).current_dir(folder).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        pids.push(child.id().unwrap());
        by_question(&watched.product, pids.len()).await;
        // The end of its input ends it.
        drop(child.stdin.take());
        assert!(child.wait().await.unwrap().success());
    }
    let [inside, outside] = pids[..] else { panic!("two clients") };
    let mut asked = by_question(&watched.product, 2).await;
    let inner = asked.remove("inside").unwrap();
    let caller = inner.caller.unwrap();
    assert_eq!((caller.pid, caller.project.as_deref()), (inside, Some("shop")));
    assert_eq!(caller.project_root.as_deref(), root.to_str());
    assert_eq!(caller.cwd.as_deref(), folder.to_str());
    assert_eq!(inner.call.caller.unwrap().project.as_deref(), Some("shop"));
    let caller = asked.remove("outside").unwrap().caller.unwrap();
    assert_eq!((caller.pid, caller.project), (outside, None));
    watched.product.stop().await;
}

#[tokio::test]
async fn a_script_is_named_after_itself_however_it_was_started() {
    let Some(watched) = Watched::start("scripts").await else { return };
    let mut by_interpreter = watched.script("ingest.py", super::harness::ASK);
    let first: u32 = finish(by_interpreter.arg("1")).await.trim().parse().unwrap();
    let script = watched.home.path().join("report.py");
    fs::write(&script, format!("#!/usr/bin/env python3\n{}", super::harness::ASK)).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let listen = watched.product.listen;
    let mut by_itself = watched.home.command(&script);
    by_itself.args([&listen.ip().to_string(), &listen.port().to_string(), "1"]);
    let second: u32 = finish(&mut by_itself).await.trim().parse().unwrap();
    let calls = watched.product.calls(2).await;
    let named: Vec<_> = calls
        .iter()
        .filter_map(|it| it.caller.as_ref())
        .map(|it| (it.program.as_str(), it.pid))
        .collect();
    assert_eq!(named, [("ingest.py (python3)", first), ("report.py (python3)", second)]);
    watched.product.stop().await;
}

/// Connects, then leaves it to a child to ask on the connection.
const HANDED_ON: &str = r#"
import os, socket, sys
host, port, body = sys.argv[1], int(sys.argv[2]), sys.argv[3]
s = socket.create_connection((host, port))
pid = os.fork()
if pid == 0:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n"
    head += "authorization: Bearer sk-client\r\ncontent-type: application/json\r\n"
    head += f"content-length: {len(body)}\r\n\r\n"
    s.sendall((head + body).encode())
    while s.recv(65536): pass
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
print(pid)
"#;

/// Passes the connected socket to a process that did not inherit it.
const PASSED_ON: &str = r#"
import os, socket, subprocess, sys
host, port, body = sys.argv[1], int(sys.argv[2]), sys.argv[3]
if port == 0:
    fds = socket.recv_fds(socket.socket(fileno=0), 1, 1)[1]
    s = socket.socket(fileno=fds[0])
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n"
    head += "authorization: Bearer sk-client\r\ncontent-type: application/json\r\n"
    head += f"content-length: {len(body)}\r\n\r\n"
    s.sendall((head + body).encode())
    while s.recv(65536): pass
    sys.exit(0)
ours, theirs = socket.socketpair()
worker = subprocess.Popen([sys.executable, __file__, f"{host}:{port}", "0", body], stdin=theirs)
s = socket.create_connection((host, port))
socket.send_fds(ours, [b"x"], [s.fileno()])
s.close()
assert worker.wait() == 0
print(worker.pid)
"#;

#[tokio::test]
async fn who_sends_on_a_connection_is_the_caller_and_not_who_made_it() {
    if no_senders("handed on") {
        return;
    }
    let Some(watched) = Watched::start("handed on").await else { return };
    for (name, text) in [("inherited.py", HANDED_ON), ("passed.py", PASSED_ON)] {
        let mut command = watched.script(name, text);
        let (parent, printed) = run(command.arg(chat(name))).await;
        let child: u32 = printed.trim().parse().unwrap();
        assert_ne!(parent, child);
        let asked = watched.product.calls(1).await;
        let call = asked.last().unwrap();
        let caller = watched.detail(call).await.caller.expect("a caller");
        assert_eq!((caller.pid, caller.source.as_str()), (child, "helper"), "{name}");
        assert_eq!(caller.program, format!("{name} (python3)"));
        let packets = watched.packets_of_whole(&call.id).await;
        let client = packets.iter().filter(|it| it.leg == "client");
        assert!(client.map(|it| it.pid).all(|it| it == Some(child)));
    }
    watched.product.stop().await;
}
