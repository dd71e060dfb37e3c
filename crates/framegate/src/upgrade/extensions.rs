//! What the proxy says of extensions on each leg of a WebSocket, and what is agreed on in the end.
//!
//! Client and server negotiate with each other, unless terms say that a leg is to be compressed or not whatever the
//! other is: then the proxy is the server of the one and the client of the other (RFC 7692 §5).

use wire::deflate::Params;
use wire::http::{ResponseHead, Rewrite};
use wire::session::Agreed;
use wire::upgrade::{
    Negotiated, Offer, ResponseFlaw, WebSocketRequest, accept_deflate, check_response, deflate_answered, negotiated,
    offer_deflate,
};

use crate::config::Terms;

const NAME: &str = "Sec-WebSocket-Extensions";

const NOT_OFFERED: &str = "it agrees to what it was not offered";

/// How it is decided what goes on each leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Client and server decide; where somebody judges, only what can be read through is offered.
    EndToEnd,
    /// Each leg by itself.
    Apart(Apart),
}

/// What is offered on legs that are each by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Apart {
    /// The client has offered permessage-deflate, and gets it.
    client: bool,
    server: Offered,
}

/// What the server is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offered {
    Nothing,
    /// What the client has offered: if the server takes it, bytes pass as they come.
    Theirs,
    Own,
}

/// Who offers what to whom.
#[derive(Debug)]
pub(super) struct Extensions<'a> {
    asked: &'a WebSocketRequest,
    way: Way,
    judged: bool,
}

/// What was agreed on.
#[derive(Debug)]
pub(super) struct Settled {
    /// On each leg.
    pub(super) agreed: Agreed,
    /// What the client is told of extensions, if that is not what the server said: `None` in it is nothing at all.
    pub(super) told: Option<Option<String>>,
    /// What is to be said of the answer on record.
    pub(super) notes: Vec<(String, String)>,
}

impl<'a> Extensions<'a> {
    pub(super) fn new(asked: &'a WebSocketRequest, terms: Option<&Terms>, judged: bool) -> Self {
        let way = terms.map_or(Way::EndToEnd, |terms| {
            let offers = asked.extensions_error.is_none() && asked.extensions.iter().any(Offer::is_deflate);
            let client = terms.compress && offers;
            let server = match terms.compress_upstream {
                false => Offered::Nothing,
                true if client => Offered::Theirs,
                true => Offered::Own,
            };
            Way::Apart(Apart { client, server })
        });
        Self { asked, way, judged }
    }

    /// What the server is offered, in the head that goes to it.
    pub(super) fn offer(&self, head: &mut Rewrite<'_>) {
        let theirs = || -> Vec<String> {
            let known = self.asked.extensions.iter().filter(|offer| offer.is_deflate());
            known.map(ToString::to_string).collect()
        };
        let offers = match self.way {
            Way::EndToEnd => {
                let all_known =
                    self.asked.extensions_error.is_none() && self.asked.extensions.iter().all(Offer::is_deflate);
                if !self.judged || all_known {
                    return;
                }
                // What judges could not read must not pass them.
                theirs()
            }
            Way::Apart(Apart { server, .. }) => match server {
                Offered::Nothing => Vec::new(),
                Offered::Theirs => theirs(),
                Offered::Own => vec![offer_deflate(&Params::default())],
            },
        };
        match offers.is_empty() {
            true => head.remove(NAME),
            false => head.set(NAME, offers.join(", ")),
        };
    }

    /// What the server's 101 makes of it.
    ///
    /// # Errors
    /// Why its messages could not be read.
    pub(super) fn answered(&self, answer: &ResponseHead) -> Result<Settled, String> {
        let flaws = check_response(self.asked, answer);
        match self.way {
            Way::EndToEnd => self.end_to_end(answer, &flaws),
            Way::Apart(apart) => self.apart(apart, answer, &flaws),
        }
    }

    fn end_to_end(&self, answer: &ResponseHead, flaws: &[ResponseFlaw]) -> Result<Settled, String> {
        // What frames mean under extensions that cannot be understood is not known; they are passed on as they are.
        let negotiated = negotiated(answer).unwrap_or_else(|_| Negotiated {
            unknown: true,
            ..Negotiated::default()
        });
        if negotiated.unknown && self.judged {
            return Err(NOT_OFFERED.to_owned());
        }
        Ok(Settled {
            agreed: Agreed {
                unknown: negotiated.unknown,
                ..Agreed::both(negotiated.deflate)
            },
            told: None,
            notes: notes(answer, flaws.iter()),
        })
    }

    fn apart(&self, apart: Apart, answer: &ResponseHead, flaws: &[ResponseFlaw]) -> Result<Settled, String> {
        let server = match apart.server {
            Offered::Theirs => theirs_answered(answer, flaws)?,
            Offered::Own => own_answered(Some(&Params::default()), answer)?,
            Offered::Nothing => own_answered(None, answer)?,
        };
        // Of extensions the server has not talked with the client.
        let mut notes = notes(answer, flaws.iter().filter(|flaw| !flaw.is_of_extensions()));
        if apart.server == Offered::Theirs && server.is_some() {
            return Ok(Settled {
                agreed: Agreed::both(server),
                told: None,
                notes,
            });
        }
        let accepted = apart
            .client
            .then(|| accept_deflate(&self.asked.extensions, &Params::default()));
        let (client, told) = accepted.flatten().unzip();
        notes.extend(told.clone().map(|told| ("client_extensions".to_owned(), told)));
        Ok(Settled {
            agreed: Agreed {
                client,
                server,
                unknown: false,
            },
            told: Some(told),
            notes,
        })
    }
}

/// What a server makes of the client's offers.
fn theirs_answered(answer: &ResponseHead, flaws: &[ResponseFlaw]) -> Result<Option<Params>, String> {
    let negotiated = negotiated(answer).map_err(|error| error.to_string())?;
    match negotiated.unknown || flaws.iter().any(ResponseFlaw::is_of_extensions) {
        true => Err(NOT_OFFERED.to_owned()),
        false => Ok(negotiated.deflate),
    }
}

fn own_answered(offered: Option<&Params>, answer: &ResponseHead) -> Result<Option<Params>, String> {
    deflate_answered(offered, answer).map_err(|flaw| flaw.to_string())
}

/// What is to be said of the answer on record.
fn notes<'a>(answer: &ResponseHead, flaws: impl Iterator<Item = &'a ResponseFlaw>) -> Vec<(String, String)> {
    let mut notes = vec![("status".to_owned(), answer.status().to_string())];
    let flaws: Vec<String> = flaws.map(ToString::to_string).collect();
    if !flaws.is_empty() {
        notes.push(("violation".to_owned(), flaws.join("; ")));
    }
    notes
}

impl Settled {
    /// The server's 101, as the client gets it.
    pub(super) fn answer(&self, answer: &ResponseHead) -> Vec<u8> {
        let Some(told) = &self.told else {
            return answer.raw().to_vec();
        };
        let mut head = answer.rewrite();
        match told {
            Some(told) => head.set(NAME, told),
            None => head.remove(NAME),
        };
        head.finish()
    }
}
