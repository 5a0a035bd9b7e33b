//! Bodies at rest: compressed with a dictionary per kind, with a digest that every read checks.
//!
//! Compression runs on the thread of the caller, never on the writer's. A body that does not match
//! its digest is an error, never bytes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest as _, Sha256};
use zstd::zstd_safe::{CCtx, CDict, DCtx, DDict};

use super::StoreError;

/// Stored as it is.
pub(super) const PLAIN: i64 = 0;
/// Compressed without a dictionary.
pub(super) const ZSTD: i64 = 1;
/// The kind number of deliveries in the dictionary table.
pub(crate) const DELIVERY_KIND: u16 = u16::MAX;
/// The kind number of audit entries in the dictionary table.
pub(crate) const ENTRY_KIND: u16 = u16::MAX - 1;

/// Bodies shorter than this are not worth compressing.
const WORTH_COMPRESSING: usize = 64;
/// The greatest body that is read back; a longer length can only be damage.
const GREATEST_BODY: usize = 256 << 20;
/// Fast: the time per message matters more than the last bytes.
const LEVEL: i32 = 1;

/// A body ready to be stored.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    /// [`PLAIN`], [`ZSTD`] or a dictionary's number.
    pub form: i64,
    /// Length before compression.
    pub bytes: i64,
    pub body: Vec<u8>,
}

/// The first 16 bytes of SHA-256.
pub(super) fn digest(plain: &[u8]) -> [u8; 16] {
    let whole = Sha256::digest(plain);
    let mut first = [0; 16];
    first.copy_from_slice(&whole[..16]);
    first
}

#[derive(Default)]
struct Dictionaries {
    newest: HashMap<u16, (i64, Arc<CDict<'static>>)>,
    all: HashMap<i64, Arc<DDict<'static>>>,
}

/// Compresses and decompresses with the dictionaries it was given.
#[derive(Default)]
pub(crate) struct Codec {
    dictionaries: RwLock<Arc<Dictionaries>>,
}

thread_local! {
    static COMPRESS: RefCell<CCtx<'static>> = RefCell::new(CCtx::create());
    static DECOMPRESS: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

impl Codec {
    /// Adds a dictionary; the one with the greatest number per kind is used for new bodies.
    pub fn add(&self, number: i64, kind: u16, content: &[u8]) {
        let mut held = self
            .dictionaries
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut next = Dictionaries {
            newest: held.newest.clone(),
            all: held.all.clone(),
        };
        next.all.insert(number, Arc::new(DDict::create(content)));
        if next
            .newest
            .get(&kind)
            .is_none_or(|(held, _)| *held < number)
        {
            let encoder = Arc::new(CDict::create(content, LEVEL));
            next.newest.insert(kind, (number, encoder));
        }
        *held = Arc::new(next);
    }

    fn held(&self) -> Arc<Dictionaries> {
        self.dictionaries
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether this kind has a dictionary.
    pub fn has_dictionary(&self, kind: u16) -> bool {
        self.held().newest.contains_key(&kind)
    }

    /// Compresses where that makes the body smaller.
    pub fn pack(&self, kind: u16, plain: &[u8]) -> Packed {
        let bytes = i64::try_from(plain.len()).unwrap_or(i64::MAX);
        if plain.len() >= WORTH_COMPRESSING {
            let held = self.held();
            let dictionary = held.newest.get(&kind);
            let mut body = Vec::with_capacity(zstd::zstd_safe::compress_bound(plain.len()));
            let done = COMPRESS.with_borrow_mut(|context| match dictionary {
                Some((_, encoder)) => context.compress_using_cdict(&mut body, plain, encoder),
                None => context.compress(&mut body, plain, LEVEL),
            });
            if done.is_ok() && body.len() < plain.len() {
                body.shrink_to_fit();
                let form = dictionary.map_or(ZSTD, |(number, _)| *number);
                return Packed { form, bytes, body };
            }
        }
        Packed {
            form: PLAIN,
            bytes,
            body: plain.to_vec(),
        }
    }

    /// The plain body. Whether it is the right one is for [`Codec::checked`] or another digest to say.
    pub fn unpack(&self, form: i64, bytes: i64, body: &[u8]) -> Result<Vec<u8>, StoreError> {
        let length = usize::try_from(bytes).map_err(|_| StoreError::Corrupt)?;
        if form == PLAIN {
            return (body.len() == length)
                .then(|| body.to_vec())
                .ok_or(StoreError::Corrupt);
        }
        if length > GREATEST_BODY {
            return Err(StoreError::Corrupt);
        }
        let mut plain = Vec::with_capacity(length);
        let held = self.held();
        let done = DECOMPRESS.with_borrow_mut(|context| {
            if form == ZSTD {
                return context.decompress(&mut plain, body).ok();
            }
            let dictionary = held.all.get(&form)?;
            context
                .decompress_using_ddict(&mut plain, body, dictionary)
                .ok()
        });
        match done {
            Some(_) if plain.len() == length => Ok(plain),
            _ => Err(StoreError::Corrupt),
        }
    }

    /// The plain body, once its digest was compared.
    pub fn checked(
        &self,
        form: i64,
        bytes: i64,
        body: &[u8],
        expected: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let plain = self.unpack(form, bytes, body)?;
        if digest(&plain) == expected {
            Ok(plain)
        } else {
            Err(StoreError::Corrupt)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(number: usize) -> Vec<u8> {
        format!(
            "{{\"resourceType\":\"Observation\",\"id\":\"{number:013}\",\"status\":\"final\",\
             \"code\":{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"{}\"}}]}}}}",
            number * 7919
        )
        .into_bytes()
    }

    #[test]
    fn what_was_packed_unpacks_with_and_without_a_dictionary() {
        let codec = Codec::default();
        let before = codec.pack(1, &sample(1));
        let samples: Vec<_> = (0..500).map(sample).collect();
        let dictionary = zstd::dict::from_samples(&samples, 4096).expect("trains");
        codec.add(2, 1, &dictionary);
        let after = codec.pack(1, &sample(1));
        assert!(after.body.len() < before.body.len());
        for packed in [before, after, codec.pack(1, b"short")] {
            let plain = codec
                .unpack(packed.form, packed.bytes, &packed.body)
                .expect("unpacks");
            assert!(plain == sample(1) || plain == b"short");
        }
    }

    #[test]
    fn every_flipped_bit_is_found_and_never_becomes_other_bytes() {
        let codec = Codec::default();
        let plain = sample(3);
        let expected = digest(&plain);
        let packed = codec.pack(1, &plain);
        for place in 0..packed.body.len() {
            for bit in 0..8 {
                let mut damaged = packed.body.clone();
                damaged[place] ^= 1 << bit;
                // A bit that zstd does not use may change nothing; then the bytes are still right.
                if let Ok(read) = codec.checked(packed.form, packed.bytes, &damaged, &expected) {
                    assert_eq!(read, plain);
                }
            }
        }
        assert!(
            codec
                .checked(99, packed.bytes, &packed.body, &expected)
                .is_err()
        );
    }
}
