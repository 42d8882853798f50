//! Tokens of Microsoft Entra's for whoever is logged in to the Azure CLI, which is run for them
//! (<https://learn.microsoft.com/cli/azure/account#az-account-get-access-token>), only where the
//! configuration says so.

use std::{path::PathBuf, process::Stdio};

use serde_json::Value;
use tokio::{io::AsyncReadExt as _, process::Command, time::Instant};
use tollgate_core::UnixMs;

use super::{
    SignError,
    oauth::{TOKEN_ANSWER_BYTES_MAX, Token},
};

/// What the token is for.
const RESOURCE: &str = "https://cognitiveservices.azure.com";

/// A login of the Azure CLI's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureCli {
    program: PathBuf,
    tenant: Option<String>,
}

impl AzureCli {
    /// The login in `tenant` (its id or domain), or in the one that the Azure CLI would choose.
    /// `program` is usually `az`, looked for in `PATH`.
    ///
    /// # Errors
    /// A sentence when the tenant is neither an id nor a domain.
    pub fn new(program: PathBuf, tenant: Option<String>) -> Result<Self, &'static str> {
        let plain = |it: u8| it.is_ascii_alphanumeric() || b"-.".contains(&it);
        let is_fit = |it: &String| !it.starts_with('-') && it.bytes().all(plain);
        if tenant.as_ref().is_some_and(|it| it.is_empty() || !is_fit(it)) {
            return Err("the tenant is neither an id nor a domain");
        }
        Ok(Self { program, tenant })
    }

    /// Runs it. It is ended when this future is dropped.
    pub(super) async fn token(&self, now: UnixMs) -> Result<Token, SignError> {
        let failed = |why: &str| SignError::new("get a token from the Azure CLI", why);
        let asked_at = Instant::now();
        let mut command = Command::new(&self.program);
        command.args(["account", "get-access-token", "--output", "json", "--resource", RESOURCE]);
        if let Some(tenant) = &self.tenant {
            command.args(["--tenant", tenant]);
        }
        // What lies in the folder where the gateway was started is not to be loaded.
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|it| failed(&it.to_string()))?;
        let bytes_max = u64::try_from(TOKEN_ANSWER_BYTES_MAX).unwrap_or(u64::MAX);
        let (mut told, mut why) = (Vec::new(), Vec::new());
        let out = child.stdout.take();
        let err = child.stderr.take();
        let read_out = async {
            match out {
                Some(out) => out.take(bytes_max).read_to_end(&mut told).await,
                None => Ok(0),
            }
        };
        let read_err = async {
            match err {
                Some(err) => err.take(bytes_max).read_to_end(&mut why).await,
                None => Ok(0),
            }
        };
        let read = tokio::try_join!(read_out, read_err);
        read.map_err(|it| failed(&it.to_string()))?;
        let status = child.wait().await.map_err(|it| failed(&it.to_string()))?;
        if !status.success() {
            let why = String::from_utf8_lossy(&why);
            let line = why.lines().map(str::trim).find(|it| !it.is_empty());
            return Err(failed(line.unwrap_or("it failed and did not say why")));
        }
        let answer: Value = serde_json::from_slice(&told).unwrap_or_default();
        Token::of(&answer, asked_at, now).map_err(failed)
    }
}
