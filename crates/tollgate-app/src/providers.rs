//! The providers as people see them: what is configured, what is found on this machine, and how their
//! last calls went.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use tollgate_core::{
    Call, UnixMs,
    call::ErrorCode,
    provider::{Auth, Provider},
};
use tollgate_gateway::{Gateway, ProbeError};

use crate::config::ProviderConfig;

/// How long a server on this machine may take to tell its models.
pub const LOCAL_WAIT: Duration = Duration::from_secs(2);

/// A provider of the catalogue or of the configuration.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its row, with the configuration laid over it.
    pub provider: Provider,
    /// Whether the catalogue has it.
    pub in_catalogue: bool,
    /// What the configuration says of it.
    pub own: Option<ProviderConfig>,
    /// Why it cannot be called now.
    pub problem: Option<String>,
}

impl Known {
    /// Whether it is a server on this machine that needs no key.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let here = |url: &str| {
            let host = url.parse::<http::Uri>().ok().and_then(|it| it.host().map(str::to_owned));
            matches!(host.as_deref(), Some("localhost" | "127.0.0.1" | "[::1]"))
        };
        self.provider.auth == Auth::None
            && self.provider.endpoints.iter().all(|it| here(&it.base_url))
    }
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When it began.
    pub at: UnixMs,
    /// The status that its client got.
    pub status: Option<u16>,
    /// The gateway's own error, if it was one.
    pub code: Option<ErrorCode>,
    /// The error's text.
    pub message: Option<String>,
}

/// How the last calls of each provider went, since the start. There are as many as providers.
#[derive(Debug, Default)]
pub struct LastCalls(Mutex<HashMap<String, LastCall>>);

/// How the last calls of one provider went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastCall {
    /// When the last one began that it answered with success.
    pub answered_at: Option<UnixMs>,
    /// The last one that failed.
    pub failure: Option<Failure>,
}

impl LastCalls {
    /// Takes note of a settled call.
    pub fn settled(&self, call: &Call) {
        let Some(provider) = &call.provider else { return };
        let mut calls = self.calls();
        let last = calls.entry(provider.clone()).or_default();
        let refused = call.status.is_some_and(|it| it >= 400);
        if refused || call.error_code.is_some() {
            last.failure = Some(Failure {
                at: call.started_at_ms,
                status: call.status,
                code: call.error_code,
                message: call.error_message.clone(),
            });
        } else if call.status.is_some() {
            last.answered_at = Some(call.started_at_ms);
        }
    }

    /// How the provider's last calls went; nothing when it had none.
    #[must_use]
    pub fn of(&self, provider: &str) -> LastCall {
        self.calls().get(provider).cloned().unwrap_or_default()
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<String, LastCall>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks for the servers among `known` that run on this machine, all at once and for at most
/// [`LOCAL_WAIT`]: which models each has, or why it does not tell.
pub async fn look_for_local(
    gateway: &Arc<Gateway>,
    known: &[Known],
) -> HashMap<String, Result<Vec<String>, ProbeError>> {
    let local = known.iter().filter(|it| it.is_local()).map(|it| it.provider.id.clone());
    let looks = local.map(|id| async move {
        let models = gateway.models_of(&id, LOCAL_WAIT).await;
        (id, models)
    });
    join_all(looks).await.into_iter().collect()
}
