//! What guardrails found.

use tollgate_core::{
    UnixMs,
    guardrail::{Fingerprint, GuardAction, GuardSide, Hit},
};
use tollgate_ledger::{Change, HitQuery, Settled};

use crate::{bare, open, settled};

fn hit(rule: &str) -> Hit {
    Hit {
        guardrail: "no secrets".to_owned(),
        rule: rule.to_owned(),
        action: GuardAction::Redact,
        side: GuardSide::Request,
        place: "messages[3]".to_owned(),
        times: 2,
        snippet: Some("key: ‹OPENAI_KEY›".to_owned()),
        fingerprint: Some(Fingerprint::of(&[1; 32], rule, "x")),
    }
}

#[test]
fn hits_are_stored_with_their_call_and_listed_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let bare_of_text = Hit {
        snippet: None,
        fingerprint: None,
        side: GuardSide::Answer,
        action: GuardAction::Block,
        ..hit("unread")
    };
    let first = vec![hit("openai-key"), bare_of_text];
    ledger.writer().record(Settled { hits: first.clone(), ..settled(bare(0)) }).unwrap();
    ledger.writer().record(settled(bare(1))).unwrap();
    ledger.writer().record(Settled { hits: vec![hit("email")], ..settled(bare(2)) }).unwrap();
    ledger.writer().flush_blocking().unwrap();
    let reader = ledger.reader();

    let of_call = reader.hits_of(bare(0).id).unwrap();
    assert_eq!(of_call.iter().map(|it| it.hit.clone()).collect::<Vec<_>>(), first);
    assert!(reader.hits_of(bare(1).id).unwrap().is_empty());

    let query = HitQuery { limit: 10, ..HitQuery::default() };
    let rules = |query: &HitQuery| {
        let hits = reader.hits(query).unwrap();
        hits.into_iter().map(|it| (it.call, it.hit.rule)).collect::<Vec<_>>()
    };
    let email = (bare(2).id, "email".to_owned());
    let unread = (bare(0).id, "unread".to_owned());
    let key = (bare(0).id, "openai-key".to_owned());
    assert_eq!(rules(&query), [email.clone(), unread.clone(), key.clone()]);
    assert_eq!(rules(&HitQuery { limit: 1, ..query.clone() }), std::slice::from_ref(&email));
    let newest = reader.hits(&query).unwrap().remove(0);
    assert_eq!(newest.started_at_ms, bare(2).started_at_ms);
    assert_eq!(reader.hit(newest.number).unwrap(), Some(newest.clone()));
    let next = HitQuery { before: Some(newest.number), ..query.clone() };
    assert_eq!(rules(&next), [unread, key.clone()]);
    let of_rule = HitQuery { rule: Some("openai-key".to_owned()), ..query.clone() };
    assert_eq!(rules(&of_rule), [key]);
    let other = HitQuery { guardrail: Some("other".to_owned()), ..query.clone() };
    assert!(rules(&other).is_empty());
    let since = HitQuery { since: Some(UnixMs(bare(1).started_at_ms.0)), ..query.clone() };
    assert_eq!(rules(&since), [email]);

    // They go with their call.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(ledger.writer().change(vec![Change::Delete(bare(2).id)])).unwrap();
    assert_eq!(rules(&query).len(), 2);
    assert_eq!(reader.hit(newest.number).unwrap(), None);
}
