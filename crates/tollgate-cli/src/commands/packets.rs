//! `tollgate packets`.

use anyhow::{Context as _, Result};
use tollgate_app::{
    api::view::{EventView, HelperState, PacketPage, PacketView, StatusView},
    client::Client,
};

use crate::{args::PacketsArgs, output};

/// Prints packets, or writes them to a file.
pub(super) async fn packets(args: PacketsArgs) -> Result<()> {
    let (client, _) = super::client()?;
    let filter = filter(&args).as_deref().map(output::query);
    let with_filter = |path: &str, first: char| match &filter {
        Some(filter) => format!("{path}{first}filter={filter}"),
        None => path.to_owned(),
    };
    if let Some(file) = &args.write {
        let bytes = client.get_bytes(&with_filter("/packets.pcapng", '?')).await?;
        return std::fs::write(file, bytes).with_context(|| format!("write `{}`", file.display()));
    }
    let mut events = match args.follow {
        true => Some(client.events(&with_filter("/events?packets=true", '&')).await?),
        false => None,
    };
    let path = format!("/packets?limit={}", args.limit);
    let page: PacketPage = client.get(&with_filter(&path, '&')).await?;
    print(&page.packets, &args)?;
    explain_absence(&client).await?;
    let Some(events) = &mut events else { return Ok(()) };
    let mut newest = page.packets.last().map_or(0, |it| it.seq);
    while let Some(event) = events.next().await? {
        match event {
            EventView::Packets { packets, skipped, .. } => {
                let new: Vec<_> = packets.into_iter().filter(|it| it.seq > newest).collect();
                newest = new.last().map_or(newest, |it| it.seq);
                print(&new, &args)?;
                if skipped > 0 {
                    output::note(&format!("{skipped} packets are not shown: too many at once"));
                }
            }
            EventView::Lagged { missed } => output::note(&format!("{missed} events were missed")),
            EventView::Call { .. } | EventView::Status { .. } | EventView::Budget { .. } => {}
        }
    }
    Ok(())
}

/// Says why no packets come, when the helper that captures them is not there.
async fn explain_absence(client: &Client) -> Result<()> {
    let status: StatusView = client.get("/status").await?;
    match status.helper.state {
        HelperState::Connected => {}
        HelperState::Absent | HelperState::Failed => {
            let reason = status.helper.reason.as_deref().unwrap_or("the helper is not connected");
            output::note(&format!("No packets are captured: {reason} (see `tollgate doctor`)."));
        }
    }
    Ok(())
}

/// What must hold of a packet: the filter's terms, and the call's.
fn filter(args: &PacketsArgs) -> Option<String> {
    let call = args.call.as_ref().map(|it| format!("call:{it}"));
    let terms: Vec<_> = args.filter.iter().cloned().chain(call).collect();
    (!terms.is_empty()).then(|| terms.join(" "))
}

fn print(packets: &[PacketView], args: &PacketsArgs) -> Result<()> {
    for it in packets {
        if args.json.json {
            output::json(it)?;
            continue;
        }
        let program = match (&it.program, it.pid) {
            (Some(program), Some(pid)) => format!("{program}[{pid}]"),
            (Some(program), None) => program.clone(),
            (None, _) => output::UNKNOWN.to_owned(),
        };
        output::line(&format!(
            "{:>7} {} {:8} {:20} {} > {} {:5} {:>5} {}",
            it.seq,
            output::time(it.at_us / 1000, super::now_ms()),
            it.leg,
            program,
            it.src,
            it.dst,
            it.protocol,
            it.length,
            it.info
        ))?;
    }
    Ok(())
}
