//! Serves runs to browsers and programs: a page, an API, WebSockets and event streams.
//!
//! [`Settings`] say what is served to whom, and [`Server`] does it. Each run that is looked at is followed by one thread for all
//! clients; a client is a cursor. Every request is checked before it comes to its route. Nothing is read but what
//! `roboppi-attach` and `roboppi-record` give of a run.

mod api;
mod app;
mod assets;
mod call;
mod client;
mod clock;
mod feed;
mod live;
mod logs;
#[cfg(feature = "schema")]
pub mod openapi;
mod packed;
mod params;
mod problem;
mod routes;
mod security;
mod server;
mod settings;

pub use feed::ClientLimits;
pub use packed::{PackError, PackedPage, PackedRun};
pub use security::{BadCredentials, BadTotp, Credentials, HostNames, Secret, Totp};
pub use server::{ServeError, Server};
pub use settings::{BadSettings, Role, Settings, StartWorkflow, TlsFiles};
