//! How many files, sockets among them, this process may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What Linux gives a process that asks for nothing else.
const USUAL: u64 = 1024;

/// The number of files that may be open at once. Raises the soft limit to the hard one first: the
/// soft limit is low for the sake of programs that use `select`, which this one does not.
pub fn open_files_max() -> u64 {
    let limits = getrlimit(Resource::RLIMIT_NOFILE);
    let Ok((soft, hard)) = limits else { return USUAL };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(error) => {
            log::warn!(soft, hard, error:% = error; "the limit on open files cannot be raised");
            soft
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("every process has one");
        assert_eq!(open_files_max(), hard);
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE), Ok((hard, hard)));
    }
}
