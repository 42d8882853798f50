//! The maps that the helper writes and reads while it runs.

use anyhow::Context;
use aya::Ebpf;
use aya::maps::{Array, HashMap, Map, MapData, RingBuf};
use tollgate_bpf_abi::{
    Config, EVERY_USER, PACKET_RING_BYTES, PORT_GATEWAY, PORT_REMOTE, PORT_WORDS, PacketStats,
    STATS_SETS, SockEntry, Stats, config_flag, sock_flag,
};
use tollgate_helper_protocol::reply::{ControlCounters, PacketCounters};
use tollgate_helper_protocol::request::{Capture, Payload, Scope, SnapTier};

use crate::plain::Plain;

/// The maps, but for the rings.
pub(crate) struct Tables {
    config: Array<MapData, Plain<Config>>,
    stats: Array<MapData, Plain<[Stats; STATS_SETS]>>,
    uids: HashMap<MapData, u32, u8>,
    socks: HashMap<MapData, u64, Plain<SockEntry>>,
    /// Sockets marked as wanted.
    marked: Vec<u64>,
    /// What the kernel was told last; `None` when nothing is wanted, or when it is not sure.
    in_force: Option<Capture>,
}

/// The two rings.
pub(crate) struct Rings {
    pub(crate) packets: RingBuf<MapData>,
    pub(crate) control: RingBuf<MapData>,
}

/// Takes the maps out of the loaded object.
///
/// # Errors
/// When one of them is missing or not what it should be.
pub(crate) fn take(ebpf: &mut Ebpf) -> anyhow::Result<(Tables, Rings)> {
    let mut map = |name: &str| -> anyhow::Result<Map> {
        ebpf.take_map(name).with_context(|| format!("the object lacks the map `{name}`"))
    };
    let tables = Tables {
        config: map(".data")?.try_into()?,
        stats: map(".bss")?.try_into()?,
        uids: map("UIDS")?.try_into()?,
        socks: map("SOCKS")?.try_into()?,
        marked: Vec::new(),
        in_force: None,
    };
    let rings =
        Rings { packets: map("PACKETS")?.try_into()?, control: map("CONTROL")?.try_into()? };
    Ok((tables, rings))
}

impl Tables {
    /// Puts a capture in force. With no `uids` in it, every user's packets are wanted.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn apply(&mut self, capture: &Capture) -> anyhow::Result<()> {
        // Sockets that are named may be there by now.
        if self.in_force.as_ref() == Some(capture) && capture.cookies.is_empty() {
            return Ok(());
        }
        self.in_force = None;
        self.mark(&capture.cookies);
        // Only what differs: in between the capture must not be blind.
        let config = config(capture, self.marked.is_empty());
        self.config.set(0, Plain(config), 0).context("could not write the configuration")?;
        self.watch(if capture.uids.is_empty() { &[EVERY_USER] } else { &capture.uids })?;
        self.in_force = Some(capture.clone());
        Ok(())
    }

    /// Watches these users and no others.
    fn watch(&mut self, uids: &[u32]) -> anyhow::Result<()> {
        let before: Vec<u32> = self.uids.keys().flatten().collect();
        for uid in uids.iter().filter(|it| !before.contains(it)) {
            self.uids.insert(uid, 1, 0).context("could not write the watched users")?;
        }
        for uid in before.iter().filter(|it| !uids.contains(it)) {
            self.uids.remove(uid).context("could not clear the watched users")?;
        }
        Ok(())
    }

    /// Wants nothing any more: programs count, and hand nothing over.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        self.in_force = None;
        self.watch(&[])?;
        let nothing = Plain(bytemuck::Zeroable::zeroed());
        self.config.set(0, nothing, 0).context("could not clear the configuration")
    }

    /// Marks known sockets as wanted, and those of the last call as not.
    fn mark(&mut self, cookies: &[u64]) {
        for cookie in std::mem::take(&mut self.marked) {
            if cookies.contains(&cookie) {
                continue;
            }
            if let Ok(Plain(mut entry)) = self.socks.get(&cookie, 0) {
                entry.flags &= !sock_flag::WANTED;
                // A socket that just went out of the table needs no mark.
                let _ = self.socks.insert(cookie, Plain(entry), 0);
            }
        }
        for cookie in cookies {
            if let Ok(Plain(mut entry)) = self.socks.get(cookie, 0) {
                entry.flags |= sock_flag::WANTED;
                if self.socks.insert(cookie, Plain(entry), 0).is_ok() {
                    self.marked.push(*cookie);
                }
            }
        }
    }

    /// All counters, summed over the processors.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn counters(
        &self,
    ) -> anyhow::Result<(PacketCounters, PacketCounters, ControlCounters)> {
        let Plain(sets) = self.stats.get(&0, 0).context("could not read the counters")?;
        let mut egress = PacketCounters::default();
        let mut ingress = PacketCounters::default();
        let mut control = ControlCounters::default();
        for set in &sets {
            add(&mut egress, &set.egress);
            add(&mut ingress, &set.ingress);
            control.delivered += set.control_delivered;
            control.ring_full += set.control_ring_full;
            control.table_failed += set.table_failed;
            control.read_failed += set.read_failed;
        }
        Ok((egress, ingress, control))
    }

    /// Sockets with a known owner, and how many more there are than `max`.
    pub(crate) fn owners(
        &self,
        max: usize,
        is_seen: impl Fn(&SockEntry) -> bool,
    ) -> (Vec<(u64, SockEntry)>, usize) {
        let mut owners = Vec::new();
        let mut left_out = 0;
        for (cookie, Plain(entry)) in self.socks.iter().flatten() {
            if entry.tgid == 0 || !is_seen(&entry) {
                continue;
            }
            if owners.len() < max {
                owners.push((cookie, entry));
            } else {
                left_out += 1;
            }
        }
        (owners, left_out)
    }
}

fn add(sum: &mut PacketCounters, stats: &PacketStats) {
    let PacketStats {
        seen,
        delivered,
        ring_full,
        filtered,
        other_user,
        loopback,
        copy_failed,
        stepped_down,
    } = *stats;
    sum.seen += seen;
    sum.delivered += delivered;
    sum.ring_full += ring_full;
    sum.filtered += filtered;
    sum.other_user += other_user;
    sum.loopback += loopback;
    sum.copy_failed += copy_failed;
    sum.stepped_down += stepped_down;
}

fn config(capture: &Capture, no_cookies: bool) -> Config {
    let mut ports = [0; PORT_WORDS];
    match capture.scope {
        Scope::Everything => ports = [u64::MAX; PORT_WORDS],
        Scope::LlmTraffic => {
            set_ports(&mut ports, &capture.gateway_ports, PORT_GATEWAY);
            set_ports(&mut ports, &capture.remote_ports, PORT_REMOTE);
        }
    }
    // Withheld payload is cut in this process; headers never need more than the first tier.
    let snap = match capture.payload {
        Payload::Copied => capture.snap,
        Payload::Withheld => SnapTier::Headers,
    };
    Config {
        flags: if no_cookies { 0 } else { config_flag::COOKIES },
        snap: u32::from(snap.bytes()),
        uid_mask: if capture.uids.is_empty() { EVERY_USER } else { 0 },
        step_down_bytes: PACKET_RING_BYTES / 4 * 3,
        zero: 0,
        ports,
    }
}

fn set_ports(words: &mut [u64; PORT_WORDS], ports: &[u16], bit: u64) {
    for port in ports {
        if let Some(word) = words.get_mut(usize::from(port >> 5)) {
            *word |= bit << ((port & 31) * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_each_port_its_own_two_bits() {
        let mut capture = Capture::llm_traffic(vec![0, 31, 4141, 65535]);
        capture.remote_ports = vec![31, 32];
        let config = config(&capture, true);
        let bits = |port: u16| config.ports[usize::from(port >> 5)] >> ((port & 31) * 2) & 3;
        assert_eq!([bits(0), bits(31), bits(4141), bits(65535)], [1, 3, 1, 1]);
        assert_eq!([bits(32), bits(1), bits(30), bits(33)], [2, 0, 0, 0]);
        assert_eq!(config.ports.iter().map(|word| word.count_ones()).sum::<u32>(), 6);
    }

    #[test]
    fn withheld_payload_needs_no_more_than_headers() {
        let mut capture = Capture::llm_traffic(vec![]);
        assert_eq!(config(&capture, true).snap, 1536);
        capture.payload = Payload::Withheld;
        assert_eq!(config(&capture, true).snap, 96);
    }
}
