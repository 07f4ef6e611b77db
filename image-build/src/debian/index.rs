//! `Packages`: every package of a suite, with its dependencies and its hash.

use super::deb822::{self, Deb822Error, Paragraph};
use super::relation::{Clause, RelationError, is_package_name};
use super::release::is_sha256;
use super::version::{Version, VersionError};
use std::collections::BTreeMap;
use thiserror::Error;

/// Packages in one index; sid has 70,000.
const PACKAGE_COUNT_MAX: usize = 500_000;

/// An index that is not as it must be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// Not in UTF-8.
    #[error("it is not in UTF-8")]
    Utf8,
    /// Not in the control format.
    #[error("it is no control file")]
    Format(#[from] Deb822Error),
    /// A package without what every package has.
    #[error("package {package:?} has no field {field} that can be understood")]
    Field {
        /// Its name, as far as it has one.
        package: String,
        /// The field.
        field: &'static str,
    },
    /// A package's version.
    #[error("package {package}")]
    Version {
        /// Its name.
        package: String,
        /// The cause.
        #[source]
        source: VersionError,
    },
    /// A package's dependencies.
    #[error("package {package}, field {field}")]
    Relation {
        /// Its name.
        package: String,
        /// The field.
        field: &'static str,
        /// The cause.
        #[source]
        source: RelationError,
    },
    /// More packages than any suite has.
    #[error("it lists more packages than any suite has")]
    TooMany,
}

/// One package of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// `amd64` or `all`.
    pub architecture: String,
    /// Where it is below the mirror.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// The source package it was built from.
    pub source: String,
    /// That package's version.
    pub source_version: String,
    /// `Pre-Depends` and `Depends`.
    pub depends: Vec<Clause>,
    /// `Breaks` and `Conflicts`.
    pub conflicts: Vec<Clause>,
    /// Names that it stands for; with a version if it is an equal one.
    pub provides: Vec<Clause>,
}

/// The packages of one suite, component and architecture. Fields that most packages of a suite are
/// never asked for are read when they are.
#[derive(Clone, Debug)]
pub struct Index {
    text: String,
    sha256: String,
    /// By name: where the paragraphs begin and end.
    packages: BTreeMap<String, Vec<(usize, usize)>>,
    /// By a name that is provided: who provides it.
    providers: BTreeMap<String, Vec<String>>,
}

impl Index {
    pub(super) fn read(bytes: Vec<u8>, sha256: String) -> Result<Self, IndexError> {
        let text = String::from_utf8(bytes).map_err(|_| IndexError::Utf8)?;
        let mut packages: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
        let mut providers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut count = 0;
        for paragraph in deb822::paragraphs(&text) {
            let paragraph = paragraph?;
            let name =
                paragraph.get("Package").filter(|name| is_package_name(name)).ok_or_else(|| {
                    IndexError::Field {
                        package: paragraph.get("Package").unwrap_or_default().to_owned(),
                        field: "Package",
                    }
                })?;
            count += 1;
            if count > PACKAGE_COUNT_MAX {
                return Err(IndexError::TooMany);
            }
            packages.entry(name.to_owned()).or_default().push(span(&text, &paragraph));
            for clause in clauses(&paragraph, name, "Provides")? {
                for provided in clause.alternatives {
                    providers.entry(provided.name).or_default().push(name.to_owned());
                }
            }
        }
        Ok(Self { text, sha256, packages, providers })
    }

    /// SHA-256 of the uncompressed index, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Packages in it.
    pub fn package_count(&self) -> usize {
        self.packages.values().map(Vec::len).sum()
    }

    /// Every version of a package.
    pub fn get(&self, name: &str) -> Result<Vec<Package>, IndexError> {
        let spans = self.packages.get(name).map(Vec::as_slice).unwrap_or_default();
        spans.iter().map(|(start, end)| parse(&deb822::single(&self.text[*start..*end])?)).collect()
    }

    /// Names of packages that provide a name, sorted.
    pub fn providers(&self, name: &str) -> Vec<&str> {
        let mut names: Vec<_> =
            self.providers.get(name).into_iter().flatten().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Where a paragraph lies in the text it was read from.
fn span(text: &str, paragraph: &Paragraph) -> (usize, usize) {
    let offset = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
    let mut fields = paragraph.fields();
    // A paragraph has at least one field; its name comes first.
    let Some((name, first)) = fields.next() else { return (0, 0) };
    let last = fields.last().map_or(first, |(_, value)| value);
    // The value of an empty field lies somewhere within its line.
    (offset(name), offset(last) + last.len())
}

fn parse(paragraph: &Paragraph) -> Result<Package, IndexError> {
    let name = paragraph.get("Package").unwrap_or_default();
    let field = |field: &'static str| {
        let missing = || IndexError::Field { package: name.to_owned(), field };
        paragraph.get(field).filter(|value| !value.is_empty()).ok_or_else(missing)
    };
    let bad = |field| IndexError::Field { package: name.to_owned(), field };
    let version = Version::new(field("Version")?)
        .map_err(|source| IndexError::Version { package: name.to_owned(), source })?;
    let (source, source_version) = source_of(paragraph, name, version.as_str());
    let path = field("Filename")?;
    if !is_pool_path(path) {
        return Err(bad("Filename"));
    }
    let mut depends = clauses(paragraph, name, "Pre-Depends")?;
    depends.extend(clauses(paragraph, name, "Depends")?);
    let mut conflicts = clauses(paragraph, name, "Breaks")?;
    conflicts.extend(clauses(paragraph, name, "Conflicts")?);
    Ok(Package {
        name: name.to_owned(),
        architecture: field("Architecture")?.to_owned(),
        path: path.to_owned(),
        size: field("Size")?.parse().map_err(|_| bad("Size"))?,
        sha256: Some(field("SHA256")?).filter(|hash| is_sha256(hash)).ok_or(bad("SHA256"))?.into(),
        source,
        source_version,
        depends,
        conflicts,
        provides: clauses(paragraph, name, "Provides")?,
        version,
    })
}

/// `Source: name (version)`, each left away where it is that of the package.
fn source_of(paragraph: &Paragraph, name: &str, version: &str) -> (String, String) {
    let source = paragraph.get("Source").unwrap_or(name);
    match source.split_once(" (") {
        Some((source, version)) => (source.to_owned(), version.trim_end_matches(')').to_owned()),
        None => (source.to_owned(), version.to_owned()),
    }
}

fn clauses(
    paragraph: &Paragraph,
    package: &str,
    field: &'static str,
) -> Result<Vec<Clause>, IndexError> {
    Clause::parse_all(paragraph.get(field).unwrap_or_default())
        .map_err(|source| IndexError::Relation { package: package.to_owned(), field, source })
}

/// A relative path below `pool`, of printable names without `..`.
pub(crate) fn is_pool_path(path: &str) -> bool {
    path.len() <= 1024
        && path.starts_with("pool/")
        && path.split('/').all(|name| !name.is_empty() && !name.starts_with('.'))
        && path.bytes().all(|b| b.is_ascii_graphic() && !b"%?#\\\"<>".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Package: aa\nVersion: 1\nArchitecture: amd64\nDepends: bb (>= 2),\n cc\n\
        Filename: pool/main/a/aa/aa_1_amd64.deb\nSize: 10\n\
        SHA256: 0000000000000000000000000000000000000000000000000000000000000000\n\
        Provides: vv (= 1), ww\n\nPackage: bb\nSource: src (3)\nVersion: 2\nArchitecture: all\n\
        Filename: pool/b\nSize: 1\n\
        SHA256: 0000000000000000000000000000000000000000000000000000000000000001\nLast:\n";

    fn index(text: &str) -> Result<Index, IndexError> {
        Index::read(text.as_bytes().to_vec(), String::new())
    }

    #[test]
    fn packages_are_found_by_name() {
        let index = index(TEXT).unwrap();
        let found = index.get("aa").unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].depends.len(), 2);
        assert_eq!((found[0].source.as_str(), found[0].source_version.as_str()), ("aa", "1"));
        let other = &index.get("bb").unwrap()[0];
        assert_eq!((other.source.as_str(), other.source_version.as_str()), ("src", "3"));
        assert_eq!(index.providers("vv"), ["aa"]);
        assert_eq!(index.package_count(), 2);
        assert!(index.get("none").unwrap().is_empty());
    }

    #[test]
    fn a_package_without_its_fields_is_refused() {
        for field in ["Version", "Architecture", "Filename", "Size", "SHA256"] {
            let text = TEXT.replacen(&format!("{field}: "), &format!("X-{field}: "), 1);
            let error = index(&text).unwrap().get("aa").unwrap_err();
            assert!(error.to_string().contains(field), "{error}");
        }
        assert!(index("Version: 1\n").is_err());
        assert!(index("Package: A\n").is_err());
        assert!(index(&TEXT.replace("Size: 10", "Size: ten")).unwrap().get("aa").is_err());
        assert!(Index::read(vec![0xff], String::new()).is_err());
        for path in ["pool/../x", "/pool/x", "http://x/pool", "pool//x", "pool/a b", "dists/x"] {
            let text = TEXT.replace("pool/main/a/aa/aa_1_amd64.deb", path);
            assert!(index(&text).unwrap().get("aa").is_err(), "{path}");
        }
    }
}
