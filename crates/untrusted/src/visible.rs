//! Which characters of texts of others are shown.

/// Whether a character may be shown. Controls may not, nor may what reorders text (bidirectional controls), hides in
/// it (zero-width characters, tags) or breaks lines. Joiners and variation selectors stay: scripts and emoji need them.
#[must_use]
#[inline]
pub const fn is_visible(char: char) -> bool {
    !matches!(char,
        '\0'..='\x1f'
        | '\x7f'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'
        | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}
