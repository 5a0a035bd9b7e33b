//! MLLP frames: bytes to messages, in bounded memory.
//!
//! A frame is 0x0B, the message, 0x1C 0x0D. A missing last 0x0D is borne; anything between frames is
//! noted and skipped. A message over the limit is dropped as it arrives, and said so once when it
//! ends, so that its sender can be answered. Source: HL7 v2 implementation guide, Appendix C (MLLP).

/// The byte that begins a frame.
pub const START: u8 = 0x0b;
/// The byte that ends a message.
pub const END: u8 = 0x1c;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message, whole.
    Message(Vec<u8>),
    /// A message longer than the limit, which was dropped: its first bytes (with the header, if it
    /// had one), and how long it was.
    TooLong {
        /// The first bytes.
        begin: Vec<u8>,
        /// How many there were.
        bytes: u64,
    },
}

/// How much of a message that is too long is kept, to answer its sender.
const KEPT_BYTES: usize = 4096;

/// Takes bytes as they come and gives frames.
pub struct Deframer {
    limit: usize,
    place: Place,
    message: Vec<u8>,
    bytes: u64,
    /// Bytes outside frames since the last frame.
    junk: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Between,
    Inside,
    TooLong,
}

impl Deframer {
    /// A reader of messages of at most so many bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            place: Place::Between,
            message: Vec::new(),
            bytes: 0,
            junk: 0,
        }
    }

    /// Whether a frame has begun and not ended.
    pub fn inside(&self) -> bool {
        self.place != Place::Between
    }

    /// Bytes that stood outside frames, since last asked.
    pub fn take_junk(&mut self) -> u64 {
        std::mem::take(&mut self.junk)
    }

    /// Takes bytes; gives the frames they complete.
    pub fn take(&mut self, mut bytes: &[u8]) -> Vec<Frame> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            match self.place {
                Place::Between => {
                    let begin = bytes.iter().position(|byte| *byte == START);
                    let skipped = &bytes[..begin.unwrap_or(bytes.len())];
                    // Line ends between frames are ordinary: the 0x0D of the frame before, or its stand-in.
                    self.junk += skipped
                        .iter()
                        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
                        .count() as u64;
                    bytes = begin.map_or(&[], |begin| &bytes[begin + 1..]);
                    if begin.is_some() {
                        self.place = Place::Inside;
                    }
                }
                Place::Inside | Place::TooLong => {
                    let end = bytes.iter().position(|byte| *byte == END);
                    self.keep(&bytes[..end.unwrap_or(bytes.len())]);
                    bytes = end.map_or(&[], |end| &bytes[end + 1..]);
                    if end.is_some() {
                        frames.push(self.finish());
                    }
                }
            }
        }
        frames
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if self.place == Place::Inside && self.bytes > self.limit as u64 {
            self.place = Place::TooLong;
            self.message
                .extend_from_slice(&bytes[..bytes.len().min(KEPT_BYTES)]);
            self.message.truncate(KEPT_BYTES);
            self.message.shrink_to_fit();
        } else if self.place == Place::Inside {
            self.message.extend_from_slice(bytes);
        }
    }

    fn finish(&mut self) -> Frame {
        let message = std::mem::take(&mut self.message);
        let bytes = std::mem::take(&mut self.bytes);
        let place = std::mem::replace(&mut self.place, Place::Between);
        match place {
            Place::TooLong => Frame::TooLong {
                begin: message,
                bytes,
            },
            _ => Frame::Message(message),
        }
    }
}

/// A message in its frame.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 3);
    out.push(START);
    out.extend_from_slice(message);
    out.extend_from_slice(&[END, b'\r']);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&[u8]], limit: usize) -> (Vec<Frame>, u64) {
        let mut deframer = Deframer::new(limit);
        let frames = chunks
            .iter()
            .flat_map(|chunk| deframer.take(chunk))
            .collect();
        (frames, deframer.take_junk())
    }

    #[test]
    fn frames_are_found_however_the_bytes_are_cut_up() {
        let stream = [framed(b"MSH|one\rPID|1"), framed(b"MSH|two")].concat();
        let expected = vec![
            Frame::Message(b"MSH|one\rPID|1".to_vec()),
            Frame::Message(b"MSH|two".to_vec()),
        ];
        for size in 1..=stream.len() {
            let chunks: Vec<&[u8]> = stream.chunks(size).collect();
            assert_eq!(
                read(&chunks, 1000),
                (expected_copy(&expected), 0),
                "cut into {size}"
            );
        }
    }

    fn expected_copy(frames: &[Frame]) -> Vec<Frame> {
        frames
            .iter()
            .map(|frame| match frame {
                Frame::Message(bytes) => Frame::Message(bytes.clone()),
                Frame::TooLong { begin, bytes } => Frame::TooLong {
                    begin: begin.clone(),
                    bytes: *bytes,
                },
            })
            .collect()
    }

    #[test]
    fn a_missing_last_return_is_borne_and_junk_is_counted() {
        let (frames, junk) = read(
            &[b"hello\x0bMSH|1\x1c\x0bMSH|2\x1c\nGET / HTTP/1.1\r\n\x0bMSH|3\x1c\r"],
            100,
        );
        assert_eq!(frames.len(), 3);
        assert_eq!(junk, 5 + 14);
    }

    #[test]
    fn a_message_that_is_too_long_is_dropped_in_bounded_memory_and_the_next_is_read() {
        let mut deframer = Deframer::new(10_000);
        let mut frames = deframer.take(b"\x0bMSH|^~\\&|");
        for _ in 0..1000 {
            frames.extend(deframer.take(&[b'x'; 4096]));
            assert!(deframer.message.capacity() < 40_000);
        }
        frames.extend(deframer.take(b"\x1c\r\x0bMSH|next\x1c\r"));
        assert!(
            matches!(&frames[0], Frame::TooLong { begin, bytes } if begin.starts_with(b"MSH|^~\\&|") && *bytes == 9 + 1000 * 4096)
        );
        assert_eq!(frames[1], Frame::Message(b"MSH|next".to_vec()));
    }
}
