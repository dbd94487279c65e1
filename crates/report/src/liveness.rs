//! What is said of a run of which it matters whether it lives.

use roboppi_attach::Liveness;
use roboppi_ipc::UtcMillis;
use roboppi_record::RecordStore;
use roboppi_untrusted::first_words;

use crate::units::ago;

/// What a person should know of a run that is elsewhere; `None` of any other one.
#[must_use]
pub fn elsewhere(record: &dyn RecordStore, liveness: Liveness, now: UtcMillis) -> Option<String> {
    let Liveness::Elsewhere { last_sign } = liveness else { return None };
    let manifest = record.manifest().ok();
    let owner = manifest.map_or_else(String::new, |manifest| {
        format!(" (pid {} on {})", manifest.owner.pid, first_words(&manifest.host))
    });
    let sign =
        last_sign.map_or_else(String::new, |sign| format!("; last sign of life {} ago", ago(now, sign)));
    Some(format!(
        "the run is elsewhere: whether its owner{owner} is still alive cannot be determined here{sign}"
    ))
}
