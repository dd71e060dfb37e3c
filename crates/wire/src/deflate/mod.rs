//! permessage-deflate (RFC 7692): its parameters, inflating, and compressing anew.

pub mod params;
mod inflate;
mod compress;

pub use compress::Deflater;
pub use inflate::{Caps, InflateError, Inflated, Inflater};
pub use params::{Params, ParamsError};

/// What a sender cuts off the end of each compressed message (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
