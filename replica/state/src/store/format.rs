//! The version of the directory's layout, checked before anything else is read.

use super::error::StoreError;
use super::files;
use std::path::Path;

/// What the file `FORMAT` says.
const FORMAT: &str = "plinth-state 2\n";

/// Makes the directory ready: a new or empty one gets this version, another version is refused.
pub(super) fn prepare(dir: &Path) -> Result<(), StoreError> {
    std::fs::create_dir_all(dir).map_err(StoreError::io("create", dir))?;
    let file = dir.join("FORMAT");
    match std::fs::read(&file) {
        Ok(found) if found == FORMAT.as_bytes() => {}
        Ok(found) => {
            let found = String::from_utf8_lossy(&found[..found.len().min(64)]).into_owned();
            return Err(StoreError::Format { path: dir.to_owned(), found, expected: FORMAT });
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => begin(dir, &file)?,
        Err(error) => return Err(StoreError::io("read", &file)(error)),
    }
    let pages = dir.join("pages");
    std::fs::create_dir_all(&pages).map_err(StoreError::io("create", &pages))?;
    files::sync_parent(&pages)
}

/// A directory that has a database but no format is not ours, or was tampered with.
fn begin(dir: &Path, file: &Path) -> Result<(), StoreError> {
    if dir.join("db").exists() || dir.join("pages").exists() {
        return Err(StoreError::Foreign { path: dir.to_owned() });
    }
    files::replace(file, FORMAT.as_bytes(), 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path()).unwrap();
        prepare(dir.path()).unwrap();
        // The one before, whose records lack a field, and one that does not exist yet.
        for other in ["plinth-state 1", "plinth-state 3"] {
            std::fs::write(dir.path().join("FORMAT"), format!("{other}\n")).unwrap();
            let error = prepare(dir.path()).unwrap_err();
            let expected = format!(
                "{} has the format \"{other}\\n\", and this version reads \"plinth-state 2\\n\"; use a new \
                 directory or the version that wrote it",
                dir.path().display()
            );
            assert_eq!(error.to_string(), expected);
        }
        std::fs::remove_file(dir.path().join("FORMAT")).unwrap();
        assert!(matches!(prepare(dir.path()), Err(StoreError::Foreign { .. })));
    }
}
