//! Who may read which path of the state tree, and what of it is shown (interface specification,
//! "Request: Read state").

use bytes::Bytes;
use replica_crypto::persistent::{Node, Tree};
use replica_ingress::Targets;
use replica_state::ReplicatedState;
use types::{CanisterId, MessageId, Principal, PrincipalId, SubnetId};

use crate::effective::Effective;
use crate::{Refusal, requests};

/// A path: labels from the root.
pub(crate) type Path = Vec<Bytes>;

/// Which generation of the endpoint was asked. They differ in what they show of
/// `/subnet/<id>/canister_ranges`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    /// `/api/v2`, deprecated: the ranges of every subnet in one list.
    V2,
    /// `/api/v3`: such a list for the root subnet only; `/canister_ranges` for the others.
    V3,
}

/// Who reads, and through which endpoint.
pub(crate) struct Reader<'a> {
    pub(crate) sender: PrincipalId,
    /// What the sender's delegations reach.
    pub(crate) targets: &'a Targets,
    pub(crate) effective: Effective,
    pub(crate) generation: Generation,
    pub(crate) root_subnet: SubnetId,
    pub(crate) own_subnet: SubnetId,
    pub(crate) state: &'a ReplicatedState,
}

/// Why a path is not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// There is no such path, or nobody may read it here.
    #[error("path {0} cannot be read through this endpoint")]
    NotReadable(String),
    /// A label is not the id that its place asks for.
    #[error("path {0}: the label at that place must be a principal of at most 29 bytes")]
    Principal(String),
    /// A request id has another length.
    #[error("path {0}: a request id has 32 bytes")]
    RequestId(String),
    /// A metadata name is not text.
    #[error("path {0}: the name of a custom section must be UTF-8")]
    Name(String),
    /// The canister of the path is not the one in the URL.
    #[error("canister {path} in the path is not {url}, the effective canister id in the URL")]
    OtherCanister {
        /// In the path.
        path: PrincipalId,
        /// In the URL.
        url: PrincipalId,
    },
    /// Two request ids in one request.
    #[error("paths of one request must not name two request ids, {0} and {1}")]
    TwoRequests(MessageId, MessageId),
    /// Two subnets under `/canister_ranges` in one request.
    #[error("paths of one request must not name the canister ranges of two subnets")]
    TwoSubnets,
    /// The status of another sender's request.
    #[error("request {0} was sent by another principal; only its sender reads its status")]
    OtherSender(MessageId),
    /// The status of a request to another canister.
    #[error("request {0} was sent to another canister or subnet than the one in the URL")]
    OtherDestination(MessageId),
    /// The delegation does not reach the canister that was called.
    #[error("the delegation's targets do not have the canister that request {0} was sent to")]
    NotTarget(MessageId),
    /// Private metadata of a canister, and the sender is no controller.
    #[error("custom section {0:?} is private; only controllers of the canister may read it")]
    PrivateMetadata(String),
}

impl Reader<'_> {
    /// Checks all paths of a request, and gives those to show: `/time`, and the paths without
    /// the parts that the rules keep back.
    pub(crate) fn readable(&self, tree: &Tree, paths: &[Path]) -> Result<Vec<Path>, Refusal> {
        let mut shown = vec![vec![Bytes::from_static(b"time")]];
        let mut request = None;
        let mut ranges = None;
        for path in paths {
            self.check(path, &mut request, &mut ranges)?;
            self.show(tree, path, &mut shown);
        }
        Ok(shown)
    }

    fn check(
        &self,
        path: &Path,
        request: &mut Option<MessageId>,
        ranges: &mut Option<Bytes>,
    ) -> Result<(), PathError> {
        let labels: Vec<&[u8]> = path.iter().map(|label| &label[..]).collect();
        match labels[..] {
            [b"time"] | [b"api_boundary_nodes"] | [b"subnet"] => Ok(()),
            [b"api_boundary_nodes", node]
            | [b"api_boundary_nodes", node, b"domain" | b"ipv4_address" | b"ipv6_address"] => {
                principal(node, path).map(drop)
            }
            [b"subnet", subnet]
            | [b"subnet", subnet, b"public_key" | b"type" | b"node"]
            | [b"subnet", subnet, b"node", _]
            | [b"subnet", subnet, b"node", _, b"public_key"] => principal(subnet, path).map(drop),
            [b"subnet", subnet, b"canister_ranges"] => self.flat_ranges(subnet, path),
            [b"subnet", subnet, b"metrics"] => self.metrics(subnet, path),
            [b"canister_ranges", subnet] => self.sharded_ranges(subnet, path, ranges),
            [b"request_status", id]
            | [
                b"request_status",
                id,
                b"status" | b"reply" | b"reject_code" | b"reject_message" | b"error_code",
            ] => self.request_status(id, path, request),
            [
                b"canister",
                canister,
                b"module_hash"
                | b"controllers"
                | b"canister_creation_timestamp"
                | b"last_install_timestamp",
            ] => self.canister(canister, path).map(drop),
            [b"canister", canister, b"metadata", name] => self.metadata(canister, name, path),
            _ => Err(PathError::NotReadable(display(path))),
        }
    }

    fn flat_ranges(&self, subnet: &[u8], path: &Path) -> Result<(), PathError> {
        let subnet = principal(subnet, path)?;
        match subnet == self.root_subnet.0 || self.generation == Generation::V2 {
            true => Ok(()),
            false => Err(PathError::NotReadable(display(path))),
        }
    }

    fn metrics(&self, subnet: &[u8], path: &Path) -> Result<(), PathError> {
        match self.effective {
            Effective::Subnet(id) if id.0 == principal(subnet, path)? => Ok(()),
            _ => Err(PathError::NotReadable(display(path))),
        }
    }

    fn sharded_ranges(
        &self,
        subnet: &[u8],
        path: &Path,
        seen: &mut Option<Bytes>,
    ) -> Result<(), PathError> {
        principal(subnet, path)?;
        let Effective::Subnet(_) = self.effective else {
            return Err(PathError::NotReadable(display(path)));
        };
        match seen.replace(path[1].clone()) {
            Some(other) if other != path[1] => Err(PathError::TwoSubnets),
            _ => Ok(()),
        }
    }

    fn request_status(
        &self,
        id: &[u8],
        path: &Path,
        seen: &mut Option<MessageId>,
    ) -> Result<(), PathError> {
        let id = id.try_into().map_err(|_| PathError::RequestId(display(path)))?;
        let id = MessageId(id);
        if let Some(other) = seen.replace(id).filter(|other| *other != id) {
            return Err(PathError::TwoRequests(other, id));
        }
        let Some(entry) = self.state.ingress_history.get(&id) else { return Ok(()) };
        if entry.sender != self.sender {
            return Err(PathError::OtherSender(id));
        }
        let Some(called) = entry.effective_canister else {
            // The call made a canister: it was sent to the subnet by whatever id.
            return Ok(());
        };
        if self.effective != Effective::Canister(called) {
            return Err(PathError::OtherDestination(id));
        }
        match requests::reach(self.targets, &called) {
            true => Ok(()),
            false => Err(PathError::NotTarget(id)),
        }
    }

    fn canister(&self, canister: &[u8], path: &Path) -> Result<CanisterId, PathError> {
        let in_path = principal(canister, path)?;
        match self.effective {
            Effective::Canister(id) if id.0 == in_path => Ok(id),
            Effective::Canister(id) => Err(PathError::OtherCanister { path: in_path, url: id.0 }),
            Effective::Subnet(_) => Err(PathError::NotReadable(display(path))),
        }
    }

    fn metadata(&self, canister: &[u8], name: &[u8], path: &Path) -> Result<(), PathError> {
        let id = self.canister(canister, path)?;
        let name = str::from_utf8(name).map_err(|_| PathError::Name(display(path)))?;
        let Some(canister) = self.state.canister(&id) else { return Ok(()) };
        let section = canister.execution.as_ref().and_then(|code| code.info.metadata.get(name));
        let may_read = section.is_none_or(|section| section.public)
            || canister.system.settings.controllers.contains(&self.sender);
        match may_read {
            true => Ok(()),
            false => Err(PathError::PrivateMetadata(name.to_owned())),
        }
    }

    /// Adds what a readable path shows. Only paths under `/subnet` have parts that are kept back.
    fn show(&self, tree: &Tree, path: &Path, shown: &mut Vec<Path>) {
        match &path[..] {
            [subnets] if &subnets[..] == b"subnet" => {
                for subnet in labels_below(tree, path) {
                    self.show_subnet(tree, &[path[0].clone(), subnet], shown);
                }
            }
            [subnets, _] if &subnets[..] == b"subnet" => self.show_subnet(tree, path, shown),
            [subnets, subnet, part, ..] if &subnets[..] == b"subnet" => {
                if self.shows_part(subnet, part) {
                    shown.push(path.clone());
                }
            }
            _ => shown.push(path.clone()),
        }
    }

    fn show_subnet(&self, tree: &Tree, path: &[Bytes], shown: &mut Vec<Path>) {
        let parts = labels_below(tree, path);
        if parts.is_empty() {
            // The proof that there is no such subnet.
            shown.push(path.to_vec());
        }
        let parts = parts.into_iter().filter(|part| self.shows_part(&path[1], part));
        shown.extend(parts.map(|part| [path, &[part]].concat()));
    }

    fn shows_part(&self, subnet: &[u8], part: &[u8]) -> bool {
        match part {
            b"canister_ranges" => {
                self.generation == Generation::V2 || subnet == self.root_subnet.as_slice()
            }
            // The effective canister or subnet id lies in the own subnet, or the request would
            // have been refused.
            b"metrics" | b"node" => subnet == self.own_subnet.as_slice(),
            _ => true,
        }
    }
}

fn labels_below(tree: &Tree, path: &[Bytes]) -> Vec<Bytes> {
    let below = tree.get(path).and_then(Node::as_subtree);
    let entries = below.into_iter().flat_map(Tree::iter);
    entries.map(|(label, _)| Bytes::copy_from_slice(label)).collect()
}

fn principal(label: &[u8], path: &Path) -> Result<Principal, PathError> {
    Principal::try_from_slice(label).map_err(|_| PathError::Principal(display(path)))
}

/// A path for people: labels as text where they are, else in hexadecimal. Cut short, because the
/// path is whatever a client sent.
fn display(path: &Path) -> String {
    const LABELS_SHOWN: usize = 5;
    const BYTES_SHOWN: usize = 40;
    let label = |label: &Bytes| match str::from_utf8(label) {
        Ok(text) if text.chars().all(|c| c.is_ascii_graphic()) => {
            text.chars().take(BYTES_SHOWN).collect()
        }
        _ => format!("0x{}", hex::encode(&label[..label.len().min(BYTES_SHOWN)])),
    };
    let labels: Vec<String> = path.iter().take(LABELS_SHOWN).map(label).collect();
    format!("/{}", labels.join("/"))
}
