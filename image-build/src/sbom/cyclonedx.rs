//! CycloneDX 1.5 (ECMA-424), as JSON.

use super::{Bill, Component};
use os_kit_disk_layout::Guid;
use serde_json::{Value, json};

pub fn document(bill: &Bill) -> Value {
    let image = format!("plinth-{}", bill.image);
    let serial = Guid::derived("sbom", format!("{image}/{}", bill.version).as_bytes());
    let components: Vec<Value> = bill.components.iter().map(component).collect();
    let contents: Vec<&str> = bill.components.iter().map(|c| c.purl.as_str()).collect();
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "serialNumber": format!("urn:uuid:{serial}").to_ascii_lowercase(),
        "metadata": {
            "timestamp": bill.created,
            "tools": [{ "name": "plinth", "version": env!("CARGO_PKG_VERSION") }],
            "component": {
                "type": "operating-system",
                "bom-ref": image,
                "name": image,
                "version": bill.version,
            },
        },
        "components": components,
        "dependencies": [{ "ref": image, "dependsOn": contents }],
    })
}

fn component(component: &Component) -> Value {
    let mut value = json!({
        "type": "library",
        "bom-ref": component.purl,
        "name": component.name,
        "version": component.version,
        "purl": component.purl,
        "hashes": [{ "alg": "SHA-256", "content": component.sha256 }],
    });
    if let Some(licence) = &component.licence {
        value["licenses"] = json!([{ "expression": licence }]);
    }
    value
}
