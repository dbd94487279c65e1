//! The tree as text.

use granit_parser::ScalarStyle;
use unicode_width::UnicodeWidthStr;

use super::order::{Order, Place, name, ordered};
use super::read::{Collection, Content, File, Item, Line, Node, Pair, Scalar};
use super::scalar;
use crate::keys::Section;

/// Columns that a list or map on one line may end at.
const WIDTH: usize = 140;

/// The text of a file.
pub(super) fn print(file: &File, order: Order) -> String {
    let mut printer = Printer { out: String::new(), order, sealed: false };
    printer.lines(&file.head, 0);
    if file.marked {
        printer.line(0, "---");
    }
    printer.lines(&file.header, 0);
    if let Content::Map(map) = &file.root.content {
        if !file.root.properties.is_empty() {
            printer.line(0, &file.root.properties);
        }
        printer.map(map, Place::Section(Section::Workflow), 0, None);
    }
    printer.out
}

struct Printer {
    out: String,
    order: Order,
    /// The last line ends a text that would grow by an empty line.
    sealed: bool,
}

impl Printer {
    fn line(&mut self, indent: usize, text: &str) {
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.out.push_str(text);
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push('\n');
        self.sealed = false;
    }

    /// An empty line, unless there is one.
    fn blank(&mut self) {
        if !self.sealed && !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    fn lines(&mut self, lines: &[Line], indent: usize) {
        for line in lines {
            match line {
                Line::Blank => self.blank(),
                Line::Comment(text) => self.line(indent, text),
            }
        }
    }

    /// The lines before an entry. The first one of a collection is preceded by no empty line.
    fn before(&mut self, lines: &[Line], indent: usize, is_first: bool) {
        let from = if is_first { lines.iter().take_while(|line| **line == Line::Blank).count() } else { 0 };
        self.lines(&lines[from..], indent);
    }

    /// The entries of a map. The first one follows `lead` on its line where there is one.
    fn map(&mut self, map: &Collection<Pair>, place: Place, indent: usize, lead: Option<&str>) {
        let mut lead = lead.map(str::to_owned);
        for (index, pair) in ordered(&map.items, place, self.order).into_iter().enumerate() {
            match lead.take() {
                Some(lead) => self.pair(pair, place, indent, &lead),
                None => {
                    self.before(&pair.before, indent, index == 0);
                    self.pair(pair, place, indent, &" ".repeat(indent));
                }
            }
        }
        self.lines(&map.end, indent);
    }

    fn pair(&mut self, pair: &Pair, place: Place, indent: usize, lead: &str) {
        let key = match &pair.key.content {
            Content::Scalar(scalar) => scalar::on_one_line(scalar, false),
            Content::Alias(name) => format!("{name} "),
            _ => String::new(),
        };
        let key = joined(&pair.key.properties, &key);
        let comments: Vec<_> = pair.behind_key.iter().chain(&pair.behind).map(String::as_str).collect();
        self.value(&pair.value, place.below(name(pair)), indent, &format!("{lead}{key}:"), &comments);
    }

    /// A value behind `lead`, which ends with a `:` or a `-`. Entries of the value are indented by two more than `indent`.
    fn value(&mut self, node: &Node, place: Place, indent: usize, lead: &str, comments: &[&str]) {
        let behind = comments.iter().map(|comment| format!(" {comment}")).collect::<Vec<_>>();
        // Two comments of one entry have no room on one line: the text of the second would be a part of the first.
        let (behind, above) = match behind.as_slice() {
            [] => (String::new(), None),
            [one] => (one.clone(), None),
            [first, rest @ ..] => (rest.concat(), Some(first.trim_start().to_owned())),
        };
        if let Some(above) = above {
            self.line(indent, &above);
        }
        let start = |text: &str| format!("{lead}{}", spaced(&joined(&node.properties, text)));
        match &node.content {
            Content::Alias(name) => self.line(0, &format!("{}{behind}", start(name))),
            Content::Scalar(scalar) if is_long(scalar) => {
                let (first, lines) = scalar::on_lines(scalar, indent);
                let has_mark = !scalar.mark.is_empty();
                if has_mark {
                    self.line(0, &format!("{}{behind}", start(&first)));
                } else {
                    self.line(0, &start(&first));
                }
                self.text_lines(&lines, if has_mark { "" } else { &behind });
                self.sealed = scalar::keeps_blank_lines(scalar);
            }
            Content::Scalar(scalar) => {
                let text = scalar::on_one_line(scalar, false);
                self.line(0, &format!("{}{behind}", start(&text)));
            }
            Content::List(list) => match self.inline(node, place, lead.width()) {
                Some(text) => self.line(0, &format!("{}{behind}", start(&text))),
                None => {
                    self.line(0, &format!("{}{behind}", start("")));
                    self.list(list, place, indent + 2);
                }
            },
            Content::Map(map) => match self.inline(node, place, lead.width()) {
                Some(text) => self.line(0, &format!("{}{behind}", start(&text))),
                None => {
                    self.line(0, &format!("{}{behind}", start("")));
                    self.map(map, place, indent + 2, None);
                }
            },
        }
    }

    /// Lines that are indented already and may end with spaces that count.
    fn text_lines(&mut self, lines: &[String], behind: &str) {
        for (index, line) in lines.iter().enumerate() {
            self.out.push_str(line);
            if index + 1 == lines.len() {
                self.out.push_str(behind);
            }
            self.out.push('\n');
        }
    }

    fn list(&mut self, list: &Collection<Item>, place: Place, indent: usize) {
        for (index, item) in list.items.iter().enumerate() {
            self.before(&item.before, indent, index == 0);
            self.item(item, place.item(), indent);
        }
        self.lines(&list.end, indent);
    }

    fn item(&mut self, item: &Item, place: Place, indent: usize) {
        let lead = format!("{}-", " ".repeat(indent));
        let comments: Vec<_> = item.behind.iter().map(String::as_str).collect();
        let is_plain_block = item.node.properties.is_empty() && comments.is_empty();
        match &item.node.content {
            Content::Map(map) if is_plain_block && self.inline(&item.node, place, lead.len()).is_none() => {
                // What stands above the first key stands above the whole item.
                if let Some(first) = ordered(&map.items, place, self.order).first() {
                    let comments = first.before.iter().filter(|line| **line != Line::Blank);
                    self.lines(&comments.cloned().collect::<Vec<_>>(), indent);
                }
                self.map(map, place, indent + 2, Some(&format!("{lead} ")));
            }
            _ => self.value(&item.node, place, indent, &lead, &comments),
        }
    }

    /// A list or map on one line, if it was on one and fits behind `used` columns.
    fn inline(&self, node: &Node, place: Place, used: usize) -> Option<String> {
        let may = match &node.content {
            Content::List(list) => list.inline,
            Content::Map(map) => map.inline,
            _ => true,
        };
        let text = may.then(|| self.flow_content(node, place))?;
        (used + 1 + text.width() <= WIDTH || text.len() <= 2).then_some(text)
    }

    fn flow(&self, node: &Node, place: Place) -> String {
        joined(&node.properties, &self.flow_content(node, place))
    }

    fn flow_content(&self, node: &Node, place: Place) -> String {
        match &node.content {
            Content::Alias(name) => name.clone(),
            Content::Scalar(scalar) => scalar::on_one_line(scalar, true),
            Content::List(list) => {
                let items: Vec<_> =
                    list.items.iter().map(|item| self.flow(&item.node, place.item())).collect();
                format!("[{}]", items.join(", "))
            }
            Content::Map(map) => {
                let pairs = ordered(&map.items, place, self.order);
                let pair = |pair: &Pair| {
                    let key = match &pair.key.content {
                        Content::Alias(name) => format!("{name} "),
                        _ => self.flow(&pair.key, Place::Other),
                    };
                    format!("{key}: {}", self.flow(&pair.value, place.below(name(pair))))
                };
                let pairs: Vec<_> = pairs.into_iter().map(pair).collect();
                if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
            }
        }
    }
}

/// Whether a scalar takes several lines.
fn is_long(scalar: &Scalar) -> bool {
    matches!(scalar.style, ScalarStyle::Literal | ScalarStyle::Folded) || scalar.raw.contains('\n')
}

fn joined(properties: &str, text: &str) -> String {
    match (properties.is_empty(), text.is_empty()) {
        (true, _) => text.to_owned(),
        (_, true) => properties.to_owned(),
        _ => format!("{properties} {text}"),
    }
}

fn spaced(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" {text}") }
}
