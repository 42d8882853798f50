//! How well the rules of guardrails do on a labelled set; `cargo xtask bench` prints it.

use std::fmt::Write as _;

use tollgate_tests::labelled::{samples, scores};

/// No rule finds less of what is there, or is right less often, in percent.
const RECALL_MIN: u32 = 95;
const PRECISION_MIN: u32 = 95;

#[test]
fn every_rule_finds_what_is_there_and_little_else() {
    let mut bad = String::new();
    let (mut right, mut missed, mut wrong) = (0, 0, 0);
    for (rule, score) in scores() {
        right += score.right;
        missed += score.missed;
        wrong += u32::try_from(score.wrong.len()).unwrap();
        if score.recall() < RECALL_MIN || score.precision() < PRECISION_MIN {
            writeln!(bad, "{rule}: {score}, not {:?}", score.wrong).unwrap();
        }
    }
    assert!(bad.is_empty(), "{bad}");
    assert!(right * 1_000 >= (right + missed) * 990, "{missed} missed of {}", right + missed);
    assert!(wrong * 100 <= right, "{wrong} found wrongly beside {right}");
}

#[test]
fn the_set_is_the_same_each_time_and_has_both_kinds() {
    let texts = || samples().into_iter().map(|it| it.text).collect::<Vec<_>>();
    assert_eq!(texts(), texts());
    let clean = samples().iter().filter(|it| it.rule.is_none()).count();
    assert!(clean > 200 && texts().len() - clean > 800, "{clean} of {}", texts().len());
}
