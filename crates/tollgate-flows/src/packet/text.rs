//! Bytes from strangers, made fit to show.

/// Cuts `text` to `max` characters, the last one an ellipsis where something was cut.
pub fn truncate_chars(text: &mut String, max: usize) {
    if text.len() <= max {
        return;
    }
    let mut ends = text.char_indices().map(|(at, _)| at).skip(max.saturating_sub(1));
    if let (Some(cut), Some(_)) = (ends.next(), ends.next()) {
        text.truncate(cut);
        text.push('…');
    }
}

/// Whether a character would change how the text around it is shown.
fn is_deceptive(it: char) -> bool {
    it.is_control()
        || matches!(it, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// At most `max` characters of `bytes` as text: broken UTF-8 becomes `�`, control and
/// direction-changing characters become `·`.
#[must_use]
pub fn readable(bytes: &[u8], max: usize) -> String {
    // Four bytes are the longest character: more cannot be needed.
    let enough = bytes.get(..max.saturating_add(1).saturating_mul(4)).unwrap_or(bytes);
    let text = String::from_utf8_lossy(enough);
    let mut shown: String =
        text.chars().map(|it| if is_deceptive(it) { '·' } else { it }).take(max + 1).collect();
    truncate_chars(&mut shown, max);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_characters_and_says_so() {
        let check = |text: &str, max, want: &str| {
            let mut text = text.to_owned();
            truncate_chars(&mut text, max);
            assert_eq!(text, want);
        };
        check("abc", 3, "abc");
        check("abcd", 3, "ab…");
        check("äöüß", 4, "äöüß");
        check("äöüßa", 4, "äöü…");
        check("", 0, "");
    }

    #[test]
    fn shows_no_control_characters() {
        assert_eq!(readable(b"a\x1b[31m\xff\xe2\x80\xaeb", 20), "a·[31m\u{fffd}·b");
        assert_eq!(readable(b"abcdef", 4), "abc…");
    }
}
