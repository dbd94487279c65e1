//! What the agents wrote that their adapters do not know.

use std::collections::BTreeMap;

use roboppi_worker_adapters::drift::unknown_parts;

use crate::agents::Agent;

/// How many lines have each unknown part.
#[derive(Debug, Default)]
pub(crate) struct Drift(BTreeMap<String, usize>);

impl Drift {
    pub(crate) fn look_at(&mut self, agent: &Agent, lines: &[String]) {
        for part in lines.iter().flat_map(|line| unknown_parts(agent.kind, line)) {
            *self.0.entry(part).or_default() += 1;
        }
    }

    pub(crate) fn described(&self) -> Vec<String> {
        let lines = |count: usize| if count == 1 { "1 line".to_owned() } else { format!("{count} lines") };
        self.0.iter().map(|(part, count)| format!("{part} ({})", lines(*count))).collect()
    }
}
