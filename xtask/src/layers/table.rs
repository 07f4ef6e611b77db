//! The layer table and the absences, as data. ARCHITECTURE.md tells the same to a reader.

/// Workspace packages by layer, the lowest first. A package may depend on lower layers only.
pub const LAYERS: &[&[&str]] = &[
    &["types", "os-kit-disk-layout", "hardware-specs"],
    &["replica-crypto", "attestation"],
    &["replica-state", "os-kit-tpm", "os-kit-init", "os-kit-snp"],
    &[
        "replica-engine",
        "replica-consensus",
        "replica-execution",
        "replica-ingress",
        "attestation-simulator",
    ],
    &["replica-messaging", "replica-http-api", "os-kit-evidence"],
    &["replica-node", "orchestrator", "image-build", "cli"],
    &["replica-simulation", "fuzz", "system-tests", "boot-tests", "xtask"],
];

/// Dependencies inside one layer that are allowed all the same: from, to, why.
pub const SAME_LAYER: &[(&str, &str, &str)] = &[
    (
        "cli",
        "orchestrator",
        "writes the configuration file and reads the status file whose formats are the orchestrator's",
    ),
    ("cli", "image-build", "turns its values into text, and its text into values"),
    (
        "replica-http-api",
        "replica-messaging",
        "its tests alone, which answer out of a real state machine",
    ),
];

/// Libraries with one room: name (or its beginning, with `*`), package, folder in it, why.
pub const ONE_ROOM: &[OneRoom] = &[
    OneRoom {
        library: "commonware-*",
        package: "replica-engine",
        folder: "replica/engine",
        why: "the ordering engine can be replaced by replacing one crate",
    },
    OneRoom {
        library: "rocksdb",
        package: "replica-state",
        folder: "replica/state/src/store",
        why: "the rest of the state is plain data that tests need no disk for",
    },
    OneRoom {
        library: "wasmtime",
        package: "replica-execution",
        folder: "replica/execution/src/sandbox",
        why: "only the sandbox runs foreign code",
    },
    OneRoom {
        library: "axum",
        package: "replica-http-api",
        folder: "replica/http-api",
        why: "the HTTP interface makes no protocol choices, and nothing else speaks HTTP to clients",
    },
    OneRoom {
        library: "tss-esapi*",
        package: "os-kit-tpm",
        folder: "os-kit/tpm/src",
        why: "keys, sessions and unsafe calls of the TPM library stay in one crate",
    },
];

pub struct OneRoom {
    pub library: &'static str,
    pub package: &'static str,
    pub folder: &'static str,
    pub why: &'static str,
}

const SIMULATOR: &str = "attestation-simulator";
const SIMULATOR_WHY: &str = "whoever has the source can sign with the simulator's keys";

/// What a package must not depend on, its tests aside: package, libraries, why.
pub const MUST_NOT_KNOW: &[(&str, &[&str], &str)] = &[
    (
        "replica-consensus",
        &[
            "replica-state",
            "replica-execution",
            "replica-messaging",
            "replica-http-api",
            "imbl",
            "wasmparser",
            "wasm-encoder",
            "tokio",
            "tower",
            "ureq",
        ],
        "consensus orders bytes: it knows neither state nor Wasm nor HTTP",
    ),
    ("replica-crypto", &["tokio", "rand"], "pure: randomness and time are arguments"),
    (
        "attestation",
        &["tokio", "rand", "sev", "tss-esapi"],
        "pure, and read by itself: it runs as Wasm",
    ),
    ("replica-execution", &["tokio", "rand"], "one round is a function of a state and a batch"),
    ("replica-messaging", &["tokio", "rand"], "a batch in, a state out"),
    // The keys of the simulated security processor are public: only tests may believe it.
    ("attestation", &[SIMULATOR], SIMULATOR_WHY),
    ("cli", &[SIMULATOR], SIMULATOR_WHY),
    ("replica-node", &[SIMULATOR], SIMULATOR_WHY),
    ("orchestrator", &[SIMULATOR], SIMULATOR_WHY),
    (
        "hardware-specs",
        &["nix", "tss-esapi", "ureq", "tokio"],
        "it reads what the kernel shows, and is asked about machines that are somewhere else",
    ),
    ("os-kit-evidence", &[SIMULATOR], SIMULATOR_WHY),
    ("orchestrator", &["replica-node"], "the orchestrator treats the replica as a process"),
];

/// Folders whose code must do the same on every node, and words that would break that: word, instead.
pub const DETERMINISTIC: &[&str] = &[
    "types/src",
    "attestation/src",
    "replica/crypto/src",
    "replica/consensus/src",
    "replica/execution/src",
    "replica/messaging/src",
    "replica/state/src",
];
pub const NOT_DETERMINISTIC: &[(&str, &str)] = &[
    ("SystemTime", "take the time from the batch or an argument"),
    ("Instant", "take the time from the batch or an argument"),
    ("HashMap", "use BTreeMap or imbl::OrdMap, whose order is the same everywhere"),
    ("HashSet", "use BTreeSet or imbl::OrdSet, whose order is the same everywhere"),
    ("RandomState", "use an ordered map"),
    ("DefaultHasher", "use sha2"),
];
