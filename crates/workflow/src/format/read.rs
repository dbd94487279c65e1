//! A file as a tree that keeps comments, styles and empty lines.

use granit_parser::{Event, Options, Parser, ScalarStyle, StructureStyle};

use crate::diagnostic::LineIndex;
use crate::source::MAX_DEPTH;

/// A comment of the source.
#[derive(Clone, Debug)]
pub(super) struct Comment {
    /// With its `#`, without white space at its end.
    pub(super) text: String,
    offset: usize,
    line: usize,
    column: usize,
}

/// A line before an entry or at the end of a collection.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    Blank,
    Comment(String),
}

/// A file.
pub(super) struct File {
    /// Directives, and the comments above the mark of the document.
    pub(super) head: Vec<Line>,
    /// Whether it has a `---`.
    pub(super) marked: bool,
    /// The comments above the first entry.
    pub(super) header: Vec<Line>,
    pub(super) root: Node,
}

pub(super) struct Node {
    /// Anchor and tag, each with its sign.
    pub(super) properties: String,
    pub(super) content: Content,
}

pub(super) enum Content {
    Alias(String),
    Scalar(Scalar),
    List(Collection<Item>),
    Map(Collection<Pair>),
}

pub(super) struct Scalar {
    pub(super) value: String,
    pub(super) style: ScalarStyle,
    pub(super) tagged: bool,
    /// As it is written, without its indentation; of block scalars the lines below the mark.
    pub(super) raw: String,
    /// The mark of a block scalar: `>-`.
    pub(super) mark: String,
}

pub(super) struct Collection<T> {
    /// On a single line and without comments: it may stay on one.
    pub(super) inline: bool,
    pub(super) items: Vec<T>,
    /// Comments behind the last item.
    pub(super) end: Vec<Line>,
}

pub(super) struct Item {
    pub(super) before: Vec<Line>,
    pub(super) node: Node,
    /// The comment on the same line.
    pub(super) behind: Option<String>,
}

pub(super) struct Pair {
    pub(super) before: Vec<Line>,
    pub(super) key: Node,
    pub(super) value: Node,
    /// The comment on the line of the key.
    pub(super) behind_key: Option<String>,
    /// The comment on the last line of the value.
    pub(super) behind: Option<String>,
}

fn options() -> Options {
    granit_parser::options! {
        emit_comments: true,
        emit_anchor_events: true,
        max_buffered_comment_events: usize::MAX,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    }
}

type Place = (usize, usize);
/// An event and its place.
type Placed<'t> = (Event<'t>, granit_parser::Span);

/// The events of a file without comments, and the comments.
fn events(text: &str) -> Option<(Vec<Placed<'_>>, Vec<Comment>)> {
    let mut events = Vec::new();
    let mut comments = Vec::new();
    for event in Parser::new_from_str_with_options(text, options()) {
        let (event, span) = event.ok()?;
        if let Event::Comment(..) = event {
            let (start, end) = place(&span);
            comments.push(Comment {
                text: text.get(start..end)?.trim_end().to_owned(),
                offset: start,
                line: span.start.line(),
                column: span.start.col(),
            });
        } else {
            events.push((event, span));
        }
    }
    comments.sort_by_key(|comment| comment.offset);
    Some((events, comments))
}

fn place(span: &granit_parser::Span) -> Place {
    let start = span.start.byte_offset().unwrap_or(0);
    (start, span.end.byte_offset().unwrap_or(start).max(start))
}

/// The comments of a file, in their order.
pub(super) fn comments(text: &str) -> Option<Vec<Comment>> {
    events(text).map(|(_, comments)| comments)
}

/// Reads a file that is valid; `None` for a form that has no layout here.
pub(super) fn read(text: &str) -> Option<File> {
    let (events, comments) = events(text)?;
    let lines = LineIndex::new(text);
    let mut reader = Reader {
        text,
        lines,
        events,
        next: 0,
        comments,
        taken: 0,
        last_line: 0,
        last_offset: 0,
        columns: Vec::new(),
    };
    let mut head = Vec::new();
    let mut marked = false;
    loop {
        let (event, span) = reader.events.get(reader.next)?;
        match event {
            Event::StreamStart => {}
            Event::DocumentStart(explicit, _) => {
                marked = *explicit;
                let at = place(span).0;
                if marked {
                    let directives = text.get(..at)?.lines().filter(|line| line.starts_with('%'));
                    let directives: Vec<_> =
                        directives.map(|line| Line::Comment(line.trim_end().to_owned())).collect();
                    head = reader.take_before(at);
                    head.extend(directives);
                }
            }
            _ => break,
        }
        reader.next += 1;
    }
    let start = place(&reader.events.get(reader.next)?.1).0;
    let mut header = reader.take_before(start);
    if !header.is_empty() && reader.follows_blank(start) {
        header.push(Line::Blank);
    }
    let mut root = reader.node()?;
    let left: Vec<Line> = reader.take_before(usize::MAX);
    match &mut root.content {
        Content::Map(map) => map.end.extend(left),
        _ => return None,
    }
    Some(File { head, marked, header, root })
}

struct Reader<'t> {
    text: &'t str,
    lines: LineIndex<'t>,
    events: Vec<Placed<'t>>,
    next: usize,
    comments: Vec<Comment>,
    /// Comments that have a place in the tree.
    taken: usize,
    /// The line on which the last node ended; 0 for a block, whose last child ended before.
    last_line: usize,
    /// Where the last node that was read ends, or begins if it has entries.
    last_offset: usize,
    /// Where the entries of the blocks begin that are open.
    columns: Vec<usize>,
}

impl<'t> Reader<'t> {
    /// The comments that begin before a place, with the empty lines among them and behind them.
    fn take_before(&mut self, offset: usize) -> Vec<Line> {
        self.take_while(offset, |_| true)
    }

    fn take_while(&mut self, offset: usize, wanted: impl Fn(&Comment) -> bool) -> Vec<Line> {
        let mut lines = Vec::new();
        while let Some(comment) = self.comments.get(self.taken)
            && comment.offset < offset
            && wanted(comment)
        {
            if self.follows_blank(comment.offset) {
                lines.push(Line::Blank);
            }
            lines.push(Line::Comment(comment.text.clone()));
            self.taken += 1;
        }
        lines
    }

    /// Lines before an entry that begins here. Above the first one of a collection there is no empty line.
    fn before(&mut self, offset: usize, is_first: bool) -> Vec<Line> {
        let mut lines = self.take_before(offset);
        if self.follows_blank(offset) {
            lines.push(Line::Blank);
        }
        let blank = if is_first { lines.iter().take_while(|line| **line == Line::Blank).count() } else { 0 };
        lines.split_off(blank)
    }

    /// Whether nothing but marks stands before a place on its line, and the line above is empty.
    fn follows_blank(&self, offset: usize) -> bool {
        let line = self.lines.line_at(offset);
        let (start, _) = self.lines.line(line);
        let before = self.text.get(start..offset).unwrap_or_default();
        line > 1
            && before.chars().all(|c| matches!(c, ' ' | '-' | '?'))
            && self.lines.line(line - 1).1.trim().is_empty()
    }

    /// The comment on this line, before a place.
    fn take_behind(&mut self, line: usize, before: usize) -> Option<String> {
        let comment = self.comments.get(self.taken)?;
        let is_it = comment.line == line && comment.offset < before;
        let text = is_it.then(|| comment.text.clone())?;
        self.taken += 1;
        Some(text)
    }

    /// Where the next event that is no end of a block begins.
    fn next_start(&self) -> usize {
        let rest = self.events.get(self.next..).unwrap_or_default();
        let next = rest.iter().find(|(event, _)| {
            !matches!(event, Event::SequenceEnd | Event::MappingEnd | Event::DocumentEnd | Event::StreamEnd)
        });
        next.map_or(usize::MAX, |(_, span)| place(span).0)
    }

    fn node(&mut self) -> Option<Node> {
        let (event, span) = self.events.get(self.next)?.clone();
        self.next += 1;
        let mut properties = Vec::new();
        if let Some((Event::Anchor(_, name), _)) = self.events.get(self.next) {
            properties.push(format!("&{name}"));
            self.next += 1;
        }
        if let Some(tag) = span.tag_span().and_then(|tag| {
            let (start, end) = place(&tag);
            self.text.get(start..end)
        }) {
            properties.push(tag.to_owned());
        }
        let (start, end) = place(&span);
        let content = match event {
            Event::Alias(_) => {
                self.last_line = span.end.line();
                self.last_offset = end;
                Content::Alias(self.text.get(start..end)?.to_owned())
            }
            Event::Scalar(value, style, _, tag) => {
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let (mark, raw) = if is_block {
                    // The comment behind a block is on the line of its mark, and was taken with the key.
                    self.last_line = 0;
                    self.block(start)?
                } else {
                    self.last_line = span.end.line();
                    (String::new(), self.text.get(start..end)?.trim_end().to_owned())
                };
                self.last_offset = if is_block { start } else { end };
                Content::Scalar(Scalar { value: value.into_owned(), style, tagged: tag.is_some(), raw, mark })
            }
            Event::SequenceStart(style, ..) => {
                self.last_offset = self.last_offset.max(start);
                Content::List(self.list(style, &span)?)
            }
            Event::MappingStart(style, ..) => {
                self.last_offset = self.last_offset.max(start);
                Content::Map(self.map(style, &span)?)
            }
            _ => return None,
        };
        Some(Node { properties: properties.join(" "), content })
    }

    /// The mark of a block scalar whose text begins at `start`, and the lines below it without their common indentation.
    fn block(&self, start: usize) -> Option<(String, String)> {
        let from = self.last_offset.min(start);
        let before = self.text.get(from..start)?;
        // The last one: a comment above may have the same characters.
        let mut ends = before.len();
        let mark_at = before.split_inclusive('\n').rev().find_map(|line| {
            ends -= line.len();
            let code = line.find(" #").map_or(line, |at| &line[..at]);
            let is_comment = code.trim_start().starts_with('#');
            code.rfind(['|', '>']).filter(|_| !is_comment).map(|at| from + ends + at)
        })?;
        let rest = self.text.get(mark_at..)?;
        let mark: String = rest.chars().take_while(|c| !c.is_whitespace()).collect();
        let below = rest.split_once('\n').map_or("", |(_, below)| below);
        let width = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let mut indent = None;
        let mut lines = Vec::new();
        for text in below.lines() {
            if text.trim().is_empty() {
                lines.push(indent.and_then(|indent| text.get(indent..)).unwrap_or_default());
                continue;
            }
            let least = *indent.get_or_insert(width(text));
            if least == 0 || width(text) < least {
                break;
            }
            lines.push(text.get(least..).unwrap_or_default());
        }
        Some((mark, lines.join("\n")))
    }

    /// Whether a flow collection is on one line and has no comment.
    fn is_inline(
        &self,
        style: StructureStyle,
        span: &granit_parser::Span,
        end: &granit_parser::Span,
    ) -> bool {
        let (start, until) = (place(span).0, place(end).1);
        style == StructureStyle::Flow
            && span.start.line() == end.end.line()
            && self.comments[self.comments.partition_point(|comment| comment.offset < start)..]
                .first()
                .is_none_or(|comment| comment.offset >= until)
    }

    /// Where a comment behind an entry has to begin before: in a flow collection where the next entry or the end is.
    fn limit(&self, style: StructureStyle) -> Option<usize> {
        let next = place(&self.events.get(self.next)?.1).0;
        Some(if style == StructureStyle::Flow { next } else { usize::MAX })
    }

    fn list(&mut self, style: StructureStyle, span: &granit_parser::Span) -> Option<Collection<Item>> {
        let mut items: Vec<Item> = Vec::new();
        self.columns.push(span.start.col());
        while !matches!(self.events.get(self.next)?.0, Event::SequenceEnd) {
            let at = place(&self.events.get(self.next)?.1).0;
            let before = self.before(at, items.is_empty());
            let node = self.node()?;
            let behind = self.take_behind(self.last_line, self.limit(style)?);
            items.push(Item { before, node, behind });
        }
        let (end, inline) = self.close(style, span)?;
        Some(Collection { inline, items, end })
    }

    fn map(&mut self, style: StructureStyle, span: &granit_parser::Span) -> Option<Collection<Pair>> {
        let mut items: Vec<Pair> = Vec::new();
        self.columns.push(span.start.col());
        while !matches!(self.events.get(self.next)?.0, Event::MappingEnd) {
            let at = place(&self.events.get(self.next)?.1).0;
            let mut before = self.before(at, items.is_empty());
            let key = self.node()?;
            match &key.content {
                Content::Scalar(scalar) if !scalar.raw.contains('\n') && scalar.mark.is_empty() => {}
                Content::Alias(_) => {}
                _ => return None,
            }
            let line_of_key = self.last_line;
            let value_at = self.events.get(self.next)?;
            let is_nothing = value_at.1.is_empty() && matches!(value_at.0, Event::Scalar(..));
            let value_start = if is_nothing { usize::MAX } else { place(&value_at.1).0 };
            let is_collection = matches!(value_at.0, Event::SequenceStart(..) | Event::MappingStart(..));
            let behind_key = self.take_behind(line_of_key, value_start);
            if !is_nothing && !is_collection {
                // Lines between a key and its scalar have no better place than above both.
                before.extend(self.take_before(value_start));
            }
            let value = self.node()?;
            let line = if is_nothing { line_of_key } else { self.last_line };
            let behind = self.take_behind(line, self.limit(style)?);
            items.push(Pair { before, key, value, behind_key, behind });
        }
        let (end, inline) = self.close(style, span)?;
        Some(Collection { inline, items, end })
    }

    /// Takes the event of an end, and the comments that are still of that collection.
    fn close(&mut self, style: StructureStyle, span: &granit_parser::Span) -> Option<(Vec<Line>, bool)> {
        let closing = self.events.get(self.next)?.1;
        let inline = self.is_inline(style, span, &closing);
        let column = self.columns.pop()?;
        self.next += 1;
        if style == StructureStyle::Flow {
            self.last_line = closing.end.line();
            return Some((self.take_before(place(&closing).1), inline));
        }
        self.last_line = 0;
        let until = self.next_start();
        // A list may begin below the key that it is the value of: a comment there is above the next key.
        let least = if self.columns.last() == Some(&column) { column + 1 } else { column };
        Some((self.take_while(until, |comment| least > 0 && comment.column >= least), inline))
    }
}
