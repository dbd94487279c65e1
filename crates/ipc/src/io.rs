//! Moves the bytes: a peer over any pair of byte streams.
