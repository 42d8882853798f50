//! The packets and flows that are kept, for those who look.

use std::{collections::HashMap, time::Duration};

use tollgate_core::CallId;
use tollgate_flows::{
    Filter,
    engine::{ROWS_PER_ANSWER_MAX, Scan},
    follow::Followed,
    pcapng::{self, PcapngError, PcapngWriter},
    row::{FlowId, FlowRow, PacketDetail, PacketRow},
};

use super::{Capture, boot_now_ns, ns};

/// Packets of one program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Capture {
    /// Kept packets after `after`, or the newest, oldest first; at most `ROWS_PER_ANSWER_MAX`. May
    /// take long with a filter: blocks its thread, but not the capture.
    #[must_use]
    pub fn packets(&self, after: Option<u64>, limit: usize, filter: &Filter) -> Vec<PacketRow> {
        let limit = limit.min(ROWS_PER_ANSWER_MAX);
        if let Some(after) = after {
            return scan_all(after, limit, |at, rows| {
                self.engine().scan(at, u64::MAX, limit - rows, filter)
            });
        }
        let mut rows =
            scan_all(u64::MAX, limit, |at, rows| self.engine().scan_back(at, limit - rows, filter));
        rows.reverse();
        rows
    }

    /// Some of the packets after `after` that pass, as far as they are at least `age` old.
    #[must_use]
    pub fn scan(&self, after: u64, age: Duration, limit: usize, filter: &Filter) -> Scan {
        self.engine().scan(after, boot_now_ns().saturating_sub(ns(age)), limit, filter)
    }

    /// One kept packet.
    #[must_use]
    pub fn packet(&self, seq: u64) -> Option<PacketDetail> {
        self.engine().packet(seq)
    }

    /// The kept packets of a call; blocks as [`Self::packets`] does.
    #[must_use]
    pub fn packets_of_call(&self, call: CallId) -> Vec<PacketRow> {
        scan_all(0, ROWS_PER_ANSWER_MAX, |at, rows| {
            self.engine().scan_call(at, ROWS_PER_ANSWER_MAX - rows, call)
        })
    }

    /// The flows that carried a call, the client's first.
    #[must_use]
    pub fn flows_of_call(&self, call: CallId) -> Vec<FlowRow> {
        let engine = self.engine();
        engine.flows_of_call(call).into_iter().filter_map(|it| engine.flow(it)).collect()
    }

    /// Flows, the one with the newest packet first.
    #[must_use]
    pub fn flows(&self, limit: usize) -> Vec<FlowRow> {
        self.engine().flows(limit, &Filter::default())
    }

    /// The number of the newest packet; 0 before the first.
    #[must_use]
    pub fn newest(&self) -> u64 {
        let counters = self.engine().counters();
        counters.kept + counters.evicted + counters.cleared
    }

    /// The kept packets that pass, as a pcapng file.
    ///
    /// # Errors
    /// When a packet cannot be written.
    pub fn pcapng(&self, filter: &Filter) -> Result<Vec<u8>, PcapngError> {
        let config = pcapng::Config {
            boot_at_unix_ns: u64::try_from(self.boot_to_unix_ns).unwrap_or_default(),
            application: format!("Tollgate {}", env!("CARGO_PKG_VERSION")),
            interface_names: self.interface_names(),
        };
        let mut writer = PcapngWriter::new(Vec::new(), config)?;
        let mut after = 0;
        loop {
            let rows = self.packets(Some(after), ROWS_PER_ANSWER_MAX, filter);
            for row in &rows {
                // Locked anew for each: a long export must not hold up the capture.
                if let Some(packet) = self.packet(row.seq) {
                    writer.write(&packet)?;
                }
            }
            match rows.last() {
                Some(last) if rows.len() == ROWS_PER_ANSWER_MAX => after = last.seq,
                Some(_) | None => return Ok(writer.into_inner()),
            }
        }
    }

    /// Packets by program over the flows that are known now; `None` while there was no helper.
    #[must_use]
    pub fn traffic_by_program(&self) -> Option<HashMap<String, Traffic>> {
        if !self.link().was_there {
            return None;
        }
        let mut traffic: HashMap<String, Traffic> = HashMap::new();
        for flow in self.flows(usize::MAX) {
            let Some(owner) = flow.client.owner else { continue };
            let sum = traffic.entry(owner.program).or_default();
            sum.packets += flow.client.packets_sent + flow.server.packets_sent;
            sum.bytes += flow.client.bytes_sent + flow.server.bytes_sent;
        }
        Some(traffic)
    }

    /// A TCP connection put together from its kept packets; `None` when it is not known or is none.
    /// Blocks its thread, but not the capture.
    #[must_use]
    pub fn stream(&self, id: FlowId) -> Option<(FlowRow, Followed)> {
        let (flow, mut follow) = {
            let engine = self.engine();
            (engine.flow(id)?, engine.follow(id)?)
        };
        // Locked anew for each part: others go on meanwhile.
        while !self.engine().follow_on(&mut follow) {}
        Some((flow, follow.finish()))
    }
}

/// The rows of scans that begin where the one before ended. The engine is locked for each alone.
fn scan_all(mut at: u64, limit: usize, mut scan: impl FnMut(u64, usize) -> Scan) -> Vec<PacketRow> {
    let mut rows = Vec::new();
    loop {
        let found = scan(at, rows.len());
        rows.extend(found.rows);
        at = found.at;
        if found.is_done || rows.len() >= limit {
            return rows;
        }
    }
}
