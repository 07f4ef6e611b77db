//! Reading of persistent maps from stored bytes.

use imbl::OrdMap;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// Reads a map entry by entry. The library's own reading reserves memory for as many entries as
/// the bytes announce, and a damaged record may announce any number: that ends the process.
pub(crate) fn deserialize<'de, D, K, V>(from: D) -> Result<OrdMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord + Clone,
    V: Deserialize<'de> + Clone,
{
    Ok(BTreeMap::<K, V>::deserialize(from)?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Record {
        #[serde(deserialize_with = "super::deserialize")]
        map: OrdMap<u64, [u64; 32]>,
    }

    #[test]
    fn maps_read_back_and_announced_lengths_cost_nothing() {
        let record = Record { map: (0..100).map(|n| (n, [n; 32])).collect() };
        let bytes = postcard::to_stdvec(&record).unwrap();
        assert_eq!(postcard::from_bytes::<Record>(&bytes).unwrap(), record);
        // 2^63 entries, and none there.
        let announced = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert!(postcard::from_bytes::<Record>(&announced).is_err());
    }
}
