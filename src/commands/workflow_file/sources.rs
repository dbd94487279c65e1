//! The files that a workflow names: where they are, and what is in them.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use roboppi_workflow::{FileRef, MAX_BYTES, Parsed, Sources, WorkerKinds, parse_sources};

/// Variable with the number of workflows that may be in each other.
const DEPTH: &str = "ROBOPPI_MAX_SUBWORKFLOW_DEPTH";

/// Reads a workflow and all files it names, directly or not. `path` is where the text is from; what is named in a text that is in no
/// file is relative to the current directory.
pub(super) fn parse(
    name: &str,
    path: &Path,
    text: &str,
    most_bytes: usize,
    kinds: &WorkerKinds,
) -> (Parsed, Sources) {
    let mut sources = Sources::new(name, text).within(most_bytes).nested(depth());
    // By its real path a file is known under all its names.
    let mut known: HashMap<PathBuf, String> = HashMap::new();
    known.extend(path.canonicalize().ok().map(|real| (real, name.to_owned())));
    loop {
        let parsed = parse_sources(&sources, kinds);
        if parsed.needs.is_empty() {
            return (parsed, sources);
        }
        for need in parsed.needs {
            match read(&sources, name, path, &need) {
                Ok((shown, real, text)) => {
                    let shown = known.entry(real).or_insert(shown).clone();
                    sources.add(need, shown, text);
                }
                Err(why) => sources.refuse(need, why),
            }
        }
    }
}

/// The name under which a file is shown, its real path, and its text.
fn read(
    sources: &Sources,
    main: &str,
    path: &Path,
    need: &FileRef,
) -> Result<(String, PathBuf, String), String> {
    let from = &sources.file(need.span.file).name;
    // Paths are relative to the file that names them.
    let dir = if from == main {
        // A text that is in no file has no directory.
        if path.is_file() { Path::new(main).parent().unwrap_or(Path::new("")) } else { Path::new("") }
    } else {
        Path::new(from).parent().unwrap_or(Path::new(""))
    };
    let file = tidy(&dir.join(&need.path));
    let real = file.canonicalize().map_err(|error| error.to_string())?;
    let there = real.metadata().map_err(|error| error.to_string())?;
    if !there.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut bytes = Vec::new();
    let most = MAX_BYTES as u64;
    let read = File::open(&real).and_then(|open| open.take(most + 1).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > most {
        return Err(format!("it has more than the {most} bytes that are allowed"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok((file.display().to_string(), real, text))
}

/// A path without `.`, and without `..` behind a name.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(tidy.components().next_back(), Some(Component::Normal(_))) => {
                tidy.pop();
            }
            other => tidy.push(other),
        }
    }
    tidy
}

/// How many workflows may be in each other.
fn depth() -> usize {
    let asked = std::env::var(DEPTH).ok().and_then(|text| text.trim().parse::<f64>().ok());
    match asked {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and a few")]
        Some(depth) if depth >= 1.0 => depth.min(Sources::MOST_NESTED as f64) as usize,
        _ => Sources::NESTED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_tidy() {
        let tidied = |path: &str| tidy(Path::new(path)).display().to_string();
        assert_eq!(tidied("./a/./b.yaml"), "a/b.yaml");
        assert_eq!(tidied("a/../b.yaml"), "b.yaml");
        assert_eq!(tidied("../a/b/../../c.yaml"), "../c.yaml");
        assert_eq!(tidied("/a/../b.yaml"), "/b.yaml");
    }
}
