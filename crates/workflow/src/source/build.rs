//! Parser events to tree.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, StructureStyle, Tag};

use super::{BYTES_PER_NODE, Entry, MAX_DEPTH, Node, Value, most_expanded, scalar, syntax};
use crate::diagnostic::{Sink, Span, quote};

/// The rest of the file means nothing any more; the reason was reported.
struct Stop;

pub(super) fn build(text: &str, sink: &mut Sink<'_>) -> Option<Rc<Node>> {
    let options = granit_parser::options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder {
        sink,
        stack: Vec::new(),
        anchors: HashMap::new(),
        expanded: 0,
        most: most_expanded(text.len()),
        documents: 0,
        root: None,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Ok((event, span)) => builder.event(event, &span),
            Err(error) => {
                builder.syntax_error(text, &error);
                Err(Stop)
            }
        };
        if step.is_err() {
            return None;
        }
    }
    let root = builder.root.take();
    match root.as_deref() {
        None | Some(Node { value: Value::Null, .. }) => {
            let hint = "a workflow is a map with `name`, `version`, `timeout` and `steps`";
            sink.error(sink.span(0, 0), "the file has no content", Some(hint.to_owned()));
            None
        }
        Some(_) => root,
    }
}

struct Builder<'s, 't> {
    sink: &'s mut Sink<'t>,
    stack: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    expanded: usize,
    /// How many nodes may be added to what is written.
    most: usize,
    documents: usize,
    root: Option<Rc<Node>>,
}

/// A list or map whose end has not come yet.
struct Open {
    start: Span,
    style: StructureStyle,
    anchor: usize,
    /// A tag made it unusable; that was reported.
    invalid: bool,
    children: Children,
}

enum Children {
    List(Vec<Rc<Node>>),
    Map { entries: Vec<RawEntry>, key: Option<RawKey> },
}

struct RawKey {
    text: Option<Rc<str>>,
    span: Span,
    merge: bool,
}

struct RawEntry {
    key: RawKey,
    value: Rc<Node>,
}

impl Builder<'_, '_> {
    fn event(&mut self, event: Event<'_>, span: &granit_parser::Span) -> Result<(), Stop> {
        let at = self.place(span);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let hint = "keep one workflow per file; remove this `---`";
                    self.sink.error(at, "the file holds a second document", Some(hint.to_owned()));
                    return Err(Stop);
                }
            }
            Event::Alias(id) => self.alias(id, at)?,
            Event::UnresolvedAlias(name) => {
                let hint = "an anchor, `&name`, must come before its alias, `*name`; a text that begins with `*` needs quotation marks";
                self.sink.error(
                    at,
                    format!("there is no anchor {} above", quote(&name)),
                    Some(hint.to_owned()),
                );
                self.put(Rc::new(leaf(at, Value::Invalid)), false, None)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let value = match tag {
                    Some(tag) => self.tagged(&tag, &text, at, span),
                    None if plain => scalar::resolve(&text),
                    None => Value::Text(text.clone().into_owned()),
                };
                let written =
                    matches!(value, Value::Number(_) | Value::Bool(_)).then(|| text.as_ref().into());
                let weight = 1 + text.len() / BYTES_PER_NODE;
                let node = Rc::new(Node { written, weight, ..leaf(at, value) });
                self.remember(anchor, &node);
                self.put(node, plain && text == "<<", Some(&text))?;
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.open(at, style, anchor, tag.as_deref(), "seq", Children::List(Vec::new()))?;
            }
            Event::MappingStart(style, anchor, tag) => {
                let children = Children::Map { entries: Vec::new(), key: None };
                self.open(at, style, anchor, tag.as_deref(), "map", children)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(at)?,
            _ => {}
        }
        Ok(())
    }

    fn open(
        &mut self,
        start: Span,
        style: StructureStyle,
        anchor: usize,
        tag: Option<&Tag>,
        kind: &str,
        children: Children,
    ) -> Result<(), Stop> {
        if self.stack.len() == MAX_DEPTH {
            return self.too_deep(start);
        }
        let invalid = tag.is_some_and(|tag| tag.core_suffix() != Some(kind));
        if let Some(tag) = tag.filter(|_| invalid) {
            self.useless_tag(tag, start);
        }
        self.stack.push(Open { start, style, anchor, invalid, children });
        Ok(())
    }

    fn close(&mut self, end: Span) -> Result<(), Stop> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let (value, weight, height, last) = match open.children {
            Children::List(items) => {
                let weight = items.iter().map(|item| item.weight).sum::<usize>();
                let height = items.iter().map(|item| item.height).max().unwrap_or(0);
                let last = items.last().map(|item| item.span.end);
                (Value::List(items), weight, height, last)
            }
            Children::Map { entries, .. } => {
                let last = entries.last().map(|entry| entry.value.span.end.max(entry.key.span.end));
                let entries = self.entries(entries)?;
                let weight = entries.iter().map(|entry| 1 + entry.value.weight).sum::<usize>();
                let height = entries.iter().map(|entry| entry.value.height).max().unwrap_or(0);
                (Value::Map(entries), weight, height, last)
            }
        };
        // A block ends where its last child does: the parser says so only when the next token comes.
        let end = match open.style {
            StructureStyle::Flow => end.end,
            StructureStyle::Block => last.unwrap_or(open.start.end),
        };
        let span = self.sink.span(open.start.start, end.max(open.start.start));
        let value = if open.invalid { Value::Invalid } else { value };
        let node = Rc::new(Node { span, value, written: None, weight: weight + 1, height: height + 1 });
        self.remember(open.anchor, &node);
        self.put(node, false, None)
    }

    fn remember(&mut self, anchor: usize, node: &Rc<Node>) {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(node));
        }
    }

    fn alias(&mut self, id: usize, at: Span) -> Result<(), Stop> {
        let Some(target) = self.anchors.get(&id).map(Rc::clone) else {
            self.sink.error(at, "an alias stands inside its own anchor", None);
            return self.put(Rc::new(leaf(at, Value::Invalid)), false, None);
        };
        if self.stack.len() + target.height > MAX_DEPTH {
            return self.too_deep(at);
        }
        self.expand(target.weight, at)?;
        let text = match &target.value {
            Value::Text(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => target.written.as_deref().map(str::to_owned),
            _ => None,
        };
        self.put(target, false, text.as_deref())
    }

    /// Pays for nodes that are not written in the file.
    fn expand(&mut self, nodes: usize, at: Span) -> Result<(), Stop> {
        self.expanded = self.expanded.saturating_add(nodes);
        if self.expanded <= self.most {
            return Ok(());
        }
        let message = format!("aliases expand the file to more than {} values", self.most);
        self.sink.error(at, message, Some("write less with anchors, or split the workflow".to_owned()));
        Err(Stop)
    }

    fn too_deep(&mut self, at: Span) -> Result<(), Stop> {
        let message = format!("more than {MAX_DEPTH} lists and maps inside each other");
        self.sink.error(at, message, None);
        Err(Stop)
    }

    /// Puts a finished node where it belongs. `key` is its text in case it is the key of a map.
    fn put(&mut self, node: Rc<Node>, merge: bool, key: Option<&str>) -> Result<(), Stop> {
        match self.stack.last_mut().map(|open| &mut open.children) {
            None => self.root = Some(node),
            Some(Children::List(items)) => items.push(node),
            Some(Children::Map { entries, key: pending }) => match pending.take() {
                Some(key) => entries.push(RawEntry { key, value: node }),
                None => {
                    let text = key.filter(|_| !matches!(node.value, Value::Null | Value::Invalid));
                    *pending = Some(RawKey { text: text.map(Rc::from), span: node.span, merge });
                }
            },
        }
        Ok(())
    }

    /// The entries of a map: keys checked, duplicates reported, `<<` replaced by what it stands for.
    fn entries(&mut self, raw: Vec<RawEntry>) -> Result<Vec<Entry>, Stop> {
        let mut places: HashMap<Rc<str>, Span> = HashMap::new();
        let mut own = Vec::with_capacity(raw.len());
        for RawEntry { key, value } in raw {
            let Some(text) = key.text else {
                let hint = "put a key such as `null` into quotation marks; a text that begins with `{` or `[` needs them, too";
                self.sink.error(key.span, "a key must be text", Some(hint.to_owned()));
                continue;
            };
            if let Some(first) = places.get(&text) {
                let line = self.sink.line_of(*first);
                let message = format!("the key {} is there twice", quote(&text));
                self.sink.error(key.span, message, Some(format!("the first one is on line {line}")));
                continue;
            }
            places.insert(Rc::clone(&text), key.span);
            own.push((key.merge, Entry { key: text, key_span: key.span, value }));
        }
        if !own.iter().any(|(merge, _)| *merge) {
            return Ok(own.into_iter().map(|(_, entry)| entry).collect());
        }
        let mut taken: HashSet<Rc<str>> =
            own.iter().filter(|(merge, _)| !merge).map(|(_, entry)| Rc::clone(&entry.key)).collect();
        let mut entries = Vec::with_capacity(own.len());
        for (merge, entry) in own {
            if merge {
                self.merge(&entry, &mut taken, &mut entries)?;
            } else {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    fn merge(
        &mut self,
        entry: &Entry,
        taken: &mut HashSet<Rc<str>>,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Stop> {
        let one = [Rc::clone(&entry.value)];
        let sources = match &entry.value.value {
            Value::List(sources) => sources.as_slice(),
            _ => &one,
        };
        for source in sources {
            match &source.value {
                Value::Map(inherited) => {
                    self.expand(inherited.len(), entry.key_span)?;
                    entries.extend(
                        inherited.iter().filter(|entry| taken.insert(Rc::clone(&entry.key))).cloned(),
                    );
                }
                Value::Invalid => {}
                _ => {
                    let hint = "write `<<: *anchor`, with the anchor on a map";
                    self.sink.error(
                        entry.key_span,
                        "`<<` takes a map or a list of maps",
                        Some(hint.to_owned()),
                    );
                }
            }
        }
        Ok(())
    }

    fn tagged(&mut self, tag: &Tag, text: &str, at: Span, span: &granit_parser::Span) -> Value {
        let value = scalar::resolve(text);
        let known = match (tag.core_suffix(), &value) {
            (Some("str"), _) => return Value::Text(text.to_owned()),
            (None, _) if tag.original() == "!" => return Value::Text(text.to_owned()),
            (Some("int"), Value::Number(number)) => number.fract() == 0.0,
            (Some("float"), Value::Number(_))
            | (Some("bool"), Value::Bool(_))
            | (Some("null"), Value::Null) => true,
            _ => false,
        };
        if known {
            return value;
        }
        self.useless_tag(tag, span.tag_span().map_or(at, |tag| self.place(&tag)));
        Value::Invalid
    }

    fn useless_tag(&mut self, tag: &Tag, at: Span) {
        let message = format!("the tag {} does not fit here", quote(&tag.original()));
        self.sink.error(at, message, Some("a workflow needs no tags; remove it".to_owned()));
    }

    fn place(&self, span: &granit_parser::Span) -> Span {
        let start = span.start.byte_offset().unwrap_or(0);
        self.sink.span(start, span.end.byte_offset().unwrap_or(start).max(start))
    }

    fn syntax_error(&mut self, text: &str, error: &ScanError) {
        let found = text.floor_char_boundary(error.marker().byte_offset().unwrap_or(text.len()));
        // An error noticed at the end of the file is shown where the file's last words are.
        let start = if text[found..].trim().is_empty() { text.trim_end().len() } else { found };
        let end = text[start..].chars().next().map_or(start, |c| start + c.len_utf8());
        if *error.kind() == ErrorKind::RecursionLimitExceeded {
            let _ = self.too_deep(self.sink.span(start, end));
            return;
        }
        let (message, hint) = syntax::explained(text, start, error);
        self.sink.error(self.sink.span(start, end), message, hint);
    }
}

const fn leaf(span: Span, value: Value) -> Node {
    Node { span, value, written: None, weight: 1, height: 0 }
}
