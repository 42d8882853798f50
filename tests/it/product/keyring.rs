//! Credentials in a real keyring: gnome-keyring on a D-Bus session of the test's own.

use std::{process::Stdio, sync::Arc};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};
use tollgate_tests::{Home, PATIENCE, send};

use super::using::{CHAT, KEY, chat, simulator};

const STORED: &str = "sk-stored-in-the-keyring";

/// A D-Bus session with an unlocked keyring. It ends when its standard input does.
struct Session {
    address: String,
    shell: Child,
}

/// Says where the bus is once the keyring is unlocked, and takes the keyring with it in the end.
const SESSION: &str = r#"
mkfifo "$HOME/password" && (printf password > "$HOME/password" &)
gnome-keyring-daemon --unlock --components=secrets --foreground < "$HOME/password" >&2 &
keyring=$!
trap 'kill $keyring' EXIT
until gdbus call --session --dest org.freedesktop.secrets --object-path \
    /org/freedesktop/secrets/collection/login --method org.freedesktop.DBus.Peer.Ping >&2
do kill -0 $keyring || exit 1; done
echo "$DBUS_SESSION_BUS_ADDRESS"
cat > /dev/null
"#;

impl Session {
    async fn start(home: &Home) -> Self {
        let mut shell = home.command("dbus-run-session");
        shell.args(["--", "sh", "-c", SESSION]);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut shell = shell.spawn().expect("dbus-run-session: `cargo xtask setup` installs it");
        let mut line = String::new();
        let mut said = BufReader::new(shell.stdout.take().unwrap());
        let read = timeout(PATIENCE, said.read_line(&mut line)).await;
        assert!(read.unwrap().unwrap() > 0, "gnome-keyring does not start");
        Self { address: line.trim().to_owned(), shell }
    }

    fn on(&self) -> impl Fn(&mut Command) + '_ {
        |command| {
            command.env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        }
    }

    async fn end(mut self) {
        drop(self.shell.stdin.take());
        timeout(PATIENCE, self.shell.wait()).await.unwrap().unwrap();
    }
}

fn configure(home: &Arc<Home>, origin: &str) {
    home.configure(&format!(
        "[[providers]]\nid = \"openai\"\nbase_url = \"{origin}/v1\"\n\
         api_key = {{ keyring = \"openai\" }}\n"
    ));
}

#[tokio::test]
async fn a_stored_credential_replaces_the_clients_own_until_it_is_removed() {
    let simulator = simulator().await;
    let home = Home::new();
    configure(&home, &simulator.base_url());
    let session = Session::start(&home).await;

    let login = home.run_with(&["providers", "login", "openai"], STORED, session.on()).await;
    assert_eq!(login.code(), 0, "{}", login.stderr());
    assert!(!login.stdout().contains(STORED) && !login.stderr().contains(STORED));
    let empty = home.run_with(&["providers", "login", "openai"], "\n", session.on()).await;
    assert_eq!((empty.code(), empty.stderr()), (1, "tollgate: no key was given\n"));

    let product = home.serve_with(session.on()).await;
    assert_eq!(send(product.listen, chat(CHAT, "")).await.status(), 200);
    let sent = &simulator.calls()[0];
    assert_eq!(sent.credential.as_deref(), Some(STORED));
    assert!(sent.headers.values().all(|it| !it.as_bytes().ends_with(KEY.as_bytes())));
    assert_eq!(home.run(&["doctor"]).await.code(), 0);
    product.stop().await;

    let logout = home.run_with(&["providers", "logout", "openai"], "", session.on()).await;
    assert_eq!(logout.code(), 0, "{}", logout.stderr());
    let again = home.run_with(&["providers", "logout", "openai"], "", session.on()).await;
    assert_eq!(again.code(), 0, "{}", again.stderr());

    // Without the credential the provider is left out: the client's key must not go in its place.
    let product = home.serve_with(session.on()).await;
    product.says("there is no such entry").await;
    assert_eq!(send(product.listen, chat(CHAT, "")).await.status(), 404);
    assert_eq!(simulator.calls().len(), 1);
    check_doctor(&home, "there is no such entry").await;
    product.stop().await;
    session.end().await;
}

#[tokio::test]
async fn without_a_keyring_the_gateway_serves_and_says_what_is_missing() {
    let simulator = simulator().await;
    let home = Home::new();
    configure(&home, &simulator.base_url());
    let nowhere = format!("unix:path={}", home.path().join("no-bus").display());
    let on = |it: &mut Command| {
        it.env("DBUS_SESSION_BUS_ADDRESS", &nowhere);
    };
    let login = home.run_with(&["providers", "login", "openai"], STORED, on).await;
    assert_eq!(login.code(), 1);
    assert!(login.stderr().starts_with("tollgate: use the keyring: "), "{}", login.stderr());
    assert!(!login.stderr().contains(STORED));

    let product = home.serve_with(on).await;
    product.says("use the keyring").await;
    assert_eq!(send(product.listen, super::using::get("/healthz")).await.status(), 200);
    check_doctor(&home, "use the keyring").await;
    product.stop().await;
}

async fn check_doctor(home: &Home, found: &str) {
    let doctor = home.run(&["doctor", "--json"]).await;
    assert_eq!(doctor.code(), 1, "a problem is an exit code");
    let checks: Vec<serde_json::Value> = serde_json::from_str(doctor.stdout()).unwrap();
    let check = checks.iter().find(|it| it["name"] == "provider openai").unwrap();
    assert_eq!(check["level"], "error");
    assert!(check["found"].as_str().unwrap().contains(found), "{check}");
    assert!(check["remedy"].as_str().unwrap().contains("tollgate providers login openai"));
}
