//! The logs of all attempts of a run as one: one behind the other, in the order of their beginnings.

use roboppi_record::Needle;
use roboppi_run::AttemptRef;

use super::{AttemptLog, KnownLog, SEARCHED};
use crate::api::line::{Line, LogPage, SearchPage, Searched};
use crate::feed::Hub;
use crate::problem::Problem;

/// Where the log of an attempt is in that of its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) of: AttemptRef,
    /// Number of its first line.
    pub(crate) first: u64,
    lines: u64,
    bytes: u64,
}

/// The log of a run.
#[derive(Debug)]
pub(crate) struct RunLog<'a> {
    hub: &'a Hub,
    parts: Vec<Part>,
    total: u64,
    bytes: u64,
}

impl<'a> RunLog<'a> {
    /// Looks how long the logs are. Reads files: those of an attempt that has ended once.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(crate) fn open(hub: &'a Hub) -> Result<Self, Problem> {
        let mut attempts = hub.look(|view, liveness, _| {
            let attempts = view.steps.iter().flat_map(|step| &step.attempts);
            let known = attempts.map(|attempt| {
                (attempt.started_at, attempt.of.clone(), KnownLog::of(view, liveness, &attempt.of))
            });
            known.collect::<Vec<_>>()
        });
        attempts.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        let mut log = Self { hub, parts: Vec::with_capacity(attempts.len()), total: 0, bytes: 0 };
        for (_, of, known) in attempts {
            let ended = known.has_ended();
            let (lines, bytes) = match hub.settled(&of).filter(|_| ended) {
                Some(size) => size,
                None => {
                    let mut part = AttemptLog::of_record(hub.record().as_ref(), &of, known)?;
                    let size = (part.total()?, part.bytes());
                    if ended {
                        hub.settle(of.clone(), size);
                    }
                    size
                }
            };
            log.parts.push(Part { of, first: log.total, lines, bytes });
            log.total += lines;
            log.bytes += bytes;
        }
        Ok(log)
    }

    /// Where the logs of attempts are.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The same, to keep.
    pub(crate) fn into_parts(self) -> Vec<Part> {
        self.parts
    }

    /// Lines from a number on, at most `limit`. A negative number counts from the end.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub(crate) fn page(&self, from: i64, limit: u64) -> Result<LogPage, Problem> {
        let first = u64::try_from(from).unwrap_or_else(|_| self.total.saturating_sub(from.unsigned_abs()));
        let mut page = LogPage::empty(first, self.total, self.hub.is_over());
        page.bytes = self.bytes;
        for part in &self.parts {
            let left = limit - (page.lines.len() as u64).min(limit);
            let end = part.first + part.lines;
            if end <= first || left == 0 {
                continue;
            }
            let skip = first.saturating_sub(part.first);
            let read =
                AttemptLog::open(self.hub, &part.of)?.page(i64::try_from(skip).unwrap_or(i64::MAX), left)?;
            // The log may have grown since it was looked at: its later lines have numbers of the next one.
            let known = read.lines.into_iter().filter(|line| line.n < part.lines);
            page.lines.extend(known.map(|line| part.line(line)));
            page.next = part.first + read.next.min(part.lines);
            page.complete &= read.complete;
            if read.next < part.lines {
                // The page is full.
                break;
            }
        }
        page.cursor = page.next.to_string();
        Ok(page)
    }

    fn part_of(&self, line: u64) -> Result<&Part, Problem> {
        let part = self.parts.iter().find(|part| (part.first..part.first + part.lines).contains(&line));
        part.ok_or_else(|| Problem::not_found(format!("the log has no line {line}")))
    }

    /// A whole line, of at most `longest` bytes.
    ///
    /// # Errors
    /// When there is none, or its log cannot be read.
    pub(crate) fn whole_line(&self, number: u64, longest: usize) -> Result<(String, bool), Problem> {
        let part = self.part_of(number)?;
        AttemptLog::open(self.hub, &part.of)?.whole_line(number - part.first, longest)
    }

    /// Finds lines from a number on.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub(crate) fn search(&self, needle: &Needle, from: u64, limit: usize) -> Result<SearchPage, Problem> {
        let searched = Searched { bytes: 0, of: self.bytes };
        let mut page = SearchPage { hits: Vec::new(), searched, next: None };
        let mut read = 0;
        for part in &self.parts {
            if part.first + part.lines <= from || part.lines == 0 {
                page.searched.bytes += part.bytes;
                continue;
            }
            let left = limit.saturating_sub(page.hits.len());
            if left == 0 || read >= SEARCHED {
                page.next = Some(part.first);
                return Ok(page);
            }
            let skip = from.saturating_sub(part.first);
            let found = AttemptLog::open(self.hub, &part.of)?.search(needle, skip, left)?;
            let step = part.of.step.as_str();
            page.hits.extend(found.hits.into_iter().filter(|hit| hit.n < part.lines).map(|mut hit| {
                hit.n += part.first;
                hit.step = Some(step.to_owned());
                hit
            }));
            // A last line that may go on is searched too.
            page.searched.bytes +=
                if found.next.is_some() { found.searched.bytes.min(part.bytes) } else { part.bytes };
            read += found.searched.bytes;
            if let Some(next) = found.next.filter(|next| *next < part.lines) {
                page.next = Some(part.first + next);
                return Ok(page);
            }
        }
        Ok(page)
    }

    /// Streams the log: `take` gets each line until it returns false.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub(crate) fn each_line(&self, mut take: impl FnMut(Line) -> bool) -> Result<(), Problem> {
        for part in &self.parts {
            let mut goes_on = true;
            AttemptLog::open(self.hub, &part.of)?.each_line(|line| {
                goes_on = line.n >= part.lines || take(part.line(line));
                goes_on
            })?;
            if !goes_on {
                break;
            }
        }
        Ok(())
    }
}

impl Part {
    /// A line of the attempt as one of the run.
    fn line(&self, line: Line) -> Line {
        Line { n: self.first + line.n, step: Some(self.of.step.as_str().to_owned()), ..line }
    }
}

/// Whether lines before a number have other numbers now.
pub(crate) fn is_renumbered(before: &[Part], now: &[Part], next: u64) -> bool {
    let moved = |(old, new): (&Part, &Part)| old.of != new.of || old.first != new.first;
    let known = before.iter().filter(|part| part.first < next).count();
    known > now.len() || before.iter().zip(now).take(known).any(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_renumbered_when_a_log_before_them_grows() {
        let part =
            |step: &str, first, lines| Part { of: AttemptRef::first(step.into()), first, lines, bytes: 0 };
        let before = [part("a", 0, 5), part("b", 5, 5)];
        assert!(!is_renumbered(&before, &[part("a", 0, 5), part("b", 5, 9)], 10), "the last one grows");
        assert!(!is_renumbered(&before, &[part("a", 0, 5), part("b", 5, 5), part("c", 10, 1)], 10));
        assert!(is_renumbered(&before, &[part("a", 0, 6), part("b", 6, 5)], 10));
        assert!(
            !is_renumbered(&before, &[part("a", 0, 6), part("b", 6, 5)], 3),
            "the client has none of those"
        );
        assert!(is_renumbered(&before, &[part("a", 0, 5)], 10));
    }
}
