//! An answer kept for the cache on its way.

use bytes::Bytes;
use tollgate_core::routing::CacheTrace;

use super::Relay;

impl Relay {
    /// Keeps what goes to the client for the cache.
    pub(super) fn record(&mut self, piece: &Bytes) {
        if let Some(recorder) = &mut self.recorder {
            recorder.piece(piece);
        }
    }

    /// Ends what is kept for the cache, with the whole answer.
    pub(super) fn end_record(&mut self) {
        let Some(recorder) = self.recorder.take() else { return };
        let kept = match self.call.ended() {
            Some(ended) => recorder.end(ended),
            None => Err("nobody read it"),
        };
        self.call.cached(match kept {
            Ok(()) => CacheTrace::Kept,
            Err(why) => CacheTrace::NotKept(why.to_owned()),
        });
    }
}
