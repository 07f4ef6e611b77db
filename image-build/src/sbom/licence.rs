//! Licences of Debian packages, out of their machine-readable copyright files (DEP 5).

use crate::debian::deb822;
use std::collections::{BTreeMap, BTreeSet};

/// Characters of one text that is kept.
const TEXT_CHARS_MAX: usize = 20_000;

/// Short names of Debian and the identifiers that SPDX has for them; the case does not matter.
const KNOWN: &[(&str, &str)] = &[
    ("agpl-3", "AGPL-3.0-only"),
    ("agpl-3+", "AGPL-3.0-or-later"),
    ("apache-2", "Apache-2.0"),
    ("apache-2.0", "Apache-2.0"),
    ("artistic", "Artistic-1.0-Perl"),
    ("artistic-1.0", "Artistic-1.0-Perl"),
    ("artistic-2.0", "Artistic-2.0"),
    ("bsd-2-clause", "BSD-2-Clause"),
    ("bsd-3-clause", "BSD-3-Clause"),
    ("bsd-4-clause", "BSD-4-Clause"),
    ("bsd-4-clause-uc", "BSD-4-Clause-UC"),
    ("bsl-1.0", "BSL-1.0"),
    ("cc0", "CC0-1.0"),
    ("cc0-1.0", "CC0-1.0"),
    ("expat", "MIT"),
    ("gfdl-1.2", "GFDL-1.2-only"),
    ("gfdl-1.3", "GFDL-1.3-only"),
    ("gfdl-1.3+", "GFDL-1.3-or-later"),
    ("gpl-1", "GPL-1.0-only"),
    ("gpl-1+", "GPL-1.0-or-later"),
    ("gpl-2", "GPL-2.0-only"),
    ("gpl-2+", "GPL-2.0-or-later"),
    ("gpl-2.0", "GPL-2.0-only"),
    ("gpl-2.0+", "GPL-2.0-or-later"),
    ("gpl-3", "GPL-3.0-only"),
    ("gpl-3+", "GPL-3.0-or-later"),
    ("gpl-3.0+", "GPL-3.0-or-later"),
    ("isc", "ISC"),
    ("lgpl-2", "LGPL-2.0-only"),
    ("lgpl-2+", "LGPL-2.0-or-later"),
    ("lgpl-2.1", "LGPL-2.1-only"),
    ("lgpl-2.1+", "LGPL-2.1-or-later"),
    ("lgpl-3", "LGPL-3.0-only"),
    ("lgpl-3+", "LGPL-3.0-or-later"),
    ("mit", "MIT"),
    ("mit-0", "MIT-0"),
    ("mpl-1.1", "MPL-1.1"),
    ("mpl-2.0", "MPL-2.0"),
    ("openssl", "OpenSSL"),
    ("unlicense", "Unlicense"),
    ("zlib", "Zlib"),
    ("0bsd", "0BSD"),
];

/// What a copyright file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Licence {
    /// An expression of SPDX; none if the file is not for machines.
    pub expression: Option<String>,
    /// Texts of licences that SPDX has no identifier for, by the one that we give them.
    pub texts: BTreeMap<String, String>,
}

/// Reads a copyright file. All licences that it names hold together: which file is under which of
/// them is not said.
pub fn read(bytes: &[u8]) -> Licence {
    let text = String::from_utf8_lossy(bytes).replace('\r', "");
    let Ok(paragraphs) = deb822::paragraphs(&text).collect::<Result<Vec<_>, _>>() else {
        return Licence::default();
    };
    if paragraphs.first().is_none_or(|first| first.get("Format").is_none()) {
        return Licence::default();
    }
    let mut parts = BTreeSet::new();
    let mut texts = BTreeMap::new();
    for field in paragraphs.iter().filter_map(|paragraph| paragraph.get("License")) {
        let (name, body) = field.split_once('\n').unwrap_or((field, ""));
        let name = name.trim_ascii();
        if name.is_empty() {
            continue;
        }
        let (expression, unknown) = expression(name);
        parts.insert(expression);
        for (id, name) in unknown {
            let body: String = body.trim_ascii().chars().take(TEXT_CHARS_MAX).collect();
            let kept = texts.entry(id).or_insert_with(|| name.clone());
            // A text says more than a name that stands for one.
            if body.len() > kept.len() {
                *kept = body;
            }
        }
    }
    let parts: Vec<_> = parts.into_iter().collect();
    Licence { expression: (!parts.is_empty()).then(|| parts.join(" AND ")), texts }
}

/// The expression of a short name, and what in it SPDX does not know.
fn expression(name: &str) -> (String, Vec<(String, String)>) {
    let mut unknown = Vec::new();
    let words: Vec<&str> = name.split_ascii_whitespace().collect();
    // `A or B and C`: names at even places, and the two words between them. All else is one name.
    let is_joined = words.len() % 2 == 1
        && words.iter().skip(1).step_by(2).all(|word| ["or", "and"].contains(word))
        && words.iter().step_by(2).all(|word| !word.ends_with(','));
    if !is_joined {
        return (identifier(name, &mut unknown), unknown);
    }
    let text: Vec<String> = words
        .iter()
        .enumerate()
        .map(|(at, word)| match at % 2 {
            0 => identifier(word, &mut unknown),
            _ => word.to_ascii_uppercase(),
        })
        .collect();
    let text = text.join(" ");
    (if words.len() > 1 { format!("({text})") } else { text }, unknown)
}

fn identifier(name: &str, unknown: &mut Vec<(String, String)>) -> String {
    let lower = name.to_ascii_lowercase();
    if let Some((_, known)) = KNOWN.iter().find(|(short, _)| *short == lower) {
        return (*known).to_owned();
    }
    let mut plain = String::new();
    for c in name.chars() {
        match c {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '.' => plain.push(c),
            '+' => plain.push_str("-or-later"),
            _ if !plain.ends_with('-') => plain.push('-'),
            _ => {}
        }
    }
    let id = format!("LicenseRef-Debian-{}", plain.trim_matches('-'));
    unknown.push((id.clone(), name.to_owned()));
    id
}
