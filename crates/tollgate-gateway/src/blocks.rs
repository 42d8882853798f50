//! The kill switch: whose calls are refused at once.

use std::collections::BTreeSet;

use tollgate_core::call::ErrorCode;
use tollgate_wire::text;

use crate::{call::OpenCall, connection::Owner, error::Refusal, rules::RULE_CALLER_WAIT};

/// Whose calls are refused. The application's own, by which the user tries a provider, never are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    /// Everybody's.
    pub all: bool,
    /// Those of these programs, by the names that calls have.
    pub programs: BTreeSet<String>,
}

impl Blocks {
    /// Whether the calls of a program are refused; one that cannot be told is only as one of all.
    #[must_use]
    pub fn stop(&self, program: Option<&str>) -> bool {
        self.all || program.is_some_and(|it| self.programs.contains(it))
    }
}

/// Refuses a call that is blocked. The caller is waited for only where programs are.
pub(crate) async fn unless_blocked(call: &OpenCall) -> Result<(), Refusal> {
    let routes = call.routes();
    let blocks = &routes.blocks;
    if call.owner_now() == Some(Owner::Ourselves) {
        return Ok(());
    }
    if blocks.all {
        return Err(refusal(None));
    }
    if blocks.programs.is_empty() {
        return Ok(());
    }
    match call.caller_within(RULE_CALLER_WAIT).await {
        Some(caller) if blocks.stop(Some(&caller.program)) => Err(refusal(Some(&caller.program))),
        Some(_) | None => Ok(()),
    }
}

fn refusal(program: Option<&str>) -> Refusal {
    Refusal::new(ErrorCode::Blocked, text::blocked(program))
}

/// A call that was cut because it is blocked now.
pub(crate) fn cut() -> Refusal {
    Refusal::new(ErrorCode::Blocked, text::cut())
}
