//! Whether a dial would come back to a door of this process for ever.
//!
//! Doors may stand behind each other: where a reverse door leads is known, so the way is followed before it is taken,
//! and nothing has to be added to the request that passes. A way that leaves the machine is not followed.

use std::net::SocketAddr;

use super::dial::resolve;
use super::{Context, OwnDoor};
use crate::net::is_at;

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
    let mut doors = context.own_doors.iter();
    doors.find(|door| addresses.iter().any(|addr| is_at(door.addr, *addr)))
}
