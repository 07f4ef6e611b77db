use super::*;

#[test]
fn each_spec_of_this_program_can_be_read() {
    let all = all();
    assert_eq!(all.len(), SPECS.len());
    assert!(names().is_sorted());
    // No file is left out.
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("specs");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), SPECS.len());
}

#[test]
fn unknown_names_are_refused_with_the_known_ones() {
    let error = Spec::named("gen9").unwrap_err().to_string();
    assert_eq!(error, "there is no spec \"gen9\"; there are gen1, gen2, gen3, gen4, qemu");
}

/// A spec that says something else than can be meant.
#[test]
fn wrong_specs_are_refused() {
    let text = SPECS.iter().find(|(name, _)| *name == "gen2").unwrap().1;
    let check = |from: &str, to: &str, expected: &str| {
        assert!(text.contains(from), "{from}");
        let error = Spec::parse("gen2", &text.replacen(from, to, 1)).expect_err(expected);
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let told = format!("{error} {}", cause.unwrap_or_default());
        assert!(told.contains(expected), "{told} does not say: {expected}");
    };
    check("title:", "titles:", "unknown field `titles`");
    check("count_min: 5", "count_min: 5, count_max: 6", "unknown field `count_max`");
    check("name: gen2", "name: gen3", "not that of its file");
    check("title: EPYC 7003 (Milan)", "title: ''", "no title");
    check("sockets: [2, 2]", "sockets: [2, 1]", "sockets");
    check("sockets: [2, 2]", "sockets: [0, 1]", "sockets");
    check("sockets: [2, 2]", "sockets: [2]", "invalid length");
    check("cores_min: 32", "cores_min: 0", "as many threads as cores");
    check("threads_min: 64", "threads_min: 16", "as many threads as cores");
    check("last: 0x0f", "last: -1", "invalid type: integer `-1`");
    check("first: 0x00", "first: 0x10", "ranges from a first to a last");
    check("kinds: [nvme]", "kinds: []", "needs kinds");
    check("kinds: [nvme]", "kinds: [tape]", "unknown variant `tape`");
    check("count_min: 2", "count_min: 0", "needs drivers and a count");
    check("version: 2", "version: 1", "version 2");
    check("off-no-keys", "maybe", "unknown variant `maybe`");
    check("\"1.51\"", "\"1.x\"", "no version such as");
    check("\"1.51\"", "\"01.51\"", "no version such as");
}

#[test]
fn what_is_shown_can_be_read_again() {
    for spec in all() {
        let text = serde_yaml::to_string(&spec).unwrap();
        assert_eq!(Spec::parse(&spec.name, &text).unwrap(), spec);
    }
}
