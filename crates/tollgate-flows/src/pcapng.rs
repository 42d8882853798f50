//! Packets as a pcapng file that Wireshark opens, with process, call and flow in each packet's
//! comment.
//!
//! Format: draft-ietf-opsawg-pcapng. Packets have link type RAW (they begin at the IP header) and
//! nanosecond times; interfaces are described when the first packet of each comes.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt::{self, Write as _},
    io,
    time::Duration,
};

use pcap_file::{
    DataLink, Endianness,
    pcapng::{
        PcapNgWriter,
        blocks::{
            enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption},
            interface_description::{
                InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
            },
            opt_common::CommonOption,
            section_header::{SectionHeaderBlock, SectionHeaderOption},
        },
    },
};

use crate::{event::Direction, row::PacketDetail};

/// Interfaces described in one file; packets of further ones are put on the last one, which is named
/// `other`.
pub const INTERFACES_MAX: usize = 256;

const LOOPBACK_IFINDEX: u32 = 1;
/// The direction bits of `epb_flags`.
const FLAG_INBOUND: u32 = 0b01;
const FLAG_OUTBOUND: u32 = 0b10;

/// What a file's writer has to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Nanoseconds from 1970-01-01 UTC to the machine's start: added to each packet's time.
    pub boot_at_unix_ns: u64,
    /// The program and version that made the file.
    pub application: String,
    /// Names of interfaces by network namespace cookie and index, where they are known.
    pub interface_names: HashMap<(u64, u32), String>,
}

/// Why a packet could not be written. The file is whole up to the packet before.
#[derive(Debug, thiserror::Error)]
#[error("cannot write a pcapng block")]
pub struct PcapngError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl PcapngError {
    fn of(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}

/// Writes packets to a pcapng stream, block by block.
pub struct PcapngWriter<W: io::Write> {
    inner: PcapNgWriter<W>,
    interfaces: HashMap<(u64, u32), u32>,
    config: Config,
}

impl<W: io::Write> fmt::Debug for PcapngWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PcapngWriter").field("config", &self.config).finish_non_exhaustive()
    }
}

impl<W: io::Write> PcapngWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// What `out` says when it cannot be written to.
    pub fn new(out: W, config: Config) -> Result<Self, PcapngError> {
        let section = SectionHeaderBlock {
            options: vec![SectionHeaderOption::UserApplication(Cow::Borrowed(&config.application))],
            endianness: Endianness::Little,
            ..SectionHeaderBlock::default()
        };
        let inner = PcapNgWriter::with_section_header(out, section).map_err(PcapngError::of)?;
        Ok(Self { inner, interfaces: HashMap::new(), config })
    }

    /// Adds a packet. Credentials are blanked, as they are in [`PacketDetail::bytes`].
    ///
    /// # Errors
    /// What the output says when it cannot be written to, or a time that the format cannot hold.
    pub fn write(&mut self, packet: &PacketDetail) -> Result<(), PcapngError> {
        let interface_id = self.interface(packet)?;
        let at_ns = self.config.boot_at_unix_ns.saturating_add(packet.at_ns);
        let flags = match packet.row.direction {
            Direction::Ingress => FLAG_INBOUND,
            Direction::Egress => FLAG_OUTBOUND,
        };
        let captured = u32::try_from(packet.bytes.len()).map_err(PcapngError::of)?;
        let block = EnhancedPacketBlock {
            interface_id,
            timestamp: Duration::from_nanos(at_ns),
            original_len: packet.row.length.max(captured),
            data: Cow::Borrowed(&packet.bytes),
            options: vec![
                EnhancedPacketOption::Common(CommonOption::Comment(comment(packet).into())),
                EnhancedPacketOption::Flags(flags),
            ],
        };
        self.inner.write_pcapng_block(block).map_err(PcapngError::of)?;
        Ok(())
    }

    fn interface(&mut self, packet: &PacketDetail) -> Result<u32, PcapngError> {
        let key = (packet.netns, packet.ifindex);
        if let Some(id) = self.interfaces.get(&key) {
            return Ok(*id);
        }
        let described = self.interfaces.len();
        if described >= INTERFACES_MAX {
            return u32::try_from(INTERFACES_MAX - 1).map_err(PcapngError::of);
        }
        let name = if described == INTERFACES_MAX - 1 {
            "other".to_owned()
        } else {
            self.interface_name(key)
        };
        let mut block = InterfaceDescriptionBlock::new(DataLink::RAW, 0);
        block.options = vec![
            InterfaceDescriptionOption::IfName(name.into()),
            InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
        ];
        self.inner.write_pcapng_block(block).map_err(PcapngError::of)?;
        let id = u32::try_from(described).map_err(PcapngError::of)?;
        self.interfaces.insert(key, id);
        Ok(id)
    }

    fn interface_name(&self, key: (u64, u32)) -> String {
        let known = self.config.interface_names.get(&key).cloned();
        known.unwrap_or_else(|| match key.1 {
            LOOPBACK_IFINDEX => "lo".to_owned(),
            index => format!("if{index}"),
        })
    }

    /// The output, with everything written so far.
    pub fn into_inner(self) -> W {
        self.inner.into_inner()
    }
}

impl PcapngWriter<Vec<u8>> {
    /// Takes what has been written since the last time, to be sent on.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.inner.get_mut())
    }
}

/// `program="ingest.py (python3)" pid=42 call=… flow=7 dir=out leg=client`: facts that are not known
/// are left out.
fn comment(packet: &PacketDetail) -> String {
    let row = &packet.row;
    let mut text = String::new();
    if let Some(program) = &row.program {
        let _ = write!(text, "program={} ", quoted(program));
    }
    if let Some(pid) = row.pid {
        let _ = write!(text, "pid={pid} ");
    }
    if let Some(call) = row.call {
        let _ = write!(text, "call={call} ");
    }
    let direction = row.direction.as_str();
    let _ = write!(text, "flow={} dir={direction} leg={}", row.flow.0, row.leg.as_str());
    if let Some(host) = &row.host {
        let _ = write!(text, " host={}", quoted(host));
    }
    if let Some(cookie) = packet.cookie {
        let _ = write!(text, " cookie={cookie}");
    }
    text
}

fn quoted(value: &str) -> String {
    if value.contains([' ', '"']) {
        format!("\"{}\"", value.replace('"', "'"))
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests;
