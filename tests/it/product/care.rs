//! The ledger's file is copied while it is written, and mended when it is damaged.

use std::{fs, os::unix::fs::PermissionsExt as _};

use tollgate_tests::{Home, send};

use super::using::{CHAT, chat, simulator};

#[tokio::test]
async fn a_backup_can_be_made_at_any_time_and_begun_from() {
    let simulator = simulator().await;
    let home = Home::simulated(&simulator);
    let product = home.serve().await;
    send(product.listen, chat(CHAT, "")).await;
    product.calls(1).await;
    let copies = tempfile::tempdir().unwrap();
    let running = copies.path().join("running.db");
    let running = running.to_str().unwrap();
    let made = home.run(&["backup", running, "--json"]).await.json();
    assert_eq!(made["path"], running);
    assert_eq!(made["bytes"], fs::metadata(running).unwrap().len());
    assert_eq!(fs::metadata(running).unwrap().permissions().mode() & 0o777, 0o600);
    let again = home.run(&["backup", running]).await;
    assert_eq!(again.code(), 1);
    assert!(again.stderr().contains("File exists"), "{}", again.stderr());
    product.stop().await;

    let stopped = copies.path().join("stopped.db");
    let stopped = stopped.to_str().unwrap();
    let said = home.run(&["backup", stopped]).await;
    assert!(said.expect().starts_with(stopped), "{}", said.shown());

    for copy in [running, stopped] {
        let home = Home::simulated(&simulator);
        fs::create_dir_all(home.data()).unwrap();
        fs::copy(copy, home.data().join("ledger.db")).unwrap();
        let product = home.serve().await;
        send(product.listen, chat(CHAT, "")).await;
        assert_eq!(product.calls(2).await.len(), 2);
        product.stop().await;
    }
}

#[tokio::test]
async fn a_damaged_ledger_is_set_aside_mended_and_told_of() {
    let simulator = simulator().await;
    let home = Home::simulated(&simulator);
    let product = home.serve().await;
    for _ in 0..3 {
        send(product.listen, chat(CHAT, "")).await;
    }
    product.calls(3).await;
    product.stop().await;
    let path = home.data().join("ledger.db");
    let mut bytes = fs::read(&path).unwrap();
    // The first page says what tables there are.
    bytes[100..4_096].fill(0xa5);
    fs::write(&path, &bytes).unwrap();

    let product = home.serve().await;
    send(product.listen, chat(CHAT, "")).await;
    product.calls(1).await;
    let doctor = home.run(&["doctor", "--json"]).await.json();
    let check = doctor.as_array().unwrap().iter().find(|it| it["name"] == "ledger").unwrap();
    assert_eq!(check["level"], "warning", "{check}");
    let found = check["found"].as_str().unwrap();
    assert!(found.contains("the ledger was damaged"), "{found}");
    assert!(found.contains("how many were lost is not known"), "{found}");
    let names = fs::read_dir(home.data()).unwrap().map(|it| it.unwrap().file_name());
    let aside: Vec<_> =
        names.map(|it| it.into_string().unwrap()).filter(|it| it.contains("-damaged-")).collect();
    let ending = |it: &str| aside.iter().find(|name| name.ends_with(it)).unwrap();
    assert_eq!(fs::read(home.data().join(ending(".db"))).unwrap(), bytes);
    let report = fs::read_to_string(home.data().join(ending(".txt"))).unwrap();
    assert!(found.contains(report.trim()), "{found}\n{report}");
    product.stop().await;

    let product = home.serve().await;
    assert_eq!(product.calls(1).await.len(), 1);
    product.stop().await;
}
