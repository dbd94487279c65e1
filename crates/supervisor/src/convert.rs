//! Values of the system in the form a record has them.

use std::path::Path;
use std::time::Duration;

use roboppi_run::HostId;
use roboppi_workflow::Step;

/// A path as text. What is not UTF-8 is shown with `�`; the record has the exact bytes beside it.
pub(crate) fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Whole milliseconds.
pub(crate) fn duration_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The other host on which a step works.
pub(crate) fn host_of(step: &Step) -> Option<HostId> {
    step.host.as_ref().map(|host| HostId::from(host.to_string()))
}
