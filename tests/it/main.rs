//! End-to-end tests through the real components, on loopback.

mod capture;
mod console;
mod desktop;
mod gateway;
mod oracle;
mod product;
