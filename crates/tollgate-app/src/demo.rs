//! What a process of the demo's client programs does.

use std::time::Duration;

use tollgate_simulator::clients::{self, ClientError, ClientOptions};

/// Makes calls as the client program `name` at the gateway `base_url`, `pace` apart, until `calls`
/// are made or standard input ends.
///
/// # Errors
/// When there is no such program.
pub async fn client(
    name: &str,
    base_url: &str,
    pace: Duration,
    calls: Option<u32>,
) -> Result<(), ClientError> {
    clients::run_child(name, base_url, ClientOptions { calls, pace }).await.map(drop)
}
