//! What MESH puts on the wire: chunks, each compressed by itself, and the headers that name them.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

/// Headers, in lower case as the network writes them.
pub mod header {
    pub const FROM: &str = "mex-from";
    pub const TO: &str = "mex-to";
    pub const WORKFLOW: &str = "mex-workflowid";
    pub const CHUNK_RANGE: &str = "mex-chunk-range";
    pub const TOTAL_CHUNKS: &str = "mex-total-chunks";
    pub const SUBJECT: &str = "mex-subject";
    pub const LOCAL_ID: &str = "mex-localid";
    pub const FILE_NAME: &str = "mex-filename";
    pub const MESSAGE_ID: &str = "mex-messageid";
    pub const MESSAGE_TYPE: &str = "mex-messagetype";
    pub const CHECKSUM: &str = "mex-content-checksum";
    pub const CONTENT_TYPE: &str = "mex-content-type";
    pub const STATUS_CODE: &str = "mex-statuscode";
    pub const STATUS_SUCCESS: &str = "mex-statussuccess";
    pub const STATUS_TIMESTAMP: &str = "mex-statustimestamp";
    pub const LINKED_MESSAGE: &str = "mex-linkedmsgid";
    pub const CLIENT_VERSION: &str = "mex-clientversion";
    pub const OS_NAME: &str = "mex-osname";
    pub const OS_VERSION: &str = "mex-osversion";
}

/// Bodies of version 2.
pub const VERSION_2: &str = "application/vnd.mesh.v2+json";

/// What is wrong with what came over the wire. Holds nothing of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A chunk does not decompress.
    #[error("a chunk is damaged: it does not decompress")]
    Gzip,
    /// It grew beyond the limit.
    #[error("a message is larger than the limit")]
    TooLarge,
    /// The chunks do not make a whole.
    #[error("the chunks do not make a whole message")]
    Chunks,
    /// The checksum is another.
    #[error("the checksum of the message does not fit")]
    Checksum,
    /// A control character in a header.
    #[error("a header holds a control character or is too long")]
    Header,
}

/// Compresses one chunk.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::fast());
    // A vector takes everything.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Decompresses one chunk, to `limit` bytes at most.
pub fn gunzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::new();
    let mut decoder = GzDecoder::new(bytes).take(limit as u64 + 1);
    decoder.read_to_end(&mut out).map_err(|_| WireError::Gzip)?;
    if out.len() > limit {
        return Err(WireError::TooLarge);
    }
    Ok(out)
}

/// Reads `n:total`; a message without the header is one chunk.
pub fn chunk_range(text: Option<&str>) -> Result<(u32, u32), WireError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok((1, 1));
    };
    let (place, total) = text.split_once(':').ok_or(WireError::Chunks)?;
    let read = |text: &str| text.trim().parse::<u32>().map_err(|_| WireError::Chunks);
    let (place, total) = (read(place)?, read(total)?);
    if place == 0 || place > total {
        return Err(WireError::Chunks);
    }
    Ok((place, total))
}

/// The checksum we send: SHA-256 as hex.
pub fn checksum(body: &[u8]) -> String {
    Sha256::digest(body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Checks a checksum of ours. The header is the sender's own affair, so one of another form says
/// nothing.
pub fn check(body: &[u8], given: Option<&str>) -> Result<(), WireError> {
    let ours = |text: &&str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    match given.map(str::trim).filter(ours) {
        Some(given) if !given.eq_ignore_ascii_case(&checksum(body)) => Err(WireError::Checksum),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_comes_back_as_it_was_and_a_bomb_or_a_damaged_one_is_refused() {
        let body = b"9990000107,\n".repeat(1000);
        let packed = gzip(&body);
        assert_eq!(gunzip(&packed, body.len()).expect("whole"), body);
        assert_eq!(gunzip(&packed, body.len() - 1), Err(WireError::TooLarge));
        assert_eq!(
            gunzip(&packed[..packed.len() - 9], 1 << 20),
            Err(WireError::Gzip)
        );
        assert_eq!(
            gunzip(&gzip(&vec![0; 50 << 20]), 1 << 20),
            Err(WireError::TooLarge)
        );
        assert_eq!(gunzip(b"not gzip", 100), Err(WireError::Gzip));
    }

    #[test]
    fn chunk_ranges_are_read_strictly() {
        assert_eq!(chunk_range(None), Ok((1, 1)));
        assert_eq!(chunk_range(Some("2:3")), Ok((2, 3)));
        for bad in ["0:1", "2:1", "1", "a:b", "1:2:3", "-1:2"] {
            assert_eq!(chunk_range(Some(bad)), Err(WireError::Chunks), "{bad}");
        }
    }

    #[test]
    fn our_checksum_is_checked_and_anothers_is_left_alone() {
        assert_eq!(check(b"body", Some(&checksum(b"body"))), Ok(()));
        assert_eq!(
            check(b"body", Some(&checksum(b"else"))),
            Err(WireError::Checksum)
        );
        assert_eq!(
            check(b"body", Some("b10a8db164e0754105b7a99be72e3fe5")),
            Ok(())
        );
        assert_eq!(check(b"body", None), Ok(()));
    }
}
