//! What was said in earlier calls: a client of the Responses format may go on from an answer by its
//! id, which a provider of another format knows nothing of.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};
use tollgate_core::{Format, call::ErrorCode};
use tollgate_ledger::{Reader, Writer};
use tollgate_wire::{
    coding::decode,
    text,
    translate::{continue_response, previous_response_id},
};

use crate::{
    error::Refusal,
    limits::{BODY_BYTES_MAX, CONTINUED_MAX, HISTORY_WAIT},
};

/// How often an answer is looked for that may not be in the ledger yet.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Knows what was said in earlier calls.
pub trait History: Send + Sync {
    /// What was said in the call whose answer has this id, as its client sent and saw it; `None`
    /// when it is not there, or not in full.
    fn said(&self, answer_id: String) -> BoxFuture<'_, Option<Said>>;
}

/// The bodies of a call, without content codings.
#[derive(Clone, Debug)]
pub struct Said {
    /// What the client asked.
    pub request: Bytes,
    /// What it was answered: a whole body or server-sent events.
    pub answer: Bytes,
}

/// The ledger's history. An answer that has just ended is waited for.
#[derive(Debug)]
pub struct LedgerHistory {
    reader: Reader,
    writer: Writer,
}

impl LedgerHistory {
    /// Reads with `reader` what `writer` has written.
    #[must_use]
    pub const fn new(reader: Reader, writer: Writer) -> Self {
        Self { reader, writer }
    }
}

impl History for LedgerHistory {
    fn said(&self, answer_id: String) -> BoxFuture<'_, Option<Said>> {
        Box::pin(async move {
            let end = Instant::now() + HISTORY_WAIT;
            loop {
                // A ledger that cannot be written may still have the answer.
                let _ = self.writer.flush().await;
                let (reader, id) = (self.reader.clone(), answer_id.clone());
                let read = tokio::task::spawn_blocking(move || reader.bodies_of_answer(&id)).await;
                match read {
                    Ok(Ok(Some(bodies)))
                        if !bodies.request_truncated && !bodies.response_truncated =>
                    {
                        let coding = bodies.response_content_encoding.as_deref();
                        let answer = decode(&bodies.response, coding, BODY_BYTES_MAX)?;
                        return Some(Said { request: bodies.request, answer: answer.into() });
                    }
                    Ok(Ok(None)) if Instant::now() < end => sleep(LOOK_AGAIN).await,
                    Ok(Ok(_)) => return None,
                    Ok(Err(error)) => {
                        tracing::error!(%error, "the ledger cannot be asked for an earlier answer");
                        return None;
                    }
                    Err(_) => return None,
                }
            }
        })
    }
}

/// A request that goes on from an earlier answer, as one that stands alone; `None` when it does so
/// already.
pub(crate) async fn standalone(
    history: Option<&dyn History>,
    format: Format,
    body: &Bytes,
) -> Option<Result<Bytes, Refusal>> {
    if format != Format::OpenaiResponses {
        return None;
    }
    let id = previous_response_id(body)?;
    Some(made_whole(history, body, id).await)
}

async fn made_whole(
    history: Option<&dyn History>,
    body: &Bytes,
    id: String,
) -> Result<Bytes, Refusal> {
    let refused = |why: String| Refusal::new(ErrorCode::NotTranslatable, why);
    let unknown = |id: &str| refused(text::unknown_answer(id));
    let history = history.ok_or_else(|| unknown(&id))?;
    // From this request back to the one that began, then forward again.
    let mut turns = vec![(body.clone(), Bytes::new())];
    let mut next = Some(id);
    let mut bytes = body.len();
    while let Some(id) = next {
        let said = history.said(id.clone()).await.ok_or_else(|| unknown(&id))?;
        bytes = bytes.saturating_add(said.request.len()).saturating_add(said.answer.len());
        if turns.len() >= CONTINUED_MAX || bytes > BODY_BYTES_MAX {
            return Err(refused(text::continued_too_long(CONTINUED_MAX)));
        }
        next = previous_response_id(&said.request);
        if let Some((_, answer)) = turns.last_mut() {
            *answer = said.answer;
        }
        turns.push((said.request, Bytes::new()));
    }
    let mut turns = turns.into_iter().rev();
    let mut whole = turns.next().map(|(request, _)| request).unwrap_or_default();
    for (request, earlier_answer) in turns {
        let continued = continue_response(&request, &whole, &earlier_answer);
        whole = continued.map_err(|it| refused(text::not_continued(&it.to_string())))?.into();
    }
    Ok(whole)
}
