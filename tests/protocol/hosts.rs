//! Events of cores in a journal, with and without the host on which the core works. Records of versions that know one host
//! have it nowhere.

use roboppi_run::{CoreStatus, HostId, JournalRecord, RunRecord, RunView};
use serde_json::Value;

use crate::fixtures::lines_of;

#[test]
fn events_without_a_host_are_of_the_one_here() {
    let mut view = RunView::default();
    for (place, line) in lines_of(&["core-hosts.jsonl"]) {
        let record: JournalRecord = serde_json::from_str(&line).unwrap();
        let again = serde_json::to_value(&record).unwrap();
        assert_eq!(again, serde_json::from_str::<Value>(&line).unwrap(), "{place}");
        view.apply(&RunRecord::Journal(record));
    }
    assert_eq!(view.cores.len(), 2);
    let builder = &view.cores[&HostId::from("builder".to_owned())];
    assert_eq!((builder.permits, view.core().permits), (Some((2, 4)), Some((1, 10))));
    assert_eq!((builder.process, view.core().process.map(|process| process.pid)), (None, Some(12)));
    let lost = |detail: &str| CoreStatus::Lost { detail: detail.to_owned() };
    assert_eq!(builder.status, lost("its connection closed"));
    assert_eq!(view.core().status, lost("its process ended"));
}
