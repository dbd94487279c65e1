//! Finds the values that must not be seen.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use roboppi_ipc::SecretText;
use roboppi_process::inherited;
use roboppi_redact::{MOST_BYTES, MOST_VALUES, Secrets, Taken, looks_secret};
use roboppi_workflow::{SecretSource, Workflow};
use thiserror::Error;

/// Why it is not known what a run has to hide.
#[derive(Debug, Error)]
pub enum SecretsError {
    /// A file that holds a secret.
    #[error("the secret in {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A command that prints a secret, and cannot be started.
    #[error("the secret of `{command}` is not known: {source}")]
    NotStarted {
        /// The command.
        command: String,
        /// What the system says.
        source: io::Error,
    },
    /// A command that prints a secret, and failed.
    #[error("the secret of `{command}` is not known: {status}")]
    Failed {
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
}

/// What is hidden in a run, and what of it its core must be told.
#[derive(Clone, Debug, Default)]
pub struct RunSecrets {
    /// Everything that is hidden.
    pub hidden: Secrets,
    /// What the workflow names. A core finds the variables of its environment by itself.
    pub named: Vec<SecretText>,
    /// What a person should know: variables that are not set, values too short to be hidden.
    pub warnings: Vec<String>,
}

impl RunSecrets {
    /// The values of variables with a secret-looking name, and of all that a workflow names. Files and commands are
    /// relative to `workspace`.
    ///
    /// # Errors
    /// When a file cannot be read, or a command fails: nothing may run that would show what it hides.
    pub fn collect(
        workflow: &Workflow,
        workspace: &Path,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SecretsError> {
        let environment: Vec<(String, Vec<u8>)> = environment
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.into_vec()))
            .collect();
        let guessed = environment.iter().filter(|(name, _)| looks_secret(name));
        let hidden = Secrets::new(guessed.map(|(name, value)| (name, value)));
        let mut secrets = Self { hidden, ..Self::default() };
        // Of variables nobody named a short value is no news: it may be a switch.
        let guessed = secrets.hidden.too_short();
        let of_steps = workflow.steps.values().flat_map(|step| &step.secrets);
        for source in workflow.secrets.iter().chain(of_steps) {
            secrets.add(source, workspace, &environment)?;
        }
        for (name, value) in secret_values(workflow) {
            secrets.hide(&name, &value);
        }
        for name in secrets.hidden.too_short() {
            if !guessed.contains(&name) {
                secrets
                    .warnings
                    .push(format!("the secret {name} is too short to be hidden: it has less than 8 bytes"));
            }
        }
        let left_out = secrets.hidden.left_out();
        if let Some(first) = left_out.first() {
            let others = match left_out.len() {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            secrets.warnings.push(format!(
                "the secret {first}{others} cannot be hidden: {MOST_VALUES} values, or {} KiB of them, are hidden already",
                MOST_BYTES / 1024
            ));
        }
        Ok(secrets)
    }

    /// Hides a value that roboppi itself uses, such as a key of the configuration. Returns whether it cannot be seen from now
    /// on: not when it is too short, or when there is no room for it.
    pub fn hide(&mut self, name: &str, value: &str) -> bool {
        match self.hidden.add(name, value.as_bytes()) {
            Taken::Added => {
                // By the name of its variable a core would not find it.
                self.named.push(SecretText::new(value.to_owned()));
                true
            }
            Taken::Known => true,
            Taken::TooShort | Taken::Full => false,
        }
    }

    fn add(
        &mut self,
        source: &SecretSource,
        workspace: &Path,
        environment: &[(String, Vec<u8>)],
    ) -> Result<(), SecretsError> {
        let (name, value) = match source {
            SecretSource::Variable(name) => match environment.iter().find(|(known, _)| known == name) {
                Some((_, value)) => (name.clone(), value.clone()),
                None => {
                    self.warnings.push(format!("the secret {name} is not set, so it cannot be hidden"));
                    return Ok(());
                }
            },
            SecretSource::File(path) => {
                let place = workspace.join(path);
                let value =
                    fs::read(&place).map_err(|source| SecretsError::Unreadable { path: place, source })?;
                (path.clone(), value)
            }
            SecretSource::Command(command) => (command.clone(), output_of(command, workspace)?),
        };
        let _taken = self.hidden.add(&name, &value);
        // A value that is no text does not fit on the wire, but its text form is what would be seen of it there.
        let text = String::from_utf8_lossy(&value).into_owned();
        self.named.push(SecretText::new(text));
        Ok(())
    }
}

/// Inputs and variables of the workflow whose names look like those of secrets, with their values.
fn secret_values(workflow: &Workflow) -> BTreeSet<(String, String)> {
    let variables = workflow.steps.values().flat_map(|step| step.env.iter());
    let variables = variables.filter_map(|(name, value)| Some((name.clone(), value.as_text()?.into_owned())));
    workflow.given().into_iter().chain(variables).filter(|(name, _)| looks_secret(name)).collect()
}

fn output_of(command: &str, workspace: &Path) -> Result<Vec<u8>, SecretsError> {
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", command]).current_dir(workspace).stdin(Stdio::null()).stderr(Stdio::inherit());
    inherited::give_back(&mut shell);
    let named = || command.to_owned();
    let output = shell.output().map_err(|source| SecretsError::NotStarted { command: named(), source })?;
    if !output.status.success() {
        return Err(SecretsError::Failed { command: named(), status: output.status });
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_our_own_is_hidden_here_and_in_the_core() {
        let mut secrets = RunSecrets::default();
        assert!(secrets.hide("HOOK", "a-value-of-a-hook") && secrets.hide("OTHER", "a-value-of-a-hook"));
        assert!(!secrets.hide("SHORT", "abc"));
        assert_eq!(secrets.hidden.redact_str("x a-value-of-a-hook").as_ref(), "x ***");
        let named: Vec<_> = secrets.named.iter().map(SecretText::reveal).collect();
        assert_eq!(named, ["a-value-of-a-hook"]);
    }

    #[test]
    fn what_there_is_no_room_for_is_warned_of() {
        let flow = "name: flow\nversion: \"1\"\ntimeout: 1m\nsteps:\n  work:\n    worker: CUSTOM\n    \
            capabilities: [RUN_COMMANDS]\n    instructions: \"true\"\n";
        let workflow = roboppi_workflow::parse(flow).workflow.unwrap();
        let warnings = |count: usize| {
            let variables = (0..count)
                .map(|number| (format!("N{number:04}_TOKEN").into(), format!("value-{number:04}").into()));
            RunSecrets::collect(&workflow, Path::new("/"), variables).unwrap().warnings
        };
        assert_eq!(warnings(MOST_VALUES), [""; 0]);
        let expected = "the secret N1000_TOKEN and 1 more cannot be hidden: 1000 values, or 256 KiB of them, are hidden already";
        assert_eq!(warnings(MOST_VALUES + 2), [expected]);
    }
}
