//! The report of two builds as text.

use super::Report;

pub fn text(report: &Report) -> String {
    let mut text = String::from("the builds differed in\n");
    for variation in &report.variations {
        let what = variation.what;
        text += &match variation.not_varied {
            None => format!("  {what}: {} and {}\n", variation.first, variation.second),
            Some(why) => format!("  not in {what}: {why}\n"),
        };
    }
    for file in &report.files {
        let name = &file.name;
        if let Some(side) = file.only {
            text += &format!("FAIL  {name}: only the {side} build has it\n");
        } else if let Some(difference) = &file.difference {
            text += &format!(
                "FAIL  {name}\n      first other byte: {}\n      where: {}\n      probable cause: {}\n      {}\n",
                difference.artifact_byte, difference.place, difference.cause, difference.detail
            );
        } else {
            text += &format!("same  {name}  {} bytes\n", file.bytes);
        }
    }
    text + match report.reproducible {
        true => "both builds gave the same bytes\n",
        false => "the builds gave different bytes\n",
    }
}
