//! What can go wrong, each with what a person can do about it.

use std::path::PathBuf;

/// Why there is no report or key.
#[derive(Debug, thiserror::Error)]
pub enum SnpError {
    /// The kernel's interface is not there, or refuses.
    #[error("cannot {action} {}: {hint}", path.display())]
    Kernel {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Another technology answers.
    #[error("{} belongs to `{provider}`, not to SEV-SNP: this guest runs on another processor", path.display())]
    Provider {
        /// The interface.
        path: PathBuf,
        /// Who answers.
        provider: String,
    },
    /// Another program wrote into the same request.
    #[error("{} was used by another program meanwhile: ask again", .0.display())]
    Disturbed(PathBuf),
    /// The firmware refused.
    #[error("the firmware refused {what}: {reason}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// What it says.
        reason: String,
    },
    /// What came is not what was asked for.
    #[error("{what} that came back is wrong: {reason}")]
    Nonsense {
        /// What.
        what: &'static str,
        /// How.
        reason: String,
    },
    /// The kernel's request has no field for it.
    #[error("this kernel's requests cannot name mitigations: leave them out of the fields")]
    NoMitigations,
    /// The socket of a simulated processor.
    #[error("cannot {action} the processor at {}", path.display())]
    Socket {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

impl SnpError {
    pub(crate) fn nonsense(what: &'static str, reason: impl Into<String>) -> Self {
        Self::Nonsense { what, reason: reason.into() }
    }
}
