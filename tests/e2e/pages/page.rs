//! A page in parts: what is run, what is written to files, and what a reader does not see.
//!
//! * A block in the language `console` is run: each line that begins with `$ ` is a command, with the lines of its here
//!   document and those after a backslash; other lines are what it prints. `…` is any text, or any lines where it stands alone.
//! * A block in another language whose first line is `# FILE` is the content of that file.
//! * `<!-- prepare` … `-->` is run before what follows, and so is the function of `prelude.sh` that `<!-- prepare: NAME -->` names.
//!   `<!-- console: exit N -->` is the exit code of the last command of the
//!   next block; that of every other command is 0.

/// The languages of blocks that are not run.
const LANGUAGES: &[&str] = &["json", "jsonl", "make", "python", "rust", "sh", "text", "toml", "yaml"];

/// A part of a page, in its order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Commands that are not on the page.
    Prepare(String),
    /// A file that the reader writes.
    File { name: String, text: String },
    /// A command that the reader types.
    Command(Command),
}

/// A command of a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// Its line on the page, from 1.
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) exit_code: i32,
    pub(super) output: Vec<String>,
}

/// The parts of a page. `Err` names the line that is none of them.
pub(super) fn parts(page: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut lines = page.lines().zip(1..);
    let mut exit_code = 0;
    while let Some((line, number)) = lines.next() {
        if let Some(function) = line.strip_prefix("<!-- prepare: ") {
            parts.push(Part::Prepare(function.trim_end_matches(" -->").to_owned()));
        } else if line == "<!-- prepare" {
            parts.push(Part::Prepare(until(&mut lines, "-->").join("\n")));
        } else if let Some(code) = line.strip_prefix("<!-- console: exit ") {
            let code = code.trim_end_matches(" -->").parse();
            exit_code = code.map_err(|_| format!("line {number}: `{line}` has no exit code"))?;
        } else if let Some(info) = line.strip_prefix("```") {
            let block = until(&mut lines, "```");
            let language = info.split(',').next().unwrap_or_default();
            if language == "console" {
                parts.extend(commands(&block, number + 1, exit_code)?);
                exit_code = 0;
            } else if !LANGUAGES.contains(&language) {
                return Err(format!("line {number}: no block is in the language `{language}`"));
            } else if let Some(name) = block.first().and_then(|first| file_name(first)) {
                parts.push(Part::File { name: name.to_owned(), text: block.join("\n") + "\n" });
            }
        }
    }
    Ok(parts)
}

fn until<'p>(lines: &mut impl Iterator<Item = (&'p str, usize)>, end: &str) -> Vec<&'p str> {
    lines.map(|(line, _)| line).take_while(|line| *line != end).collect()
}

fn file_name(line: &str) -> Option<&str> {
    let name = line.strip_prefix("# ")?;
    (name.contains('.') && !name.contains(' ')).then_some(name)
}

fn commands(block: &[&str], first: usize, exit_code: i32) -> Result<Vec<Part>, String> {
    let mut commands: Vec<Command> = Vec::new();
    let mut lines = block.iter().zip(first..);
    while let Some((line, number)) = lines.next() {
        let Some(typed) = line.strip_prefix("$ ") else {
            let command = commands.last_mut();
            let command = command.ok_or_else(|| format!("line {number}: no command prints `{line}`"))?;
            command.output.push((*line).to_owned());
            continue;
        };
        let mut text = typed.to_owned();
        let heredoc = typed.split_once("<<'").and_then(|(_, rest)| Some(rest.split_once('\'')?.0));
        let goes_on = |text: &str| match heredoc {
            Some(end) => !text.lines().skip(1).any(|line| line == end),
            None => text.ends_with('\\'),
        };
        while goes_on(&text) {
            let (next, _) = lines.next().ok_or_else(|| format!("line {number}: the command has no end"))?;
            text = format!("{text}\n{next}");
        }
        commands.push(Command { line: number, text, exit_code: 0, output: Vec::new() });
    }
    if let Some(last) = commands.last_mut() {
        last.exit_code = exit_code;
    }
    Ok(commands.into_iter().map(Part::Command).collect())
}

/// Whether this is what the page has a command print.
pub(super) fn is_as_printed(expected: &[String], printed: &[&str]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((line, rest)) if line == "…" => {
            (0..=printed.len()).any(|skipped| is_as_printed(rest, &printed[skipped..]))
        }
        Some((line, rest)) => {
            let printed = printed.split_first();
            printed.is_some_and(|(first, others)| matches(line, first) && is_as_printed(rest, others))
        }
    }
}

fn matches(pattern: &str, line: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('…') else { return pattern == line.trim_end() };
    let Some(line) = line.trim_end().strip_prefix(begin) else { return false };
    (0..=line.len()).any(|at| line.is_char_boundary(at) && matches(rest, &line[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_taken_apart() {
        let page = "# A\n\n<!-- prepare: f x -->\n<!-- prepare\na\nb\n-->\n\n```yaml\n# dir/a.yaml\nname: a\n```\n\n<!-- console: exit 3 -->\n\n\
                    ```console\n$ one <<'E'\n$ text\nE\n$ two \\\n  -x\nout\n```\n\n```yaml\nname: b\n```\n";
        let command = |line, text: &str, exit_code, output: &[&str]| {
            let output = output.iter().map(|line| (*line).to_owned()).collect();
            Part::Command(Command { line, text: text.to_owned(), exit_code, output })
        };
        let expected = [
            Part::Prepare("f x".to_owned()),
            Part::Prepare("a\nb".to_owned()),
            Part::File { name: "dir/a.yaml".to_owned(), text: "# dir/a.yaml\nname: a\n".to_owned() },
            command(17, "one <<'E'\n$ text\nE", 0, &[]),
            command(20, "two \\\n  -x", 3, &["out"]),
        ];
        assert_eq!(parts(page), Ok(expected.into()));
        assert!(parts("```console\nout\n```\n").is_err_and(|error| error.contains("line 2")));
        assert!(parts("```console\n$ cat <<'E'\n```\n").is_err_and(|error| error.contains("no end")));
        assert!(parts("```shell\n```\n").is_err_and(|error| error.contains("`shell`")));
    }

    #[test]
    fn output_is_compared_with_what_a_page_leaves_open() {
        let is_as_printed = |expected: &[&str], printed: &[&str]| {
            let expected: Vec<_> = expected.iter().map(|line| (*line).to_owned()).collect();
            is_as_printed(&expected, printed)
        };
        assert!(is_as_printed(&["a", "…", "d … f"], &["a", "b", "c", "d e f"]));
        assert!(is_as_printed(&["…", "d"], &["d"]) && is_as_printed(&["…"], &[]));
        assert!(!is_as_printed(&["a"], &["a", "b"]) && !is_as_printed(&["a", "b"], &["a"]));
        assert!(!is_as_printed(&["d … f"], &["d e"]) && !is_as_printed(&["…", "x"], &["a"]));
    }
}
