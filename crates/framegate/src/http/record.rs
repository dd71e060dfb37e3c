//! What goes on record of an exchange.

use std::net::SocketAddr;

use wire::http::{RequestHead, ResponseHead};

use super::{Captured, Context, Link, Problem};
use crate::flow::{Direction, Ending, FlowType, Kind, Opening, Protocol, State, Timestamp, Tls, TlsLeg};
use crate::record::{FlowTap, HttpMessage};

/// One exchange's place on record, from the moment the server was reached or found not to be.
#[derive(Debug)]
pub(crate) struct Exchanged {
    flow: FlowTap,
}

impl Exchanged {
    /// Puts an exchange on record whose server was reached.
    pub(crate) fn with(context: &Context, url: String, started_at: Timestamp, link: &Link) -> Self {
        let opening = opening(context, url, started_at, Some(link.addr), link.tls.clone());
        Self {
            flow: context.tap.open(opening),
        }
    }

    /// Puts an exchange on record that did not get so far.
    pub(crate) fn without(context: &Context, url: String, started_at: Timestamp, addr: Option<SocketAddr>) -> Self {
        let opening = opening(context, url, started_at, addr, None);
        Self {
            flow: context.tap.open(opening),
        }
    }

    /// What came in place of a request: a head that is cut off, or is none.
    pub(crate) fn no_request(&mut self, bytes: &[u8]) {
        self.message(
            Kind::Request,
            bytes,
            &Captured::default(),
            Timestamp::now(),
            Vec::new(),
            false,
        );
    }

    /// The request, as far as it came.
    pub(crate) fn request(&mut self, head: &RequestHead, body: &Captured, at: Timestamp, is_whole: bool) {
        let more = vec![("method".to_owned(), head.method().to_owned())];
        self.message(Kind::Request, head.raw(), body, at, more, is_whole);
    }

    /// The response, as far as it came.
    pub(crate) fn response(&mut self, head: &ResponseHead, body: &Captured, at: Timestamp, is_whole: bool) {
        let more = vec![("status".to_owned(), head.status().to_string())];
        self.message(Kind::Response, head.raw(), body, at, more, is_whole);
    }

    /// The proxy's own answer.
    pub(crate) fn refusal(&mut self, problem: &Problem) {
        let (head, body) = problem.response();
        let more = vec![
            ("status".to_owned(), problem.status.to_string()),
            ("by".to_owned(), "proxy".to_owned()),
        ];
        self.flow.http(&HttpMessage {
            direction: Direction::Receive,
            kind: Kind::Response,
            at: Timestamp::now(),
            head: head.as_bytes(),
            body: body.as_bytes(),
            size: body.len() as u64,
            wire_bytes: (head.len() + body.len()) as u64,
            more,
        });
    }

    /// Waits for the recorder if it has to, and ends the flow.
    pub(crate) async fn end(self, ending: Ending) {
        self.flow.ready().await;
        self.flow.end(ending);
    }

    fn message(
        &mut self,
        kind: Kind,
        head: &[u8],
        body: &Captured,
        at: Timestamp,
        mut more: Vec<(String, String)>,
        is_whole: bool,
    ) {
        if !is_whole {
            more.push(("incomplete".to_owned(), "true".to_owned()));
        }
        self.flow.http(&HttpMessage {
            direction: if kind == Kind::Request {
                Direction::Send
            } else {
                Direction::Receive
            },
            kind,
            at,
            head,
            body: &body.bytes,
            size: body.size,
            wire_bytes: head.len() as u64 + body.wire_bytes,
            more,
        });
    }
}

/// The opening of an exchange; other flows change what is different.
pub(crate) fn opening(
    context: &Context,
    url: String,
    started_at: Timestamp,
    server_addr: Option<SocketAddr>,
    server_tls: Option<TlsLeg>,
) -> Opening {
    let tls = (context.client_tls.is_some() || server_tls.is_some()).then(|| Tls {
        client: context.client_tls.clone(),
        server: server_tls,
    });
    Opening {
        protocol: Protocol::Http,
        flow_type: FlowType::Unary,
        started_at,
        url,
        subprotocol: None,
        extensions: None,
        mode: context.mode.to_owned(),
        client_addr: context.client_addr.to_string(),
        server_addr: server_addr.map(|addr| addr.to_string()),
        tls,
    }
}

/// The end of a flow that went as it should.
pub(crate) fn whole() -> Ending {
    Ending {
        ended_at: Timestamp::now(),
        state: State::Complete,
        error: None,
        close: None,
    }
}

/// The end of a flow that did not.
pub(crate) fn failed(error: impl Into<String>) -> Ending {
    Ending {
        ended_at: Timestamp::now(),
        state: State::Error,
        error: Some(error.into()),
        close: None,
    }
}
