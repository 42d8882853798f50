//! What the kernel knew of a packet, as its first layer.

use jiff::Timestamp;
use tollgate_flows::row::PacketDetail;

use super::view::{FieldView, LayerView};
use crate::procfs;

/// The layer before the packet's own ones. `offset_us` leads from times since boot to Unix time,
/// `interface` is the interface's name where it is known. What is not known is left out.
pub(super) fn layer(packet: &PacketDetail, offset_us: i64, interface: Option<&str>) -> LayerView {
    let row = &packet.row;
    let mut fields = Vec::new();
    let mut add = |name: &str, value: String| {
        fields.push(FieldView { name: name.to_owned(), value, range: None });
    };
    let since_boot_us = i64::try_from(packet.at_ns / 1_000).unwrap_or(i64::MAX);
    if let Ok(at) = Timestamp::from_microsecond(since_boot_us.saturating_add(offset_us)) {
        add("Time", at.to_string());
    }
    add("Direction", row.direction.as_str().to_owned());
    add("Leg", row.leg.as_str().to_owned());
    let named = interface.map(|it| format!(" ({it})")).unwrap_or_default();
    add("Interface", format!("{}{named}", packet.ifindex));
    add("Length", format!("{} bytes", row.length));
    add("Captured", format!("{} bytes", packet.bytes.len()));
    if packet.gso_size > 0 || packet.gso_segs > 1 {
        let segments = format!("{} of {} bytes", packet.gso_segs, packet.gso_size);
        add("Segments", segments);
    }
    add("Mark", format!("0x{:x}", packet.mark));
    if packet.hash != 0 {
        add("Flow hash", format!("0x{:08x}", packet.hash));
    }
    if let Some(cookie) = packet.cookie {
        add("Socket cookie", cookie.to_string());
    }
    if packet.netns != 0 {
        add("Network namespace", packet.netns.to_string());
    }
    if let Some(owner) = &packet.owner {
        add("Program", owner.program.clone());
        add("Process", owner.process.pid.to_string());
        add("Process started", seconds(owner.process.started_at_ns));
        if let Some(exe) = &packet.exe {
            add("Executable", exe.clone());
        }
    }
    if let Some(uid) = packet.uid {
        let name = procfs::user_name(uid).map(|it| format!(" ({it})")).unwrap_or_default();
        add("User", format!("{uid}{name}"));
    }
    if let Some(tcp) = &packet.tcp {
        add("TCP state", tcp.state.to_owned());
        if let Some(srtt_us) = tcp.srtt_us {
            add("TCP round-trip time", format!("{srtt_us} µs"));
        }
        add("TCP congestion window", format!("{} segments", tcp.snd_cwnd));
        add("TCP retransmits", tcp.retransmits.to_string());
    }
    let of = packet.owner.as_ref().map(|it| format!(", {}", it.program)).unwrap_or_default();
    let interface = interface.map_or_else(|| packet.ifindex.to_string(), str::to_owned);
    let summary =
        format!("{} bytes {} on interface {interface}{of}", row.length, row.direction.as_str());
    LayerView { name: "Frame".to_owned(), summary, fields }
}

fn seconds(since_boot_ns: u64) -> String {
    let hundredths = since_boot_ns / 10_000_000;
    format!("{}.{:02} s after boot", hundredths / 100, hundredths % 100)
}
