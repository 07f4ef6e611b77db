use super::*;
use crate::crypto::{Digest, Hash};
use crate::predict::uki::Uki;
use crate::predict::variable::{SecureBoot, SecureBootVariable};

fn events() -> Vec<PredictedEvent> {
    use crate::predict::boot::UkiBoot;
    use crate::predict::pe::build::program;
    let kernel = program(&[(".text", b"kernel")]);
    let bytes = program(&[(".cmdline", b"quiet"), (".linux", &kernel)]);
    let uki = Uki::parse(&bytes).unwrap();
    let boot = UkiBoot {
        uki: &uki,
        secure_boot: &SecureBoot { is_on: Some(false), ..SecureBoot::default() },
        authority: None,
        options_ended: 1,
        loader: Some(uki.kernel()),
        initrd: b"initrd",
        phases: &["sysinit", "ready"],
    };
    Prediction::of(&boot).unwrap().events().to_vec()
}

#[test]
fn every_prediction_is_one_again() {
    let events = events();
    assert_eq!(Prediction::from_events(events.clone()).unwrap().events(), events);
    assert!(Prediction::from_events(Vec::new()).is_ok());
}

#[test]
fn ids_stand_for_one_thing_each() {
    let mut all: Vec<What> = events().into_iter().map(|event| event.what).collect();
    all.push(What::Authority);
    all.extend(SecureBootVariable::ALL.map(What::Variable));
    for what in all {
        assert_eq!(What::from_id(&what.id()), Some(what));
    }
    for none in
        ["", "image:", "section:", "section:.text", "phase:", "phase:Ready", "variable:dbt", "x:y"]
    {
        assert_eq!(What::from_id(none), None, "{none}");
    }
}

/// Each change is refused for its own reason.
#[test]
fn what_no_boot_measures_is_refused() {
    let check = |expected: &str, change: &dyn Fn(&mut Vec<PredictedEvent>)| {
        let mut events = events();
        change(&mut events);
        let error = Prediction::from_events(events).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error} does not say: {expected}");
    };
    let last = |events: &mut Vec<PredictedEvent>| events.len() - 1;
    check("more than 1024 events", &|events| events.resize(1025, events[0].clone()));
    check("event 0 (boot-option) does not extend this PCR", &|events| events[0].pcr = 7);
    check("does not extend this PCR", &|events| events[0].pcr = 24);
    check("in the order of the banks", &|events| events[0].digests.reverse());
    check("another digest than its content", &|events| events[0].data = Some(vec![1]));
    check("another digest than its content", &|events| {
        events[0].digests[1] = Digest::zero(Hash::Sha384);
    });
    check("(phase:ready) does not measure its word", &|events| {
        let last = last(events);
        events[last].data = None;
    });
    check("does not measure its word", &|events| {
        let last = last(events);
        events[last].what = What::Phase("final".to_owned());
    });
    check("comes after one of a higher PCR", &|events| events.rotate_left(3));
    check("(section:.cmdline) comes after a phase", &|events| {
        let last = last(events);
        events.swap(last, last - 2);
    });
}
