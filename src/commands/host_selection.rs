//! Which hosts of the configuration file a command is for.

use indexmap::IndexMap;
use roboppi_workflow::{HostSpec, nearest};

use crate::config::file_name;
use crate::exit::Failure;

/// All hosts of the configuration file.
const ALL: &str = "all";

/// The hosts that names and labels select, each once, in the order of the words and of the file.
pub(crate) fn select(words: &[String], known: &IndexMap<String, HostSpec>) -> Result<Vec<String>, Failure> {
    if known.is_empty() {
        let message = format!("there are no hosts in {}", file_name());
        return Err(Failure::usage(message).hint("describe one: `hosts: { build-1: { ssh: user@build-1 } }`"));
    }
    let mut hosts: Vec<String> = Vec::new();
    for word in words {
        let is_meant = |name: &String, spec: &HostSpec| match word.as_str() {
            ALL => true,
            word if known.contains_key(word) => name == word,
            word => spec.labels.iter().any(|label| label == word),
        };
        let named: Vec<_> =
            known.iter().filter(|(name, spec)| is_meant(name, spec)).map(|(name, _)| name).collect();
        if named.is_empty() {
            return Err(unknown(word, known));
        }
        for host in named {
            if !hosts.contains(host) {
                hosts.push(host.clone());
            }
        }
    }
    Ok(hosts)
}

fn unknown(word: &str, known: &IndexMap<String, HostSpec>) -> Failure {
    let failure = Failure::usage(format!("no host has the name or the label `{word}` in {}", file_name()));
    let labels = known.values().flat_map(|spec| &spec.labels);
    let mut names: Vec<&str> = known.keys().chain(labels).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    match nearest(word, names.iter().copied()) {
        Some(meant) => failure.hint(&format!("did you mean `{meant}`?")),
        None => failure.hint(&format!("there are {}", names.join(", "))),
    }
}
