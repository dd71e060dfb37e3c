//! The two ends of a relayed connection, and the two ways between them.

use std::fmt;

/// One end of a relayed connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Peer {
    /// The end that asked for the upgrade. It must mask its frames (RFC 6455 §5.1).
    Client,
    /// The end that answered 101. It must not mask its frames (RFC 6455 §5.1).
    Server,
}

impl Peer {
    /// The peer at the far end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// Its place in what is kept once for each peer: the client first.
    #[must_use]
    pub const fn index(self) -> usize {
        self.sends().index()
    }

    /// The direction in which this peer's bytes travel.
    #[must_use]
    pub const fn sends(self) -> Direction {
        match self {
            Self::Client => Direction::Send,
            Self::Server => Direction::Receive,
        }
    }
}

/// One way through a relayed connection, named from the client's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// Client to server.
    Send,
    /// Server to client.
    Receive,
}

impl Direction {
    /// Both directions, `Send` first.
    pub const BOTH: [Self; 2] = [Self::Send, Self::Receive];

    /// Its place in [`Direction::BOTH`], and in what is kept once for each direction.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Send => 0,
            Self::Receive => 1,
        }
    }

    /// The peer whose bytes travel this way.
    #[must_use]
    pub const fn from(self) -> Peer {
        match self {
            Self::Send => Peer::Client,
            Self::Receive => Peer::Server,
        }
    }

    /// The peer that these bytes are for.
    #[must_use]
    pub const fn to(self) -> Peer {
        self.from().other()
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}
