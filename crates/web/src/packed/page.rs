//! The built page in one file: what stands before and behind the record.

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};

use crate::assets;

/// The parts of the file around the record.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) head: String,
    pub(super) tail: String,
}

impl Page {
    /// The page with a title; `None` of a program that was built without it.
    pub(super) fn new(title: &str) -> Option<Self> {
        // In a module `<!--` is in a string, a template or a pattern, where the escape means the same.
        let script = assets::script()?.replace("</script", "<\\/script").replace("<!--", "\\x3c!--");
        let style = assets::style()?.replace("</style", "<\\/style");
        let policy = format!(
            "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'",
            hash(&script),
            hash(&style)
        );
        let title = escaped(&roboppi_untrusted::words(title));
        let head = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1, viewport-fit=cover\">\n\
             <meta name=\"color-scheme\" content=\"light dark\"><meta name=\"referrer\" content=\"no-referrer\">\n\
             <title>{title} · roboppi</title><style>{style}</style></head><body><div id=\"app\"></div>\n\
             <noscript>This page needs JavaScript.</noscript>\n\
             <script type=\"application/json\" id=\"roboppi-record\">"
        );
        let tail = format!("</script>\n<script type=\"module\">{script}</script></body></html>\n");
        Some(Self { head, tail })
    }

    /// Bytes of both parts.
    pub(super) fn len(&self) -> u64 {
        (self.head.len() + self.tail.len()) as u64
    }
}

/// The source of a policy that allows this text and no other one.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", BASE64.encode(&Sha256::digest(text)))
}

/// Text for an element or an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_a_title_is_text() {
        let page = Page::new("</title><script>x</script>\u{1b}[31m").unwrap();
        assert!(
            page.head.contains("<title>&lt;/title&gt;&lt;script&gt;x&lt;/script&gt;"),
            "{:.200}",
            page.head
        );
        let all = format!("{}{{}}{}", page.head, page.tail);
        assert_eq!(all.matches("</script>").count(), 2);
        assert_eq!((all.matches("</style>").count(), all.matches("<!--").count()), (1, 0));
        assert!(!page.head.contains('\u{1b}'));
    }
}
