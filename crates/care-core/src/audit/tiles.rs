//! The log in tiles: where each tile stands, and proofs from tiles alone.
//!
//! A tile holds up to 256 neighbouring hashes of one level; level 0 are the leaves, and one hash of
//! a level above stands for a full tile below. Reads and writes nothing itself: whoever keeps tiles
//! hands them in. Source: C2SP tlog-tiles.

use std::collections::HashMap;

use super::tree::{Hash, node_hash};

/// Hashes of a full tile, and entries of a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// Levels of the tree inside one tile.
const TILE_HEIGHT: u32 = 8;

/// One tile of hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// 0 holds leaves.
    pub level: u8,
    /// Its place in the level, from 0.
    pub index: u64,
    /// Hashes in it: 1 to 256.
    pub width: u64,
}

impl Tile {
    /// Its address under the log's prefix: `tile/0/x001/x234/067`, a partial one with `.p/112`.
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, place(self.index, self.width))
    }

    /// The first leaf under it.
    pub fn first_leaf(&self) -> u64 {
        self.index << (TILE_HEIGHT * (u32::from(self.level) + 1))
    }
}

/// The address of a bundle of entries: `tile/entries/x001/x234/067`, a partial one with `.p/112`.
pub fn bundle_path(index: u64, width: u64) -> String {
    format!("tile/entries/{}", place(index, width))
}

fn place(index: u64, width: u64) -> String {
    let mut groups = Vec::new();
    let mut rest = index;
    loop {
        groups.push(rest % 1000);
        rest /= 1000;
        if rest == 0 {
            break;
        }
    }
    let last = groups.len() - 1;
    let mut text = String::new();
    for (place, group) in groups.iter().rev().enumerate() {
        if place < last {
            text.push_str(&format!("x{group:03}/"));
        } else {
            text.push_str(&format!("{group:03}"));
        }
    }
    if width < TILE_WIDTH {
        text.push_str(&format!(".p/{width}"));
    }
    text
}

/// Every tile a tree of this size has, which one of `before` leaves had not.
pub fn new_tiles(before: u64, size: u64) -> Vec<Tile> {
    let mut tiles = Vec::new();
    let (mut old, mut new) = (before, size);
    for level in 0..8 {
        if new == 0 {
            break;
        }
        let first = old / TILE_WIDTH;
        for index in first..new.div_ceil(TILE_WIDTH) {
            let width = (new - index * TILE_WIDTH).min(TILE_WIDTH);
            let had = old.saturating_sub(index * TILE_WIDTH).min(TILE_WIDTH);
            if width > had {
                tiles.push(Tile {
                    level,
                    index,
                    width,
                });
            }
        }
        old /= TILE_WIDTH;
        new /= TILE_WIDTH;
    }
    tiles
}

/// The hash over a full row of neighbours, whose number is a power of two.
pub fn fold(hashes: &[Hash]) -> Option<Hash> {
    match hashes {
        [] => None,
        [one] => Some(*one),
        _ if !hashes.len().is_power_of_two() => None,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            Some(node_hash(&fold(left)?, &fold(right)?))
        }
    }
}

/// Reads tiles of a tree of one size, each once, and proves from them.
pub struct TileReader<F> {
    size: u64,
    read: F,
    seen: HashMap<(u8, u64), Vec<Hash>>,
}

impl<F: FnMut(Tile) -> Option<Vec<Hash>>> TileReader<F> {
    /// `read` gives a tile's hashes, at least as many as its width, or nothing where it is not held.
    pub fn new(size: u64, read: F) -> Self {
        Self {
            size,
            read,
            seen: HashMap::new(),
        }
    }

    fn hashes(&mut self, level: u8, index: u64) -> Option<&[Hash]> {
        if !self.seen.contains_key(&(level, index)) {
            let held = self.size >> (TILE_HEIGHT * u32::from(level));
            let width = held.checked_sub(index * TILE_WIDTH)?.min(TILE_WIDTH);
            if width == 0 {
                return None;
            }
            let mut hashes = (self.read)(Tile {
                level,
                index,
                width,
            })?;
            if (hashes.len() as u64) < width {
                return None;
            }
            hashes.truncate(width as usize);
            self.seen.insert((level, index), hashes);
        }
        self.seen.get(&(level, index)).map(Vec::as_slice)
    }

    /// The hash of a leaf as the tiles have it.
    pub fn leaf(&mut self, number: u64) -> Option<Hash> {
        self.over(number, number + 1)
    }

    /// The root over the leaves `from..to`.
    fn over(&mut self, from: u64, to: u64) -> Option<Hash> {
        let count = to.checked_sub(from)?;
        if count == 0 {
            return None;
        }
        if count.is_power_of_two() && from.is_multiple_of(count) {
            let high = count.trailing_zeros();
            let level = high / TILE_HEIGHT;
            let first = from >> (TILE_HEIGHT * level);
            let within = (first % TILE_WIDTH) as usize;
            let many = 1usize << (high % TILE_HEIGHT);
            let hashes = self.hashes(level as u8, first / TILE_WIDTH)?;
            return fold(hashes.get(within..within + many)?);
        }
        let middle = from + split(count);
        let left = self.over(from, middle)?;
        let right = self.over(middle, to)?;
        Some(node_hash(&left, &right))
    }

    /// The root of the tree of this size, or of a smaller one it began as.
    pub fn root(&mut self, size: u64) -> Option<Hash> {
        self.over(0, size)
    }

    /// The proof that a leaf is in the tree: see `inclusion_proof`.
    pub fn inclusion(&mut self, number: u64) -> Option<Vec<Hash>> {
        let (mut from, mut to) = (0, self.size);
        if number >= to {
            return None;
        }
        let mut path = Vec::new();
        while to - from > 1 {
            let middle = from + split(to - from);
            if number < middle {
                path.push(self.over(middle, to)?);
                to = middle;
            } else {
                path.push(self.over(from, middle)?);
                from = middle;
            }
        }
        path.reverse();
        Some(path)
    }

    /// The proof that a tree of `old` leaves is the beginning of this one: see `consistency_proof`.
    pub fn consistency(&mut self, old: u64) -> Option<Vec<Hash>> {
        if old == 0 || old > self.size {
            return None;
        }
        let (mut from, mut to, mut whole) = (0, self.size, true);
        let mut path = Vec::new();
        while old != to {
            let middle = from + split(to - from);
            if old <= middle {
                path.push(self.over(middle, to)?);
                to = middle;
            } else {
                path.push(self.over(from, middle)?);
                from = middle;
                whole = false;
            }
        }
        if !whole {
            path.push(self.over(from, to)?);
        }
        path.reverse();
        Some(path)
    }
}

/// The largest power of two smaller than `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{consistency_proof, inclusion_proof, leaf_hash, root};

    #[test]
    fn tiles_stand_where_the_specification_puts_them() {
        let path = |level, index, width| {
            Tile {
                level,
                index,
                width,
            }
            .path()
        };
        assert_eq!(path(0, 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(path(1, 0, 17), "tile/1/000.p/17");
        assert_eq!(bundle_path(273, 112), "tile/entries/273.p/112");
        assert_eq!(bundle_path(1000, 256), "tile/entries/x001/000");
        // The example of the specification: 70,000 leaves.
        let tiles = new_tiles(0, 70_000);
        let full = |level| {
            let of = |tile: &&Tile| tile.level == level && tile.width == 256;
            tiles.iter().filter(of).count()
        };
        assert_eq!((full(0), full(1), full(2)), (273, 1, 0));
        let partial: Vec<u64> = tiles
            .iter()
            .map(|tile| tile.width)
            .filter(|w| *w < 256)
            .collect();
        assert_eq!(partial, [112, 17, 1]);
        assert_eq!(
            new_tiles(0, 256).iter().map(Tile::path).collect::<Vec<_>>(),
            ["tile/0/000", "tile/1/000.p/1"]
        );
        assert_eq!(new_tiles(255, 255), []);
        assert_eq!(
            new_tiles(255, 257)
                .iter()
                .map(Tile::path)
                .collect::<Vec<_>>(),
            ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"]
        );
    }

    /// The tiles of a tree, from the definition.
    fn held(leaves: &[Hash]) -> HashMap<(u8, u64), Vec<Hash>> {
        let mut all = HashMap::new();
        let mut row = leaves.to_vec();
        for level in 0..4 {
            for (index, chunk) in row.chunks(256).enumerate() {
                all.insert((level, index as u64), chunk.to_vec());
            }
            row = row
                .chunks_exact(256)
                .map(|chunk| fold(chunk).expect("full"))
                .collect();
        }
        all
    }

    #[test]
    fn proofs_from_tiles_are_the_proofs_from_leaves() {
        let leaves: Vec<Hash> = (0..70_000u32)
            .map(|n| leaf_hash(&n.to_be_bytes()))
            .collect();
        for size in [
            1, 2, 3, 255, 256, 257, 300, 511, 512, 513, 65_536, 65_537, 70_000,
        ] {
            let now = &leaves[..size];
            let tiles = held(now);
            let mut reader = TileReader::new(size as u64, |tile: Tile| {
                tiles.get(&(tile.level, tile.index)).cloned()
            });
            assert_eq!(reader.root(size as u64), Some(root(now)), "{size}");
            for number in [0, 1, size / 2, size.saturating_sub(2), size - 1] {
                let number = number as u64;
                assert_eq!(
                    reader.inclusion(number),
                    inclusion_proof(now, number),
                    "{number} of {size}"
                );
                assert_eq!(
                    reader.consistency(number),
                    consistency_proof(now, number),
                    "{number} before {size}"
                );
            }
            assert_eq!(reader.inclusion(size as u64), None);
            assert_eq!(reader.consistency(size as u64), Some(Vec::new()));
        }
    }
}
