//! A connection followed.

use tollgate_flows::{
    follow::Followed,
    row::{FlowId, FlowRow},
};

use super::Capture;

impl Capture {
    /// A TCP connection put together from its kept packets; `None` when it is not known or is none.
    /// Blocks its thread, but not the capture.
    #[must_use]
    pub fn stream(&self, id: FlowId) -> Option<(FlowRow, Followed)> {
        let (flow, mut follow) = {
            let engine = self.engine();
            (engine.flow(id)?, engine.follow(id)?)
        };
        // Locked anew for each part: others go on meanwhile.
        while !self.engine().follow_on(&mut follow) {}
        Some((flow, follow.finish()))
    }
}
