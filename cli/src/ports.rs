//! Whether the network's ports are free.

use std::net::{SocketAddr, TcpListener};

use crate::error::Error;
use crate::layout::Network;

/// Checks that every address of `network` can be listened on, by listening on it for a moment.
pub fn check(network: &Network) -> Result<(), Error> {
    (0..network.nodes).try_for_each(|index| check_node(network, index))
}

/// The same for one node.
pub fn check_node(network: &Network, index: usize) -> Result<(), Error> {
    let addresses = network.addresses(index);
    [addresses.api, addresses.p2p, addresses.metrics].into_iter().try_for_each(free)
}

fn free(address: SocketAddr) -> Result<(), Error> {
    match TcpListener::bind(address) {
        Ok(_closed_at_once) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Err(Error::PortTaken { address: address.ip(), port: address.port() })
        }
        Err(source) => Err(Error::Listen { address, source }),
    }
}

/// A port that is free now together with the two above it.
pub fn choose(bind: std::net::IpAddr, nodes: usize) -> Result<u16, Error> {
    let any = SocketAddr::new(bind, 0);
    let listen = |source| Error::Listen { address: any, source };
    loop {
        let port = TcpListener::bind(any)
            .and_then(|listener| listener.local_addr())
            .map_err(listen)?
            .port();
        let network = Network { format: crate::layout::FORMAT, port, bind, nodes, bare: true };
        if (1024..=65_533).contains(&port) && check(&network).is_ok() {
            return Ok(port);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    #[test]
    fn a_taken_port_is_named() {
        let bind = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let port = choose(bind, 2).expect("a free port");
        let network = Network { format: 1, port, bind, nodes: 2, bare: true };
        check(&network).expect("free");
        let _taken = TcpListener::bind(network.addresses(1).p2p).expect("free");
        let error = check(&network).expect_err("taken").to_string();
        assert!(error.contains(&format!("port {} of 127.0.0.2", port + 1)), "{error}");
    }
}
