//! Partition tables: checked by `sgdisk` and `sfdisk`.

use super::tool::{run, tool};
use image_build::gpt::Table;
use os_kit_disk_layout::table::DISKS;
use std::collections::BTreeMap;
use std::fs::File;

#[test]
fn tables_are_those_of_sfdisk_and_sgdisk() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk");
    for disk in DISKS {
        let placement = disk.place(&BTreeMap::new(), None).unwrap();
        let mut file = File::create(&image).unwrap();
        file.set_len(placement.disk_bytes).unwrap();
        Table::of(&placement).write(&mut file).unwrap();
        let said = run(tool("sgdisk").arg("-v").arg(&image));
        assert!(said.contains("No problems found"), "{said}");
        assert!(!said.contains("Caution") && !said.contains("Warning"), "{said}");
        let said = run(tool("sfdisk").arg("--verify").arg(&image));
        assert!(said.contains("No errors detected"), "{said}");
        let dump = run(tool("sfdisk").arg("--dump").arg(&image)).replace("= ", "=").to_lowercase();
        assert!(dump.contains(&format!("label-id: {}", placement.id)), "{dump}");
        for partition in placement.partitions() {
            let line = dump.lines().find(|line| line.contains(&partition.id.to_string()));
            let line = line.unwrap_or_else(|| panic!("{} is missing: {dump}", partition.label));
            for part in [
                format!("start={},", partition.first_sector()),
                format!("size={},", partition.length_bytes / 512),
                format!("name=\"{}\"", partition.label),
                format!("type={}", partition.kind.type_id()),
            ] {
                assert!(line.replace(" ", "").contains(&part), "{part}: {line}");
            }
        }
    }
}
