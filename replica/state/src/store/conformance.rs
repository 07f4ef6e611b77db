//! What a node keeps on disk, frozen by hash. The version of all of it is in the file `FORMAT`.

use super::database::{Column, height_key, version_key};
use super::full_state::full_state;
use super::overlay;
use super::record::{Journal, encode};
use super::*;
use crate::conformance::{Format, check};
use types::{Height, MessageId};

const COLUMNS: [Column; 5] =
    [Column::Checkpoints, Column::Canisters, Column::Calls, Column::Journals, Column::Blobs];

#[test]
fn formats_on_disk_are_frozen() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap().store;
    let state = full_state();
    // The root is frozen beside the tree.
    store.checkpoint(&state, types::StateRoot([5; 32])).unwrap();
    let [checkpoints, canisters, calls, journals, blobs] =
        COLUMNS.map(|column| column_bytes(&store, column));
    let read = |path: &Path| std::fs::read(path).unwrap();
    let keys = vec![height_key(Height(258)), version_key(&[1, 2, 3], Height(258))];
    let certification = StoredCertification {
        root: types::StateRoot([1; 32]),
        signature: replica_crypto::chain_key::Signature([2; 48]),
    };
    store.put_certification(Height(1), &certification).unwrap();
    store.put_tape(Height(1), &certification.signature).unwrap();
    let share = replica_crypto::chain_key::SecretShare::from_bytes(&[3; 32]).unwrap();
    store.key_share().save(&share).unwrap();
    let artifacts =
        [Column::Tapes, Column::Certifications].map(|column| column_bytes(&store, column)).concat();
    let journal = Journal { canisters: vec![], calls: vec![MessageId([1; 32])] };
    check(&[
        Format {
            name: "version of the directory",
            encodings: vec![read(&dir.path().join("FORMAT"))],
            hash: "276ea2f4c83316fe655ae14aa70ebeb578ff3c909b6490445762c8eeb85e4d64",
        },
        Format {
            name: "keys of the database",
            encodings: keys,
            hash: "5b1d4afd7dcb5e885b7807041fbffc510197a8503968f13af114480ffd672676",
        },
        Format {
            name: "record of the subnet",
            encodings: checkpoints,
            hash: "38a66a6417ee8356fe9a328a1cd1cef1f2d62a7731f257119eb67540d2752962",
        },
        Format {
            name: "records of canisters",
            encodings: canisters,
            hash: "1664a8065ae7d784b7b17d0021931f70b800d5bd11a46212b20563770d878e8b",
        },
        Format {
            name: "records of calls",
            encodings: calls,
            hash: "4448f3f053124a225beb0bf290bd1d3389fc4763dbe5fcbf81ad67e8882a5869",
        },
        Format {
            name: "records of blobs",
            encodings: blobs,
            hash: "8db3ab3173b7995ef1dca456fe4e2d4fc16d19d2ef0a96e343bb0efec981b93c",
        },
        Format {
            name: "journals",
            encodings: [journals, vec![encode(&journal)]].concat(),
            hash: "1ab53f061855ef28e350902956b4de1f6598e3e22f90d5bf641fb61036588c4d",
        },
        Format {
            name: "overlay file",
            encodings: vec![read(&overlay::path(dir.path(), 0))],
            hash: "509dfe8812a9db915d31babad8ee542593077422c4255ab0041acc41bf0d2100",
        },
        Format {
            name: "tapes and certifications",
            encodings: artifacts,
            hash: "9326335a4ec53eb0c0c6ca184e91ce08856b71a5400ccbc8c3ab1871a6b62dad",
        },
        Format {
            name: "key share",
            encodings: vec![read(store.key_share().path())],
            hash: "75d0e156a8703b72d15d2c294c056d3206e3dac5c219a5da89de21e732374b00",
        },
    ]);
}

fn column_bytes(store: &Store, column: Column) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let each = |key: &[u8], value: &[u8]| {
        all.push([key, value].concat());
        Ok(())
    };
    store.database.for_each(column, each).unwrap();
    all
}
