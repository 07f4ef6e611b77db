//! `@icp-sdk/core` in Node: `clients/agent.mjs` does the work.

use system_tests::{LocalNetwork, node_script, provided};

#[test]
fn the_javascript_agent_uses_two_canisters() {
    let network = LocalNetwork::start();
    node_script::run("agent.mjs", &network, &provided::output("icp-sdk-core"));
}
