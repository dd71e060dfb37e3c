//! Whether a dial would come back to a door of this process for ever.
//!
//! Doors may stand behind each other: where a reverse door leads is known, so the way is followed before it is taken,
//! and nothing has to be added to the request that passes. A way that leaves the machine is not followed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use super::dial::resolve;
use super::{Context, OwnDoor};

/// Whether a connection to `addr` reaches a door through which the request has come already, or one of whose requests
/// cannot be known where they go.
pub(super) async fn leads_back(context: &Context, addr: SocketAddr) -> bool {
    let mut passed = vec![context.door];
    let mut next = own_door(context, &[addr]);
    while let Some(door) = next {
        let Some(server) = door.server.as_ref().filter(|_| !passed.contains(&door.addr)) else {
            return true;
        };
        passed.push(door.addr);
        let addresses = resolve(server).await.unwrap_or_default();
        next = own_door(context, &addresses);
    }
    false
}

/// The first door of this process at one of those addresses.
fn own_door<'a>(context: &'a Context, addresses: &[SocketAddr]) -> Option<&'a OwnDoor> {
    let is_at = |door: &OwnDoor, addr: &SocketAddr| {
        let (own, ip) = (door.addr.ip().to_canonical(), addr.ip().to_canonical());
        door.addr.port() == addr.port()
            && (own == ip || (own.is_unspecified() && is_here(ip)) || (ip.is_unspecified() && own.is_loopback()))
    };
    let mut doors = context.own_doors.iter();
    doors.find(|door| addresses.iter().any(|addr| is_at(door, addr)))
}

/// Whether an address is this machine's own: the system sends to those from themselves. No packet is sent for it.
fn is_here(ip: IpAddr) -> bool {
    let any = match ip {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let from = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((ip, 9))?;
        socket.local_addr()
    };
    ip.is_loopback() || ip.is_unspecified() || from().is_ok_and(|from| from.ip() == ip)
}

#[cfg(test)]
mod tests {
    use super::is_here;

    #[test]
    fn loopback_is_here_and_the_rest_of_the_world_is_not() {
        for (ip, expected) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("0.0.0.0", true),
            ("192.0.2.1", false),
        ] {
            assert_eq!(is_here(ip.parse().expect("an address")), expected, "{ip}");
        }
    }
}
