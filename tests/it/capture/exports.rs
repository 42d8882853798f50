//! pcapng files as Wireshark reads them.

use std::path::Path;

use tollgate_app::api::view::PacketView;

use super::harness::{Watched, curl, eventually, run};

/// What `tshark` prints of a file, once it had nothing to complain about. `None` when it is not
/// installed, which is printed.
async fn tshark(watched: &Watched, file: &Path, args: &[&str]) -> Option<String> {
    let mut command = watched.home.command("tshark");
    command.arg("-r").arg(file).args(args);
    let output = match command.output().await {
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: there is no `tshark` to read the file");
            return None;
        }
        output => output.unwrap(),
    };
    let errors = String::from_utf8(output.stderr).unwrap();
    // It dislikes being run as root, whatever the file.
    let about_file: Vec<&str> =
        errors.lines().filter(|it| !it.starts_with("Running as user \"root\"")).collect();
    assert!(output.status.success() && about_file.is_empty(), "{args:?}: {errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Checks a file against the rows that it was made of.
async fn check(watched: &Watched, file: &Path, rows: &[PacketView]) {
    let Some(_) = tshark(watched, file, &["-q", "-z", "io,stat,0"]).await else { return };
    for suspect in ["_ws.malformed", "_ws.expert.severity == error"] {
        let found = tshark(watched, file, &["-Y", suspect]).await.unwrap();
        assert_eq!(found, "", "{suspect}");
    }
    let fields = ["frame.comment", "frame.len", "ip.src", "ipv6.src", "frame.time_epoch"];
    let mut args = vec!["-T", "fields", "-E", "separator=\t"];
    args.extend(fields.iter().flat_map(|it| ["-e", it]));
    let lines = tshark(watched, file, &args).await.unwrap();
    let lines: Vec<Vec<&str>> = lines.lines().map(|it| it.split('\t').collect()).collect();
    assert_eq!(lines.len(), rows.len());
    for (line, row) in lines.iter().zip(rows) {
        let [comment, len, v4, v6, at] = line[..] else { panic!("{line:?}") };
        // Quotes in text are escaped in this output.
        let comment = comment.replace('\\', "");
        let program = row.program.as_deref().map(|it| {
            if it.contains(' ') { format!("program=\"{it}\"") } else { format!("program={it}") }
        });
        let pid = row.pid.map(|it| format!("pid={it}"));
        let call = row.call.as_deref().map(|it| format!("call={it}"));
        for wanted in [program, pid, call].into_iter().flatten() {
            assert!(comment.contains(&wanted), "{wanted} in {comment}");
        }
        assert!(comment.contains(&format!("flow={} ", row.flow)), "{comment}");
        assert_eq!(len, row.length.to_string());
        let src = if v4.is_empty() { v6 } else { v4 };
        assert!(row.src.contains(src) && !src.is_empty(), "{src} {row:?}");
        let (seconds, fraction) = at.split_once('.').unwrap();
        let at_us: i64 = format!("{seconds}{}", &fraction[..6]).parse().unwrap();
        // The list cuts times since boot to microseconds, the file has all of them.
        assert!((at_us - row.at_us).abs() <= 1, "{at_us} {row:?}");
    }
}

#[tokio::test]
async fn exported_files_open_without_a_warning_and_name_who_sent_each_packet() {
    let Some(watched) = Watched::start("pcapng").await else { return };
    let client = watched.ask(3).await;
    let (_, _) = run(&mut curl(&watched.product, "one more")).await;
    let calls = watched.product.calls(4).await;
    for call in &calls {
        watched.packets_of_whole(&call.id).await;
    }
    let file = watched.home.path().join("all.pcapng");
    let path = file.to_str().unwrap();
    // Until nothing came in between.
    let rows = eventually("an export of a capture at rest", async || {
        let before = watched.packets("").await;
        assert_eq!(watched.product.run(&["packets", "-w", path]).await.expect(), "");
        let after = watched.packets("").await;
        let same = serde_json::to_value(&before.packets).unwrap()
            == serde_json::to_value(&after.packets).unwrap()
            && u64::try_from(after.packets.len()).unwrap() == after.kept;
        if same { Ok(after.packets) } else { Err("packets keep coming".to_owned()) }
    })
    .await;
    assert!(rows.iter().filter(|it| it.pid == Some(client)).count() > 10);
    check(&watched, &file, &rows).await;

    let call = &calls[1].id;
    let of_call = watched.packets_of(call).await;
    let args = ["packets", "--call", call, "-w", path];
    assert_eq!(watched.product.run(&args).await.expect(), "");
    check(&watched, &file, &of_call).await;
    // A filter holds beside the call.
    let on_leg: Vec<_> = of_call.into_iter().filter(|it| it.leg == "upstream").collect();
    let args = ["packets", "--call", call, "--filter", "leg:upstream", "-w", path];
    assert_eq!(watched.product.run(&args).await.expect(), "");
    assert!(!on_leg.is_empty());
    check(&watched, &file, &on_leg).await;
    watched.product.stop().await;
}
