//! A request's body looked through.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use tollgate_core::guardrail::{Exceptions, Fingerprint, GuardAction, GuardSide, Hit, Speaker};
use tollgate_wire::texts::{Change, replaced, texts};

use super::{Guardrail, Hits, PackName, Placeholders, Rule, hits::Again, limits::SNIPPET_BYTES};

/// Something that was found in a text.
pub(super) struct Finding<'a> {
    pub(super) guardrail: &'a Guardrail,
    pub(super) rule: &'a Rule,
    pub(super) range: Range<usize>,
    pub(super) fingerprint: Fingerprint,
}

/// What came of looking through a request.
pub(super) struct Looked {
    /// The body with placeholders; `None`: nothing is to be redacted.
    pub(super) body: Option<Bytes>,
    /// What stands for what.
    pub(super) placeholders: Placeholders,
    /// Why the call is blocked.
    pub(super) blocked: Option<Blocked>,
}

/// Why a call is blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blocked {
    pub(crate) guardrail: String,
    /// What was found, for people.
    pub(crate) what: String,
    pub(crate) place: String,
}

/// Looks through a body; `None` when it cannot be read.
pub(super) fn look(
    guardrails: &[Arc<Guardrail>],
    exceptions: &Exceptions,
    body: &Bytes,
    hits: &Hits,
) -> Option<Looked> {
    let mut looked = Looked { body: None, placeholders: Placeholders::default(), blocked: None };
    let mut changes: Vec<Change<'_>> = Vec::new();
    for text in texts(body)? {
        let findings = find(guardrails, exceptions, &text.text, text.speaker);
        if findings.is_empty() {
            continue;
        }
        let place = text.place.to_string();
        note(&findings, &text.text, GuardSide::Request, &place, Again::Counts, hits);
        if looked.blocked.is_none() {
            looked.blocked = blocked(&findings, &place);
        }
        for (range, finding) in redacted(&findings) {
            let part = text.text.get(range.clone()).unwrap_or_default();
            let label = &finding.rule.placeholder;
            let token = looked.placeholders.token(label, part, text.is_json, body);
            changes.push((text.place_in_body(&range), token.into()));
        }
    }
    if !changes.is_empty() {
        looked.body = Some(replaced(body, changes).into());
    }
    Some(looked)
}

/// What guardrails find in a text, in its order, but for what the user said is found wrongly.
pub(super) fn find<'a>(
    guardrails: &'a [Arc<Guardrail>],
    exceptions: &Exceptions,
    text: &str,
    speaker: Speaker,
) -> Vec<Finding<'a>> {
    let mut findings = Vec::new();
    for guardrail in guardrails {
        for (found, rule) in guardrail.check.find(text, speaker) {
            let part = text.get(found.range.clone()).unwrap_or_default();
            if let Some(fingerprint) = exceptions.fingerprint(&rule.id, part) {
                findings.push(Finding { guardrail, rule, range: found.range, fingerprint });
            }
        }
    }
    findings.sort_by_key(|it| (it.range.start, std::cmp::Reverse(it.range.end)));
    findings
}

/// Notes what was found in a text.
pub(super) fn note(
    findings: &[Finding<'_>],
    text: &str,
    side: GuardSide,
    place: &str,
    again: Again,
    hits: &Hits,
) {
    if findings.is_empty() {
        return;
    }
    let masks = masks(findings, text);
    for finding in findings {
        hits.add(
            Hit {
                guardrail: finding.guardrail.name.clone(),
                rule: finding.rule.id.clone(),
                action: finding.guardrail.action,
                side,
                place: place.to_owned(),
                times: 1,
                snippet: Some(snippet(text, &finding.range, &masks)),
                fingerprint: Some(finding.fingerprint),
            },
            again,
        );
    }
}

/// What is masked in snippets of a text, in order: what was found, and secrets, also where no guardrail
/// looks for those.
fn masks<'a>(findings: &[Finding<'a>], text: &str) -> Vec<(Range<usize>, &'a str)> {
    let found = findings.iter().map(|it| (it.range.clone(), it.rule.placeholder.as_str()));
    let mut masks: Vec<_> = found.collect();
    if let Ok(secrets) = PackName::Secrets.pack() {
        let all = vec![true; secrets.rules().len()];
        masks.extend(secrets.find(text, Speaker::User, &all).into_iter().filter_map(|it| {
            let rule = secrets.rules().get(it.rule)?;
            Some((it.range, rule.placeholder.as_str()))
        }));
    }
    masks.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
    masks
}

/// The first thing that blocks.
pub(super) fn blocked(findings: &[Finding<'_>], place: &str) -> Option<Blocked> {
    let found = findings.iter().find(|it| it.guardrail.action == GuardAction::Block)?;
    Some(Blocked {
        guardrail: found.guardrail.name.clone(),
        what: format!("{} ({})", found.rule.title, found.rule.id),
        place: place.to_owned(),
    })
}

/// What must not go on as it is, without what lies in other such parts: each part, and what found its
/// beginning.
pub(super) fn redacted<'a, 'b>(
    findings: &'b [Finding<'a>],
) -> Vec<(Range<usize>, &'b Finding<'a>)> {
    let mut parts: Vec<(Range<usize>, &Finding<'a>)> = Vec::new();
    for finding in findings.iter().filter(|it| it.guardrail.holds_up()) {
        match parts.last_mut() {
            // What laps over another part belongs to it.
            Some((range, _)) if finding.range.start < range.end => {
                range.end = range.end.max(finding.range.end);
            }
            Some(_) | None => parts.push((finding.range.clone(), finding)),
        }
    }
    parts
}

/// What stands around a part of a text, with what is to be masked in it.
fn snippet(text: &str, range: &Range<usize>, masks: &[(Range<usize>, &str)]) -> String {
    let from = text.floor_char_boundary(range.start.saturating_sub(SNIPPET_BYTES));
    let until = text.ceil_char_boundary(range.end.saturating_add(SNIPPET_BYTES));
    let mut out = String::new();
    if from > 0 {
        out.push('…');
    }
    let mut done = from;
    for (mask, label) in masks {
        if mask.end <= done || mask.start >= until {
            continue;
        }
        out.push_str(text.get(done..mask.start.max(done)).unwrap_or_default());
        out.push('‹');
        out.push_str(label);
        out.push('›');
        done = mask.end;
    }
    out.push_str(text.get(done..until).unwrap_or_default());
    if until < text.len() {
        out.push('…');
    }
    // One line, and nothing in it that does what it is shown to do.
    out.chars().map(|it| if is_shown(it) { it } else { ' ' }).collect()
}

fn is_shown(it: char) -> bool {
    !it.is_control()
        && !matches!(it, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E0FFF}')
}
