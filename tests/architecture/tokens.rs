//! Reads Rust as a row of tokens: enough to find names, paths, bodies and texts, and no more.

/// A word, a mark or a literal of a source file. Comments are no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) kind: Kind,
    /// From 1.
    pub(crate) line: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name, a keyword or a number.
    Word,
    /// `::`, or one other character.
    Mark,
    /// A string literal, with its quotes.
    Text,
}

impl Token<'_> {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Text && self.text == text
    }
}

pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let (kind, len) = next_token(rest, first);
        let text = &rest[..len];
        if let Some(kind) = kind {
            found.push(Token { text, kind, line });
        }
        line += text.matches('\n').count();
        rest = &rest[len..];
    }
    found
}

/// The kind of what `rest` begins with, and its length in bytes; no kind for what is left out.
fn next_token(rest: &str, first: char) -> (Option<Kind>, usize) {
    if rest.starts_with("//") {
        (None, rest.find('\n').unwrap_or(rest.len()))
    } else if rest.starts_with("/*") {
        (None, block_comment(rest))
    } else if let Some(len) = raw_string(rest) {
        (Some(Kind::Text), len)
    } else if rest.starts_with("b\"") || rest.starts_with("c\"") {
        (Some(Kind::Text), 1 + quoted(&rest[1..], '"').unwrap_or(rest.len() - 1))
    } else if first == '"' {
        (Some(Kind::Text), quoted(rest, '"').unwrap_or(rest.len()))
    } else if first == '\'' {
        (None, character(rest))
    } else if is_word(first) {
        (Some(Kind::Word), rest.find(|c| !is_word(c)).unwrap_or(rest.len()))
    } else if rest.starts_with("::") {
        (Some(Kind::Mark), 2)
    } else {
        ((!first.is_whitespace()).then_some(Kind::Mark), first.len_utf8())
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            match rest[at..].chars().next() {
                Some(c) => at += c.len_utf8(),
                None => return at,
            }
        }
        if depth == 0 {
            return at;
        }
    }
}

/// The length of `r"…"`, `br#"…"#` and the like.
fn raw_string(rest: &str) -> Option<usize> {
    let marked = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = marked.len() - marked.trim_start_matches('#').len();
    let inside = marked[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let len = inside.find(&end)? + end.len();
    Some(rest.len() - inside.len() + len)
}

/// The length of a literal between two `quote`s.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    rest.char_indices().skip(1).find_map(|(at, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at + 1)
    })
}

/// The length of a character literal, or of a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    let (_, first) = chars.next().unwrap_or((1, ' '));
    let closes = chars.next().is_some_and(|(_, c)| c == '\'');
    if first == '\\' || closes {
        quoted(rest, '\'').unwrap_or(1)
    } else {
        rest[1..].find(|c| !is_word(c)).map_or(rest.len(), |len| len + 1)
    }
}

/// What is left without items that are compiled for tests alone.
pub(crate) fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut left = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let ahead = &tokens[at..];
        if ahead.len() > MARK.len() && ahead.iter().zip(MARK).all(|(token, mark)| token.is(mark)) {
            at += MARK.len();
            at += item_len(&tokens[at..]);
        } else {
            left.push(tokens[at]);
            at += 1;
        }
    }
    left
}

/// How many tokens the item has that `tokens` begin with: up to its `;`, or to the end of its body.
fn item_len(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_usize;
    let mut in_attribute = false;
    for (at, token) in tokens.iter().enumerate() {
        if depth == 0 && token.is("#") {
            in_attribute = true;
        }
        match token.text {
            "(" | "[" | "{" if token.kind == Kind::Mark => depth += 1,
            ")" | "]" | "}" if token.kind == Kind::Mark => {
                depth = depth.saturating_sub(1);
                if depth == 0 && token.is("}") {
                    return at + 1;
                }
                in_attribute &= depth > 0;
            }
            ";" if depth == 0 && !in_attribute && token.kind == Kind::Mark => return at + 1,
            // A field or a variant.
            "," if depth == 0 && token.kind == Kind::Mark => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// The place after the bracket that closes the one at `open`.
pub(crate) fn after_closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.kind == Kind::Mark {
            match token.text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

#[test]
fn tokens_are_found() {
    let source = "fn a<'b>(c: &'b str) { // no\n  x::y('\"', \"two \\\" words\", r#\"raw \"x\"\"#, '\\'') }";
    let texts: Vec<_> = tokens(source).into_iter().map(|token| token.text).collect();
    assert_eq!(
        texts.join(" "),
        "fn a < > ( c : & str ) { x :: y ( , \"two \\\" words\" , r#\"raw \"x\"\"# , ) }"
    );
    assert_eq!(tokens("a\n/* b\n */ c").last().map(|token| token.line), Some(3));
    let left = without_tests(&tokens("use a; #[cfg(test)] mod tests { x } #[cfg(test)] mod t; fn b() {}"));
    let left: Vec<_> = left.into_iter().map(|token| token.text).collect();
    assert_eq!(left.join(" "), "use a ; fn b ( ) { }");
}
