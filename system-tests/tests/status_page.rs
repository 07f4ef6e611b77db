//! The status page in headless Chromium, with a picture of it left in the target folder.

use system_tests::{LocalNetwork, node_script, provided};

#[test]
fn a_browser_shows_the_network() {
    let network = LocalNetwork::start();
    let output = provided::output("status-page");
    node_script::run("status_page.mjs", &network, &output);
    let picture = std::fs::read(output.join("status-page.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"), "the picture is a PNG");
}
