//! Credentials where no keyring can be used: in an encrypted file.

use std::{
    fs, io::Write as _, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Stdio, sync::Arc,
};

use tokio::{process::Command, time::timeout};
use tollgate_simulator::Simulator;
use tollgate_tests::{Home, PATIENCE, Product, send};

use super::{
    secrets::files_with,
    using::{CHAT, chat, simulator},
};

const STORED: &str = "sk-stored-in-the-file";
const SECOND: &str = "sk-stored-in-the-file-later";
const PASSPHRASE: &str = "correct horse battery";

/// A home whose provider wants a stored key, on a machine without a keyring.
async fn home() -> (Simulator, Arc<Home>) {
    let simulator = simulator().await;
    let home = Home::new();
    home.configure(&format!(
        "[[providers]]\nid = \"openai\"\nbase_url = \"{}/v1\"\napi_key = {{ keyring = \"openai\" }}\n",
        simulator.base_url()
    ));
    (simulator, home)
}

async fn said(home: &Home, args: &[&str], input: &str) -> String {
    let ran = home.run_with(args, input, |_| {}).await;
    assert_eq!(ran.code(), 0, "{args:?}: {}", ran.stderr());
    ran.stderr().to_owned()
}

async fn refused(home: &Home, args: &[&str], input: &str) -> String {
    let ran = home.run_with(args, input, |_| {}).await;
    assert_eq!(ran.code(), 1, "{args:?}: {}", ran.stderr());
    ran.stderr().to_owned()
}

/// Makes calls until one is answered, with `key`; none goes out with another.
async fn serves_with(product: &Product, simulator: &Simulator, key: &str) {
    let before = simulator.calls().len();
    let calling = async {
        loop {
            let status = send(product.listen, chat(CHAT, "")).await.status();
            let used = simulator.calls().last().and_then(|it| it.credential.clone());
            if status == 200 && used.as_deref() == Some(key) {
                return;
            }
        }
    };
    timeout(PATIENCE, calling).await.expect("the stored key to be used");
    let known = [STORED, SECOND].map(|it| Some(it.to_owned()));
    assert!(simulator.calls()[before..].iter().all(|it| known.contains(&it.credential)));
}

async fn check(home: &Home, name: &str) -> serde_json::Value {
    let doctor = home.run(&["doctor", "--json"]).await;
    let checks: Vec<serde_json::Value> = serde_json::from_str(doctor.stdout()).unwrap();
    checks.into_iter().find(|it| it["name"] == name).unwrap_or_default()
}

#[tokio::test]
async fn without_a_keyring_a_credential_goes_into_an_encrypted_file_and_that_is_said() {
    let (simulator, home) = home().await;
    let told = said(&home, &["providers", "login", "openai"], STORED).await;
    let (file, key) = (home.data().join("credentials.json"), home.data().join("credentials.key"));
    for part in ["No keyring can be used here", "not a disk that has both"] {
        assert!(told.contains(part), "{told}");
    }
    assert!(
        told.contains(file.to_str().unwrap()) && told.contains(key.to_str().unwrap()),
        "{told}"
    );
    assert!(!told.contains(STORED), "{told}");
    for path in [&file, &key] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let mut found = Vec::new();
    files_with(home.path(), STORED, &mut found);
    assert!(found.is_empty(), "{found:?}");

    let product = home.serve().await;
    serves_with(&product, &simulator, STORED).await;
    let warned = check(&home, "credentials").await;
    assert_eq!(warned["level"], "warning", "{warned}");
    assert!(warned["remedy"].as_str().unwrap().contains("providers passphrase"), "{warned}");
    // Another one, while it runs, and none.
    said(&home, &["providers", "login", "openai"], SECOND).await;
    serves_with(&product, &simulator, SECOND).await;
    let told = said(&home, &["providers", "logout", "openai"], "").await;
    assert!(told.contains("The keyring was not asked"), "{told}");
    let gone = async { while send(product.listen, chat(CHAT, "")).await.status() != 401 {} };
    timeout(PATIENCE, gone).await.expect("the key to be forgotten");
    product.stop().await;
}

#[tokio::test]
async fn a_file_with_a_passphrase_is_locked_until_somebody_gives_it() {
    let (simulator, home) = home().await;
    said(&home, &["providers", "login", "openai"], STORED).await;
    let typed = format!("{PASSPHRASE}\n{PASSPHRASE}\n");
    assert!(
        refused(&home, &["providers", "passphrase"], "short\nshort\n").await.contains("at least 8")
    );
    let other = format!("{PASSPHRASE}\nanother one\n");
    assert!(refused(&home, &["providers", "passphrase"], &other).await.contains("not the same"));
    said(&home, &["providers", "passphrase"], &typed).await;
    assert!(!home.data().join("credentials.key").exists());

    let product = home.serve().await;
    product.says("it is locked by a passphrase").await;
    let answer = send(product.listen, chat(CHAT, "")).await;
    assert_eq!(answer.status(), 401);
    let text = String::from_utf8_lossy(answer.body());
    assert!(text.contains("tollgate providers unlock"), "{text}");
    assert!(simulator.calls().is_empty(), "the client's own key must not go in its place");
    let locked = check(&home, "provider openai").await;
    assert_eq!(locked["level"], "error", "{locked}");
    assert!(locked["remedy"].as_str().unwrap().contains("providers unlock"), "{locked}");
    let listed = home.run(&["providers", "list"]).await;
    assert!(listed.stdout().contains("it is locked by a passphrase"), "{}", listed.stdout());

    let wrong = refused(&home, &["providers", "unlock"], "wrong horse battery\n").await;
    assert!(wrong.contains("the passphrase is wrong"), "{wrong}");
    said(&home, &["providers", "unlock"], &format!("{PASSPHRASE}\n")).await;
    serves_with(&product, &simulator, STORED).await;
    assert_eq!(check(&home, "credentials").await["level"], "ok");
    // Whoever stores another needs the passphrase; the gateway does not need it again.
    let both = format!("{SECOND}\n{PASSPHRASE}\n");
    said(&home, &["providers", "login", "openai"], &both).await;
    serves_with(&product, &simulator, SECOND).await;
    // A new passphrase goes to the gateway that runs.
    let new = "battery horse correct";
    said(&home, &["providers", "passphrase"], &format!("{PASSPHRASE}\n{new}\n{new}\n")).await;
    said(&home, &["providers", "login", "openai"], &format!("{STORED}\n{new}\n")).await;
    serves_with(&product, &simulator, STORED).await;
    said(&home, &["providers", "passphrase", "--remove"], &format!("{new}\n")).await;
    product.stop().await;
    let product = home.serve().await;
    serves_with(&product, &simulator, STORED).await;
    product.stop().await;
}

/// Where nobody types: systemd's credentials, and an open descriptor.
#[tokio::test]
async fn a_passphrase_that_is_handed_over_opens_the_file_at_the_start() {
    let (simulator, home) = home().await;
    said(&home, &["providers", "login", "openai"], STORED).await;
    said(&home, &["providers", "passphrase"], &format!("{PASSPHRASE}\n{PASSPHRASE}\n")).await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tollgate-passphrase"), PASSPHRASE).unwrap();
    let credentials: PathBuf = folder.path().to_owned();
    let by_systemd = |it: &mut Command| {
        it.env("CREDENTIALS_DIRECTORY", &credentials);
    };
    let by_descriptor = |it: &mut Command| {
        let (pipe, mut writer) = std::io::pipe().unwrap();
        writeln!(writer, "{PASSPHRASE}").unwrap();
        it.env("TOLLGATE_PASSPHRASE_FD", "0").stdin(Stdio::from(pipe));
    };
    let product = home.serve_with(by_systemd).await;
    serves_with(&product, &simulator, STORED).await;
    product.stop().await;
    let product = home.serve_with(by_descriptor).await;
    serves_with(&product, &simulator, STORED).await;
    product.stop().await;

    fs::write(folder.path().join("tollgate-passphrase"), "another passphrase").unwrap();
    let product = home
        .serve_with(|it| {
            it.env("CREDENTIALS_DIRECTORY", folder.path());
        })
        .await;
    product.says("the passphrase is wrong").await;
    assert_eq!(send(product.listen, chat(CHAT, "")).await.status(), 401);
    product.stop().await;
    let mut found = Vec::new();
    files_with(home.path(), PASSPHRASE, &mut found);
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn keys_of_the_environment_and_of_tools_are_shown_asked_about_and_then_used() {
    let simulator = simulator().await;
    let home = Home::new();
    let origin = simulator.base_url();
    // What is configured already stays as it is.
    home.configure(&format!("[[providers]]\nid = \"anthropic\"\nbase_url = \"{origin}/v1\"\n"));
    fs::create_dir(home.path().join(".codex")).unwrap();
    let codex = format!("{{\"OPENAI_API_KEY\": \"{STORED}\"}}");
    fs::write(home.path().join(".codex/auth.json"), codex).unwrap();
    let import = async |args: &[&str], input: &str| {
        let args = [&["providers", "import"], args].concat();
        let set = |it: &mut Command| {
            it.env("ANTHROPIC_API_KEY", SECOND);
        };
        let ran = home.run_with(&args, input, set).await;
        assert_eq!(ran.code(), 0, "{}", ran.stderr());
        for key in [STORED, SECOND] {
            assert!(!ran.stdout().contains(key) && !ran.stderr().contains(key), "{}", ran.shown());
        }
        (ran.stdout().to_owned(), ran.stderr().to_owned())
    };
    let before = fs::read_to_string(home.config()).unwrap();
    let (shown, _) = import(&["--dry-run"], "").await;
    for part in ["…file", "Codex (`", "$ANTHROPIC_API_KEY", "the configuration has this provider"]
    {
        assert!(shown.contains(part), "{shown}");
    }
    for no in ["", "n\n", "maybe\n"] {
        assert!(import(&[], no).await.1.contains("Nothing was stored"));
    }
    assert_eq!(fs::read_to_string(home.config()).unwrap(), before);
    assert!(!home.data().join("credentials.json").exists());

    let (_, told) = import(&[], "y\n").await;
    assert!(told.contains("credentials.json"), "{told}");
    let after = fs::read_to_string(home.config()).unwrap();
    assert!(after.starts_with(&before) && after.contains("keyring = \"openai\""), "{after}");
    let (again, _) = import(&["--yes"], "").await;
    assert!(!again.contains("to be stored"), "{again}");
    // The catalogue's address is the real provider's: the simulator takes its place.
    let entry = format!("id = \"openai\"\nbase_url = \"{origin}/v1\"");
    home.configure(&after.replace("id = \"openai\"", &entry));
    let product = home.serve().await;
    serves_with(&product, &simulator, STORED).await;
    product.stop().await;
}
