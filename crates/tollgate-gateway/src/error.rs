//! What can go wrong: with the gateway's configuration, and with one request.

use std::time::Duration;

use tollgate_core::call::ErrorCode;
use tollgate_wire::text;

use crate::{budgets::Stopped, upstream::SendError};

/// The gateway cannot be started, or a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A base URL cannot be called.
    #[error("provider `{provider}` has a base URL that cannot be called: `{base_url}`")]
    BaseUrl {
        /// The provider's id.
        provider: String,
        /// The URL as configured.
        base_url: String,
    },
    /// A credential or header cannot be sent in HTTP. The text is not shown: it may be a key.
    #[error("provider `{provider}` has a value for the header `{header}` that HTTP cannot carry")]
    Header {
        /// The provider's id.
        provider: String,
        /// The header's name.
        header: String,
    },
    /// Two providers have the same id.
    #[error("provider `{0}` is given twice")]
    ProviderTwice(String),
    /// Two models have the same name.
    #[error("model `{0}` is given twice")]
    ModelTwice(String),
    /// A format's default names a provider that is not there.
    #[error("the default provider `{0}` is not among the providers")]
    NoSuchDefault(String),
    /// The machine's root certificates cannot be used.
    #[error("cannot set up certificate checking")]
    Tls(#[source] rustls::Error),
    /// It cannot be told what was spent before, so that budgets would begin anew.
    #[error("read what was spent, for the budgets")]
    Past(#[source] tollgate_ledger::LedgerError),
}

/// Why the gateway answers a request itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    /// Whether the client will never see it, because its own connection failed.
    pub(crate) client_left: bool,
    /// The budget that stops the call, if that is why.
    pub(crate) stopped: Option<Box<Stopped>>,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: String) -> Self {
        Self { code, message, client_left: false, stopped: None }
    }

    /// A WebSocket is asked for, which is not served.
    pub(crate) fn upgrade() -> Self {
        Self::new(ErrorCode::NotSupported, text::no_websocket())
    }

    /// The client fell silent in the middle of its request.
    pub(crate) fn slow_upload() -> Self {
        Self::new(ErrorCode::SlowUpload, text::slow_upload())
    }

    /// The client's own connection failed in the middle of its request.
    pub(crate) fn broken_upload() -> Self {
        let refusal = Self::new(ErrorCode::MalformedBody, text::broken_upload());
        Self { client_left: true, ..refusal }
    }

    /// Other requests hold all the memory that requests may have.
    pub(crate) fn overloaded() -> Self {
        Self::new(ErrorCode::Overloaded, text::overloaded())
    }

    /// The call's time is up, whoever takes it.
    pub(crate) fn late(model: &str, after: Duration) -> Self {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        Self::new(ErrorCode::Timeout, text::model_timeout(model, after_ms))
    }

    /// The gateway is stopping.
    pub(crate) fn stopping() -> Self {
        Self::new(ErrorCode::Stopping, text::stopping())
    }

    /// The client's path does not fit into the provider's URL.
    pub(crate) fn bad_url(method: &str, path: &str) -> Self {
        Self::new(ErrorCode::UnknownPath, text::unknown_path(method, path))
    }

    /// `provider` gave no answer.
    pub(crate) fn unanswered(provider: &str, error: &SendError) -> Self {
        match error {
            SendError::Unreachable(why) => {
                let message = text::provider_unreachable(provider, why);
                Self::new(ErrorCode::ProviderUnreachable, message)
            }
            SendError::Tls(why) => {
                Self::new(ErrorCode::TlsFailure, text::tls_failure(provider, why))
            }
            SendError::Timeout(after) | SendError::Silent(after) => {
                let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                Self::new(ErrorCode::Timeout, text::timeout(provider, after_ms))
            }
            SendError::Broke { .. } => {
                Self::new(ErrorCode::ProviderBroke, text::provider_broke(provider))
            }
        }
    }
}
