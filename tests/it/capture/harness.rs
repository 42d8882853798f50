//! A gateway, its helper and its provider; clients of any kind.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf, process::Stdio, sync::Arc};

use serde_json::Value;
use tokio::{
    net::{TcpStream, UnixStream},
    process::{Child, Command},
    time::{Instant, timeout},
};
use tollgate_app::api::view::{
    CallDetail, CallView, HelperState, PacketDetail, PacketPage, PacketView,
};
use tollgate_simulator::{Simulator, SimulatorConfig};
use tollgate_tests::{Home, PATIENCE, Product, kernel::no_bpf, program};

/// Asks so many questions, one after the other on one connection, and prints its process id.
pub(crate) const ASK: &str = r#"
import http.client, json, os, sys
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
connection = http.client.HTTPConnection(host, port)
for n in range(count):
    said = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": f"<question {n}>"}]}
    headers = {"authorization": "Bearer sk-client", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(said), headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, answer.status
connection.close()
print(os.getpid())
"#;

/// A helper that serves this user; killed when dropped.
pub(crate) struct Helper {
    child: Child,
}

impl Helper {
    /// Starts one in a home and waits until it answers.
    pub(crate) async fn start(home: &Home) -> Self {
        let socket = socket_in(home);
        let uid = rustix::process::geteuid().as_raw().to_string();
        let mut command = home.command(program("tollgate-helper"));
        command.args(["--uid", &uid, "--socket"]).arg(&socket);
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        eventually("the helper to answer", async || {
            UnixStream::connect(&socket).await.map(drop).map_err(|err| err.to_string())
        })
        .await;
        Self { child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("a running helper")
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

fn socket_in(home: &Home) -> PathBuf {
    home.path().join("helper/helper.sock")
}

/// A gateway with its helper, whose provider is the simulator. All end when dropped.
pub(crate) struct Watched {
    pub(crate) product: Product,
    pub(crate) helper: Helper,
    pub(crate) simulator: Simulator,
    pub(crate) home: Arc<Home>,
}

impl Watched {
    /// Starts all of it and waits until packets of the gateway's port are captured. `None` when the
    /// helper cannot run here.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        Self::start_on(test, "127.0.0.1:0", &[]).await
    }

    /// [`Self::start`] at another address and with more of an environment.
    pub(crate) async fn start_on(test: &str, listen: &str, env: &[(&str, &str)]) -> Option<Self> {
        if no_bpf(test) {
            return None;
        }
        let simulator = simulator().await;
        let home = Home::simulated(&simulator);
        let helper = Helper::start(&home).await;
        let product = serve(&home, listen, env).await;
        let watched = Self { product, helper, simulator, home };
        watched.ready().await;
        Some(watched)
    }

    /// Waits until packets of the gateway's port are captured.
    pub(crate) async fn ready(&self) {
        self.product.status(|it| it.helper.state == HelperState::Connected).await;
        let newest = self.packets("").await.newest;
        let port = format!("port:{}", self.product.listen.port());
        eventually("packets to be captured", async || {
            TcpStream::connect(self.product.listen).await.map_err(|err| err.to_string())?;
            let captured = self.packets(&port).await.packets;
            let new = captured.last().is_some_and(|it| Some(it.seq) > newest);
            new.then_some(()).ok_or_else(|| "none".to_owned())
        })
        .await;
    }

    /// The kept packets that pass a filter, oldest first.
    pub(crate) async fn packets(&self, filter: &str) -> PacketPage {
        let path = format!("/packets?limit=100000&filter={}", encoded(filter));
        self.product.admin().get(&path).await.unwrap()
    }

    /// What the kernel knew of a packet: the fields of its first layer.
    pub(crate) async fn frame(&self, seq: u64) -> BTreeMap<String, String> {
        let path = format!("/packets/{seq}");
        let detail: PacketDetail = self.product.admin().get(&path).await.unwrap();
        let frame = &detail.layers[0];
        assert_eq!(frame.name, "Frame");
        frame.fields.iter().map(|it| (it.name.clone(), it.value.clone())).collect()
    }

    /// The kept packets of a call.
    pub(crate) async fn packets_of(&self, call: &str) -> Vec<PacketView> {
        let path = format!("/calls/{call}/packets");
        self.product.admin().get::<PacketPage>(&path).await.unwrap().packets
    }

    /// Waits until both legs of a call have its request and the answer's head.
    pub(crate) async fn packets_of_whole(&self, call: &str) -> Vec<PacketView> {
        eventually("the call's packets", async || {
            let packets = self.packets_of(call).await;
            let has = |leg: &str, begin: &str| {
                packets.iter().any(|it| it.leg == leg && it.info.starts_with(begin))
            };
            let whole = ["client", "upstream"]
                .into_iter()
                .all(|leg| has(leg, "POST ") && has(leg, "HTTP/1.1 200"));
            let known = packets.iter().all(|it| it.pid.is_some());
            if whole && known { Ok(packets) } else { Err(format!("{packets:#?}")) }
        })
        .await
    }

    /// A Python program in the home's folder, with the gateway's host and port as its arguments.
    pub(crate) fn script(&self, name: &str, text: &str) -> Command {
        script(&self.product, name, text)
    }

    /// Runs [`ASK`] and gives its process id.
    pub(crate) async fn ask(&self, count: usize) -> u32 {
        let mut command = self.script("ask.py", ASK);
        finish(command.arg(count.to_string())).await.trim().parse().unwrap()
    }

    /// A call in full.
    pub(crate) async fn detail(&self, call: &CallView) -> CallDetail {
        detail(&self.product, call).await
    }
}

/// A provider.
pub(crate) async fn simulator() -> Simulator {
    Simulator::start(SimulatorConfig::default()).await.unwrap()
}

/// Starts the gateway at `listen`; it looks for the helper of the home.
pub(crate) async fn serve(home: &Arc<Home>, listen: &str, env: &[(&str, &str)]) -> Product {
    home.serve_with(|command| {
        *command = home.command(program("tollgate"));
        command.args(["serve", "--listen", listen]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.env("TOLLGATE_HELPER_SOCKET", socket_in(home)).envs(env.iter().copied());
    })
    .await
}

/// A Python program in the home's folder, with the gateway's host and port as its arguments.
pub(crate) fn script(product: &Product, name: &str, text: &str) -> Command {
    let path = product.home().path().join(name);
    fs::write(&path, text).unwrap();
    let mut command = product.home().command("python3");
    let (host, port) = (product.listen.ip().to_string(), product.listen.port().to_string());
    command.arg(path).args([host, port]);
    command
}

/// `curl` as anybody would call it, in the home's folder; `question` is in its arguments and in the
/// call.
pub(crate) fn curl(product: &Product, question: &str) -> Command {
    let mut command = product.home().command("curl");
    command.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--output", "answer"]);
    command.args(["--header", "content-type: application/json"]);
    command.args(["--header", "authorization: Bearer sk-client"]);
    command.args(["--data", &chat(question)]);
    command.arg(format!("{}/v1/chat/completions", product.base_url()));
    command
}

/// A request's body with a question in it.
pub(crate) fn chat(question: &str) -> String {
    let messages = serde_json::json!([{ "role": "user", "content": question }]);
    serde_json::json!({ "model": "gpt-5-mini", "messages": messages }).to_string()
}

/// A call in full.
pub(crate) async fn detail(product: &Product, call: &CallView) -> CallDetail {
    product.admin().get(&format!("/calls/{}", call.id)).await.unwrap()
}

/// Runs a client to its end and gives what it printed.
pub(crate) async fn finish(command: &mut Command) -> String {
    let (pid, printed) = run(command).await;
    assert!(pid > 0);
    printed
}

/// Runs a client to its end; gives its process id and what it printed.
pub(crate) async fn run(command: &mut Command) -> (u32, String) {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id().unwrap();
    let output = timeout(PATIENCE, child.wait_with_output()).await.expect("its end").unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (pid, String::from_utf8(output.stdout).unwrap())
}

/// Looks until there is something to give; what was missing last is told when it never comes.
pub(crate) async fn eventually<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match timeout(PATIENCE, look()).await.expect(what) {
            Ok(found) => return found,
            Err(missing) => assert!(Instant::now() < deadline, "{what}: {missing}"),
        }
        // Whoever is waited for needs the processor more.
        tokio::task::yield_now().await;
    }
}

/// Text as a query's value.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
        encoded
    })
}

/// Lines of JSON.
pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|it| serde_json::from_str(it).expect("a line of JSON")).collect()
}
