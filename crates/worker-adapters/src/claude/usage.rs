//! What Claude Code says it has used, in three ways that do not agree.

use std::collections::HashMap;

use roboppi_ipc::Usage;

use super::wire::{Line, ModelUsage, Tokens};
use crate::agent::sum_of_usage;

/// The newest version known to count a resumed session from the beginning of its own process.
const LAST_THAT_STARTS_AT_ZERO: [u64; 3] = [2, 1, 197];

/// Answers whose tokens are kept apart. Older ones are summed up.
const APART: usize = 64;

/// Adds up what was used in this attempt, and nothing of attempts before it.
///
/// While it runs, the answers are counted one by one. A `result` knows more (sub-agents, helpers, money) and, in newer
/// versions, what came since the `result` before; in older ones it counts from the start of the process. Versions in
/// between may count from the start of the *session*: for a resumed one of those only the turn's own tokens are taken,
/// and no money.
#[derive(Debug, Default)]
pub(super) struct ClaudeUsage {
    is_resumed: bool,
    starts_at_zero: bool,
    answers: HashMap<String, Usage>,
    order: Vec<String>,
    older: Usage,
    turns: u64,
    results: Usage,
}

impl ClaudeUsage {
    pub(super) fn new(is_resumed: bool) -> Self {
        Self { is_resumed, ..Self::default() }
    }

    pub(super) fn version(&mut self, version: &str) {
        let numbers: Vec<u64> =
            version.split(['.', '-', ' ']).map_while(|number| number.parse().ok()).take(3).collect();
        self.starts_at_zero = numbers.len() == 3 && numbers.as_slice() <= LAST_THAT_STARTS_AT_ZERO.as_slice();
    }

    /// Tokens of an answer so far; they only grow. Those of the main agent are its turns.
    pub(super) fn answer(&mut self, id: &str, tokens: Tokens, is_main: bool) -> Usage {
        let usage = of_tokens(tokens);
        if let Some(known) = self.answers.get_mut(id) {
            *known = larger(*known, usage);
        } else {
            self.turns += u64::from(is_main);
            if self.order.len() == APART {
                let oldest = self.order.remove(0);
                self.older = sum_of_usage(self.older, self.answers.remove(&oldest).unwrap_or_default());
            }
            self.order.push(id.to_owned());
            self.answers.insert(id.to_owned(), usage);
        }
        self.live()
    }

    /// Tokens and money of a `result` and of all before it.
    pub(super) fn result(&mut self, line: &Line<'_>) -> Usage {
        if let Some(since) = &line.model_usage_since_last_result {
            self.results = sum_of_usage(self.results, of_models(since));
        } else if self.is_resumed && !self.starts_at_zero {
            self.results = sum_of_usage(self.results, of_tokens(line.usage.unwrap_or_default()));
        } else {
            let cost_usd = line.total_cost_usd;
            self.results = of_models(&line.model_usage).with_cost_usd(cost_usd);
        }
        self.results.with_turns(Some(self.turns))
    }

    fn live(&self) -> Usage {
        let sum = self.answers.values().fold(self.older, |sum, usage| sum_of_usage(sum, *usage));
        sum.with_turns(Some(self.turns))
    }
}

fn larger(mut a: Usage, b: Usage) -> Usage {
    a.input_tokens = a.input_tokens.max(b.input_tokens);
    a.output_tokens = a.output_tokens.max(b.output_tokens);
    a.cache_read_tokens = a.cache_read_tokens.max(b.cache_read_tokens);
    a.cache_write_tokens = a.cache_write_tokens.max(b.cache_write_tokens);
    a
}

fn of_tokens(tokens: Tokens) -> Usage {
    Usage::new(tokens.input_tokens.unwrap_or(0), tokens.output_tokens.unwrap_or(0))
        .with_cache_read_tokens(tokens.cache_read_input_tokens.unwrap_or(0))
        .with_cache_write_tokens(tokens.cache_creation_input_tokens.unwrap_or(0))
}

fn of_models(models: &[(String, ModelUsage)]) -> Usage {
    let of = |usage: &ModelUsage| {
        Usage::new(usage.input_tokens.unwrap_or(0), usage.output_tokens.unwrap_or(0))
            .with_cache_read_tokens(usage.cache_read_input_tokens.unwrap_or(0))
            .with_cache_write_tokens(usage.cache_creation_input_tokens.unwrap_or(0))
            .with_cost_usd(usage.cost_usd)
    };
    models.iter().fold(Usage::default(), |sum, (_, usage)| sum_of_usage(sum, of(usage)))
}
