//! The command line: what scripts rely on.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _, path::Path};

use insta::assert_snapshot;
use serde_json::Value;
use tollgate_simulator::Simulator;
use tollgate_tests::{Connection, Finished, Home, Product, send};

use super::using::{CHAT, CHAT_STREAM, chat, get, shape, simulator};

/// A product with three calls: one answered, one streamed, one refused by the provider. The
/// connection they came on is still open, so that the caller of each is found.
async fn used() -> (Simulator, Product, Connection) {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let mut connection = Connection::open(product.listen).await;
    for (body, controls) in [(CHAT, ""), (CHAT_STREAM, ""), (CHAT, "status=429")] {
        connection.send(chat(body, controls)).await;
    }
    product.calls(3).await;
    product.status(|it| it.helper.reason.is_some()).await;
    (simulator, product, connection)
}

/// What a command said, without the address that each run has anew.
fn shown(product: &Product, finished: &Finished) -> String {
    finished.shown().replace(&product.listen.to_string(), "LISTEN")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[tokio::test]
async fn serve_listens_on_this_machine_only() {
    let home = Home::new();
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:4141"] {
        let refused = home.run(&["serve", "--listen", listen]).await;
        assert_eq!(refused.code(), 1, "{listen}");
        let start = format!("tollgate: listen: `{listen}` is not a loopback address");
        assert!(refused.stderr().starts_with(&start), "{}", refused.stderr());
        assert!(!home.data().exists(), "nothing is made before the address is accepted");
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let home = Home::new();
    let refused = home.run(&["serve", "--listen", &listen]).await;
    assert_eq!(refused.code(), 1);
    let start = format!("tollgate: listen on `{listen}`: Address already in use");
    assert!(refused.stderr().starts_with(&start), "{}", refused.stderr());
}

#[tokio::test]
async fn a_second_gateway_is_refused() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let second = product.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert_snapshot!(shown(&product, &second), @r"
    exit 1
    --- stderr
    tollgate: a gateway is already running for this user (it answers at `HOME/run/tollgate/admin.sock`)
    ");
    assert_eq!(send(product.listen, get("/healthz")).await.status(), 200);
    product.stop().await;
}

/// One that stops has closed its port but not given back its socket and ledger yet.
#[tokio::test]
async fn the_next_gateway_does_not_start_before_the_last_has_given_back_everything() {
    use rustix::fs::{FlockOperation, flock};

    let home = Home::new();
    fs::create_dir_all(home.runtime()).unwrap();
    let lock = fs::File::create(home.runtime().join("gateway.lock")).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let next = home.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(next.code(), 1);
    assert!(next.stderr().contains("already running"), "{}", next.stderr());
    assert!(!home.data().exists());
    drop(lock);
    home.serve().await.stop().await;
}

#[tokio::test]
async fn a_folder_that_is_there_keeps_its_mode() {
    let home = Home::new();
    let shared = home.path().join("shared");
    fs::create_dir(&shared).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let make = |mode| fs::set_permissions(&shared, fs::Permissions::from_mode(mode)).unwrap();
    make(0o755);
    let product = home
        .serve_with(|it| {
            it.arg("--data-dir").arg(&shared);
        })
        .await;
    assert_eq!(mode(&shared), 0o755);
    for file in ["ledger.db", "admin.token"] {
        assert_eq!(mode(&shared.join(file)), 0o600, "{file}");
    }
    let doctor = product.run(&["doctor"]).await;
    assert!(doctor.stdout().contains("warning  data folder: "), "{}", doctor.stdout());
    product.stop().await;

    make(0o777);
    let shared = shared.to_str().unwrap();
    let refused = home.run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", shared]).await;
    assert_eq!(refused.code(), 1);
    assert!(refused.stderr().contains("anybody may replace files"), "{}", refused.stderr());
}

#[tokio::test]
async fn a_mistake_in_the_configuration_names_its_place() {
    let home = Home::new();
    for (text, place, part) in [
        ("listen = 4141", "1:10", "string"),
        ("\n[[providers]]\nid = 'mine'\n", "3:6", "base_url"),
        ("[[providers]]\nid = 'openai'\napi_key = 'sk-planted'\n", "3:11", "keyring"),
        ("[[provider]]\nid = 'openai'\n", "1:3", "`providers`"),
        ("listen = ", "1:10", ""),
    ] {
        home.configure(text);
        let refused = home.run(&["serve", "--listen", "127.0.0.1:0"]).await;
        assert_eq!(refused.code(), 1, "{text}");
        let start = format!("tollgate: {}:{place}: ", home.config().display());
        let said = refused.stderr();
        assert!(said.starts_with(&start) && said.contains(part), "{text}: {said}");
        assert!(!said.contains("sk-planted"), "{said}");
    }
    let elsewhere = home.path().join("other.toml");
    fs::write(&elsewhere, "lisen = 1").unwrap();
    let refused = home.run(&["serve", "--config", elsewhere.to_str().unwrap()]).await;
    assert_eq!(refused.code(), 1);
    assert!(refused.stderr().contains("other.toml:1:1: "), "{}", refused.stderr());
    let missing = home.path().join("missing.toml");
    let missing =
        home.run(&["serve", "--listen", "0.0.0.0:0", "--config", missing.to_str().unwrap()]).await;
    assert_eq!(missing.code(), 1);
    assert!(missing.stderr().contains("missing.toml"), "a file that was named must be there");
}

#[tokio::test]
async fn commands_without_a_gateway_say_so() {
    let home = Home::new();
    for args in [
        &["status"][..],
        &["on"],
        &["off"],
        &["calls"],
        &["costs"],
        &["programs"],
        &["packets"],
        &["env"],
        &["run", "--", "true"],
    ] {
        let ended = home.run(args).await;
        assert_eq!(ended.code(), 1, "{args:?}");
        assert!(ended.stderr().contains("no gateway is running"), "{}", ended.stderr());
        assert!(ended.stderr().contains("tollgate serve"), "{}", ended.stderr());
        assert_eq!(ended.stdout(), "");
    }
    let doctor = home.run(&["doctor", "--json"]).await;
    assert_eq!(doctor.code(), 1);
    let checks: Value = serde_json::from_str(doctor.stdout()).unwrap();
    assert_eq!((&checks[0]["name"], &checks[0]["level"]), (&"gateway".into(), &"error".into()));
    let doctor = home.run(&["doctor"]).await;
    assert!(doctor.stdout().contains("\nok       configuration: "), "{}", doctor.stdout());
    home.configure("[[providers]]\nid = 'openai'\napi_key = { env = 'NO_SUCH_KEY' }\n");
    let doctor = home.run(&["doctor"]).await;
    assert!(doctor.stdout().contains("`NO_SUCH_KEY` is not set"), "{}", doctor.stdout());
    home.configure("lisen = 1");
    let doctor = home.run(&["doctor"]).await;
    let place = "\nerror    configuration: ";
    assert!(doctor.stdout().contains(place), "{}", doctor.stdout());
    assert!(doctor.stdout().contains("config.toml:1:1: "), "{}", doctor.stdout());
}

#[tokio::test]
async fn env_speaks_every_shell() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    assert_snapshot!(shown(&product, &product.run(&["env"]).await), @r"
    exit 0
    --- stdout
    export OPENAI_BASE_URL=http://LISTEN/v1
    export OPENAI_API_BASE=http://LISTEN/v1
    export ANTHROPIC_BASE_URL=http://LISTEN
    export GOOGLE_GEMINI_BASE_URL=http://LISTEN
    export NO_PROXY=127.0.0.1,localhost,::1
    export no_proxy=127.0.0.1,localhost,::1
    ");
    let bash = product.run(&["env", "--shell", "bash"]).await;
    assert_eq!(product.run(&["env", "--shell", "zsh"]).await.stdout(), bash.stdout());
    let evaluated = product.home().command("sh");
    let evaluated = evaluate(evaluated, bash.stdout()).await;
    assert_eq!(evaluated, format!("{}/v1\n", product.base_url()));
    let fish = product.run(&["env", "--shell", "fish"]).await;
    assert!(fish.stdout().starts_with("set -gx OPENAI_BASE_URL http://"), "{}", fish.stdout());
    let powershell = product.run(&["env", "--shell", "powershell"]).await;
    let line = format!("$env:OPENAI_BASE_URL = '{}/v1'\n", product.base_url());
    assert!(powershell.stdout().starts_with(&line), "{}", powershell.stdout());
    assert_eq!(product.run(&["env", "--shell", "tcsh"]).await.code(), 2);
    product.stop().await;
}

#[tokio::test]
async fn what_is_set_already_is_respected() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let run = async |args: &[&str]| {
        let set = |it: &mut tokio::process::Command| {
            it.env("OPENAI_BASE_URL", "https://api.groq.com/openai/v1");
            it.env("ANTHROPIC_BASE_URL", "https://llm.example.com");
            it.env("NO_PROXY", "*.corp;$(exit 1)'");
        };
        product.home().run_with(args, "", set).await
    };
    let env = run(&["run", "--", "env"]).await;
    let lines: Vec<&str> = env.expect().lines().collect();
    let groq = format!("OPENAI_BASE_URL={}/p/groq/openai/v1", product.base_url());
    assert!(lines.contains(&&*groq), "{lines:?}");
    assert!(lines.contains(&"ANTHROPIC_BASE_URL=https://llm.example.com"));
    assert!(env.stderr().contains("`llm.example.com` is no provider"), "{}", env.stderr());
    let unproxied = "*.corp;$(exit 1)',127.0.0.1,localhost,::1";
    assert!(lines.contains(&&*format!("NO_PROXY={unproxied}")));
    let script = format!("{}\nprintf '%s\\n' \"$NO_PROXY\"; exit", run(&["env"]).await.expect());
    let said = evaluate(product.home().command("sh"), &script).await;
    assert_eq!(said, format!("{unproxied}\n"), "a value is one word to the shell");
    product.stop().await;
}

async fn evaluate(mut shell: tokio::process::Command, script: &str) -> String {
    let output = shell.arg("-c").arg(format!("{script}\necho $OPENAI_BASE_URL")).output().await;
    String::from_utf8(output.unwrap().stdout).unwrap()
}

#[tokio::test]
async fn run_becomes_the_command() {
    let simulator = simulator().await;
    let product = Home::simulated(&simulator).serve().await;
    let env = product.run(&["run", "--", "env"]).await;
    for line in product.run(&["env"]).await.expect().lines() {
        let variable = line.strip_prefix("export ").unwrap();
        assert!(env.expect().lines().any(|it| it == variable), "{variable}");
    }
    assert!(env.stdout().lines().any(|it| it.starts_with("HOME=")), "the rest is kept");
    let code = product.run(&["run", "--", "sh", "-c", "exit 7"]).await;
    assert_eq!(code.code(), 7);
    let signal = product.run(&["run", "--", "sh", "-c", "kill -TERM $$"]).await;
    assert_eq!(signal.signal(), Some(15));
    let arguments = product.run(&["run", "--", "printf", "%s|", "a b", "--json", ""]).await;
    assert_eq!(arguments.stdout(), "a b|--json||");
    let input = product.home().run_with(&["run", "--", "cat"], "from standard input", |_| {}).await;
    assert_eq!(input.stdout(), "from standard input");
    let missing = product.run(&["run", "--", "no-such-program"]).await;
    assert_snapshot!(shown(&product, &missing), @r"
    exit 1
    --- stderr
    tollgate: run `no-such-program`: No such file or directory (os error 2)
    ");
    assert_eq!(product.run(&["run"]).await.code(), 2);
    product.stop().await;
}

#[tokio::test]
async fn json_has_stable_shapes() {
    let (_simulator, product, _connection) = used().await;
    let json = |text: &str| {
        let mut shape = shape(&serde_json::from_str::<Value>(text).unwrap());
        mask(&mut shape);
        shape
    };
    let pretty = |it: &Value| serde_json::to_string_pretty(it).unwrap();
    for (name, args) in [
        ("status", &["status", "--json"][..]),
        ("costs", &["costs", "--json"]),
        ("programs", &["programs", "--json"]),
        ("doctor", &["doctor", "--json"]),
    ] {
        let ended = product.run(args).await;
        insta::assert_snapshot!(format!("{name}_json"), pretty(&json(ended.expect())));
    }
    let calls = product.run(&["calls", "--json"]).await;
    let lines: Vec<&str> = calls.expect().lines().collect();
    assert_eq!(lines.len(), 3);
    insta::assert_snapshot!("calls_json", pretty(&json(lines[0])));
    let oldest: Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(oldest["streaming"], false, "the oldest call comes first");
    let detail = product.run(&["calls", "--json", oldest["id"].as_str().unwrap()]).await;
    insta::assert_snapshot!("call_json", pretty(&json(detail.expect())));
    product.stop().await;
}

/// What depends on where the test itself runs.
const OWN_PLACE: [&str; 5] = ["project", "project_root", "projects", "cgroup", "user"];

fn mask(shape: &mut Value) {
    match shape {
        Value::Object(fields) => {
            for (name, value) in fields {
                if OWN_PLACE.contains(&name.as_str()) {
                    *value = "depends".into();
                }
                mask(value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn amounts_are_exact_and_unknown_is_not_zero() {
    let (_simulator, product, mut connection) = used().await;
    let costs = product.run(&["costs", "--json"]).await.json();
    let calls = product.calls(3).await;
    let sum: i64 =
        calls.iter().flat_map(|it| &it.cost_pico_usd).map(|it| it.parse::<i64>().unwrap()).sum();
    assert_eq!(costs["total"]["cost_pico_usd"], sum.to_string());
    assert_eq!(costs["total"]["calls"], 3);
    assert_eq!(costs["total"]["failed"], 1);
    connection.send(chat(CHAT, "no_usage")).await;
    product.calls(4).await;
    let status = product.run(&["status"]).await;
    assert!(status.expect().contains(" + 1 unknown, 4 calls"), "{}", status.stdout());
    let csv = product.run(&["costs", "--csv"]).await;
    let lines: Vec<&str> = csv.expect().lines().collect();
    assert_eq!(
        lines[0],
        "model,calls,failed,input,cache_read,cache_write_5m,cache_write_1h,output,reasoning,\
         input_audio,output_audio,web_searches,input_image,output_image,file_searches,cost,\
         estimated_cost,unknown_cost,unknown_usage,counted_usage,cached_calls,saved,\
         unknown_saved,previous_calls,previous_cost,previous_unknown_cost"
    );
    let line = lines[1];
    assert!(
        line.starts_with("gpt-5-mini,4,1,") && line.ends_with(",0.00,1,1,1,0,0.00,0,?,?,?"),
        "{line}"
    );
    let table = product.run(&["costs"]).await;
    let unknown =
        "The cost of 1 call is unknown (no-usage): tollgate calls --filter unknown:no-usage";
    assert!(table.expect().contains("\ntotal "), "{}", table.stdout());
    assert!(table.stderr().contains(unknown), "{}", table.stderr());
    for (filter, count) in [("unknown:no-usage", 1), ("unknown:no-price", 0)] {
        let found = product.run(&["calls", "--json", "--filter", filter]).await;
        assert_eq!(found.expect().lines().count(), count, "{filter}");
    }
    let refused = product.run(&["calls", "--filter", "unknown:why"]).await;
    assert_eq!(refused.code(), 1);
    assert!(refused.stderr().contains("`why`: use no-price, no-usage"), "{}", refused.stderr());
    let filtered = product.run(&["calls", "--json", "--filter", "429"]).await;
    assert_eq!(filtered.expect().lines().count(), 0, "a status is no text of a call");
    for (filter, count) in [("GPT-5", 4), ("anthropic", 0), ("simulated rate", 0)] {
        let found = product.run(&["calls", "--json", "--filter", filter]).await;
        assert_eq!(found.expect().lines().count(), count, "{filter}");
    }
    let limited = product.run(&["calls", "--json", "--limit", "2"]).await;
    assert_eq!(limited.expect().lines().count(), 2);
    for by in ["provider", "program", "project", "key", "day"] {
        let costs = product.run(&["costs", "--json", "--by", by]).await.json();
        assert_eq!(costs["rows"][0]["calls"], 4, "{by}");
        assert_eq!(costs["total"]["cost_pico_usd"], costs["rows"][0]["cost_pico_usd"]);
    }
    product.stop().await;
}

#[tokio::test]
async fn calls_can_be_followed() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    let (_simulator, product, _connection) = used().await;
    let mut command = product.home().command(tollgate_tests::program("tollgate"));
    command.args(["calls", "--json", "--follow"]).stdout(std::process::Stdio::piped());
    let mut following = command.spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        lines.next_line().await.unwrap().unwrap();
    }
    let mut model = product.home().command(tollgate_tests::program("tollgate"));
    let filter = "model:no-such-model state:finished";
    model.args(["calls", "--json", "--follow", "--filter", filter]);
    let model = model.stdout(std::process::Stdio::piped()).spawn().unwrap();
    send(product.listen, chat(CHAT, "status=503")).await;
    let next = tokio::time::timeout(tollgate_tests::PATIENCE, lines.next_line()).await;
    let call: Value = serde_json::from_str(&next.unwrap().unwrap().unwrap()).unwrap();
    assert_eq!((&call["state"], &call["status"]), (&"finished".into(), &503.into()));
    let failing =
        ["calls", "--json", "--filter", "provider:openai state:finished model:gpt-5-mini"];
    assert_eq!(product.run(&failing).await.expect().lines().count(), 4);

    // The beginning of an id that the table shows is enough to open the call.
    let table = product.run(&["calls"]).await;
    let short = table.expect().lines().last().unwrap().split_whitespace().last().unwrap();
    let id = call["id"].as_str().unwrap();
    assert!(id.starts_with(short) && short.len() < id.len(), "{short} {id}");
    assert_eq!(product.run(&["calls", "--json", short]).await.json()["call"]["id"], id);
    let several = product.run(&["calls", &short[..2]]).await;
    assert!(several.stderr().contains("several calls"), "{}", several.shown());
    let none = product.run(&["calls", "ffff"]).await;
    assert!(none.stderr().contains("no call"), "{}", none.shown());
    // It ends with the gateway.
    product.stop().await;
    let ended = tokio::time::timeout(tollgate_tests::PATIENCE, following.wait()).await;
    ended.unwrap().unwrap();
    let other = tokio::time::timeout(tollgate_tests::PATIENCE, model.wait_with_output()).await;
    assert_eq!(other.unwrap().unwrap().stdout, b"", "the filter holds for what follows too");
}

#[tokio::test]
async fn packets_without_the_helper_say_why_there_are_none() {
    let (_simulator, product, _connection) = used().await;
    let packets = product.run(&["packets"]).await;
    assert_eq!(packets.stdout(), "");
    assert!(packets.stderr().contains("no-helper.sock"), "{}", packets.shown());
    assert!(packets.stderr().contains("tollgate doctor"), "{}", packets.shown());
    let doctor = product.run(&["doctor"]).await;
    assert!(doctor.expect().contains("warning  helper: "), "{}", doctor.stdout());
    let status = product.run(&["status"]).await;
    assert!(status.expect().contains("\nhelper    none: "), "{}", status.stdout());
    product.stop().await;
}

/// A provider of the user's own.
const LAB: &str = "[[providers]]\nid = 'lab'\nformat = ['openai-chat']\n\
    base_url = 'http://127.0.0.1:8000/v1'\napi_key = { env = 'LAB_KEY' }\n";

#[tokio::test]
async fn prices_and_providers_are_listed_without_a_gateway() {
    let home = Home::new();
    let prices = home.run(&["prices", "show", "gpt-5-mini", "--json"]).await.json();
    let rows = prices.as_array().unwrap();
    let row = rows.iter().find(|it| it["provider"] == "openai" && it["model"] == "gpt-5-mini");
    assert!(row.unwrap()["rates"]["input"].as_i64().unwrap() > 0);
    let table = home.run(&["prices", "show", "gpt-5-mini"]).await;
    assert!(table.expect().starts_with("PROVIDER"), "{}", table.stdout());
    assert!(table.stderr().contains("per million tokens"));
    // By a name that it has no row under, by service tier and by day.
    let dated = home.run(&["prices", "show", "claude-3-7-sonnet-20250219"]).await;
    assert!(dated.expect().contains("claude-3-7-sonnet-latest"), "{}", dated.stdout());
    let tiers = home.run(&["prices", "show", "GPT-5.4-Mini"]).await;
    assert!(tiers.expect().contains("flex"), "{}", tiers.stdout());
    let days = home.run(&["prices", "show", "claude-opus-4-6"]).await;
    assert!(days.expect().contains("..2026-03-13"), "{}", days.stdout());
    let none = home.run(&["prices", "show", "no-such-model"]).await;
    assert_eq!(none.code(), 1);
    assert!(none.stderr().contains("no-such-model"), "{}", none.shown());

    let priced = "[[prices]]\nprovider = 'lab'\nmodel = 'qwen3'\ninput = '0.05'\noutput = '0.25'\n";
    home.configure(&format!("{LAB}{priced}"));
    let own = home.run(&["prices", "show", "qwen3"]).await;
    let own = own.expect().lines().find(|it| it.starts_with("lab ")).unwrap().to_owned();
    assert!(own.contains("$0.05") && own.contains("your configuration"), "{own}");
    home.configure(LAB);
    let table = home.run(&["providers", "list"]).await;
    let lab = table.expect().lines().find(|it| it.starts_with("lab ")).unwrap();
    assert!(lab.contains("http://127.0.0.1:8000/v1") && lab.contains("$LAB_KEY"), "{lab}");
    let list = home.run(&["providers", "list", "--json"]).await.json();
    assert!(list.as_array().unwrap().len() > 60);
    assert!(list.as_array().unwrap().iter().any(|it| it["id"] == "lab"));
}

/// The interface's types are generated from this document.
#[tokio::test]
async fn the_interface_has_the_admin_api_of_this_version() {
    let printed = Home::new().run(&["openapi"]).await.json();
    let file = fs::read_to_string(root().join("ui/openapi.json")).unwrap();
    let kept: Value = serde_json::from_str(&file).unwrap();
    assert!(printed == kept, "ui/openapi.json is stale: run `cargo xtask bindings`");
}

#[tokio::test]
async fn completions_and_man_pages_are_made() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = home.run(&["completions", shell]).await;
        assert!(script.expect().contains("tollgate"), "{shell}");
    }
    let bash = home.run(&["completions", "bash"]).await;
    let mut parse = home.command("bash");
    let parsed = parse.args(["-n", "-c", bash.stdout()]).status().await.unwrap();
    assert!(parsed.success(), "bash cannot read its completions");
    let folder = home.path().join("man");
    assert_eq!(home.run(&["man", folder.to_str().unwrap()]).await.code(), 0);
    let mut pages: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    for page in ["tollgate.1", "tollgate-serve.1", "tollgate-run.1", "tollgate-providers-login.1"] {
        assert!(pages.iter().any(|it| it == page), "{page} in {pages:?}");
    }
    let text = fs::read_to_string(folder.join("tollgate.1")).unwrap();
    assert!(text.contains(".TH tollgate 1"), "{text}");
}

#[tokio::test]
async fn an_open_token_file_stops_the_start() {
    let simulator = simulator().await;
    let home = Home::simulated(&simulator);
    home.serve().await.stop().await;
    let token = home.data().join("admin.token");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = home.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(refused.code(), 1);
    assert!(refused.stderr().contains("is open to others"), "{}", refused.stderr());
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    let home = Home::new();
    home.serve().await.stop().await;
    let file = home.data().join("ledger.db");
    let mut bytes = fs::read(&file).unwrap();
    // Whose it is stands in the header of the file.
    bytes[68..72].copy_from_slice(b"them");
    fs::write(&file, &bytes).unwrap();
    let refused = home.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(refused.code(), 1);
    let said = refused.stderr();
    assert!(said.starts_with("tollgate: open the ledger: "), "{said}");
    assert!(said.contains(file.to_str().unwrap()), "{said}");
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[tokio::test]
async fn without_a_home_there_is_a_sentence() {
    let bare = |it: &mut tokio::process::Command| {
        it.env_clear();
    };
    for args in [&["serve"][..], &["status"]] {
        let refused = Home::new().run_with(args, "", bare).await;
        assert_eq!(refused.code(), 1);
        assert!(refused.stderr().contains("`HOME`"), "{}", refused.stderr());
    }
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() {
    let (_simulator, product, _connection) = used().await;
    let mut command = product.home().command(tollgate_tests::program("tollgate"));
    let (reading, writing) = std::io::pipe().unwrap();
    drop(reading);
    command.args(["calls", "--json"]).stdout(writing).stderr(std::process::Stdio::piped());
    let ended = command.output().await.unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
    product.stop().await;
}

#[tokio::test]
async fn wrong_usage_is_an_exit_code_of_its_own() {
    let home = Home::new();
    for args in [&["no-such-command"][..], &["calls", "--limit", "x"], &["costs", "--by", "moon"]] {
        let ended = home.run(args).await;
        assert_eq!(ended.code(), 2, "{args:?}");
        assert!(ended.stderr().contains("--help"), "{}", ended.stderr());
    }
    let version = home.run(&["--version"]).await;
    assert!(version.expect().starts_with("tollgate "), "{}", version.stdout());
}
