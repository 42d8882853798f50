//! What this process asks of the kernel for its memory.

/// Keeps to small pages. A gateway holds many small things for long, and where the kernel gives huge
/// pages the gaps between them count as used: 1,000 streams then take more than twice the memory.
/// Programs started from here keep to small pages too.
pub(crate) fn keep_to_small_pages() {
    if let Err(err) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(error = %err, "huge pages cannot be turned off");
    }
}
