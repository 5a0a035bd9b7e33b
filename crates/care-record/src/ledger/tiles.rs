//! The log as files that any tool can read and serve: C2SP tlog-tiles in a directory.
//!
//! Hash tiles say nothing of anybody and may go to a witness. Bundles hold the entries themselves,
//! names of staff and keys of people, so they stand only in a directory the operator chose for them.
//! Files are never changed once written; only `checkpoint` is replaced.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use care_core::audit::{Hash, LogVerifier, TILE_WIDTH, Tile, TileReader, bundle_path, fold};

use crate::store::{StoreError, Upkeep};

/// Leaves and entries read at once.
const PAGE: u32 = 5_120;
/// The newest signed state.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// The longest entry a bundle of the specification holds.
const LONGEST: usize = u16::MAX as usize;

/// Why tiles could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TilesError {
    #[error("{place} cannot be used; check the path, who may write there, and the space")]
    File {
        place: String,
        #[source]
        cause: io::Error,
    },
    #[error(
        "{place} holds other hashes than the log: one of them was changed; \
         run `connect-care audit verify`"
    )]
    Differs { place: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One directory of tiles, as far as it is written.
pub(super) struct Tiles {
    directory: PathBuf,
    verifier: LogVerifier,
    /// The entries too.
    entries: bool,
    /// Somebody else's directory: what stands there is compared and never replaced.
    witness: bool,
    place: Option<Place>,
}

/// How far it is written: full tiles stand on disk, the right edge here.
#[derive(Default)]
struct Place {
    size: u64,
    edge: Vec<Vec<Hash>>,
    bundle: Vec<Vec<u8>>,
}

impl Tiles {
    /// Hash tiles for ourselves: proofs are made from them.
    pub fn own(directory: &Path, verifier: &LogVerifier) -> Self {
        Self::new(directory, verifier, false, false)
    }

    /// Hash tiles for a witness.
    pub fn for_witness(directory: &Path, verifier: &LogVerifier) -> Self {
        Self::new(directory, verifier, false, true)
    }

    /// Hash tiles and bundles of entries, for a directory the operator chose.
    pub fn whole(directory: &Path, verifier: &LogVerifier) -> Self {
        Self::new(directory, verifier, true, false)
    }

    fn new(directory: &Path, verifier: &LogVerifier, entries: bool, witness: bool) -> Self {
        Self {
            directory: directory.to_owned(),
            verifier: verifier.clone(),
            entries,
            witness,
            place: None,
        }
    }

    /// Where they stand.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes what a signed state of this size needs and is not there yet, then the state itself.
    /// After a failure it begins again from what is on disk.
    pub fn publish(
        &mut self,
        engine: &dyn Upkeep,
        size: u64,
        note: &str,
    ) -> Result<(), TilesError> {
        let mut place = match self.place.take() {
            Some(place) => place,
            None => self.take_up()?,
        };
        if place.size > size {
            if self.witness {
                return Err(TilesError::Differs {
                    place: self.directory.display().to_string(),
                });
            }
            // An older copy of the record took the place of ours: its tiles are written anew.
            place = Place::default();
        }
        self.grow(engine, &mut place, size)?;
        self.replace(CHECKPOINT, note.as_bytes())?;
        self.place = Some(place);
        Ok(())
    }

    fn grow(&self, engine: &dyn Upkeep, place: &mut Place, size: u64) -> Result<(), TilesError> {
        if place.size == size {
            return Ok(());
        }
        while place.size < size {
            let limit = u32::try_from(size - place.size).unwrap_or(PAGE).min(PAGE);
            let leaves = engine.leaves(place.size, limit)?;
            let mut entries = if self.entries {
                engine.entries(place.size, limit)?
            } else {
                Vec::new()
            }
            .into_iter();
            if leaves.is_empty() {
                return Err(StoreError::Corrupt.into());
            }
            for (number, leaf) in leaves {
                let entry = entries.next();
                let fits = entry.as_ref().is_none_or(|(entry, _)| *entry == number);
                if number != place.size || !fits || (self.entries && entry.is_none()) {
                    return Err(StoreError::Corrupt.into());
                }
                if let Some((_, bytes)) = entry {
                    place.bundle.push(bytes);
                }
                self.push(place, leaf)?;
            }
        }
        for (level, row) in place
            .edge
            .iter()
            .enumerate()
            .filter(|(_, row)| !row.is_empty())
        {
            let tile = Tile {
                level: level as u8,
                index: (place.size >> (8 * level)) / TILE_WIDTH,
                width: row.len() as u64,
            };
            self.write(&tile.path(), &row.concat())?;
        }
        if !place.bundle.is_empty() {
            let width = place.bundle.len() as u64;
            write_bundle(
                &place.bundle,
                place.size / TILE_WIDTH,
                width,
                |path, bytes| self.write(path, bytes),
            )?;
        }
        Ok(())
    }

    /// Adds a leaf; tiles that are full now are written, and the partial ones before them go.
    fn push(&self, place: &mut Place, leaf: Hash) -> Result<(), TilesError> {
        let mut hash = leaf;
        let last = place.size;
        for level in 0..8_u8 {
            if place.edge.len() <= usize::from(level) {
                place.edge.push(Vec::new());
            }
            let Some(row) = place.edge.get_mut(usize::from(level)) else {
                break;
            };
            row.push(hash);
            if (row.len() as u64) < TILE_WIDTH {
                break;
            }
            let tile = Tile {
                level,
                index: (last >> (8 * u32::from(level))) / TILE_WIDTH,
                width: TILE_WIDTH,
            };
            self.write(&tile.path(), &row.concat())?;
            self.forget_partial(&tile.path());
            let Some(above) = fold(row) else { break };
            row.clear();
            hash = above;
        }
        if place.bundle.len() as u64 == TILE_WIDTH {
            let index = last / TILE_WIDTH;
            write_bundle(&place.bundle, index, TILE_WIDTH, |path, bytes| {
                self.write(path, bytes)
            })?;
            self.forget_partial(&bundle_path(index, TILE_WIDTH));
            place.bundle.clear();
        }
        place.size += 1;
        Ok(())
    }

    /// Partial tiles are of no use once the full one stands.
    fn forget_partial(&self, full: &str) {
        // A witness may forbid taking away; what stays does no harm.
        let _ = fs::remove_dir_all(self.directory.join(format!("{full}.p")));
    }

    /// Where the files on disk end, if they fit their own checkpoint; else the beginning.
    fn take_up(&self) -> Result<Place, TilesError> {
        let Ok(note) = fs::read_to_string(self.directory.join(CHECKPOINT)) else {
            return Ok(Place::default());
        };
        let Ok(checkpoint) = self.verifier.open(&note) else {
            return Ok(Place::default());
        };
        let size = checkpoint.size;
        let mut reader = reader(&self.directory, size);
        if size == 0 || reader.root(size) != Some(checkpoint.root) {
            return Ok(Place::default());
        }
        let mut place = Place {
            size,
            ..Place::default()
        };
        for level in 0..8_u8 {
            let held = size >> (8 * u32::from(level));
            let tile = Tile {
                level,
                index: held / TILE_WIDTH,
                width: held % TILE_WIDTH,
            };
            let row = if tile.width == 0 {
                Some(Vec::new())
            } else {
                read_tile(&self.directory, tile)
            };
            place.edge.push(row.unwrap_or_default());
        }
        if self.entries {
            let width = size % TILE_WIDTH;
            match read_bundle(&self.directory, size / TILE_WIDTH, width) {
                Some(bundle) => place.bundle = bundle,
                None => return Ok(Place::default()),
            }
        }
        Ok(place)
    }

    /// Writes a file that does not change again.
    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), TilesError> {
        let place = self.directory.join(path);
        if self.witness
            && let Ok(held) = fs::read(&place)
        {
            return if held == bytes {
                Ok(())
            } else {
                Err(TilesError::Differs {
                    place: place.display().to_string(),
                })
            };
        }
        self.replace(path, bytes)
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), TilesError> {
        put_file(&self.directory.join(path), bytes)
    }
}

/// Writes a file whole: nobody ever reads half of it.
pub(super) fn put_file(place: &Path, bytes: &[u8]) -> Result<(), TilesError> {
    let write = || {
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut beside = place.as_os_str().to_owned();
        beside.push(".new");
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        // The bytes can be computed again, so the file need not survive a power cut: `take_up` looks.
        drop(file);
        fs::rename(&beside, place)
    };
    write().map_err(|cause| TilesError::File {
        place: place.display().to_string(),
        cause,
    })
}

/// Writes a bundle: each entry behind its length in two bytes. Where one is longer than two bytes can
/// say, the bundle stands under `entries-long` instead, with four.
pub(super) fn write_bundle<E>(
    entries: &[Vec<u8>],
    index: u64,
    width: u64,
    mut write: impl FnMut(&str, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let long = entries.iter().any(|entry| entry.len() > LONGEST);
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| entry.len() + 4).sum());
    for entry in entries {
        let length = (entry.len() as u32).to_be_bytes();
        bytes.extend_from_slice(if long { &length } else { &length[2..] });
        bytes.extend_from_slice(entry);
    }
    let path = bundle_path(index, width);
    if long {
        write(&path.replacen("entries", "entries-long", 1), &bytes)
    } else {
        write(&path, &bytes)
    }
}

fn read_bundle(directory: &Path, index: u64, width: u64) -> Option<Vec<Vec<u8>>> {
    if width == 0 {
        return Some(Vec::new());
    }
    let path = bundle_path(index, width);
    let short = fs::read(directory.join(&path));
    let (bytes, head) = match short {
        Ok(bytes) => (bytes, 2),
        Err(_) => {
            let path = path.replacen("entries", "entries-long", 1);
            (fs::read(directory.join(path)).ok()?, 4)
        }
    };
    let mut entries = Vec::new();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (length, after) = rest.split_at_checked(head)?;
        let length = length
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let (entry, after) = after.split_at_checked(length)?;
        entries.push(entry.to_vec());
        rest = after;
    }
    (entries.len() as u64 == width).then_some(entries)
}

/// A tile from disk; a partial one may stand in its full one by now.
fn read_tile(directory: &Path, tile: Tile) -> Option<Vec<Hash>> {
    let full = Tile {
        width: TILE_WIDTH,
        ..tile
    };
    let bytes = fs::read(directory.join(tile.path()))
        .or_else(|_| fs::read(directory.join(full.path())))
        .ok()?;
    let (hashes, rest) = bytes.as_chunks::<32>();
    let fits = rest.is_empty() && hashes.len() as u64 >= tile.width;
    fits.then(|| hashes.iter().take(tile.width as usize).copied().collect())
}

/// Reads a directory of tiles as the tree of this size.
pub(super) fn reader(
    directory: &Path,
    size: u64,
) -> TileReader<impl FnMut(Tile) -> Option<Vec<Hash>> + use<>> {
    let directory = directory.to_owned();
    TileReader::new(size, move |tile| read_tile(&directory, tile))
}
