//! One connection's way out: a bounded queue between the rings and a reader of any speed.
//!
//! A slow reader costs itself events, counted by kind, and never memory or another's time.

use std::io::Write;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tollgate_helper_protocol::event::{Lost, LostCause};
use tollgate_helper_protocol::reply::{ConnectionCounters, Sees};
use tollgate_helper_protocol::{Event, Message, Topic, frame};

use crate::peer;

/// Bytes that may wait for one connection. The writer holds as much again while it writes.
const QUEUE_BYTES_MAX: usize = 2 << 20;
/// Of these, what packets may fill: other events are few and worth more.
const QUEUE_BYTES_PACKETS: usize = QUEUE_BYTES_MAX / 4 * 3;

/// A connection, as the rest of the helper sees it.
pub(crate) struct Client {
    sees: Sees,
    outbox: Mutex<Outbox>,
    /// Something waits to be written, or the connection is over.
    filled: Condvar,
    /// There is room again, or the connection is over.
    emptied: Condvar,
}

#[derive(Default)]
struct Outbox {
    bytes: Vec<u8>,
    topics: Topics,
    counters: ConnectionCounters,
    /// Dropped since the last [`Lost`].
    packets_lost: u64,
    controls_lost: u64,
    is_over: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Topics {
    packets: bool,
    sockets: bool,
    processes: bool,
}

impl Client {
    pub(crate) fn new(sees: Sees) -> Self {
        Self { sees, outbox: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counters(&self) -> ConnectionCounters {
        self.lock().counters
    }

    pub(crate) fn sees(&self) -> Sees {
        self.sees
    }

    pub(crate) fn subscribe(&self, topics: &[Topic]) {
        self.lock().topics = Topics {
            packets: topics.contains(&Topic::Packets),
            sockets: topics.contains(&Topic::Sockets),
            processes: topics.contains(&Topic::Processes),
        };
    }

    pub(crate) fn is_subscribed(&self) -> bool {
        let outbox = self.lock();
        !outbox.is_over && outbox.topics != Topics::default()
    }

    /// Puts events in the queue, each with its user and its frame, or counts why not.
    pub(crate) fn offer<'a>(&self, events: impl IntoIterator<Item = &'a Offer>) {
        let mut outbox = self.lock();
        if outbox.is_over {
            return;
        }
        outbox.tell_lost();
        for offer in events {
            outbox.take(offer, self.sees);
        }
        if !outbox.bytes.is_empty() {
            self.filled.notify_one();
        }
    }

    /// Puts a reply or a snapshot's event in the queue, waiting for room. `false` when the
    /// connection is over.
    pub(crate) fn send(&self, message: &Message) -> bool {
        let mut frame = Vec::new();
        if frame::encode(message, &mut frame).is_err() {
            return false;
        }
        let mut outbox = self.lock();
        while !outbox.is_over && outbox.bytes.len() + frame.len() > QUEUE_BYTES_MAX {
            outbox = self.emptied.wait(outbox).unwrap_or_else(PoisonError::into_inner);
        }
        if outbox.is_over {
            return false;
        }
        outbox.bytes.extend_from_slice(&frame);
        self.filled.notify_one();
        true
    }

    /// Ends the connection for everyone who waits on it. What is queued is still written.
    pub(crate) fn close(&self) {
        self.lock().is_over = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }

    /// Writes what is queued until the connection is over or fails.
    pub(crate) fn write_to(&self, mut stream: impl Write) {
        let mut batch = Vec::new();
        loop {
            let mut outbox = self.lock();
            while outbox.bytes.is_empty() {
                if outbox.is_over {
                    return;
                }
                outbox = self.filled.wait(outbox).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut outbox.bytes, &mut batch);
            drop(outbox);
            self.emptied.notify_all();
            if stream.write_all(&batch).and_then(|()| stream.flush()).is_err() {
                self.lock().bytes.clear();
                return self.close();
            }
            batch.clear();
        }
    }
}

/// An event ready to be sent.
pub(crate) struct Offer {
    topic: Option<Topic>,
    uid: Option<u32>,
    frame: Vec<u8>,
}

impl Offer {
    /// `None` for an event that does not fit a frame, which none of them can exceed.
    pub(crate) fn new(uid: Option<u32>, event: Event) -> Option<Self> {
        let topic = topic(&event);
        let mut frame = Vec::new();
        frame::encode(&Message::Event(event), &mut frame).ok()?;
        Some(Self { topic, uid, frame })
    }
}

impl Outbox {
    fn take(&mut self, offer: &Offer, sees: Sees) {
        let is_packet = offer.topic == Some(Topic::Packets);
        let is_wanted = match offer.topic {
            Some(Topic::Packets) => self.topics.packets,
            Some(Topic::Sockets) => self.topics.sockets,
            Some(Topic::Processes) => self.topics.processes,
            None => self.topics != Topics::default(),
        };
        if !is_wanted {
            return;
        }
        if offer.topic.is_some() && !peer::may_see(sees, offer.uid) {
            self.counters.other_user += 1;
            return;
        }
        let max = if is_packet { QUEUE_BYTES_PACKETS } else { QUEUE_BYTES_MAX };
        if self.bytes.len() + offer.frame.len() <= max {
            self.bytes.extend_from_slice(&offer.frame);
            self.counters.sent += 1;
        } else if is_packet {
            self.counters.packets_dropped += 1;
            self.packets_lost += 1;
        } else {
            self.counters.controls_dropped += 1;
            self.controls_lost += 1;
        }
    }

    /// Tells of losses as soon as half the queue is free again.
    fn tell_lost(&mut self) {
        if self.bytes.len() > QUEUE_BYTES_MAX / 2 {
            return;
        }
        for (count, cause) in [
            (std::mem::take(&mut self.packets_lost), LostCause::SlowReaderPackets),
            (std::mem::take(&mut self.controls_lost), LostCause::SlowReaderControls),
        ] {
            if count > 0 {
                let lost = Message::Event(Event::Lost(Lost { count, cause }));
                // Such a small message always encodes.
                let _ = frame::encode(&lost, &mut self.bytes);
            }
        }
    }
}

/// Who asked for such an event; `None` for what everyone gets who asked for anything.
fn topic(event: &Event) -> Option<Topic> {
    match event {
        Event::Packet(_) => Some(Topic::Packets),
        Event::Owner(_)
        | Event::Established(_)
        | Event::PeerCookie(_)
        | Event::State(_)
        | Event::Rtt(_)
        | Event::Closed(_)
        | Event::Retransmitted(_) => Some(Topic::Sockets),
        Event::Executed(_) | Event::Forked(_) | Event::Exited(_) => Some(Topic::Processes),
        Event::Lost(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use tollgate_helper_protocol::event::{Exited, Packet, Process, Snap};
    use tollgate_helper_protocol::frame::{FRAME_BYTES_MAX, Frames};

    use super::*;

    fn packet() -> Event {
        Event::Packet(Packet {
            at_ns: 1,
            cookie: 2,
            uid: Some(1000),
            netns: None,
            ifindex: 1,
            direction: tollgate_helper_protocol::event::Direction::Egress,
            len: 1500,
            gso_size: 0,
            gso_segs: 0,
            mark: 0,
            hash: None,
            tcp: None,
            snap: Snap(vec![0; 1500]),
        })
    }

    fn exited(uid: u32) -> Offer {
        let process = Process { pid: 1, started_at_ns: 0 };
        Offer::new(Some(uid), Event::Exited(Exited { at_ns: 1, process, uid })).unwrap()
    }

    fn written(client: &Client) -> Vec<Event> {
        client.close();
        let mut bytes = Vec::new();
        client.write_to(&mut bytes);
        let mut frames = Frames::new(FRAME_BYTES_MAX);
        frames.push(&bytes);
        let mut events = Vec::new();
        while let Some(message) = frames.take::<Message>().unwrap() {
            let Message::Event(event) = message else { panic!("only events were offered") };
            events.push(event);
        }
        events
    }

    #[test]
    fn a_reader_that_stands_still_costs_packets_and_no_memory() {
        let client = Client::new(Sees::User(1000));
        client.subscribe(&[Topic::Packets, Topic::Processes]);
        let offers: Vec<Offer> =
            (0..5000).map(|_| Offer::new(Some(1000), packet()).unwrap()).collect();
        client.offer(&offers);
        let counters = client.counters();
        assert_eq!(counters.sent + counters.packets_dropped, 5000);
        assert!(counters.packets_dropped > 3000, "{counters:?}");
        assert!(client.lock().bytes.len() <= QUEUE_BYTES_PACKETS);
        // The part that is kept for other events still takes them.
        client.offer([&exited(1000)]);
        assert_eq!(client.counters().controls_dropped, 0);
        assert_eq!(client.counters().sent, counters.sent + 1);
    }

    #[test]
    fn tells_how_many_were_lost_once_there_is_room() {
        let client = Client::new(Sees::User(1000));
        client.subscribe(&[Topic::Packets]);
        let offers: Vec<Offer> =
            (0..2000).map(|_| Offer::new(Some(1000), packet()).unwrap()).collect();
        client.offer(&offers);
        let dropped = client.counters().packets_dropped;
        client.lock().bytes.clear();
        client.offer([]);
        let lost = Lost { count: dropped, cause: LostCause::SlowReaderPackets };
        assert_eq!(written(&client), [Event::Lost(lost)]);
    }

    #[test]
    fn holds_back_other_users_and_topics_nobody_asked_for() {
        let client = Client::new(Sees::User(1000));
        client.subscribe(&[Topic::Processes]);
        let packet = Offer::new(Some(1000), packet()).unwrap();
        client.offer([&exited(1001), &exited(1000), &exited(0), &packet]);
        assert_eq!(client.counters().other_user, 2);
        assert_eq!(written(&client).len(), 1);
    }
}
