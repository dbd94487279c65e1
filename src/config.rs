//! The configuration file of a user: where it is, and what is in it.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use roboppi_workflow::{Config, CoreCommand, parse_config};

use crate::exit::Failure;
use crate::{http, terminal};

/// What the file says, and the directory that its paths are relative to.
#[derive(Debug, Default)]
pub(crate) struct UserConfig {
    pub(crate) config: Config,
    dir: PathBuf,
}

/// Where the configuration file is, if there is a place for one: `$XDG_CONFIG_HOME/roboppi/config.yaml`, else
/// `~/.config/roboppi/config.yaml`.
fn file() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(config.join("roboppi/config.yaml"))
}

/// The file as messages name it.
pub(crate) fn file_name() -> String {
    file().map_or_else(|| "config.yaml".to_owned(), |file| file.display().to_string())
}

impl UserConfig {
    /// Reads the file; nothing is in one that is not there. A mistake in it is reported with its place.
    pub(crate) fn read() -> Result<Self, Failure> {
        let Some(path) = file() else { return Ok(Self::default()) };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Self::default());
            }
            Err(error) => {
                return Err(Failure::usage(format!(
                    "the configuration file {} cannot be read: {error}",
                    path.display()
                )));
            }
        };
        let parsed = parse_config(&text);
        if !parsed.diagnostics.is_empty() {
            terminal::print_rendered(parsed.render(
                &path.display().to_string(),
                &without_passwords(&text),
                false,
            ));
        }
        let Some(config) = parsed.config else {
            return Err(Failure::usage(format!("the configuration file {} is wrong", path.display())));
        };
        let dir = path.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self { config, dir })
    }

    /// The program of a command: a name without `/` is looked up in `PATH`; `~/` is the home directory; what is relative is
    /// so to the configuration file.
    pub(crate) fn program(&self, command: &CoreCommand) -> PathBuf {
        resolve(&command.program, &self.dir)
    }
}

/// The text with as many asterisks in the place of each password in a URL: places in it stay what they are.
fn without_passwords(text: &str) -> String {
    let is_end = |char: char| char.is_whitespace() || matches!(char, '"' | '\'' | ',');
    let mut hidden = text.to_owned();
    for (at, _) in text.match_indices("://") {
        let from = text[..at].rfind(|char: char| !char.is_ascii_alphanumeric()).map_or(0, |at| at + 1);
        let url = text[from..].split(is_end).next().unwrap_or_default();
        let user = at + "://".len();
        if let (Some(password), Some(colon)) = (http::password(url), text[user..].find(':')) {
            let begin = user + colon + 1;
            hidden.replace_range(begin..begin + password.len(), &"*".repeat(password.len()));
        }
    }
    hidden
}

fn resolve(program: &str, dir: &Path) -> PathBuf {
    let home = || env::var_os("HOME").map(PathBuf::from);
    match program.strip_prefix("~/").zip(home()) {
        Some((below, home)) => home.join(below),
        None if program.contains('/') => dir.join(program),
        None => PathBuf::from(program),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_in_the_text_that_is_shown() {
        let text = "- url: https://ci:kéy@a.example/x\n- url: \"http://b.example:80/@\"\n";
        let hidden = without_passwords(text);
        assert_eq!(hidden, "- url: https://ci:****@a.example/x\n- url: \"http://b.example:80/@\"\n");
        assert_eq!(hidden.len(), text.len());
    }

    #[test]
    fn paths_are_relative_to_the_file_that_has_them() {
        let of = |program: &str| resolve(program, Path::new("/c/roboppi"));
        assert_eq!(of("scribe-core"), Path::new("scribe-core"));
        assert_eq!(of("/bin/scribe-core"), Path::new("/bin/scribe-core"));
        assert_eq!(of("cores/scribe"), Path::new("/c/roboppi/cores/scribe"));
    }
}
