use std::fmt::Write;

use serde_json::Value;

use super::*;
use crate::{
    event_stream::EVENT_STREAM,
    sse::{SseItem, SseReader},
    tap::{End, Tap, TapConfig},
    text,
};

const CODES: [ErrorCode; 21] = [
    ErrorCode::MalformedBody,
    ErrorCode::BodyTooLarge,
    ErrorCode::UnknownPath,
    ErrorCode::UnknownProvider,
    ErrorCode::NoCredential,
    ErrorCode::Forbidden,
    ErrorCode::KeyRefused,
    ErrorCode::OutOfScope,
    ErrorCode::Blocked,
    ErrorCode::DeniedByRule,
    ErrorCode::BlockedByGuardrail,
    ErrorCode::OverBudget,
    ErrorCode::ProviderUnreachable,
    ErrorCode::TlsFailure,
    ErrorCode::Timeout,
    ErrorCode::ProviderBroke,
    ErrorCode::SlowUpload,
    ErrorCode::NotSupported,
    ErrorCode::NotTranslatable,
    ErrorCode::Overloaded,
    ErrorCode::Stopping,
];

#[test]
fn every_error_in_every_shape() {
    let mut list = String::new();
    for format in
        [None, Some(Format::AnthropicMessages), Some(Format::Gemini), Some(Format::BedrockConverse)]
    {
        for code in CODES {
            let error = error_body(format, code, "What went wrong.");
            assert_eq!(error.content_type, "application/json");
            let body = std::str::from_utf8(&error.body).unwrap();
            let name = format.map_or("none", Format::as_str);
            writeln!(list, "{name} {} {body}", error.status).unwrap();
        }
    }
    for format in Format::ALL {
        let message = text::provider_broke("acme");
        let event = stream_error_event(format, ErrorCode::ProviderBroke, &message);
        writeln!(list, "{format} stream \"{}\"", event.escape_ascii()).unwrap();
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!("errors", list));
}

#[test]
fn the_names_are_those_of_the_ledger() {
    for code in CODES {
        assert_eq!(serde_json::to_value(code).unwrap(), error_name(code));
    }
}

#[test]
fn the_formats_of_one_family_share_a_shape() {
    for code in CODES {
        for format in [Format::OpenaiChat, Format::OpenaiResponses, Format::OpenaiEmbeddings] {
            assert_eq!(error_body(Some(format), code, "m"), error_body(None, code, "m"));
        }
    }
}

/// What the gateway sends is what the tap reads when a provider sends it.
#[test]
fn the_tap_reads_our_own_errors() {
    let read = |format, status, content_type, body: &[u8]| {
        let mut tap = Tap::new(TapConfig {
            format,
            operation: tollgate_core::Operation::Generate,
            posted: true,
            status,
            content_type: Some(content_type),
            content_encoding: None,
        });
        tap.push(body);
        let report = tap.finish(End::Complete);
        assert!(report.terminal_seen);
        report.error.unwrap().message
    };
    let message = "it \"broke\"\nüber Nacht";
    for format in Format::ALL {
        let error = error_body(Some(format), ErrorCode::Timeout, message);
        assert_eq!(read(format, error.status, error.content_type, &error.body), message);
        if [Format::CohereEmbed, Format::OllamaEmbed].contains(&format) {
            // Their answers do not stream.
            continue;
        }
        let event = stream_error_event(format, ErrorCode::Timeout, message);
        let media_type =
            if format == Format::BedrockConverse { EVENT_STREAM } else { "text/event-stream" };
        assert_eq!(read(format, 200, media_type, &event), message);
    }
}

#[test]
fn a_stream_error_is_one_event_of_one_line() {
    for format in Format::ALL.into_iter().filter(|it| *it != Format::BedrockConverse) {
        let event = stream_error_event(format, ErrorCode::ProviderBroke, "a\nb\r\nc");
        let mut found = Vec::new();
        let mut reader = SseReader::new();
        reader.push(&event, |it| {
            if let SseItem::Event(it) = it {
                found.push(serde_json::from_slice::<Value>(&it.data().unwrap()).unwrap());
            }
        });
        assert_eq!(found.len(), 1, "{format}");
        assert!(found[0]["error"]["message"] == "a\nb\r\nc", "{format}");
    }
}
