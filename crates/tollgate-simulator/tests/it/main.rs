//! The simulator over a real socket, and the SDKs' own parse of what it sends.

#[cfg(test)]
mod controls;
#[cfg(test)]
mod http;
#[cfg(test)]
mod made;
#[cfg(test)]
mod record;
#[cfg(test)]
mod sdk;
#[cfg(test)]
mod wire;
