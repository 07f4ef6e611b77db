//! Why a module is refused.

use types::Limits;
use wasmparser::BinaryReaderError;

/// Why a module is refused; each text states the rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// Compressed, but not readable.
    #[error("the module begins like a gzip stream, but cannot be decompressed: {0}")]
    Gzip(String),
    /// Too many bytes.
    #[error("the module has more than {limit} bytes, the most that is allowed uncompressed")]
    TooLarge {
        /// Bytes allowed.
        limit: u64,
    },
    /// Not a valid module, or one that uses features that are not available.
    #[error("the module is not valid WebAssembly of the supported features: {0}")]
    Invalid(String),
    /// More of something than allowed.
    #[error("the module has {count} {what}; at most {limit} are allowed")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        count: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// A function is too long.
    #[error("function {index} has {count} instructions; at most {limit} are allowed")]
    FunctionTooLong {
        /// Index among all functions.
        index: u32,
        /// Its instructions.
        count: u64,
        /// Instructions allowed.
        limit: u64,
    },
    /// An import from elsewhere, or of something that is not a function.
    #[error(
        "the module imports {module}.{name}; only functions of the module `ic0` can be imported"
    )]
    ForeignImport {
        /// Named module.
        module: String,
        /// Named entity.
        name: String,
    },
    /// An import that the system interface does not have.
    #[error("the module imports ic0.{name}, which does not exist for modules of its memory width")]
    UnknownImport {
        /// Name of the function.
        name: String,
    },
    /// An import with other types.
    #[error("the module imports ic0.{name} with another type than the system interface gives it")]
    ImportType {
        /// Name of the function.
        name: String,
    },
    /// An export that only the system may define.
    #[error(
        "the module exports '{name}': names that begin with `canister_` must be those of the \
         interface, and names that begin with `plinth ` are reserved"
    )]
    ReservedExport {
        /// Name of the export.
        name: String,
    },
    /// An entry point with parameters or results.
    #[error("the module exports '{name}' with parameters or results; entry points have none")]
    EntryPointType {
        /// Name of the export.
        name: String,
    },
    /// One method name, twice.
    #[error(
        "the module exports the method '{name}' more than once (as update, query or composite query)"
    )]
    DuplicateMethod {
        /// Name of the method.
        name: String,
    },
    /// A custom section with a reserved name.
    #[error(
        "custom section '{name}': names that begin with `icp:` must be `icp:public <name>` or `icp:private <name>`, each <name> once"
    )]
    CustomSection {
        /// Name of the section.
        name: String,
    },
    /// A mutable global that holds a reference.
    #[error(
        "global {index} is mutable and holds a reference, which cannot be kept between messages; make it immutable or a number"
    )]
    ReferenceGlobal {
        /// Index of the global.
        index: u32,
    },
    /// A constant expression beyond numbers.
    #[error(
        "a constant expression uses more than numbers, addition, subtraction and multiplication"
    )]
    ConstantExpression,
    /// An active data segment that does not fit.
    #[error("data segment {index} does not fit into the initial memory")]
    DataOutOfBounds {
        /// Index of the segment.
        index: usize,
    },
    /// An active element segment that does not fit.
    #[error("element segment {index} does not fit into the initial table")]
    ElementsOutOfBounds {
        /// Index of the segment.
        index: usize,
    },
    /// The compiler refuses what the rules above allow. The text names no reason: functions are
    /// compiled side by side, and which of several failures is reported is a matter of chance.
    #[error("the module could not be compiled; a function of it is too large for the compiler")]
    Compile,
}

impl From<BinaryReaderError> for ModuleError {
    fn from(error: BinaryReaderError) -> Self {
        ModuleError::Invalid(error.to_string())
    }
}

/// Checks a count against a limit.
pub(super) fn at_most(what: &'static str, count: u64, limit: u64) -> Result<(), ModuleError> {
    if count > limit {
        return Err(ModuleError::TooMany { what, count, limit });
    }
    Ok(())
}

/// Elements of all tables of a module at their initial size, and the size up to which one can
/// grow. Twenty times the functions a module may have; a fresh table is made for each message.
pub const TABLE_ELEMENTS_MAX: u64 = 1_000_000;

/// Bytes of memory of this width that the limits allow.
pub(super) fn memory_bytes_max(limits: &Limits, width: super::Width) -> u64 {
    match width {
        super::Width::Bits32 => limits.wasm32_memory_bytes_max,
        super::Width::Bits64 => limits.wasm64_memory_bytes_max,
    }
}
