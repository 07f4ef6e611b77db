//! A canister's pages in headless Chromium, as a developer opens them after `icp deploy`.

use ic_agent::identity::BasicIdentity;
use ic_management_canister_types::CanisterInstallMode;
use system_tests::{LocalNetwork, development, node_script, provided};

#[tokio::test]
async fn a_browser_opens_a_canister() {
    let network = LocalNetwork::start();
    let agent =
        development::agent(&network, network.endpoint(), BasicIdentity::from_raw_key(&[7; 32]));
    let site = development::create(&agent, &network).await.unwrap();
    let module = provided::module("rust-site");
    let argument = candid::encode_args(()).unwrap();
    development::install(&agent, site, CanisterInstallMode::Install, &module, argument)
        .await
        .unwrap();
    let counter = development::create(&agent, &network).await.unwrap();
    let module = provided::module("rust-counter");
    let argument = candid::encode_args((None::<String>,)).unwrap();
    development::install(&agent, counter, CanisterInstallMode::Install, &module, argument)
        .await
        .unwrap();

    let port = network.endpoint().rsplit(':').next().unwrap();
    let output = provided::output("site");
    let variables = [
        ("SITE", format!("http://{site}.localhost:{port}")),
        ("RAW", format!("http://{counter}.raw.localhost:{port}/")),
        ("BY_PARAMETER", format!("http://localhost:{port}/index.html?canisterId={site}")),
    ];
    node_script::run_with("site.mjs", &network, &output, &variables);
    let picture = std::fs::read(output.join("site.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"), "the picture is a PNG");
}
