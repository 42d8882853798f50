//! What the kernel programs and the helper cost per packet.

use std::{
    os::unix::net::UnixStream,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::time::Instant;
use tollgate_helper_protocol::{
    Call, Message, PROTOCOL_VERSION, Reply, Request, Topic, event::Event, frame, reply::Status,
    request::Capture,
};

use crate::{
    load::{self, Call as LlmCall},
    process::{Target, cpu_ticks},
};

/// How long the helper may take to load its programs.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections of the load, and how long it lasts.
const CONNECTIONS: usize = 16;
const ROUND: Duration = Duration::from_secs(4);
/// Nanoseconds in a clock tick of `/proc/PID/stat`.
const TICK_NS: f64 = 10_000_000.0;

/// Prints the rows: nothing can be measured without root, and then a line says so.
pub(crate) async fn rows(helper: &Path, target: &Target) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        println!("\nNo packet figures: the helper needs root.");
        return Ok(());
    }
    let home = tempfile::tempdir()?;
    let socket = home.path().join("helper.sock");
    let mut child = Command::new(helper)
        .args(["--uid", "0", "--stats", "--socket"])
        .arg(&socket)
        .stdin(Stdio::null())
        .spawn()
        .context("start the helper")?;
    let measured = measure(&socket, child.id(), target).await;
    child.kill()?;
    child.wait()?;
    measured
}

async fn measure(socket: &Path, pid: u32, target: &Target) -> Result<()> {
    let mut link = connect(socket).await?;
    let before = status(&mut link)?;
    let ticks = cpu_ticks(pid)?;
    let port = target.address.port();
    ask(&mut link, Request::SetCapture(Capture::llm_traffic(vec![port])))?;
    ask(&mut link, Request::Subscribe(vec![Topic::Packets, Topic::Sockets, Topic::Processes]))?;
    let reader = link.try_clone()?;
    let reading = std::thread::spawn(move || count_packets(reader));
    let calls = load::closed_loop(target.address, &LlmCall::chat1k(), CONNECTIONS, ROUND).await?;
    // The reply ends the reading thread.
    send(&mut link, u32::MAX, Request::Status)?;
    let (packets, after) =
        reading.join().map_err(|_| anyhow::anyhow!("the reading thread panicked"))??;
    let ticks = cpu_ticks(pid)? - ticks;
    println!("\n{calls} calls of `chat1k` under capture, {packets} packets delivered.\n");
    println!("| kernel program | runs | ns per run | verified instructions |");
    println!("| --- | ---: | ---: | ---: |");
    for program in &after.programs {
        let old = before.programs.iter().find(|it| it.name == program.name);
        let since = |now: Option<u64>, then: Option<Option<u64>>| {
            now.unwrap_or(0) - then.flatten().unwrap_or(0)
        };
        let runs = since(program.run_count, old.map(|it| it.run_count));
        let ns = since(program.run_time_ns, old.map(|it| it.run_time_ns));
        let verified = program.verified_instructions.map_or("?".to_owned(), |it| it.to_string());
        if let Some(per_run) = ns.checked_div(runs) {
            println!("| `{}` | {runs} | {per_run} | {verified} |", program.name);
        }
    }
    let per_million = ticks as f64 * TICK_NS / 1e9 / packets.max(1) as f64 * 1e6;
    let (egress, ingress) = (&after.egress, &after.ingress);
    println!("\nHelper: {per_million:.2} CPU s per million packets delivered.");
    println!(
        "Loss: {} in the ring, {} by a slow reader; accounts add up: {}.",
        egress.ring_full + ingress.ring_full,
        after.connection.packets_dropped,
        egress.adds_up() && ingress.adds_up()
    );
    Ok(())
}

async fn connect(socket: &Path) -> Result<UnixStream> {
    let deadline = Instant::now() + START_TIMEOUT;
    let mut link = loop {
        match UnixStream::connect(socket) {
            Ok(link) => break link,
            Err(err) if Instant::now() > deadline => return Err(err).context("reach the helper"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let hello = Request::Hello { version: PROTOCOL_VERSION, client: "bench".to_owned() };
    let reply = ask(&mut link, hello)?;
    ensure!(matches!(reply, Reply::Hello(_)), "the helper answered {reply:?}");
    Ok(link)
}

fn send(link: &mut UnixStream, id: u32, request: Request) -> Result<()> {
    let mut bytes = Vec::new();
    frame::encode(&Call { id, request }, &mut bytes)?;
    std::io::Write::write_all(link, &bytes).context("write to the helper")
}

fn ask(link: &mut UnixStream, request: Request) -> Result<Reply> {
    send(link, 1, request)?;
    loop {
        match frame::read::<Message>(link, frame::FRAME_BYTES_MAX)?.context("the helper ended")? {
            Message::Reply(_, reply) => return Ok(reply),
            Message::Event(_) => {}
        }
    }
}

fn status(link: &mut UnixStream) -> Result<Status> {
    let reply = ask(link, Request::Status)?;
    let Reply::Status(status) = reply else { bail!("the helper answered {reply:?}") };
    Ok(*status)
}

/// Reads events until the answer to the last request.
fn count_packets(link: UnixStream) -> Result<(u64, Status)> {
    let mut link = std::io::BufReader::with_capacity(256 * 1024, link);
    let mut packets = 0;
    loop {
        let message =
            frame::read(&mut link, frame::FRAME_BYTES_MAX)?.context("the helper ended")?;
        match message {
            Message::Event(Event::Packet(_)) => packets += 1,
            Message::Reply(u32::MAX, Reply::Status(status)) => return Ok((packets, *status)),
            Message::Event(_) | Message::Reply(..) => {}
        }
    }
}
