//! Output that a person was shown, compared with what a later attempt writes: shown once, and never counted only.
//!
//! Of each stream the digests of whole blocks are kept, and the bytes after the last of them. A later attempt's bytes
//! are dropped while they are the same; from the first difference on they are shown. Positions of differences are
//! exact after the last whole block, and else that of the block.

use mutual_protocol::Digest;

/// Bytes under one digest: of the most that a guest may write (16 GiB), 8 MiB of digests are kept.
const BLOCK_BYTES: usize = 64 << 10;

/// One stream of a run.
#[derive(Debug, Default)]
pub(in super::super) struct Stream {
    /// What was shown, whole blocks.
    blocks: Vec<Digest>,
    /// What was shown after them.
    tail: Vec<u8>,
    /// Where the present attempt is, when it has not yet written more than was shown.
    repeat: Option<Repeat>,
}

/// A later attempt's place in what was shown.
#[derive(Debug, Default)]
struct Repeat {
    /// Whole blocks that were the same.
    blocks: usize,
    /// Bytes after them that are not decided upon.
    held: Vec<u8>,
}

/// What follows from bytes of an attempt.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Passed {
    /// The first byte that is not what was shown, when there is one now.
    pub(in super::super) diverged_at: Option<u64>,
    /// To be shown.
    pub(in super::super) show: Vec<u8>,
}

impl Stream {
    /// A later attempt writes from the beginning.
    pub(in super::super) fn restart(&mut self) {
        let was_shown = !self.blocks.is_empty() || !self.tail.is_empty();
        self.repeat = was_shown.then(Repeat::default);
    }

    /// The attempt wrote.
    pub(in super::super) fn pass(&mut self, bytes: Vec<u8>) -> Passed {
        let Some(repeat) = &mut self.repeat else {
            self.keep(&bytes);
            return Passed {
                diverged_at: None,
                show: bytes,
            };
        };
        repeat.held.extend(bytes);
        while let Some(digest) = self.blocks.get(repeat.blocks) {
            let Some(block) = repeat.held.get(..BLOCK_BYTES) else {
                return Passed::default();
            };
            if Digest::of(block) != *digest {
                return self.diverge(0);
            }
            repeat.held.drain(..BLOCK_BYTES);
            repeat.blocks += 1;
        }
        let same = common(&repeat.held, &self.tail);
        if same < self.tail.len().min(repeat.held.len()) {
            return self.diverge(same);
        }
        if same < self.tail.len() {
            return Passed::default();
        }
        let show = repeat.held.split_off(same);
        self.repeat = None;
        self.keep(&show);
        Passed {
            diverged_at: None,
            show,
        }
    }

    /// The attempt came to its end. One that wrote less than was shown is another one.
    pub(in super::super) fn finish(&mut self) -> Passed {
        let Some(repeat) = &self.repeat else {
            return Passed::default();
        };
        let is_in_tail = repeat.blocks == self.blocks.len();
        let same = if is_in_tail { repeat.held.len() } else { 0 };
        self.diverge(same)
    }

    /// `same` bytes of what is held were shown; the others are different.
    fn diverge(&mut self, same: usize) -> Passed {
        let Some(Repeat { blocks, mut held }) = self.repeat.take() else {
            return Passed::default();
        };
        let show = held.split_off(same.min(held.len()));
        let at = blocks as u64 * BLOCK_BYTES as u64 + held.len() as u64;
        self.blocks.truncate(blocks);
        self.tail = held;
        self.keep(&show);
        Passed {
            diverged_at: Some(at),
            show,
        }
    }

    fn keep(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = BLOCK_BYTES.saturating_sub(self.tail.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.tail.extend_from_slice(now);
            bytes = later;
            if self.tail.len() == BLOCK_BYTES {
                self.blocks.push(Digest::of(&self.tail));
                self.tail.clear();
            }
        }
    }
}

fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(length: usize) -> Vec<u8> {
        (0..=250).cycle().take(length).collect()
    }

    /// Passes `bytes` in parts; gives all that is shown, and where it differs.
    fn pass(stream: &mut Stream, bytes: &[u8], part: usize) -> (Vec<u8>, Option<u64>) {
        let (mut shown, mut at) = (Vec::new(), None);
        for part in bytes.chunks(part) {
            let passed = stream.pass(part.to_vec());
            shown.extend(passed.show);
            at = at.or(passed.diverged_at);
        }
        let last = stream.finish();
        shown.extend(last.show);
        (shown, at.or(last.diverged_at))
    }

    fn shown(length: usize) -> Stream {
        let mut stream = Stream::default();
        assert_eq!(pass(&mut stream, &text(length), 7777), (text(length), None));
        stream.restart();
        stream
    }

    #[test]
    fn the_same_bytes_are_shown_once_however_they_are_cut() {
        for before in [1, 100, BLOCK_BYTES - 1, BLOCK_BYTES, 3 * BLOCK_BYTES + 5] {
            for part in [1009, BLOCK_BYTES, 5 * BLOCK_BYTES] {
                let after = text(before + 1234);
                let (more, at) = pass(&mut shown(before), &after, part);
                assert_eq!(at, None, "{before} {part}");
                assert_eq!(more, after[before..], "{before} {part}");
            }
            assert_eq!(pass(&mut shown(before), &text(before), 999), (vec![], None));
        }
    }

    #[test]
    fn the_first_difference_is_found_and_what_follows_is_shown() {
        let block = BLOCK_BYTES as u64;
        for (before, wrong, expected) in [
            (100, 0, 0),
            (100, 42, 42),
            (BLOCK_BYTES + 100, BLOCK_BYTES + 7, block + 7),
            (BLOCK_BYTES + 100, 77, 0),
            (3 * BLOCK_BYTES, 2 * BLOCK_BYTES + 5, 2 * block),
        ] {
            let mut other = text(before + 10);
            other[wrong] ^= 1;
            let (more, at) = pass(&mut shown(before), &other, 1000);
            assert_eq!(at, Some(expected), "{before} {wrong}");
            let from = usize::try_from(expected).unwrap();
            assert_eq!(more, other[from..], "{before} {wrong}");
        }
    }

    #[test]
    fn an_attempt_that_writes_less_is_another_one() {
        assert_eq!(pass(&mut shown(100), &text(60), 7), (vec![], Some(60)));
        assert_eq!(pass(&mut shown(100), &[], 7), (vec![], Some(0)));
        let less = text(BLOCK_BYTES + 3);
        let (more, at) = pass(&mut shown(2 * BLOCK_BYTES), &less, 1000);
        assert_eq!((more, at), (less[BLOCK_BYTES..].to_vec(), Some(65536)));
    }

    #[test]
    fn a_third_attempt_is_compared_with_the_second() {
        let mut stream = shown(100);
        let mut second = text(80);
        second[50] ^= 1;
        assert_eq!(pass(&mut stream, &second, 9).1, Some(50));
        stream.restart();
        assert_eq!(pass(&mut stream, &second, 11), (vec![], None));
    }
}
