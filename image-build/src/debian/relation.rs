//! Dependencies: `a (>= 1) | b, c` is two clauses, the first of them with two alternatives.

use super::version::{Version, VersionError};
use std::fmt;
use thiserror::Error;

/// Alternatives of one clause, and clauses of one field.
const COUNT_MAX: usize = 10_000;

/// Text that is no list of dependencies.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelationError {
    /// A relation that cannot be understood.
    #[error("{text:?} is no relation between packages: {problem}")]
    Relation {
        /// The relation.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Its version.
    #[error(transparent)]
    Version(#[from] VersionError),
}

/// How a version must compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// `<<`
    Earlier,
    /// `<=`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`
    LaterOrEqual,
    /// `>>`
    Later,
}

impl Constraint {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "<<" => Self::Earlier,
            "<=" => Self::EarlierOrEqual,
            "=" => Self::Equal,
            ">=" => Self::LaterOrEqual,
            ">>" => Self::Later,
            _ => return None,
        })
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        }
    }

    fn holds(self, version: &Version, bound: &Version) -> bool {
        match self {
            Self::Earlier => version < bound,
            Self::EarlierOrEqual => version <= bound,
            Self::Equal => version == bound,
            Self::LaterOrEqual => version >= bound,
            Self::Later => version > bound,
        }
    }
}

/// One package that is named, with what its version must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The package's name, without an architecture.
    pub name: String,
    /// What its version must be.
    pub version: Option<(Constraint, Version)>,
}

impl Relation {
    /// Whether a version is as it must be.
    pub fn allows(&self, version: &Version) -> bool {
        self.version.as_ref().is_none_or(|(constraint, bound)| constraint.holds(version, bound))
    }

    fn parse(text: &str) -> Result<Self, RelationError> {
        let bad = |problem| RelationError::Relation { text: text.to_owned(), problem };
        let text_trimmed = text.trim_ascii();
        let (name, rest) = match text_trimmed.find([' ', '(', '\n', '\t']) {
            Some(end) => (&text_trimmed[..end], text_trimmed[end..].trim_ascii()),
            None => (text_trimmed, ""),
        };
        // `:any` and `:amd64` say which architecture; ours has one alone.
        let (name, architecture) = name.split_once(':').unwrap_or((name, "any"));
        if !["any", "native", "amd64", "all"].contains(&architecture) {
            return Err(bad("it asks for another architecture"));
        }
        if !is_package_name(name) {
            return Err(bad("it begins with no name of a package"));
        }
        let version = match rest {
            "" => None,
            _ => {
                let inner = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
                let inner = inner.ok_or(bad("its version is not in parentheses"))?.trim_ascii();
                let end = inner.find(|c| !"<>=".contains(c)).unwrap_or(inner.len());
                let constraint = Constraint::parse(&inner[..end])
                    .ok_or(bad("its version is not compared by <<, <=, =, >= or >>"))?;
                Some((constraint, Version::new(inner[end..].trim_ascii())?))
            }
        };
        Ok(Self { name: name.to_owned(), version })
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        if let Some((constraint, version)) = &self.version {
            write!(formatter, " ({} {version})", constraint.as_str())?;
        }
        Ok(())
    }
}

/// Alternatives, of which one must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// In the order of preference.
    pub alternatives: Vec<Relation>,
}

impl Clause {
    /// Reads the value of a field such as `Depends`.
    pub fn parse_all(field: &str) -> Result<Vec<Self>, RelationError> {
        let bad = |problem| RelationError::Relation { text: field.to_owned(), problem };
        let mut clauses = Vec::new();
        for clause in field.split(',').map(str::trim_ascii) {
            // A comma may end the field.
            if clause.is_empty() {
                continue;
            }
            let alternatives: Vec<_> =
                clause.split('|').take(COUNT_MAX).map(Relation::parse).collect::<Result<_, _>>()?;
            if clauses.len() == COUNT_MAX || alternatives.len() == COUNT_MAX {
                return Err(bad("it is longer than any list of dependencies"));
            }
            clauses.push(Self { alternatives });
        }
        Ok(clauses)
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, alternative) in self.alternatives.iter().enumerate() {
            let separator = if index == 0 { "" } else { " | " };
            write!(formatter, "{separator}{alternative}")?;
        }
        Ok(())
    }
}

/// Debian Policy, section 5.6.1; names of one letter are in no archive.
pub(super) fn is_package_name(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    name.len() >= 2
        && name.len() <= 255
        && name.bytes().all(allowed)
        && name.as_bytes()[0].is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_have_alternatives_with_versions() {
        let text = "libc6 (>= 2.38), debconf (>= 0.5) | debconf-2.0,\n python3:any (<<3.14~),";
        let clauses = Clause::parse_all(text).unwrap();
        let texts: Vec<_> = clauses.iter().map(ToString::to_string).collect();
        let expected = ["libc6 (>= 2.38)", "debconf (>= 0.5) | debconf-2.0", "python3 (<< 3.14~)"];
        assert_eq!(texts, expected);
        assert!(Clause::parse_all("").unwrap().is_empty());
    }

    #[test]
    fn constraints_hold_by_version() {
        let allows = |relation: &str, version: &str| {
            Relation::parse(relation).unwrap().allows(&Version::new(version).unwrap())
        };
        assert!(allows("aa", "1") && allows("aa (= 1)", "1.0-0") == allows("aa (= 1)", "1.0"));
        assert!(allows("aa (>= 1)", "1") && allows("aa (<= 1)", "1") && allows("aa (= 1)", "1"));
        assert!(!allows("aa (>> 1)", "1") && !allows("aa (<< 1)", "1"));
        assert!(allows("aa (>> 1)", "1+b1") && allows("aa (<< 1)", "1~rc1"));
    }

    #[test]
    fn what_is_no_relation_is_refused() {
        for text in [
            "A",
            "a",
            "-aa",
            "aa (1)",
            "aa (>= )",
            "aa (> 1)",
            "aa >= 1",
            "aa (>= 1",
            "aa |",
            "| aa",
            "aa [amd64]",
            "aa:arm64",
            "aa bb",
            "aa (>= 1) bb",
            "aa (=> 1)",
        ] {
            assert!(Clause::parse_all(text).is_err(), "{text:?}");
        }
    }
}
