//! What rules may cost. See `docs/limits.md`.

use std::time::Duration;

/// The most rules: each is evaluated for every call.
pub const RULES_MAX: usize = 128;

/// The longest condition: a page of text.
pub const WHEN_BYTES_MAX: usize = 2048;

/// The longest name of a rule, which is stored with each call that it fires for.
pub const RULE_NAME_BYTES_MAX: usize = 100;

/// The longest reason of a rule that denies, which is stored likewise.
pub const DENY_BYTES_MAX: usize = 500;

/// The longest list or map that a variable holds; a longer one is not known. With
/// [`EXPRESSION_STEPS_MAX`] this bounds what a condition with `exists` or `all` can cost.
pub const LIST_ITEMS_MAX: usize = 512;

/// The longest member of a body, as JSON, that `params` shows: a list in it is then no longer than
/// [`LIST_ITEMS_MAX`].
pub const PARAM_BYTES_MAX: usize = 1024;

/// The most steps that evaluating a condition can take, worked out before: some milliseconds.
pub const EXPRESSION_STEPS_MAX: u64 = 100_000;

/// How deeply a condition may be nested: the evaluator takes a piece of a worker's stack for each
/// level.
pub const EXPRESSION_DEPTH_MAX: usize = 24;

/// The stack of the thread that parses conditions. The parser stops by itself only after more than a
/// worker's stack has room for; this holds the worst text of [`WHEN_BYTES_MAX`] bytes.
pub(super) const PARSER_STACK_BYTES: usize = 256 << 20;

/// How long a call waits for its caller to be found when a rule asks for it. Half of what its
/// settlement waits.
pub const RULE_CALLER_WAIT: Duration = Duration::from_millis(350);
