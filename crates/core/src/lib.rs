//! The core process: permits, jobs, worker handles, the server on the wire.
