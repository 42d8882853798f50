//! Who called: the helper's word on the other end of a connection.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};
use tollgate_core::{Caller, SocketCookie, caller::CallerSource};
use tollgate_flows::{event::OwnerVia, row::OwnerRow};

use super::{Capture, translate};
use crate::procfs;

/// How long it is waited who sends. Mostly a few milliseconds, for that is how often the rings are
/// read; but a busy machine is slow, and a connected socket can be handed on before anybody sends.
/// Within the gateway's own patience ([`CALLER_WAIT`](tollgate_gateway::CALLER_WAIT)), so that who
/// connected is named where nobody is ever seen to send.
const PROOF_PATIENCE: Duration = Duration::from_millis(600);

const _: () = assert!(PROOF_PATIENCE.as_millis() < tollgate_gateway::CALLER_WAIT.as_millis());

/// The same where the helper cannot tell who sends.
const WORD_PATIENCE: Duration = Duration::from_millis(40);
/// What tells who sends; old kernels do not have it.
const SEND_HOOK: &str = "tp_btf/sock_send_length";

impl Capture {
    /// The program at the client's end of a connection, by the helper's word. `client` is the
    /// client's own socket where it could be found, `gateway` the gateway's. Waits a little for the
    /// event that names it; `None` when there is no helper or it does not know.
    pub async fn caller(
        &self,
        client: Option<SocketCookie>,
        gateway: Option<SocketCookie>,
    ) -> Option<Arc<Caller>> {
        let sends_are_told = self.sends_are_told()?;
        let patience = if sends_are_told { PROOF_PATIENCE } else { WORD_PATIENCE };
        let mut fed = self.fed.subscribe();
        let deadline = Instant::now() + patience;
        let owner = loop {
            let owner = self.owner(client, gateway);
            let proven = owner.as_ref().is_some_and(|it| it.via == OwnerVia::SendRecv);
            if proven || !matches!(timeout_at(deadline, fed.changed()).await, Ok(Ok(()))) {
                break owner;
            }
        };
        self.named(&owner?)
    }

    /// Whether the helper tells who sends; `None` without a helper.
    fn sends_are_told(&self) -> Option<bool> {
        let link = self.link();
        let probes = &link.hello.as_ref()?.probes;
        Some(probes.iter().any(|it| it.hook == SEND_HOOK && it.refused.is_none()))
    }

    fn owner(
        &self,
        client: Option<SocketCookie>,
        gateway: Option<SocketCookie>,
    ) -> Option<OwnerRow> {
        let engine = self.engine();
        let owner = client.and_then(|it| engine.owner(it));
        owner.or_else(|| gateway.and_then(|it| engine.peer_owner(it)))
    }

    fn named(&self, owner: &OwnerRow) -> Option<Arc<Caller>> {
        if let Some(caller) = self.callers().get(&owner.process) {
            return Some(Arc::clone(caller));
        }
        let read = procfs::caller(owner.process.pid, CallerSource::Helper);
        let told = || self.engine().process(owner.process);
        read.filter(|it| it.process == owner.process)
            .or_else(|| translate::caller(owner, told().as_deref()))
            .map(Arc::new)
    }
}
