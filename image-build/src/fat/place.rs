//! What lies at a byte of a volume.

use super::geometry::Geometry;
use super::{CLUSTER_FIRST, Data, Plan, SECTOR, Volume};
use crate::place::Place;
use crate::tree::Content;

impl Volume {
    /// What lies at a byte of the volume that was read from `content`.
    pub fn place(&self, content: &Content, byte: u64) -> Option<Place> {
        let geometry = Geometry::of(content.length())?;
        let plan = Plan::new(&self.tree, &self.label, geometry).ok()?;
        if byte >= content.length() {
            return None;
        }
        if byte < geometry.table_at(0) {
            return Some(Place::of(
                format!("sector {}", byte / SECTOR as u64),
                byte % SECTOR as u64,
            ));
        }
        for (copy, name) in ["first table", "second table"].into_iter().enumerate() {
            if byte < geometry.table_at(copy as u32 + 1) {
                return Some(Place::of(name, byte - geometry.table_at(copy as u32)));
            }
        }
        let data_at = geometry.cluster_at(CLUSTER_FIRST);
        if byte < data_at {
            return Some(Place::of("directory /", byte - geometry.root_at()));
        }
        let cluster = (byte - data_at) / geometry.cluster_bytes() + u64::from(CLUSTER_FIRST);
        let holds = |place: &&super::Place<'_>| {
            let first = u64::from(place.first_cluster);
            place.cluster_count > 0
                && (first..first + u64::from(place.cluster_count)).contains(&cluster)
        };
        let Some(place) = plan.places.values().find(holds) else {
            return Some(Place::of("free room", byte - data_at));
        };
        let at = byte - plan.at(place);
        Some(match &place.data {
            Data::File(path, content) if at < content.length() => {
                Place::of(format!("file {path}"), at)
            }
            Data::File(path, _) => Place::of(format!("behind the end of {path}"), at),
            Data::Directory(_) => {
                let path = plan.places.iter().find(|(_, other)| std::ptr::eq(*other, place));
                let path = path.map_or_else(String::new, |(path, _)| path.to_string());
                Place::of(format!("directory {path}"), at)
            }
        })
    }
}
