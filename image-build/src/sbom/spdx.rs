//! SPDX 2.3 (ISO/IEC 5962 with its later additions), as JSON.

use super::{Bill, Component, Supplier};
use serde_json::{Value, json};

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-Image";

pub fn document(bill: &Bill) -> Value {
    let mut packages = vec![image(bill)];
    let mut relationships = vec![relationship(DOCUMENT, "DESCRIBES", IMAGE)];
    for component in &bill.components {
        packages.push(package(component));
        relationships.push(relationship(IMAGE, "CONTAINS", &id(component)));
    }
    let texts: Vec<Value> = bill
        .texts
        .iter()
        .map(|(id, text)| json!({ "licenseId": id, "extractedText": text, "name": id }))
        .collect();
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": format!("plinth-{}", bill.image),
        "documentNamespace":
            format!("https://plinth.invalid/sbom/{}/{}", bill.image, bill.version),
        "creationInfo": {
            "created": bill.created,
            "creators": [format!("Tool: plinth-{}", env!("CARGO_PKG_VERSION"))],
        },
        "packages": packages,
        "relationships": relationships,
        "hasExtractedLicensingInfos": texts,
    })
}

fn image(bill: &Bill) -> Value {
    json!({
        "SPDXID": IMAGE,
        "name": format!("plinth-{}", bill.image),
        "versionInfo": bill.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": "OPERATING-SYSTEM",
    })
}

fn package(component: &Component) -> Value {
    let supplier = match component.supplier {
        Supplier::Debian => "Organization: Debian",
        Supplier::Crates => "NOASSERTION",
    };
    let mut package = json!({
        "SPDXID": id(component),
        "name": component.name,
        "versionInfo": component.version,
        "supplier": supplier,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "checksums": [{ "algorithm": "SHA256", "checksumValue": component.sha256 }],
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": component.licence.as_deref().unwrap_or("NOASSERTION"),
        "copyrightText": "NOASSERTION",
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": component.purl,
        }],
    });
    if let Some(source) = &component.source {
        package["sourceInfo"] = json!(format!("built from the source package {source}"));
    }
    package
}

/// Letters, digits, dots and dashes; the first bytes of the hash keep it apart from all others.
fn id(component: &Component) -> String {
    let plain: String = component
        .name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
        .collect();
    let hash = component.sha256.get(..16).unwrap_or(&component.sha256);
    format!("SPDXRef-{plain}-{hash}")
}

fn relationship(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}
