//! Debian's control format: paragraphs of `Field: value`, with continuation lines.

use thiserror::Error;

/// Fields of one paragraph; packages have about 25.
const FIELD_COUNT_MAX: usize = 128;
/// Bytes of one line; the longest lists of dependencies have some 10,000.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Text that is not in the control format.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("line {line}: {problem}")]
pub struct Deb822Error {
    /// Which line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// The fields between two empty lines, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paragraph<'a> {
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Paragraph<'a> {
    /// The value of a field, without spaces around it; continuation lines are part of it as they
    /// stand. Names of fields are compared without regard to case.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, v)| *v)
    }

    /// All fields in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.fields.iter().copied()
    }
}

/// Splits a text into paragraphs, one after another; the first error ends it.
pub fn paragraphs(text: &str) -> Paragraphs<'_> {
    Paragraphs { text, at: 0, line: 0, failed: false }
}

/// The one paragraph of a text.
pub fn single(text: &str) -> Result<Paragraph<'_>, Deb822Error> {
    let mut all = paragraphs(text);
    let first = all.next().unwrap_or(Err(Deb822Error { line: 1, problem: "there is no field" }))?;
    match all.next() {
        None => Ok(first),
        Some(Ok(_)) => Err(Deb822Error { line: all.line, problem: "there is a second paragraph" }),
        Some(Err(error)) => Err(error),
    }
}

/// See [`paragraphs`].
#[derive(Clone, Debug)]
pub struct Paragraphs<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    failed: bool,
}

impl<'a> Iterator for Paragraphs<'a> {
    type Item = Result<Paragraph<'a>, Deb822Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let paragraph = self.paragraph().transpose();
        self.failed = matches!(paragraph, Some(Err(_)));
        paragraph
    }
}

impl<'a> Paragraphs<'a> {
    fn paragraph(&mut self) -> Result<Option<Paragraph<'a>>, Deb822Error> {
        // Of each field: its name, where its value begins and where it ends.
        let mut fields: Vec<(&str, usize, usize)> = Vec::new();
        while let Some((start, line)) = self.next_line()? {
            if line.trim_ascii().is_empty() {
                if fields.is_empty() {
                    continue;
                }
                break;
            }
            let end = start + line.len();
            if line.starts_with([' ', '\t']) {
                let last = fields.last_mut().ok_or(self.bad("it continues no field"))?;
                last.2 = end;
                continue;
            }
            let (name, value) = line.split_once(':').ok_or(self.bad("it has no colon"))?;
            if !is_field_name(name) {
                return Err(self.bad("it begins with no name of a field"));
            }
            if fields.iter().any(|(field, ..)| field.eq_ignore_ascii_case(name)) {
                return Err(self.bad("the field is there twice"));
            }
            if fields.len() == FIELD_COUNT_MAX {
                return Err(self.bad("there are more fields than any paragraph has"));
            }
            fields.push((name, end - value.len(), end));
        }
        if fields.is_empty() {
            return Ok(None);
        }
        let value = |(name, start, end): &(&'a str, usize, usize)| {
            (*name, self.text[*start..*end].trim_ascii())
        };
        Ok(Some(Paragraph { fields: fields.iter().map(value).collect() }))
    }

    /// The next line without its end, and where it begins.
    fn next_line(&mut self) -> Result<Option<(usize, &'a str)>, Deb822Error> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return Ok(None);
        }
        let start = self.at;
        let line = rest.split('\n').next().unwrap_or(rest);
        self.line += 1;
        self.at = (start + line.len() + 1).min(self.text.len());
        if line.len() > LINE_BYTES_MAX {
            return Err(self.bad("it is longer than 1 MiB"));
        }
        if line.bytes().any(|byte| byte == 0 || byte == b'\r') {
            return Err(self.bad("it has a NUL or a carriage return"));
        }
        Ok(Some((start, line)))
    }

    fn bad(&self, problem: &'static str) -> Deb822Error {
        Deb822Error { line: self.line, problem }
    }
}

fn is_field_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(['#', '-']) && name.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_have_fields_and_continuations() {
        let text = "\n\nPackage: a\nDepends: b,\n c\nEmpty:\n \nPackage: d\n\n";
        let found: Vec<_> = paragraphs(text).collect::<Result<_, _>>().unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].get("depends"), Some("b,\n c"));
        assert_eq!(found[0].get("Empty"), Some(""));
        assert_eq!(found[1].get("Package"), Some("d"));
        assert_eq!(found[1].get("Depends"), None);
        assert_eq!(found[0].fields().count(), 3);
        assert_eq!(paragraphs("A: 1").next().unwrap().unwrap().get("A"), Some("1"));
    }

    #[test]
    fn damage_is_named_by_line() {
        let check = |text: &str, line: usize, expected: &str| {
            let error = paragraphs(text).find_map(Result::err).unwrap();
            assert_eq!(error.line, line, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        };
        check("A: 1\nnonsense", 2, "colon");
        check(" A: 1", 1, "continues no field");
        check("A: 1\n\n b", 3, "continues no field");
        check("A: 1\na: 2", 2, "twice");
        check("A b: 1", 1, "name of a field");
        check(": 1", 1, "name of a field");
        check("#A: 1", 1, "name of a field");
        check("A: 1\r\n", 1, "carriage return");
        check(&"x".repeat(LINE_BYTES_MAX + 1), 1, "longer");
        let many: String = (0..=FIELD_COUNT_MAX).map(|n| format!("A{n}: 1\n")).collect();
        check(&many, FIELD_COUNT_MAX + 1, "more fields");
        assert_eq!(paragraphs("x\nA: 1").count(), 1, "an error ends it");
    }

    #[test]
    fn a_single_paragraph_is_single() {
        assert_eq!(single("A: 1\n\n").unwrap().get("A"), Some("1"));
        assert!(single("A: 1\n\nB: 2\n").unwrap_err().to_string().contains("second"));
        assert!(single("\n").unwrap_err().to_string().contains("no field"));
    }
}
