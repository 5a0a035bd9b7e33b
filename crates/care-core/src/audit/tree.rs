//! The Merkle tree over entries: hashes, the frontier that grows with the log, and proofs.
//!
//! Sources: RFC 6962 section 2.1 (hashes, proofs), RFC 9162 section 2.1 (their verification).
//! Written here rather than taken from a crate: two hundred lines, no dependency under the promise
//! that tampering is found, and the frontier can be stored beside each checkpoint.

use sha2::{Digest as _, Sha256};

/// A node of the tree.
pub type Hash = [u8; 32];

/// The hash of an entry's bytes as a leaf.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(entry)
        .finalize()
        .into()
}

/// The hash of two neighbours.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The right edge of a growing tree: the roots of its complete subtrees, largest first. Adding a
/// leaf and asking for the root are O(log n); nothing else of the tree is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Frontier {
    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        let mut bit = self.size;
        while bit & 1 == 1 {
            if let Some(left) = self.nodes.pop() {
                node = node_hash(&left, &node);
            }
            bit >>= 1;
        }
        self.nodes.push(node);
        self.size += 1;
    }

    /// The root of the tree; of an empty tree, the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut nodes = self.nodes.iter().rev();
        match nodes.next() {
            None => Sha256::digest([]).into(),
            Some(last) => nodes.fold(*last, |right, left| node_hash(left, &right)),
        }
    }

    /// The nodes one after the other, to be stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.nodes.concat()
    }

    /// What [`Frontier::to_bytes`] wrote for a tree of this size; `None` where the length does not fit.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (nodes, rest) = bytes.as_chunks::<32>();
        let fits = rest.is_empty() && nodes.len() == size.count_ones() as usize;
        fits.then(|| Self {
            size,
            nodes: nodes.to_vec(),
        })
    }
}

/// The root over these leaves.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// The largest power of two smaller than `size`.
fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// The neighbours that lead from a leaf to the root, lowest first; `None` where there is no such leaf.
pub fn inclusion_proof(leaves: &[Hash], number: u64) -> Option<Vec<Hash>> {
    let place = usize::try_from(number).ok()?;
    (place < leaves.len()).then(|| {
        let mut path = Vec::new();
        include(leaves, place, &mut path);
        path
    })
}

fn include(leaves: &[Hash], place: usize, path: &mut Vec<Hash>) {
    if leaves.len() <= 1 {
        return;
    }
    let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
    if place < left.len() {
        include(left, place, path);
        path.push(root(right));
    } else {
        include(right, place - left.len(), path);
        path.push(root(left));
    }
}

/// Whether a proof leads from this leaf, at this place, to this root.
pub fn verify_inclusion(leaf: &Hash, number: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if number >= size {
        return false;
    }
    let (mut place, mut last, mut node) = (number, size - 1, *leaf);
    for neighbour in proof {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            node = node_hash(neighbour, &node);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            node = node_hash(&node, neighbour);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && node == *root
}

/// The nodes that show that the first `old` leaves are still the beginning of the tree; `None` where
/// `old` is 0 or more than there are.
pub fn consistency_proof(leaves: &[Hash], old: u64) -> Option<Vec<Hash>> {
    let old = usize::try_from(old).ok()?;
    (old > 0 && old <= leaves.len()).then(|| {
        let mut path = Vec::new();
        consist(leaves, old, true, &mut path);
        path
    })
}

fn consist(leaves: &[Hash], old: usize, whole: bool, path: &mut Vec<Hash>) {
    if old == leaves.len() {
        if !whole {
            path.push(root(leaves));
        }
        return;
    }
    let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
    if old <= left.len() {
        consist(left, old, whole, path);
        path.push(root(right));
    } else {
        consist(right, old - left.len(), false, path);
        path.push(root(left));
    }
}

/// Whether a proof shows that the tree of the old size and root is the beginning of the new one.
pub fn verify_consistency(
    (old_size, old_root): (u64, &Hash),
    (new_size, new_root): (u64, &Hash),
    proof: &[Hash],
) -> bool {
    if old_size == 0 || old_size > new_size {
        return false;
    }
    if old_size == new_size {
        return proof.is_empty() && old_root == new_root;
    }
    let mut nodes = proof.iter();
    let first = if old_size.is_power_of_two() {
        old_root
    } else {
        match nodes.next() {
            Some(first) => first,
            None => return false,
        }
    };
    let (mut place, mut last) = (old_size - 1, new_size - 1);
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (*first, *first);
    for node in nodes {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            old = node_hash(node, &old);
            new = node_hash(node, &new);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, node);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && old == *old_root && new == *new_root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u8) -> Vec<Hash> {
        (0..count).map(|number| leaf_hash(&[number])).collect()
    }

    /// The definition of RFC 6962, 2.1, word by word.
    fn root_by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => *one,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
                node_hash(&root_by_definition(left), &root_by_definition(right))
            }
        }
    }

    #[test]
    fn the_growing_frontier_has_the_root_of_the_definition_and_survives_storage() {
        for count in 0..70 {
            let leaves = leaves(count);
            let mut frontier = Frontier::default();
            for leaf in &leaves {
                frontier.push(*leaf);
            }
            assert_eq!(
                frontier.root(),
                root_by_definition(&leaves),
                "{count} leaves"
            );
            let stored = Frontier::from_bytes(frontier.size(), &frontier.to_bytes());
            assert_eq!(stored, Some(frontier));
        }
    }

    #[test]
    fn every_inclusion_is_proven_and_no_other_leaf_place_size_or_root_passes() {
        for count in 1..34 {
            let leaves = leaves(count);
            let (size, top) = (u64::from(count), root(&leaves));
            for number in 0..size {
                let proof = inclusion_proof(&leaves, number).expect("a proof");
                let leaf = leaves[number as usize];
                assert!(verify_inclusion(&leaf, number, size, &proof, &top));
                assert!(!verify_inclusion(
                    &leaf_hash(b"x"),
                    number,
                    size,
                    &proof,
                    &top
                ));
                assert!(!verify_inclusion(
                    &leaf,
                    number,
                    size,
                    &proof,
                    &leaf_hash(b"x")
                ));
                assert!(!verify_inclusion(&leaf, size, size, &proof, &top));
                for other in (0..size).filter(|other| *other != number) {
                    assert!(!verify_inclusion(&leaf, other, size, &proof, &top));
                }
            }
        }
        assert_eq!(inclusion_proof(&leaves(3), 3), None);
    }

    #[test]
    fn every_growth_is_proven_and_a_changed_past_is_not() {
        for count in 1..34 {
            let now = leaves(count);
            let new = (u64::from(count), &root(&now));
            for old_size in 1..=count {
                let proof = consistency_proof(&now, u64::from(old_size)).expect("a proof");
                let old_root = root(&now[..usize::from(old_size)]);
                let old = (u64::from(old_size), &old_root);
                assert!(
                    verify_consistency(old, new, &proof),
                    "{old_size} of {count}"
                );
                let another = leaf_hash(b"another past");
                assert!(!verify_consistency((old.0, &another), new, &proof));
                assert!(!verify_consistency(old, (new.0, &another), &proof));
            }
        }
    }

    #[test]
    fn the_hashes_are_those_of_the_rfc() {
        let hex = |hash: Hash| hash.map(|byte| format!("{byte:02x}")).concat();
        // SHA-256 of nothing, and of the single byte 0: the empty tree and the empty leaf.
        assert_eq!(
            hex(root(&[])),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            hex(leaf_hash(b"")),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }
}
