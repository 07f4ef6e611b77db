//! What must hold after every scenario.

use std::collections::BTreeMap;

use super::load::Record;

/// A statement and whether it held.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Check {
    /// What was checked.
    pub what: String,
    /// Whether it held.
    pub held: bool,
    /// The numbers behind it.
    pub detail: String,
}

impl Check {
    /// A check with its numbers.
    pub fn new(what: impl Into<String>, held: bool, detail: impl Into<String>) -> Self {
        Self { what: what.into(), held, detail: detail.into() }
    }
}

/// Every certified reply is in the ledger at its position, and no request is there twice.
pub fn exactly_once(records: &[Record], entries: &[u64]) -> Vec<Check> {
    let acknowledged: Vec<_> =
        records.iter().filter_map(|record| Some((record.id, record.position?))).collect();
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|(id, position)| {
            usize::try_from(*position).ok().and_then(|at| entries.get(at)) != Some(id)
        })
        .collect();
    let mut seen: BTreeMap<u64, u32> = BTreeMap::new();
    for entry in entries {
        *seen.entry(*entry).or_default() += 1;
    }
    let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
    vec![
        Check::new(
            "every certified reply is in the state where it said",
            lost.is_empty(),
            format!("{} replies, {} not there {}", acknowledged.len(), lost.len(), some(&lost)),
        ),
        Check::new(
            "no request was applied twice",
            twice.is_empty(),
            format!("{} entries, {} more than once {}", entries.len(), twice.len(), some(&twice)),
        ),
    ]
}

/// All nodes hold the same entries.
pub fn same_everywhere(entries: &[Vec<u64>]) -> Check {
    let same = entries.windows(2).all(|pair| pair[0] == pair[1]);
    let counts: Vec<_> = entries.iter().map(Vec::len).collect();
    Check::new("all nodes hold the same state", same, format!("entries by node: {counts:?}"))
}

/// Roots seen at the same height are equal; `roots[height][node]`.
pub fn roots_agree(roots: &BTreeMap<u64, BTreeMap<usize, String>>, nodes: usize) -> Check {
    let split: Vec<_> = roots
        .iter()
        .filter(|(_, by_node)| {
            let mut values = by_node.values();
            let first = values.next();
            values.any(|root| Some(root) != first)
        })
        .map(|(height, _)| height)
        .collect();
    let complete = roots.values().filter(|by_node| by_node.len() == nodes).count();
    Check::new(
        "all nodes have the same certified root",
        split.is_empty() && complete > 0,
        format!("{complete} heights seen on all nodes; roots differ at {split:?}"),
    )
}

/// At most three examples.
fn some<T: std::fmt::Debug>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        items => format!("(such as {:?})", &items[..items.len().min(3)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(records: &[(u64, Option<u64>)], entries: &[u64]) -> Vec<bool> {
        let records: Vec<_> =
            records.iter().map(|&(id, position)| Record { id, position }).collect();
        exactly_once(&records, entries).iter().map(|check| check.held).collect()
    }

    #[test]
    fn losses_and_repetitions_are_found() {
        assert_eq!(held(&[(7, Some(0)), (8, Some(1))], &[7, 8]), [true, true]);
        assert_eq!(held(&[(7, Some(0)), (8, None)], &[7]), [true, true]);
        assert_eq!(held(&[(7, Some(0)), (8, Some(1))], &[7]), [false, true]);
        assert_eq!(held(&[(7, Some(0))], &[8, 7]), [false, true]);
        assert_eq!(held(&[(7, Some(0))], &[7, 7]), [true, false]);
    }

    #[test]
    fn roots_must_agree_and_be_seen_on_all() {
        let root = |text: &str| text.to_owned();
        let mut roots = BTreeMap::new();
        assert!(!roots_agree(&roots, 2).held);
        roots.insert(5, BTreeMap::from([(0, root("a")), (1, root("a"))]));
        assert!(roots_agree(&roots, 2).held);
        roots.insert(6, BTreeMap::from([(0, root("a")), (1, root("b"))]));
        assert!(!roots_agree(&roots, 2).held);
    }

    #[test]
    fn states_are_compared_whole() {
        assert!(same_everywhere(&[vec![1, 2], vec![1, 2]]).held);
        assert!(!same_everywhere(&[vec![1, 2], vec![2, 1]]).held);
    }
}
