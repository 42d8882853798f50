//! Keeps an answer while it goes to the client, and decides at its end whether it is one to keep.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use tokio::time::Instant;
use tollgate_core::{CallId, Format, Operation};
use tollgate_wire::{
    Bodies, Report,
    coding::decode,
    conversation::{Part, conversation},
};

use super::{Cache, Caching, Entry, Mark, Pace, flights::Lead, key::CacheKey};
use crate::{call::micros, limits::CACHE_ENTRY_BYTES_MAX};

/// Pieces that come within this are replayed as one.
const MARK_EVERY_US: u64 = 1_000;

/// What of an answer's head belongs to its body. The rest (limits, ids, cookies, dates) is of the call
/// that it was made for.
const KEPT_HEADERS: [header::HeaderName; 2] = [header::CONTENT_TYPE, header::CONTENT_ENCODING];

/// Words by which formats say that a model had said all that it wanted.
const ENDS: [&str; 5] = ["stop", "end_turn", "stop_sequence", "completed", "STOP"];

/// The same of an answer that calls tools.
const ENDS_WITH_TOOLS: [&str; 3] = ["tool_calls", "tool_use", "function_call"];

/// An answer on its way to the client, and to the cache. Dropped before [`Self::end`] it keeps nothing,
/// and those who wait for the answer go on by themselves.
pub(crate) struct Recorder {
    cache: Arc<Cache>,
    key: CacheKey,
    lead: Option<Lead>,
    generation: u64,
    tool_calls: bool,
    paced: bool,
    ttl_ms: i64,
    route: Option<String>,
    headers: HeaderMap,
    body: BytesMut,
    marks: Vec<Mark>,
    began: Option<Instant>,
    /// Why the answer is not kept whatever comes.
    unfit: Option<&'static str>,
}

/// A call on its way to a provider.
pub(super) struct Flight {
    pub(super) key: CacheKey,
    /// What those wait for who ask the same.
    pub(super) lead: Option<Lead>,
    /// What of the cache was cleared when it began; see [`Flights`](super::flights::Flights).
    pub(super) generation: u64,
    /// The user's own model that it asks for.
    pub(super) route: Option<String>,
}

/// What the call knows of its answer at the end.
pub(crate) struct Ended {
    pub(crate) of: CallId,
    pub(crate) format: Format,
    pub(crate) operation: Operation,
    pub(crate) streaming: bool,
    pub(crate) report: Report,
    pub(crate) provider: Arc<str>,
    pub(crate) simulated: bool,
    pub(crate) model_asked: Option<Arc<str>>,
    pub(crate) model_sent: Option<Arc<str>>,
}

impl Recorder {
    pub(super) fn new(cache: &Arc<Cache>, flight: Flight, caching: &Caching) -> Self {
        let Flight { key, lead, generation, route } = flight;
        Self {
            cache: Arc::clone(cache),
            key,
            lead,
            generation,
            tool_calls: caching.tool_calls,
            paced: caching.pace == Pace::AsRecorded,
            ttl_ms: i64::try_from(caching.ttl.as_millis()).unwrap_or(i64::MAX),
            route,
            headers: HeaderMap::new(),
            body: BytesMut::new(),
            marks: Vec::new(),
            began: None,
            unfit: None,
        }
    }

    /// Takes the head of the answer as the client gets it.
    pub(crate) fn head(&mut self, status: StatusCode, headers: &HeaderMap) {
        if status != StatusCode::OK {
            self.give_up("it is an error");
        }
        for name in KEPT_HEADERS {
            if let Some(value) = headers.get(&name) {
                self.headers.insert(name, value.clone());
            }
        }
    }

    /// Takes a piece of its body as the client gets it.
    pub(crate) fn piece(&mut self, piece: &[u8]) {
        if self.unfit.is_some() || piece.is_empty() {
            return;
        }
        if self.body.len() + piece.len() > CACHE_ENTRY_BYTES_MAX {
            return self.give_up("it is too long");
        }
        if !self.cache.take_room(piece.len()) {
            return self.give_up("too many answers are on their way");
        }
        self.body.extend_from_slice(piece);
        if self.paced {
            self.mark();
        }
    }

    fn mark(&mut self) {
        let end = self.body.len();
        let at_us = micros(self.began.get_or_insert_with(Instant::now).elapsed());
        match self.marks.last_mut() {
            Some(last) if at_us - last.at_us < MARK_EVERY_US => last.end = end,
            Some(_) | None => self.marks.push(Mark { end, at_us }),
        }
    }

    /// Ends the answer, which has come whole, and keeps it if it is one to keep; says why not otherwise.
    pub(crate) fn end(mut self, ended: Ended) -> Result<(), &'static str> {
        if let Some(why) = self.unfit {
            return Err(why);
        }
        self.judge(&ended)?;
        let held = self.body.len();
        let body = std::mem::take(&mut self.body);
        self.cache.give_room(held);
        let entry = Arc::new(Entry {
            of: ended.of,
            kept_at: self.cache.clock.now(),
            headers: std::mem::take(&mut self.headers),
            // A copy of its own size: a buffer that grew is up to twice as large.
            body: Bytes::copy_from_slice(&body),
            marks: std::mem::take(&mut self.marks),
            streaming: ended.streaming,
            report: ended.report,
            provider: ended.provider,
            simulated: ended.simulated,
            model_asked: ended.model_asked,
            model_sent: ended.model_sent,
            route: self.route.take(),
            ttl_ms: self.ttl_ms,
        });
        let mut state = self.cache.state();
        let kept = if state.flights.generation() != self.generation {
            Err("the cache was cleared meanwhile")
        } else if state.store.put(self.key, Arc::clone(&entry)) {
            Ok(())
        } else {
            Err("it is larger than the cache")
        };
        drop(state);
        if let Some(lead) = self.lead.take() {
            lead.bring(&entry);
        }
        kept
    }

    /// Whether the answer is one to keep.
    fn judge(&self, ended: &Ended) -> Result<(), &'static str> {
        let report = &ended.report;
        if report.error.is_some() {
            return Err("it is an error");
        }
        if !report.terminal_seen || report.gap.is_some() {
            return Err("it cannot be read to its end");
        }
        if ended.operation == Operation::Embed {
            return Ok(());
        }
        let coding = self.headers.get(header::CONTENT_ENCODING).map(|it| it.to_str());
        let coding = coding.transpose().map_err(|_| "its coding is not known")?;
        let plain = decode(&self.body, coding, CACHE_ENTRY_BYTES_MAX + 1);
        let plain = plain.filter(|it| it.len() <= CACHE_ENTRY_BYTES_MAX);
        let plain = plain.ok_or("it cannot be decoded")?;
        let said = conversation(Bodies { format: ended.format, request: b"{}", response: &plain });
        if said.answers != 1 || said.messages.is_empty() {
            return Err("it is not one answer");
        }
        let mut calls_tools = false;
        for part in said.messages.iter().flat_map(|it| &it.parts) {
            match part {
                Part::Text { .. } | Part::Thinking { .. } => {}
                Part::ToolCall { .. } => calls_tools = true,
                Part::Image { .. }
                | Part::Document { .. }
                | Part::ToolResult { .. }
                | Part::Other { .. } => {
                    return Err("it holds more than text: the provider may have done something");
                }
            }
        }
        if calls_tools && !self.tool_calls {
            return Err("it calls tools");
        }
        let word = report.stop_reason.as_deref().ok_or("it does not say why it ended")?;
        if ENDS.contains(&word) || (calls_tools && ENDS_WITH_TOOLS.contains(&word)) {
            Ok(())
        } else {
            Err("the model was cut short")
        }
    }

    /// Keeps nothing; those who wait for the answer go on at once.
    fn give_up(&mut self, why: &'static str) {
        self.unfit.get_or_insert(why);
        self.lead = None;
        self.forget();
    }

    fn forget(&mut self) {
        let held = std::mem::take(&mut self.body).len();
        self.marks = Vec::new();
        self.cache.give_room(held);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.forget();
    }
}
