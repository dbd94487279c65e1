//! One translator per worker program, the trait they share, and the registry.
