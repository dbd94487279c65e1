//! Workflow files for tests.

/// A workflow of `CUSTOM` steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    head: String,
    steps: String,
    /// Each with the names of its outputs.
    names: Vec<(String, Vec<String>)>,
}

impl Flow {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A workflow with one step, `work`.
    pub(crate) fn of(script: &str) -> Self {
        Self::new().step("work", script)
    }

    /// A line at the top, as `concurrency: 1`.
    pub(crate) fn with(mut self, line: &str) -> Self {
        self.head.push_str(line);
        self.head.push('\n');
        self
    }

    /// A step that runs a script.
    pub(crate) fn step(self, name: &str, script: &str) -> Self {
        self.step_with(name, script, &[])
    }

    /// A step with more lines, as `depends_on: [other]`.
    pub(crate) fn step_with(mut self, name: &str, script: &str, lines: &[&str]) -> Self {
        // JSON strings are YAML strings.
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let made = lines.iter().filter(|line| !line.contains("from:"));
        let made = made.filter_map(|line| line.split_once("name: ")?.1.split([',', ' ', '}']).next());
        self.names.push((name.to_owned(), made.map(str::to_owned).collect()));
        self.steps.push_str(&format!(
            "  {}:\n    worker: CUSTOM\n    capabilities: [RUN_COMMANDS]\n    instructions: {}\n",
            quoted(name),
            quoted(script)
        ));
        for line in lines {
            self.steps.push_str(&format!("    {line}\n"));
        }
        self
    }

    /// Its steps, each with the names of its outputs.
    pub(crate) fn names(&self) -> &[(String, Vec<String>)] {
        &self.names
    }

    /// The file.
    pub(crate) fn text(&self) -> String {
        let timeout = if self.head.contains("timeout:") { "" } else { "timeout: 5m\n" };
        let name = if self.head.contains("name:") { "" } else { "name: flow\n" };
        format!("{name}version: \"1\"\n{timeout}{}steps:\n{}", self.head, self.steps)
    }
}
