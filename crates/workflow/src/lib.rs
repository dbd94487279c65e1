//! The workflow language and its decisions: YAML, diagnostics, graph, run machine.
