//! The ledger on a real file: what goes in comes out, whatever dies in between.

#![expect(clippy::unwrap_used, reason = "a test's helpers may panic as the test may")]

mod calls;
mod crash;
mod file;
mod hits;
mod repair;
mod retention;
mod said;
mod spent;
mod sums;
mod writing;

use std::path::Path;

use bytes::Bytes;
use tollgate_core::{
    Call, CallId, Caller, Format, Operation, PicoUsd, ServiceTier, SocketCookie, UnixMs, Usage,
    call::{CostUnknown, ErrorCode, Outcome, Timing},
    caller::{Ancestor, CallerSource, ProcessKey, Project},
};
use tollgate_ledger::{Bodies, Ledger, LedgerConfig, Settled};

/// 2026-11-23 00:00 UTC.
pub(crate) const DAY: i64 = 1_795_392_000_000;

pub(crate) fn open(dir: &Path) -> Ledger {
    Ledger::open(dir, LedgerConfig::default()).unwrap()
}

pub(crate) fn id(at: i64, number: u32) -> CallId {
    let mut random = [0; 10];
    random[6..].copy_from_slice(&number.to_be_bytes());
    CallId::new(UnixMs(at), random)
}

/// A call of which nothing is known that need not be.
pub(crate) fn bare(number: u32) -> Call {
    let at = DAY + i64::from(number);
    Call {
        id: id(at, number),
        started_at_ms: UnixMs(at),
        caller: None,
        key: None,
        provider: None,
        simulated: false,
        format: None,
        operation: Operation::Other,
        method: "GET".to_owned(),
        path: "/".to_owned(),
        model_asked: None,
        model_served: None,
        streaming: false,
        status: None,
        outcome: Outcome::Failed,
        error_code: None,
        error_message: None,
        stop_reason: None,
        usage: Usage::default(),
        usage_counted: false,
        service_tier: None,
        cost: None,
        cost_unknown: None,
        price_id: None,
        cached: false,
        saved: None,
        timing: Timing::default(),
        request_bytes: 0,
        response_bytes: 0,
        retries: 0,
        client_cookie: None,
        upstream_cookie: None,
    }
}

/// A call of which everything is known, no two fields alike.
pub(crate) fn full(number: u32) -> Call {
    Call {
        caller: Some(caller("ingest.py (python3)", 4_242)),
        key: Some("nightly".to_owned()),
        provider: Some("openai".to_owned()),
        simulated: true,
        format: Some(Format::OpenaiChat),
        operation: Operation::Generate,
        method: "POST".to_owned(),
        path: "/v1/chat/completions".to_owned(),
        model_asked: Some("gpt-5-mini".to_owned()),
        model_served: Some("gpt-5-mini-2025-08-07".to_owned()),
        streaming: true,
        status: Some(200),
        outcome: Outcome::Finished,
        error_code: Some(ErrorCode::ProviderBroke),
        error_message: Some("it broke, 100 % “sure”".to_owned()),
        stop_reason: Some("length".to_owned()),
        usage: Usage {
            input: Some(1),
            cache_read: Some(2),
            cache_write_5m: Some(3),
            cache_write_1h: Some(4),
            output: Some(50),
            reasoning: Some(6),
            input_audio: Some(7),
            output_audio: Some(8),
            input_image: Some(10),
            output_image: Some(11),
            web_searches: Some(9),
            file_searches: Some(12),
        },
        usage_counted: true,
        service_tier: Some(ServiceTier::Flex),
        cost: Some(PicoUsd(1_234_567_890_123)),
        cost_unknown: Some(CostUnknown::KindNotPriced),
        price_id: Some("openai/gpt-5-mini (genai-prices 0.2.3)".to_owned()),
        cached: true,
        saved: Some(PicoUsd(23)),
        timing: Timing {
            received_us: Some(11),
            connected_us: Some(12),
            connect_took_us: Some(13),
            headers_us: Some(14),
            first_byte_us: Some(15),
            first_token_us: Some(16),
            finished_us: 17,
        },
        request_bytes: 18,
        response_bytes: 19,
        retries: 20,
        client_cookie: Some(SocketCookie(u64::MAX)),
        upstream_cookie: Some(SocketCookie(22)),
        ..bare(number)
    }
}

pub(crate) fn caller(program: &str, pid: u32) -> Caller {
    Caller {
        process: ProcessKey { pid, started_at_ns: u64::MAX - 7 },
        program: program.to_owned(),
        exe: Some("/usr/bin/python3".to_owned()),
        argv: vec!["python3".to_owned(), "ingest.py".to_owned(), String::new()],
        cwd: Some("/home/u/lab".to_owned()),
        uid: 1_000,
        user: Some("u".to_owned()),
        ancestors: vec![Ancestor { pid: 1, program: "systemd".to_owned() }],
        cgroup: Some("/user.slice".to_owned()),
        project: Some(Project { name: "lab".to_owned(), root: "/home/u/lab".to_owned() }),
        source: CallerSource::SockDiag,
    }
}

pub(crate) fn settled(call: Call) -> Settled {
    Settled { call, bodies: None, routing: None, hits: Vec::new(), answer_id: None }
}

pub(crate) fn bodies(request: &str, response: &str) -> Bodies {
    Bodies {
        request: Bytes::copy_from_slice(request.as_bytes()),
        request_truncated: false,
        response: Bytes::copy_from_slice(response.as_bytes()),
        response_truncated: true,
        response_content_encoding: Some("br".to_owned()),
    }
}
