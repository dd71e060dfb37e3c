//! permessage-deflate (RFC 7692).

pub mod params;

pub use params::{Params, ParamsError};
