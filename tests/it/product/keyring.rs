//! Credentials in a real keyring: gnome-keyring on a D-Bus session of the test's own.

use std::{fs, process::Stdio, sync::Arc};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};
use tollgate_simulator::Simulator;
use tollgate_tests::{Home, PATIENCE, Product, program, send};

use super::using::{CHAT, KEY, chat, simulator};

const STORED: &str = "sk-stored-in-the-keyring";

/// The rest of a provider that needs no key from the keyring.
const LAB: &str = "format = [\"openai-chat\"]\nauth = \"bearer\"\n";

/// A D-Bus session with a keyring. It ends when its standard input does.
struct Session {
    address: String,
    shell: Child,
    said: BufReader<ChildStdout>,
}

/// Says where the bus is while a keyring stands there that never answers, as one does that waits
/// for its password; after a line of standard input it makes place.
const LOCKED: &str = r#"
/usr/bin/python3 -c 'import dbus, signal
dbus.SessionBus().request_name("org.freedesktop.secrets")
signal.pause()' &
silent=$!
until gdbus call --session --dest org.freedesktop.DBus --object-path / \
    --method org.freedesktop.DBus.GetNameOwner org.freedesktop.secrets >&2
do kill -0 $silent || exit 1; done
echo "$DBUS_SESSION_BUS_ADDRESS"
read -r _
kill $silent
wait $silent
"#;

/// Says where the bus is once the keyring is unlocked, and takes the keyring with it in the end. The
/// bus is asked who is there first: a question to the keyring itself would have the bus start
/// another, which is locked.
const UNLOCKED: &str = r#"
mkfifo "$HOME/password" && (printf password > "$HOME/password" &)
gnome-keyring-daemon --unlock --components=secrets --foreground < "$HOME/password" >&2 &
keyring=$!
trap 'kill $keyring' EXIT
until gdbus call --session --dest org.freedesktop.DBus --object-path / \
    --method org.freedesktop.DBus.GetNameOwner org.freedesktop.secrets >&2
do kill -0 $keyring || exit 1; done
until gdbus call --session --dest org.freedesktop.secrets \
    --object-path /org/freedesktop/secrets/collection/login \
    --method org.freedesktop.DBus.Properties.Get org.freedesktop.Secret.Collection Locked \
    | grep false >&2
do kill -0 $keyring || exit 1; done
echo "$DBUS_SESSION_BUS_ADDRESS"
cat > /dev/null
"#;

impl Session {
    async fn start(home: &Home, script: &str) -> Self {
        let mut shell = home.command("dbus-run-session");
        shell.args(["--", "sh", "-c", script]);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut shell = shell.spawn().expect("dbus-run-session: `cargo xtask setup` installs it");
        let said = BufReader::new(shell.stdout.take().unwrap());
        let mut session = Self { address: String::new(), shell, said };
        session.address = session.line().await;
        session
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.said.read_line(&mut line)).await;
        assert!(read.unwrap().unwrap() > 0, "the keyring does not start");
        line.trim().to_owned()
    }

    /// Puts an unlocked keyring in the place of the one that never answers.
    async fn unlock(&mut self) {
        self.shell.stdin.as_mut().unwrap().write_all(b"unlock\n").await.unwrap();
        self.line().await;
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
    let session = Session::start(&home, UNLOCKED).await;

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
    let refused = send(product.listen, chat(CHAT, "")).await;
    assert_eq!(refused.status(), 401);
    let told = String::from_utf8_lossy(refused.body());
    assert!(told.contains("tollgate providers login openai"), "{told}");
    assert_eq!(simulator.calls().len(), 1);
    check_doctor(&home, "there is no such entry", "tollgate providers login openai").await;

    // A key that is stored while the gateway runs is used from then on.
    let login = home.run_with(&["providers", "login", "openai"], STORED, session.on()).await;
    assert_eq!(login.code(), 0, "{}", login.stderr());
    serves_again(&product, &simulator, 2).await;
    product.stop().await;
    session.end().await;
}

/// Makes calls until one is answered, with the stored key.
async fn serves_again(product: &Product, simulator: &Simulator, calls: usize) {
    let calling = async { while send(product.listen, chat(CHAT, "")).await.status() != 200 {} };
    timeout(PATIENCE, calling).await.expect("the stored key to be used");
    let sent = simulator.calls();
    assert_eq!(sent.len(), calls, "no call went out without it");
    assert_eq!(sent.last().unwrap().credential.as_deref(), Some(STORED));
}

#[tokio::test]
async fn a_locked_keyring_holds_up_nothing_but_its_own_providers() {
    let simulator = simulator().await;
    let home = Home::new();
    let origin = simulator.base_url();
    configure(&home, &origin);
    let own = fs::read_to_string(home.config()).unwrap();
    home.configure(&format!("{own}[[providers]]\nid = \"lab\"\nbase_url = \"{origin}/v1\"\n{LAB}"));
    let mut session = Session::start(&home, &format!("{LOCKED}{UNLOCKED}")).await;

    let product = home.serve_with(session.on()).await;
    product.says("it has not answered yet; is it locked?").await;
    let refused = send(product.listen, chat(CHAT, "")).await;
    assert_eq!(refused.status(), 401);
    let told = String::from_utf8_lossy(refused.body());
    assert!(told.contains("unlock the keyring"), "{told}");
    assert_eq!(simulator.calls().len(), 0, "the client's own key must not go in its place");
    let mut lab = chat(CHAT, "");
    *lab.uri_mut() = "/p/lab/v1/chat/completions".parse().unwrap();
    assert_eq!(send(product.listen, lab).await.status(), 200);
    check_doctor(&home, "it has not answered yet", "unlock the keyring").await;

    session.unlock().await;
    let login = home.run_with(&["providers", "login", "openai"], STORED, session.on()).await;
    assert_eq!(login.code(), 0, "{}", login.stderr());
    serves_again(&product, &simulator, 2).await;
    product.stop().await;
    session.end().await;
}

/// What is typed on a terminal, in answer to the prompt, is nowhere to be read.
#[tokio::test]
async fn a_key_that_is_typed_is_not_shown() {
    let home = Home::new();
    let session = Session::start(&home, UNLOCKED).await;
    let login = format!("{} providers login openai", program("tollgate").display());
    let mut terminal = home.command("script");
    terminal.args(["--quiet", "--return", "--command", &login, "/dev/null"]);
    terminal.stdin(Stdio::piped()).stdout(Stdio::piped());
    session.on()(&mut terminal);
    let mut terminal = terminal.spawn().unwrap();
    let mut screen = BufReader::new(terminal.stdout.take().unwrap());
    let mut shown = Vec::new();
    let typing = async {
        screen.read_until(b':', &mut shown).await.unwrap();
        let line = format!("{STORED}\n");
        let mut keyboard = terminal.stdin.take().unwrap();
        keyboard.write_all(line.as_bytes()).await.unwrap();
        screen.read_to_end(&mut shown).await.unwrap();
        drop(keyboard);
        terminal.wait().await.unwrap()
    };
    let ended = timeout(PATIENCE, typing).await.expect("the command to end");
    let shown = String::from_utf8_lossy(&shown);
    assert!(ended.success() && shown.contains("Stored in the keyring"), "{shown}");
    assert!(!shown.contains(STORED), "{shown}");
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
    let product = home.serve_with(on).await;
    product.says("use the keyring").await;
    assert_eq!(send(product.listen, super::using::get("/healthz")).await.status(), 200);
    check_doctor(&home, "use the keyring", "tollgate providers login openai").await;
    product.stop().await;
}

async fn check_doctor(home: &Home, found: &str, remedy: &str) {
    let doctor = home.run(&["doctor", "--json"]).await;
    assert_eq!(doctor.code(), 1, "a problem is an exit code");
    let checks: Vec<serde_json::Value> = serde_json::from_str(doctor.stdout()).unwrap();
    let check = checks.iter().find(|it| it["name"] == "provider openai").unwrap();
    assert_eq!(check["level"], "error");
    assert!(check["found"].as_str().unwrap().contains(found), "{check}");
    assert!(check["remedy"].as_str().unwrap().contains(remedy), "{check}");
}
