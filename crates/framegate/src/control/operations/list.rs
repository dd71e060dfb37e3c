//! The list of operations.

use super::{Gives, Operation, Param, ParamKind, Shape, judged, live, queries};

/// The formats of the operation `export`.
pub const EXPORT_FORMATS: &[&str] = &["har", "jsonl", "csv"];

const FILTER: Param = Param {
    name: "filter",
    summary: "which flows or messages; default: all",
    kind: ParamKind::Filter,
    required: false,
};

const FLOW: Param = Param {
    name: "flow",
    summary: "the flow's id",
    kind: ParamKind::Flow,
    required: true,
};

const ID: Param = Param {
    name: "id",
    summary: "the held message's id",
    kind: ParamKind::Number,
    required: true,
};

const TEXT: Param = Param {
    name: "text",
    summary: "the payload as text",
    kind: ParamKind::Payload,
    required: false,
};

const BASE64: Param = Param {
    name: "base64",
    summary: "the payload in base64",
    kind: ParamKind::Payload,
    required: false,
};

/// Every operation.
pub static ALL: &[Operation] = &[
    Operation {
        name: "status",
        summary: "the state of the proxy: what listens where, since when",
        read_only: true,
        live: false,
        takes_file: false,
        params: &[],
        gives: Gives::One(Shape::Status),
        run: queries::status,
    },
    Operation {
        name: "flows",
        summary: "the newest flows, oldest of them first",
        read_only: true,
        live: false,
        takes_file: false,
        params: &[
            FILTER,
            Param {
                name: "limit",
                summary: "at most so many, the newest; 0: all; default: 100",
                kind: ParamKind::Number,
                required: false,
            },
        ],
        gives: Gives::Many(&[Shape::Flow]),
        run: queries::flows,
    },
    Operation {
        name: "flow",
        summary: "one flow",
        read_only: true,
        live: false,
        takes_file: false,
        params: &[FLOW],
        gives: Gives::One(Shape::Flow),
        run: queries::flow,
    },
    Operation {
        name: "messages",
        summary: "the messages of a flow, in order",
        read_only: true,
        live: false,
        takes_file: false,
        params: &[
            FLOW,
            FILTER,
            Param {
                name: "after",
                summary: "only those behind this sequence; default: from the first",
                kind: ParamKind::Number,
                required: false,
            },
            Param {
                name: "limit",
                summary: "at most so many; 0: all; default: all",
                kind: ParamKind::Number,
                required: false,
            },
        ],
        gives: Gives::Many(&[Shape::Message]),
        run: queries::messages,
    },
    Operation {
        name: "search",
        summary: "messages whose text has all words, best first",
        read_only: true,
        live: false,
        takes_file: false,
        params: &[
            Param {
                name: "words",
                summary: "what to look for; a phrase stands in double quotes",
                kind: ParamKind::Text,
                required: true,
            },
            FILTER,
            Param {
                name: "limit",
                summary: "at most so many; 0: all; default: 100",
                kind: ParamKind::Number,
                required: false,
            },
        ],
        gives: Gives::Many(&[Shape::Hit]),
        run: queries::search,
    },
    Operation {
        name: "tail",
        summary: "flows and messages as they happen, without an end; a flow comes when it opens and when it ends",
        read_only: true,
        live: true,
        takes_file: false,
        params: &[FILTER],
        gives: Gives::Many(&[Shape::Flow, Shape::Message, Shape::Missed]),
        run: live::tail,
    },
    Operation {
        name: "held",
        summary: "the messages that are held by interception, the oldest first",
        read_only: true,
        live: true,
        takes_file: false,
        params: &[],
        gives: Gives::Many(&[Shape::Held]),
        run: judged::held,
    },
    Operation {
        name: "release",
        summary: "lets a held message go on as it is",
        read_only: false,
        live: true,
        takes_file: false,
        params: &[ID],
        gives: Gives::One(Shape::Done),
        run: judged::release,
    },
    Operation {
        name: "modify",
        summary: "lets a held message go on with another payload: `text`, `base64` or the request's body",
        read_only: false,
        live: true,
        takes_file: true,
        params: &[ID, TEXT, BASE64],
        gives: Gives::One(Shape::Done),
        run: judged::modify,
    },
    Operation {
        name: "drop",
        summary: "lets a held message go no further",
        read_only: false,
        live: true,
        takes_file: false,
        params: &[ID],
        gives: Gives::One(Shape::Done),
        run: judged::drop,
    },
    Operation {
        name: "inject",
        summary: "sends a message of one's own into an open WebSocket: `text`, `base64` or the request's body",
        read_only: false,
        live: true,
        takes_file: true,
        params: &[
            FLOW,
            Param {
                name: "to",
                summary: "who gets it",
                kind: ParamKind::OneOf(&["client", "server"]),
                required: true,
            },
            Param {
                name: "kind",
                summary: "what it is; default: text for `text`, binary for all else. A Ping or Pong may have a payload",
                kind: ParamKind::OneOf(&["text", "binary", "ping", "pong", "close"]),
                required: false,
            },
            TEXT,
            BASE64,
            Param {
                name: "code",
                summary: "the status code of a Close; default: 1000",
                kind: ParamKind::Number,
                required: false,
            },
            Param {
                name: "reason",
                summary: "the reason of a Close, at most 123 bytes",
                kind: ParamKind::Payload,
                required: false,
            },
        ],
        gives: Gives::One(Shape::Done),
        run: judged::inject,
    },
    Operation {
        name: "export",
        summary: "flows with their messages as a file",
        read_only: true,
        live: false,
        takes_file: false,
        params: &[
            Param {
                name: "format",
                summary: "har (HTTP Archive 1.2), jsonl (everything that is known) or csv (a row a message)",
                kind: ParamKind::OneOf(EXPORT_FORMATS),
                required: true,
            },
            FILTER,
        ],
        gives: Gives::File,
        run: queries::export,
    },
    Operation {
        name: "import",
        summary: "puts the flows of a HAR or JSONL file on record, under new ids",
        read_only: false,
        live: false,
        takes_file: true,
        params: &[],
        gives: Gives::One(Shape::Imported),
        run: live::import,
    },
    Operation {
        name: "flush",
        summary: "waits until everything seen so far is on record",
        read_only: false,
        live: true,
        takes_file: false,
        params: &[],
        gives: Gives::One(Shape::Done),
        run: live::flush,
    },
];

/// The operation of that name; `None` if there is none.
#[must_use]
pub fn find(name: &str) -> Option<&'static Operation> {
    ALL.iter().find(|operation| operation.name == name)
}
