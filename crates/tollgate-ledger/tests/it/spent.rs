//! What calls cost, by whose they were.

use tollgate_core::{Call, Caller, PicoUsd, UnixMs, call::CostUnknown};
use tollgate_ledger::{ByUser, Simulated, SpentCost, SpentQuery};

use crate::{DAY, bare, caller, id, open, settled};

const HOUR: i64 = 3_600_000;

fn call(number: u32, at: i64, user: &str, cost: Result<i64, CostUnknown>) -> Call {
    let caller = Caller { user: Some(user.to_owned()), ..caller("claude", number + 1) };
    Call {
        id: id(at, number),
        started_at_ms: UnixMs(at),
        caller: Some(caller),
        provider: Some("openai".to_owned()),
        model_asked: Some("fast".to_owned()),
        model_served: Some("gpt-5-mini".to_owned()),
        key: Some("ci".to_owned()),
        cost: cost.ok().map(PicoUsd),
        cost_unknown: cost.err(),
        request_bytes: 77,
        ..bare(number)
    }
}

#[tokio::test]
async fn what_was_spent_is_told_by_whose_calls_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let simulated = Call { simulated: true, ..call(6, DAY + 50 * HOUR, "u", Ok(1_000)) };
    for call in [
        call(1, DAY, "u", Ok(1)),
        call(2, DAY + HOUR, "u", Ok(20)),
        call(3, DAY + 49 * HOUR, "v", Ok(300)),
        call(4, DAY + 50 * HOUR, "v", Err(CostUnknown::NoUsage)),
        Call { provider: Some("groq".to_owned()), ..call(5, DAY + 50 * HOUR, "u", Ok(4)) },
        simulated,
        // A call that is free by nature has no cost and no reason why.
        Call { cost_unknown: None, ..call(7, DAY + 50 * HOUR, "u", Err(CostUnknown::NoUsage)) },
    ] {
        ledger.writer().record(settled(call)).unwrap();
    }
    ledger.writer().flush().await.unwrap();
    let spent = |since, by_user, simulated| {
        let query = SpentQuery { since: UnixMs(since), simulated, by_user };
        let found = ledger.reader().spent(&query).unwrap().into_iter().map(|it| {
            let who = it.spender;
            assert_eq!(who.program.as_deref(), Some("claude"));
            assert_eq!(who.project_root.as_deref(), Some("/home/u/lab"));
            assert_eq!(who.key.as_deref(), Some("ci"));
            assert_eq!(who.model.as_deref(), Some("gpt-5-mini"));
            let cost = match it.cost {
                SpentCost::Known(cost) => cost.0,
                SpentCost::Unknown { request_bytes, at } => {
                    assert_eq!((request_bytes, at), (77, UnixMs(DAY + 50 * HOUR)));
                    -1
                }
            };
            (who.provider.unwrap(), who.user, cost)
        });
        let mut found: Vec<_> = found.collect();
        found.sort();
        found
    };
    let row = |provider: &str, user: Option<&str>, cost| {
        (provider.to_owned(), user.map(str::to_owned), cost)
    };
    let not = Simulated::Exclude;
    assert_eq!(
        spent(DAY, ByUser::No, not),
        [row("groq", None, 4), row("openai", None, 321), row("openai", Some("v"), -1)]
    );
    let by_user = [
        row("groq", Some("u"), 4),
        row("openai", Some("u"), 21),
        row("openai", Some("v"), -1),
        row("openai", Some("v"), 300),
    ];
    assert_eq!(spent(DAY, ByUser::Yes, not), by_user);
    assert_eq!(spent(DAY + HOUR / 2, ByUser::Yes, not)[1], row("openai", Some("u"), 20));
    assert_eq!(spent(DAY + HOUR / 2, ByUser::No, not)[1], row("openai", None, 320));
    assert_eq!(spent(DAY + 51 * HOUR, ByUser::No, not), []);
    assert_eq!(spent(DAY, ByUser::No, Simulated::Only), [row("openai", None, 1_000)]);
}
