use super::*;
use crate::evidence::forge::Machine;
use crate::evidence::{Known, Roots};
use serde_json::{Value, json};

fn good() -> Value {
    Machine::new(Role::Machine, 1).policy
}

fn read(policy: &Value) -> Result<Policy, String> {
    serde_json::from_value(policy.clone()).map_err(|error| error.to_string())
}

/// All paths to fields of maps, the deepest first.
fn fields(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                fields(value, &format!("{path}/{key}"), found);
                found.push((path.to_owned(), key.clone()));
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                fields(value, &format!("{path}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn a_policy_is_read() {
    let policy = read(&good()).unwrap();
    assert_eq!(policy.roles(), &BTreeSet::from([Role::Machine]));
    for role in Role::ALL {
        read(&Machine::new(role, 1).policy).unwrap();
    }
}

/// There are no defaults: each field that is left out is missed, and so is each entry of data that others rest
/// on, such as the values of a register.
#[test]
fn each_field_must_be_there_and_no_other() {
    let mut all = Vec::new();
    fields(&good(), "", &mut all);
    assert!(all.len() > 60, "{} fields", all.len());
    for (path, key) in all {
        let mut without = good();
        without.pointer_mut(&path).unwrap().as_object_mut().unwrap().remove(&key);
        read(&without).expect_err(&format!("{path}/{key} is left out"));
        let mut more = good();
        more.pointer_mut(&path).unwrap().as_object_mut().unwrap().insert("more".into(), json!(1));
        read(&more).expect_err(&format!("{path} has one more"));
    }
}

fn refused(part: &str, change: impl FnOnce(&mut Value)) {
    let mut policy = good();
    change(&mut policy);
    let error = read(&policy).expect_err(part);
    assert!(error.contains(part), "{part}: {error}");
}

fn set(path: &str, value: Value) -> impl FnOnce(&mut Value) {
    move |policy| *policy.pointer_mut(path).expect("the policy has it") = value
}

#[test]
fn what_could_pass_unseen_is_no_policy() {
    refused("version 2 is not known", set("/version", json!(2)));
    refused("`roles` is empty", set("/roles", json!([])));
    refused("unknown variant", set("/roles", json!(["anyone"])));
    refused("role machine needs the section `tpm`", set("/tpm", Value::Null));
    refused("role machine needs the section `snp`", set("/snp", Value::Null));
    refused("section `snp` is about", set("/roles", json!(["host"])));
    refused("section `tpm` is about", set("/roles", json!(["guest"])));
    refused("`selection` is empty", set("/tpm/selection", json!({})));
    refused("`selection` is empty", set("/tpm/selection/sha256", json!([])));
    refused("cannot rest on SHA-1", set("/tpm/selection", json!({"sha1": [0]})));
    refused("no PCR 24", set("/tpm/selection/sha256", json!([0, 24])));
    refused(
        "PCR 7 sha256 is selected: name it",
        set("/tpm/selection/sha256", json!([0, 4, 5, 7, 11])),
    );
    refused(
        "PCR 4 sha256 in `releases` is not in the selection",
        set("/tpm/selection/sha256", json!([0, 5, 11])),
    );
    refused(
        "PCR 6 sha384 in `unjudged` is not in the selection",
        set("/tpm/unjudged/sha384", json!([5, 6])),
    );
    refused("PCR 7 sha256 in `explained-by-log`", set("/tpm/explained-by-log", json!([4, 7])));
    refused("`explained-by-log` is empty", set("/tpm/explained-by-log", json!([])));
    refused("PCR 4 sha384 is in more than one", set("/tpm/unjudged/sha384", json!([4, 5])));
    refused("`releases` is empty", set("/tpm/releases", json!([])));
    refused("`pcrs` is empty", set("/tpm/releases/0/pcrs/sha256/4", json!([])));
    refused(
        "a value of PCR 4 sha256 has 2 bytes, not 32",
        set("/tpm/releases/0/pcrs/sha256/4", json!(["0011"])),
    );
    refused("write `04` as 4", |policy| {
        let values = policy["tpm"]["releases"][0]["pcrs"]["sha256"].as_object_mut().unwrap();
        values.insert("04".into(), json!(["00".repeat(32)]));
    });
    refused("Odd number of digits", set("/tpm/releases/0/pcrs/sha256/4", json!(["0"])));
    refused("`firmware-versions` is empty", set("/tpm/firmware-versions", json!([])));
    refused("`all` is no `any`", set("/tpm/firmware-versions", json!("all")));
    refused("unknown variant", set("/tpm/ek-quirks", json!(["everything"])));
    refused("`host 1.2.0` names two entries", |policy| {
        let releases = policy["tpm"]["releases"].as_array_mut().unwrap();
        releases.push(releases[0].clone());
    });
    // A second release that says nothing of one register would accept anything there.
    refused("PCR 11 sha384 is selected: name it in `releases` `lax`", |policy| {
        let releases = policy["tpm"]["releases"].as_array_mut().unwrap();
        let mut lax = releases[0].clone();
        lax["name"] = json!("lax");
        lax["pcrs"]["sha384"].as_object_mut().unwrap().remove("11");
        releases.push(lax);
    });
    refused("`products` is empty", set("/snp/products", json!({})));
    refused("unknown variant", set("/snp/products", json!({"rome": {}})));
    refused("`vmpl` is empty", set("/snp/vmpl", json!([])));
    refused("there is no VMPL 4", set("/snp/vmpl", json!([0, 4])));
    refused("there is no VMPL 4294967295", set("/snp/vmpl", json!([u32::MAX])));
    refused("`debug` is no bit of guest policies", set("/snp/guest-may-allow", json!(["debug"])));
    refused("`smt` is no bit of guest policies", set("/snp/guest-must-demand", json!(["smt"])));
    refused("`fast` is no setting of platforms", set("/snp/platform-required", json!(["fast"])));
    refused("`releases` is empty", set("/snp/releases", json!([])));
    refused("`measurements` is empty", set("/snp/releases/0/measurements", json!([])));
    refused(
        "a launch digest has 32 bytes, not 48",
        set("/snp/releases/0/measurements", json!(["00".repeat(32)])),
    );
    refused("id-keys has 1 bytes, not 48", set("/snp/id-keys", json!(["00"])));
    refused("`chip-ids` is empty", set("/snp/chip-ids", json!([])));
    refused("invalid type", set("/snp/products/milan/launch/snp", json!("24")));
    refused("invalid value", set("/snp/products/milan/launch/snp", json!(256)));
}

#[test]
fn what_a_verifier_knows_is_read_as_strictly() {
    let good = json!({
        "height": 10,
        "certified": {"9": "42".repeat(32)},
        "activations": [{"secret": "01".repeat(32), "randomness": "1122"}],
        "machine": {
            "ek": format!("000b{}", "07".repeat(32)),
            "ak": null,
            "chip": "51".repeat(64),
            "clock": {"clock-ms": 5, "reset-count": 6, "restart-count": 7},
        },
    });
    let read = |known: &Value| serde_json::from_value::<Known>(known.clone());
    let known = read(&good).unwrap();
    assert_eq!(known.certified[&9], [0x42; 32]);
    assert_eq!(known.machine.unwrap().clock.unwrap().restart_count, 7);
    let mut all = Vec::new();
    fields(&good, "", &mut all);
    for (path, key) in all.iter().filter(|(path, _)| path != "/certified") {
        let mut without = good.clone();
        without.pointer_mut(path).unwrap().as_object_mut().unwrap().remove(key);
        read(&without).expect_err(&format!("{path}/{key} is left out"));
    }
    for (path, value) in [
        ("/certified/9", json!("42")),
        ("/activations/0/secret", json!("01")),
        ("/activations/0/more", json!("01")),
        ("/machine/ek", json!("000b")),
        ("/machine/ek", json!(format!("0012{}", "07".repeat(32)))),
        ("/machine/chip", json!("51")),
        ("/machine/more", json!(1)),
    ] {
        let mut wrong = good.clone();
        let (parent, key) = path.rsplit_once('/').unwrap();
        wrong.pointer_mut(parent).unwrap()[key] = value.clone();
        read(&wrong).expect_err(&format!("{path} is {value}"));
    }
}

#[test]
fn roots_are_certificates_and_digests_of_keys() {
    let pem = std::fs::read_to_string(format!(
        "{}/vectors/tpm-swtpm/swtpm-localca-rootca-cert.pem",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap();
    let list = include_str!("../../../vectors/revocation/middle.crl.pem");
    let good = json!({
        "tpm": [{"label": "test", "certificate": pem}],
        "tpm-intermediates": [pem],
        "snp": [{"label": "ARK", "product": "genoa", "key-sha256": "42".repeat(32)}],
        "tpm-revocation-lists": [],
        "snp-revocation-lists": [list],
    });
    let read = |roots: &Value| serde_json::from_value::<Roots>(roots.clone());
    read(&good).unwrap();
    let both = format!("{pem}{pem}");
    for (path, value) in [
        ("/tpm/0/certificate", json!("nothing")),
        ("/tpm/0/certificate", json!(both)),
        ("/tpm-intermediates/0", json!("-----BEGIN CERTIFICATE-----")),
        ("/snp-revocation-lists/0", json!(pem)),
        ("/tpm-revocation-lists", json!([list.replace("END", "AND")])),
        ("/snp/0/key-sha256", json!("42")),
        ("/snp/0/product", json!("rome")),
    ] {
        let mut wrong = good.clone();
        *wrong.pointer_mut(path).unwrap() = value;
        read(&wrong).expect_err(path);
    }
}

/// The text of a value in which the entry `key` of the map at `path` comes twice.
fn doubled(value: &Value, path: &str, key: &str) -> String {
    let mut value = value.clone();
    let map = value.pointer_mut(path).unwrap().as_object_mut().unwrap();
    let entry = map[key].clone();
    map.insert("DOUBLE".into(), entry);
    value.to_string().replace("DOUBLE", key)
}

/// Of two entries with one key the last would win, and a reader may see the first.
#[test]
fn no_entry_comes_twice() {
    let known = json!({
        "height": 10,
        "certified": {"9": "42".repeat(32)},
        "activations": [{"secret": "01".repeat(32), "randomness": "1122"}],
        "machine": {"ek": null, "ak": null, "chip": null, "clock": null},
    });
    let check = |good: &Value, error_of: fn(&str) -> String| {
        let mut all = Vec::new();
        fields(good, "", &mut all);
        for (path, key) in all {
            let error = error_of(&doubled(good, &path, &key));
            let is_clear = error.contains("duplicate field") || error.contains("is there twice");
            // Products say their names with a capital.
            let is_named = error.to_lowercase().contains(&key);
            assert!(is_clear && is_named, "{path}/{key}: {error}");
        }
    };
    check(&good(), |text| serde_json::from_str::<Policy>(text).unwrap_err().to_string());
    check(&known, |text| serde_json::from_str::<Known>(text).unwrap_err().to_string());
}
