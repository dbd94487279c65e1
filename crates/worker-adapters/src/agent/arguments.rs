//! Arguments of users, some of them from times when the program was another.

/// Default arguments of a task, before an adapter adds its own.
///
/// A value may follow its option (`--model X`) or be part of it (`--model=X`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    args: Vec<String>,
}

impl Arguments {
    /// The arguments of a task.
    #[must_use]
    pub fn new(args: &[String]) -> Self {
        Self { args: args.to_vec() }
    }

    /// Whether one of the options is there.
    #[must_use]
    pub fn has(&self, names: &[&str]) -> bool {
        self.args.iter().any(|arg| names.iter().any(|name| is_option(arg, name)))
    }

    /// Takes out every option of these names that has no value. True when there was one.
    pub fn take_flag(&mut self, names: &[&str]) -> bool {
        let before = self.args.len();
        self.args.retain(|arg| !names.contains(&arg.as_str()));
        self.args.len() < before
    }

    /// Takes out every option of these names with its value, and returns the last value. An option at the end has an
    /// empty one.
    pub fn take_value(&mut self, names: &[&str]) -> Option<String> {
        let mut value = None;
        let mut left = Vec::with_capacity(self.args.len());
        let mut args = std::mem::take(&mut self.args).into_iter();
        while let Some(arg) = args.next() {
            if names.contains(&arg.as_str()) {
                value = Some(args.next().unwrap_or_default());
            } else if let Some(name) = names.iter().find(|name| is_option(&arg, name)) {
                value = Some(arg[name.len() + 1..].to_owned());
            } else {
                left.push(arg);
            }
        }
        self.args = left;
        value
    }

    /// Takes out options, none of which has a value, that keep `agent` from doing the task so that it can be followed: it would
    /// print something else, or work where nobody sees it. That is told.
    pub fn take_diversions(&mut self, names: &[&str], agent: &str, warnings: &mut Vec<String>) {
        for name in names {
            if self.take_flag(&[name]) {
                warnings.push(format!(
                    "`{name}` is left out: with it {agent} would not do the task where it can be followed"
                ));
            }
        }
    }

    /// What is left.
    #[must_use]
    pub fn into_vec(self) -> Vec<String> {
        self.args
    }
}

/// `--name`, or `--name=value`.
fn is_option(arg: &str, name: &str) -> bool {
    arg.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_in_both_spellings() {
        let all = ["-m", "a", "--model=b", "--modelling", "-v", "--model"].map(str::to_owned);
        let mut args = Arguments::new(&all);
        assert!(args.has(&["--model"]) && args.has(&["-m"]) && !args.has(&["--mode"]));
        assert!(args.take_flag(&["-v"]) && !args.take_flag(&["-v"]));
        assert_eq!(args.take_value(&["--model", "-m"]).as_deref(), Some(""), "the last one counts");
        assert_eq!(args.take_value(&["--model", "-m"]), None);
        assert_eq!(args.into_vec(), ["--modelling"]);
    }
}
