//! Cuts a JSON list into its elements while it arrives.

use memchr::memchr2;

use crate::sse::EVENT_BYTES_MAX;

/// An element is longer than [`EVENT_BYTES_MAX`].
#[derive(Debug)]
pub(super) struct ElementTooLong;

/// Yields the objects and lists that a top-level list holds. Other elements are passed over.
#[derive(Clone, Debug, Default)]
pub(super) struct ArraySplitter {
    /// Open brackets, the outer list's included.
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The part of an element that came with earlier pieces.
    held: Vec<u8>,
}

impl ArraySplitter {
    /// Takes the next bytes and hands each element that they complete to `found`.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        mut found: impl FnMut(&[u8]),
    ) -> Result<(), ElementTooLong> {
        // Where the element at hand begins in `bytes`; 0 when it began earlier.
        let mut start = if self.depth > 1 { Some(0) } else { None };
        let mut at = 0;
        while let Some(byte) = bytes.get(at).copied() {
            if self.in_string {
                at = self.skip_string(bytes, at);
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    if self.depth == 1 {
                        start = Some(at);
                    }
                    self.depth = self.depth.saturating_add(1);
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 1 {
                        let piece = start.take().and_then(|it| bytes.get(it..=at));
                        self.complete(piece.unwrap_or_default(), &mut found)?;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        match start.and_then(|it| bytes.get(it..)) {
            Some(rest) => self.hold(rest),
            None => Ok(()),
        }
    }

    /// Passes over a string's bytes; returns the place after them.
    fn skip_string(&mut self, bytes: &[u8], at: usize) -> usize {
        if std::mem::take(&mut self.escaped) {
            return at + 1;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(length) = memchr2(b'"', b'\\', rest) else { return bytes.len() };
        if rest.get(length) == Some(&b'"') {
            self.in_string = false;
        } else {
            self.escaped = true;
        }
        at + length + 1
    }

    fn complete(
        &mut self,
        piece: &[u8],
        found: &mut impl FnMut(&[u8]),
    ) -> Result<(), ElementTooLong> {
        if self.held.is_empty() {
            if piece.len() > EVENT_BYTES_MAX {
                return Err(ElementTooLong);
            }
            found(piece);
        } else {
            self.hold(piece)?;
            found(&self.held);
            self.held.clear();
        }
        Ok(())
    }

    fn hold(&mut self, piece: &[u8]) -> Result<(), ElementTooLong> {
        if self.held.len().saturating_add(piece.len()) > EVENT_BYTES_MAX {
            return Err(ElementTooLong);
        }
        self.held.extend_from_slice(piece);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_elements_wherever_the_pieces_are_cut() {
        let list = br#" [{"a":"]}\"\\"} ,
            [1,{"b":2}], 7, "x", {"c":{"d":[]}}] "#;
        let expected: [&[u8]; 3] = [br#"{"a":"]}\"\\"}"#, br#"[1,{"b":2}]"#, br#"{"c":{"d":[]}}"#];
        for cut in 0..=list.len() {
            let mut found = Vec::new();
            let mut splitter = ArraySplitter::default();
            let (left, right) = list.split_at(cut);
            for piece in [left, right] {
                splitter.push(piece, |it| found.push(it.to_vec())).unwrap();
            }
            assert_eq!(found, expected, "cut at {cut}");
        }
    }
}
