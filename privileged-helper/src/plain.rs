//! Lets aya read the shared structures.

/// A shared structure, as aya wants it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Plain<T>(pub(crate) T);

// SAFETY: `bytemuck::Pod` demands all that `aya::Pod` does: any bytes are a value, no padding.
unsafe impl<T: bytemuck::Pod> aya::Pod for Plain<T> {}
