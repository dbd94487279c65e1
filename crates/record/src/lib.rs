//! The record: what a run leaves on disk, and how it is read again.
//!
//! A run is a directory ([`RunDir`]) below a [`StateRoot`]. Each file in it has one writer:
//!
//! | file | writer | reader |
//! |---|---|---|
//! | `lock` | [`OwnerLock`], which holds a lock on it as long as the owner lives | [`LockProbe`] |
//! | `run.json`, `workflow.yaml` | [`RunDir`] | [`RunDir`] |
//! | `journal.jsonl` | [`JournalWriter`], or processes in turn: [`SharedRun`] | [`JournalReader`] |
//! | `steps/<step>/i1-a1.log` and `.idx` | [`SpoolWriter`] | [`LogReader`] |
//! | `steps/<step>/i1-a1.log.zst` | [`RunDir::pack_logs`], once the run is over | [`LogReader`] |
//! | `steps/<step>/i1-a1.events.jsonl` and `.events.hole` | [`EventFileWriter`] | [`EventReader`] |
//! | `steps/<step>/i1-a1.events.snapshot` and `.events.head.snapshot` | [`EventSnapshotWriter`] | [`EventReader::restore`] |
//! | `blobs/<hash>` | [`BlobWriter`] | [`RunDir::blob`] |
//! | `snapshots/<seq>.json` | [`SnapshotWriter`] | [`JournalFold`] |
//! | `imported.json` | [`StateRoot::import`] | [`RunDir::imported`] |
//! | `core.stderr`, `roboppi.log`, `core.log` | [`BoundedFile`] | [`RecordStore::core_log`] |
//!
//! Views read none of these files: they read a [`RecordStore`], its [`Journal`], [`Events`] and [`Log`]s, which need no
//! directory. [`RunDir`] is one over files, [`MemoryRecord`] one in memory.
//!
//! Writers of a run only append, and what they returned from survives the death of the process. Readers never
//! write: they ignore an incomplete last line, take an absent file for an empty one, and do without an
//! index that is missing or damaged. Nothing here reads a clock or the environment.

mod base;
mod blob;
mod bounded_file;
mod changes;
mod checkpoint;
mod damage;
mod disk;
mod error;
mod event_file;
mod event_position;
mod event_read_back;
mod event_reader;
mod event_snapshot;
mod event_snapshot_writer;
mod file_record;
mod files;
mod fingerprint;
mod handles;
mod hole;
mod index;
mod journal;
mod keys;
mod limits;
mod line_file;
mod log;
mod memory;
mod mirror;
mod owner_lock;
mod packed;
mod portable;
mod read_at;
mod readers;
mod record_reader;
mod retention;
mod root;
mod rotation;
mod run_dir;
mod shared_run;
mod shorten;
mod snapshot;
mod spool;
mod store;

pub use blob::BlobWriter;
pub use bounded_file::BoundedFile;
pub use changes::AttemptChanges;
pub use checkpoint::Checkpoint;
pub use damage::AttemptFiles;
pub use disk::DiskWatch;
pub use error::RecordError;
pub use event_file::{AppendedEvent, EventFileWriter, GivenUpEvents};
pub use event_position::EventPosition;
pub use event_read_back::{EventReadBack, RecordedEvent};
pub use event_reader::EventReader;
pub use event_snapshot_writer::EventSnapshotWriter;
pub use fingerprint::fingerprint;
pub use journal::{JournalSync, JournalWriter, Unwritten};
pub use keys::Keys;
pub use limits::{Bound, LogLimits, RunUsage};
pub use log::{
    BadPattern, ChunkKind, Chunks, FoundLine, Log, LogChunk, LogDamage, LogLine, LogPiece, LogReader, Needle,
    SearchPosition, UNKNOWN_LOSS,
};
pub use memory::MemoryRecord;
pub use mirror::{MirrorWriter, SpoolFiles, SpoolState, mirrored_files};
pub use owner_lock::{LockProbe, LockState, OwnerLock};
pub use packed::{PackedLogs, Packing};
pub use portable::{Exported, ImportLimits, Imported, PortableHead};
pub use record_reader::{JournalReader, RecordReader};
pub use retention::{Kept, Reason, Retention};
pub use root::{LAST, StateRoot};
pub use run_dir::RunDir;
pub use shared_run::{SharedRun, SharedWriter};
pub use shorten::{KeepWhole, shorten_event, shorten_result};
pub use snapshot::{JournalFold, SnapshotWriter};
pub use spool::{Appended, SpoolWriter};
pub use store::{CoreLog, Events, Journal, RecordPart, RecordStore};
