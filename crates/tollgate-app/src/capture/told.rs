//! How the helper and the capture do, as the console tells it.

use std::sync::atomic::Ordering;

use tollgate_flows::engine::PACKETS_KEPT;
use tollgate_helper_protocol::reply::{PacketCounters, Probe, Program, Status};

use super::Capture;
use crate::api::view::{CaptureView, HelperState, HelperView, ProbeView, ProgramCostView};

/// What the programs cost. The kernel tells zero for what it does not measure.
fn costs(status: &Status) -> Vec<ProgramCostView> {
    let program = |it: &Program| ProgramCostView {
        name: it.name.clone(),
        verified_instructions: it.verified_instructions,
        runs: it.run_count.filter(|it| *it > 0),
        run_time_ns: it.run_time_ns.filter(|it| *it > 0),
    };
    status.programs.iter().map(program).collect()
}

impl Capture {
    /// How the helper does.
    #[must_use]
    pub fn helper(&self) -> HelperView {
        let link = self.link();
        let state = match (&link.hello, link.was_there) {
            (Some(_), _) => HelperState::Connected,
            (None, true) => HelperState::Failed,
            (None, false) => HelperState::Absent,
        };
        let probe = |it: &Probe| ProbeView {
            name: it.hook.clone(),
            attached: it.refused.is_none(),
            reason: it.refused.clone(),
        };
        let hello = link.hello.as_ref();
        HelperView {
            state,
            reason: link.problem.clone(),
            version: hello.map(|it| it.helper_version.clone()),
            object_sha256: hello.map(|it| it.object_sha256.clone()),
            probes: hello.map(|it| it.probes.iter().map(probe).collect()).unwrap_or_default(),
            programs: hello.and(link.status.as_ref()).map(costs).unwrap_or_default(),
        }
    }

    /// What became of every packet.
    #[must_use]
    pub fn counters(&self) -> CaptureView {
        let engine = self.engine();
        let kept = engine.counters().kept;
        drop(engine);
        let link = self.link();
        let paused = self.paused.load(Ordering::Relaxed);
        let view =
            CaptureView { paused, kept, kept_max: PACKETS_KEPT as u64, ..CaptureView::default() };
        let Some(status) = &link.status else { return view };
        let both = |of: fn(&PacketCounters) -> u64| of(&status.egress) + of(&status.ingress);
        CaptureView {
            seen: both(|it| it.seen),
            filtered: both(|it| it.filtered + it.other_user + it.loopback),
            ring_full: both(|it| it.ring_full),
            copy_failed: both(|it| it.copy_failed),
            delivered: both(|it| it.delivered),
            shortened: both(|it| it.stepped_down),
            reader_slow: status.connection.packets_dropped,
            events_lost: status.control.ring_full + status.connection.controls_dropped,
            incomplete: status.control.table_failed + status.control.read_failed,
            ..view
        }
    }
}
