//! Small archives, and what is chosen out of them.

use super::*;

/// `name version | depends | provides | conflicts`, one package a line.
fn index(lines: &str) -> Index {
    let mut text = String::new();
    for line in lines.lines().map(str::trim_ascii).filter(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.split('|').map(str::trim_ascii).collect();
        let (name, version) = fields[0].split_once(' ').unwrap();
        let field = |at: usize| fields.get(at).copied().unwrap_or_default().replace(" or ", " | ");
        text += &format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: pool/{name}\n\
             Size: 1\nSHA256: {}\nDepends: {}\nProvides: {}\nConflicts: {}\n\n",
            "0".repeat(64),
            field(1),
            field(2),
            field(3)
        );
    }
    Index::read(text.into_bytes(), String::new()).unwrap()
}

fn names(text: &str) -> BTreeSet<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

fn run(lines: &str, packages: &str, omit: &str, choose: &[(&str, &str)]) -> Result<String, String> {
    let index = index(lines);
    let suites = Suites { indexes: vec![("one".into(), &index)] };
    let choose = choose.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let request = Request { packages: names(packages), omit: names(omit), choose };
    let chosen = resolve(&suites, &request).map_err(|error| error.to_string())?;
    let texts: Vec<_> =
        chosen.values().map(|c| format!("{}={}", c.package.name, c.package.version)).collect();
    Ok(texts.join(" "))
}

fn check(lines: &str, packages: &str, expected: &str) {
    assert_eq!(run(lines, packages, "", &[]).unwrap(), expected);
}

fn check_error(lines: &str, packages: &str, expected: &str) {
    let error = run(lines, packages, "", &[]).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn dependencies_are_followed_to_their_end() {
    check("aa 1 | bb, cc\n bb 1 | cc (>= 2)\n cc 1\n cc 2\n dd 1", "aa", "aa=1 bb=1 cc=2");
    check("aa 1 | bb\n bb 1 | aa", "aa", "aa=1 bb=1");
}

#[test]
fn the_first_alternative_that_exists_is_taken() {
    check("aa 1 | xx or bb or cc\n bb 1\n cc 1", "aa", "aa=1 bb=1");
    check("aa 1 | bb (>= 2) or cc\n bb 1\n cc 1", "aa", "aa=1 cc=1");
    // What is asked for by name comes first.
    check("aa 1 | bb or cc\n bb 1\n cc 1", "aa cc", "aa=1 cc=1");
}

#[test]
fn a_choice_decides_between_alternatives_and_providers() {
    let lines = "aa 1 | mta\n bb 1 | | mta\n cc 1 | | mta";
    check_error(lines, "aa", "aa: mta is provided by bb, cc");
    assert_eq!(run(lines, "aa", "", &[("mta", "cc")]).unwrap(), "aa=1 cc=1");
    check(lines, "aa bb", "aa=1 bb=1");
    let lines = "aa 1 | bb or cc\n bb 1\n cc 1";
    assert_eq!(run(lines, "aa", "", &[("cc", "cc")]).unwrap(), "aa=1 cc=1");
}

#[test]
fn a_provided_version_counts() {
    check("aa 1 | bb (>= 2)\n cc 1 | | bb (= 2)", "aa cc", "aa=1 cc=1");
    check_error("aa 1 | bb (>= 2)\n cc 1 | | bb (= 1)", "aa cc", "bb (>= 2) is provided by cc");
    check_error("aa 1 | bb (>= 2)\n cc 1 | | bb", "aa cc", "bb (>= 2) is provided by cc");
}

#[test]
fn an_omitted_package_is_not_installed() {
    let lines = "aa 1 | bb or cc, dd\n bb 1\n cc 1\n dd 1";
    assert_eq!(run(lines, "aa", "cc", &[]).unwrap(), "aa=1 dd=1");
    let error = run(lines, "aa", "zz", &[]).unwrap_err();
    assert!(error.contains("nothing depends on zz"), "{error}");
    let error = run(lines, "aa", "", &[("zz", "bb")]).unwrap_err();
    assert!(error.contains("drop it from choose"), "{error}");
}

#[test]
fn what_cannot_be_met_is_told_with_its_path() {
    check_error("aa 1", "zz", "no suite has a package zz");
    check_error("aa 1 | bb\n bb 1 | cc (>= 2)\n cc 1", "aa", "aa -> bb: nothing meets cc (>= 2)");
    check_error("aa 1 | bb\n bb 1 | cc (>= 2)\n cc 1", "aa", "of cc there is 1");
    check_error("aa 1 | bb", "aa", "there is no bb");
}

#[test]
fn conflicts_are_refused() {
    check_error("aa 1 | | | bb (<< 2)\n bb 1", "aa bb", "aa conflicts with bb 1 (bb (<< 2))");
    check("aa 1 | | | bb (<< 2)\n bb 2", "aa bb", "aa=1 bb=2");
    check_error("aa 1 | | mta | mta\n bb 1 | | mta", "aa bb", "conflicts with bb");
}

#[test]
fn the_latest_version_of_all_suites_is_taken() {
    let (base, security) = (index("aa 1\n bb 1 | aa"), index("aa 1+deb13u1"));
    let suites = Suites { indexes: vec![("base".into(), &base), ("security".into(), &security)] };
    let request = Request { packages: names("bb"), ..Request::default() };
    let chosen = resolve(&suites, &request).unwrap();
    assert_eq!(chosen["aa"].suite, "security");
    assert_eq!(chosen["bb"].suite, "base");
}

#[test]
fn a_kernel_is_found_behind_its_meta_package() {
    let index = index("linux-image-amd64 2 | linux-image-2-amd64 (= 2)\n linux-image-2-amd64 2");
    let suites = Suites { indexes: vec![("one".into(), &index)] };
    let kernel = kernel_of(&suites, "linux-image-amd64").unwrap();
    assert_eq!(kernel.package.name, "linux-image-2-amd64");
    assert!(kernel_of(&suites, "linux-image-none").is_err());
}
