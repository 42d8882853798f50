//! What this process asks of the kernel for its memory.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Keeps to small pages. A gateway holds many small things for long, and where the kernel gives huge
/// pages the gaps between them count as used: 1,000 streams then take more than twice the memory.
/// Programs started from here keep to small pages too.
pub(crate) fn keep_to_small_pages() {
    if let Err(err) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(error = %err, "huge pages cannot be turned off");
    }
}

/// Keeps this process, and programs started from here, out of crash reports: what is in memory would
/// stand there, keys and prompts included.
pub(crate) fn keep_out_of_crash_reports() {
    let nothing = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(err) = setrlimit(Resource::Core, nothing) {
        tracing::warn!(error = %err, "core dumps cannot be turned off");
    }
}
