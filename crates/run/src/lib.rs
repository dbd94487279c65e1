//! What a run is: ids, events of a run, and the one fold that turns them into a view.
