//! The core over an in-memory pipe, driven by a client that knows nothing but lines of JSON.

#[cfg(test)]
mod adapters;
#[cfg(test)]
mod client;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod flood;
#[cfg(test)]
mod handle;
#[cfg(test)]
mod life;
#[cfg(test)]
mod old_peer;
#[cfg(test)]
mod permits;
#[cfg(test)]
mod record;
#[cfg(test)]
mod wire;
