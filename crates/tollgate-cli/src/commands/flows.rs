//! `tollgate flows`.

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tollgate_app::api::{
    stream::{
        McpView, StreamCallView, StreamEndView, StreamMessageView, StreamPieceView, StreamView,
    },
    view::FlowView,
};

use crate::{
    args::{FlowsCommand, FollowArgs, Json},
    output,
};

/// Bytes in one line of a dump.
const DUMP_BYTES: usize = 16;

/// Prints connections, or one.
pub(super) async fn flows(command: FlowsCommand) -> Result<()> {
    match command {
        FlowsCommand::List { limit, json } => list(limit, json).await,
        FlowsCommand::Follow(args) => follow(args).await,
    }
}

async fn list(limit: usize, json: Json) -> Result<()> {
    let (client, _) = super::client()?;
    let flows: Vec<FlowView> = client.get(&format!("/flows?limit={limit}")).await?;
    if json.json {
        return output::json_pretty(&flows);
    }
    let header = [
        "flow",
        "leg",
        "program",
        "server",
        "packets",
        "dns",
        "tcp",
        "tls",
        "first byte",
        "rtt",
        "resent",
        "missing",
    ];
    let micros = |it: Option<u64>| it.map_or_else(|| output::UNKNOWN.to_owned(), output::micros);
    let rows = flows.iter().map(|it| {
        vec![
            it.id.to_string(),
            it.leg.clone(),
            it.program.clone().unwrap_or_else(|| output::UNKNOWN.to_owned()),
            it.host.clone().unwrap_or_else(|| it.remote.clone()),
            (it.packets_in + it.packets_out).to_string(),
            micros(it.dns_us),
            micros(it.handshake_us),
            micros(it.tls_us),
            micros(it.first_byte_us),
            micros(it.rtt_min_us.or(it.srtt_us)),
            output::number(it.retransmits),
            it.bytes_missing.to_string(),
        ]
    });
    output::table(&header, rows)
}

async fn follow(args: FollowArgs) -> Result<()> {
    let (client, _) = super::client()?;
    let stream: StreamView = client.get(&format!("/flows/{}/stream", args.id)).await?;
    if args.json.json {
        return output::json_pretty(&stream);
    }
    if stream.encrypted && !args.hex {
        output::note("This connection is encrypted: --hex shows its bytes.");
    } else if args.messages {
        stream.messages.iter().try_for_each(print_message)?;
    } else {
        print_pieces(&stream.pieces, &args)?;
    }
    for (who, end) in [("client", &stream.client), ("server", &stream.server)] {
        if let Some(lack) = lack(end) {
            output::note(&format!("Of what the {who} sent {lack}."));
        }
    }
    Ok(())
}

/// What is missing of a direction, in words.
fn lack(end: &StreamEndView) -> Option<String> {
    let mut lacks = Vec::new();
    if !end.from_beginning && end.bytes > 0 {
        lacks.push("the beginning is not kept".to_owned());
    }
    if end.unseen > 0 {
        lacks.push(format!("{} bytes were not seen", end.unseen));
    }
    if end.uncopied > 0 {
        lacks.push(format!("{} bytes were not copied", end.uncopied));
    }
    if end.disputed > 0 {
        lacks.push(format!("{} bytes came again as others", end.disputed));
    }
    if end.cut {
        lacks.push("the rest is too long to be shown".to_owned());
    }
    (!lacks.is_empty()).then(|| lacks.join(", "))
}

fn arrow(toward: &str) -> &'static str {
    if toward == "server" { "→" } else { "←" }
}

fn print_pieces(pieces: &[StreamPieceView], args: &FollowArgs) -> Result<()> {
    let mut last = "";
    for it in pieces {
        if let (Some(missing), Some(why)) = (it.missing, &it.missing_why) {
            output::line(&format!("{} [{missing} bytes {why}]", arrow(&it.toward)))?;
            last = "";
            continue;
        }
        let bytes = STANDARD.decode(&it.bytes_base64).context("read the gateway's answer")?;
        if args.hex {
            let time = output::time(it.at_us / 1000, super::now_ms());
            output::line(&format!("{} {time} packet {}", arrow(&it.toward), it.packet))?;
            dump(it.offset, &bytes).iter().try_for_each(|line| output::line(line))?;
            continue;
        }
        if last != it.toward {
            let time = output::time(it.at_us / 1000, super::now_ms());
            output::line(&format!("{} {time}", arrow(&it.toward)))?;
            last = &it.toward;
        }
        output::line(&readable(&String::from_utf8_lossy(&bytes)))?;
    }
    Ok(())
}

/// Without what would steer the terminal.
fn readable(text: &str) -> String {
    let lines = text.trim_end_matches(['\r', '\n']).replace('\r', "");
    let shown = |it: char| if it.is_control() && it != '\n' && it != '\t' { '·' } else { it };
    lines.chars().map(shown).collect()
}

fn dump(offset: u64, bytes: &[u8]) -> Vec<String> {
    let line = |(number, row): (usize, &[u8])| {
        let at = offset + u64::try_from(number * DUMP_BYTES).unwrap_or(u64::MAX);
        let hex: Vec<String> = row.iter().map(|it| format!("{it:02x}")).collect();
        let text = row.iter().map(|it| match it {
            b' '..=b'~' => char::from(*it),
            _ => '.',
        });
        format!("  {at:08x}  {:47}  {}", hex.join(" "), text.collect::<String>())
    };
    bytes.chunks(DUMP_BYTES).enumerate().map(line).collect()
}

fn print_message(it: &StreamMessageView) -> Result<()> {
    let time = output::time(it.at_us / 1000, super::now_ms());
    let mut size = format!("{} bytes", it.body_bytes);
    if it.missing > 0 {
        size = format!("{size}, {} missing", it.missing);
    }
    if !it.whole {
        size.push_str(", not whole");
    }
    output::line(&format!("{} {time} {} ({size})", arrow(&it.toward), readable(&it.first_line)))?;
    if let Some(call) = &it.call {
        output::line(&format!("    {}", call_in_words(call)))?;
    }
    if let Some(mcp) = &it.mcp {
        output::line(&format!("    {}", readable(&mcp_in_words(mcp))))?;
    }
    for event in &it.events {
        let time = output::time(event.at_us / 1000, super::now_ms());
        let name = event.name.as_deref().unwrap_or("message");
        output::line(&readable(&format!("    {time} {name} {}", event.data.replace('\n', " "))))?;
    }
    Ok(())
}

fn call_in_words(call: &StreamCallView) -> String {
    let mut words = vec![call.format.clone()];
    words.extend(call.model.as_ref().map(|it| format!("model {it}")));
    words.extend(call.stream.map(|it| format!("stream {it}")));
    words.extend(call.tools.map(|it| format!("{it} tools")));
    words.extend(call.input.map(|it| format!("{it} tokens in")));
    words.extend(call.output.map(|it| format!("{it} tokens out")));
    words.extend(call.stop_reason.as_ref().map(|it| format!("stopped: {it}")));
    readable(&words.join(", "))
}

fn mcp_in_words(mcp: &McpView) -> String {
    let mut words = vec![format!("MCP {}", mcp.method.as_deref().unwrap_or("answer"))];
    words.extend(mcp.tool.as_ref().map(|it| format!("tool {it}")));
    words.extend(mcp.id.as_ref().map(|it| format!("id {it}")));
    words.extend(mcp.session.as_ref().map(|it| format!("session {it}")));
    words.extend(mcp.error.as_ref().map(|it| format!("error: {it}")));
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_has_places_bytes_and_text() {
        let lines = dump(0x20, b"POST /v1 HTTP/1.1\r\n");
        assert_eq!(
            lines[0],
            "  00000020  50 4f 53 54 20 2f 76 31 20 48 54 54 50 2f 31 2e  POST /v1 HTTP/1."
        );
        assert!(lines[1].starts_with("  00000030  31 0d 0a ") && lines[1].ends_with("  1.."));
    }

    #[test]
    fn what_was_said_cannot_steer_the_terminal() {
        assert_eq!(readable("a\x1b[31m\r\nb\r\n"), "a·[31m\nb");
    }

    #[test]
    fn what_is_missing_is_said() {
        let whole = StreamEndView {
            bytes: 5,
            unseen: 0,
            uncopied: 0,
            disputed: 0,
            from_beginning: true,
            cut: false,
        };
        assert_eq!(lack(&whole), None);
        let part = StreamEndView { uncopied: 7, from_beginning: false, ..whole };
        assert_eq!(
            lack(&part).as_deref(),
            Some("the beginning is not kept, 7 bytes were not copied")
        );
    }
}
