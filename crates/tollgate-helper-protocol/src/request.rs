//! What a client may ask for: a closed list of numbers, no paths and no programs.

use serde::{Deserialize, Serialize};

/// Gateway ports in one [`Capture`]: one gateway listens on a few at most.
pub const GATEWAY_PORTS_MAX: usize = 16;
/// Remote ports in one [`Capture`]: HTTPS, DNS and a few local model servers.
pub const REMOTE_PORTS_MAX: usize = 64;
/// User ids in one [`Capture`].
pub const UIDS_MAX: usize = 64;
/// Socket cookies in one [`Capture`].
pub const COOKIES_MAX: usize = 256;
/// Bytes of the name a client gives itself.
pub const CLIENT_NAME_BYTES_MAX: usize = 64;

/// A request with the number that its reply will carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Chosen by the client; the helper only repeats it.
    pub id: u32,
    /// What is asked.
    pub request: Request,
}

/// What is asked. New variants are appended: the order is the wire format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Must come first. Answered by [`crate::Reply::Hello`] or a refusal.
    Hello {
        /// The client's [`crate::PROTOCOL_VERSION`].
        version: u16,
        /// Name and version of the client, for the helper's log; at most
        /// [`CLIENT_NAME_BYTES_MAX`].
        client: String,
    },
    /// Answered by [`crate::Reply::Status`].
    Status,
    /// Replaces this connection's topics (none at first). Answered by [`crate::Reply::Done`].
    Subscribe(Vec<Topic>),
    /// Replaces the capture of the whole helper: with several clients the last one counts.
    /// Answered by [`crate::Reply::CaptureSet`].
    SetCapture(Capture),
    /// Asks for the owner of every socket known so far, as [`crate::Event::Owner`] events on this
    /// connection (whatever its topics), then [`crate::Reply::SnapshotDone`].
    Snapshot,
    /// Answered by [`crate::Reply::Pong`].
    Ping,
}

/// A group of events that a client may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Topic {
    /// [`crate::Event::Packet`].
    Packets,
    /// `Owner`, `Established`, `PeerCookie`, `State`, `Rtt`, `Closed`, `Retransmitted`.
    Sockets,
    /// `Executed`, `Forked`, `Exited`.
    Processes,
}

/// Which packets the kernel copies. Everything else is only counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// Which packets count as interesting.
    pub scope: Scope,
    /// Ports the gateway listens on: matched as the local port on any interface and as the remote
    /// port on loopback. At most [`GATEWAY_PORTS_MAX`].
    pub gateway_ports: Vec<u16>,
    /// Ports of providers, resolvers and local model servers: matched as the remote port on any
    /// interface and as the local port on loopback. At most [`REMOTE_PORTS_MAX`].
    pub remote_ports: Vec<u16>,
    /// Only sockets of these users. Empty means the caller's own user, or every user for a caller
    /// that may see all. A uid the caller may not see is refused. At most [`UIDS_MAX`].
    pub uids: Vec<u32>,
    /// Sockets whose packets are copied whatever their ports, if the helper knows them and the
    /// caller may see them; others are passed over. At most [`COOKIES_MAX`].
    pub cookies: Vec<u64>,
    /// How many bytes of a packet are copied.
    pub snap: SnapTier,
    /// Whether bytes behind the transport header are copied.
    pub payload: Payload,
}

impl Capture {
    /// What the helper captures before anyone asked: HTTPS and DNS with payload at the middle
    /// tier, no gateway port.
    #[must_use]
    pub fn llm_traffic(gateway_ports: Vec<u16>) -> Self {
        Self {
            scope: Scope::LlmTraffic,
            gateway_ports,
            remote_ports: vec![443, 53],
            uids: Vec::new(),
            cookies: Vec::new(),
            snap: SnapTier::Payload,
            payload: Payload::Copied,
        }
    }

    /// The first list that is too long, by its name. `None` when all fit.
    #[must_use]
    pub fn too_long(&self) -> Option<&'static str> {
        [
            ("gateway_ports", self.gateway_ports.len(), GATEWAY_PORTS_MAX),
            ("remote_ports", self.remote_ports.len(), REMOTE_PORTS_MAX),
            ("uids", self.uids.len(), UIDS_MAX),
            ("cookies", self.cookies.len(), COOKIES_MAX),
        ]
        .into_iter()
        .find_map(|(name, len, max)| (len > max).then_some(name))
    }
}

/// Which packets are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Those that match the ports or the cookies of the [`Capture`].
    LlmTraffic,
    /// All of the watched users.
    Everything,
}

/// How many bytes of a packet are copied at most, counted from its IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SnapTier {
    /// 96 bytes: IP and TCP headers with their options.
    Headers,
    /// 256 bytes: a DNS question, the start of a request.
    Start,
    /// 1,536 bytes: a whole Ethernet frame's worth, so a whole usual `ClientHello`.
    Payload,
}

impl SnapTier {
    /// The tier in bytes.
    #[must_use]
    pub const fn bytes(self) -> u16 {
        match self {
            Self::Headers => 96,
            Self::Start => 256,
            Self::Payload => 1536,
        }
    }
}

/// Whether bytes behind the transport header reach the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Payload {
    /// They do, up to the snap tier.
    Copied,
    /// They do not: a copy ends with the TCP or UDP header. Of other protocols, and of IPv6
    /// packets with extension headers, only the fixed IP header is copied.
    Withheld,
}
