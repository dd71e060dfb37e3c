//! A flow as a JSON object.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{ShapeError, Word, flow_id_of, time_of, value_of};
use crate::flow::{Close, Counts, Ending, Flow, Opening, State, Timestamp, Tls, TlsLeg};

/// A flow's object; its fields are its keys, in order.
#[derive(Debug, Serialize, Deserialize)]
pub struct FlowObject<'a> {
    flow_id: String,
    protocol: Cow<'a, str>,
    flow_type: Cow<'a, str>,
    state: Cow<'a, str>,
    #[serde(default)]
    error: Option<Cow<'a, str>>,
    url: Cow<'a, str>,
    #[serde(default)]
    subprotocol: Option<Cow<'a, str>>,
    #[serde(default)]
    extensions: Option<Cow<'a, str>>,
    #[serde(default)]
    mode: Cow<'a, str>,
    #[serde(default)]
    client_addr: Cow<'a, str>,
    #[serde(default)]
    server_addr: Option<Cow<'a, str>>,
    started_at: Cow<'a, str>,
    #[serde(default)]
    ended_at: Option<Cow<'a, str>>,
    #[serde(default)]
    messages_sent: u64,
    #[serde(default)]
    messages_received: u64,
    #[serde(default)]
    bytes_sent: u64,
    #[serde(default)]
    bytes_received: u64,
    #[serde(default)]
    messages_lost: u64,
    #[serde(default)]
    close: Option<CloseObject<'a>>,
    #[serde(default)]
    tls: Option<TlsObject<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct CloseObject<'a> {
    by: Cow<'a, str>,
    #[serde(default)]
    code: Option<u16>,
    #[serde(default)]
    reason: Cow<'a, str>,
}

#[derive(Debug, Serialize, Deserialize)]
struct TlsObject<'a> {
    #[serde(default)]
    client: Option<LegObject<'a>>,
    #[serde(default)]
    server: Option<LegObject<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LegObject<'a> {
    version: Cow<'a, str>,
    cipher: Cow<'a, str>,
    #[serde(default)]
    server_name: Option<Cow<'a, str>>,
    #[serde(default)]
    subject: Option<Cow<'a, str>>,
    #[serde(default)]
    alpn: Option<Cow<'a, str>>,
}

impl<'a> FlowObject<'a> {
    /// The object of `flow`.
    #[must_use]
    pub fn of(flow: &'a Flow) -> Self {
        let Flow {
            id,
            opening,
            counts,
            ending,
        } = flow;
        let close = ending.as_ref().and_then(|ending| ending.close.as_ref());
        Self {
            flow_id: id.to_string(),
            protocol: opening.protocol.word().into(),
            flow_type: opening.flow_type.word().into(),
            state: flow.state().word().into(),
            error: ending
                .as_ref()
                .and_then(|ending| ending.error.as_deref())
                .map(Cow::from),
            url: opening.url.as_str().into(),
            subprotocol: opening.subprotocol.as_deref().map(Cow::from),
            extensions: opening.extensions.as_deref().map(Cow::from),
            mode: opening.mode.as_str().into(),
            client_addr: opening.client_addr.as_str().into(),
            server_addr: opening.server_addr.as_deref().map(Cow::from),
            started_at: opening.started_at.rfc3339().into(),
            ended_at: ending.as_ref().map(|ending| ending.ended_at.rfc3339().into()),
            messages_sent: counts.messages_sent,
            messages_received: counts.messages_received,
            bytes_sent: counts.bytes_sent,
            bytes_received: counts.bytes_received,
            messages_lost: counts.messages_lost,
            close: close.map(CloseObject::of),
            tls: opening.tls.as_ref().map(TlsObject::of),
        }
    }

    /// The flow that the object describes.
    ///
    /// # Errors
    /// Says which key holds what it must not.
    pub fn into_flow(self) -> Result<Flow, ShapeError> {
        let id = flow_id_of(&self.flow_id)?;
        let started_at = time_of("started_at", &self.started_at)?;
        let ending = self.ending()?;
        let opening = Opening {
            protocol: value_of("protocol", &self.protocol)?,
            flow_type: value_of("flow_type", &self.flow_type)?,
            started_at,
            url: self.url.into_owned(),
            subprotocol: self.subprotocol.map(Cow::into_owned),
            extensions: self.extensions.map(Cow::into_owned),
            mode: self.mode.into_owned(),
            client_addr: self.client_addr.into_owned(),
            server_addr: self.server_addr.map(Cow::into_owned),
            tls: self.tls.map(TlsObject::into_tls),
        };
        let counts = Counts {
            messages_sent: self.messages_sent,
            messages_received: self.messages_received,
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
            messages_lost: self.messages_lost,
        };
        Ok(Flow {
            id,
            opening,
            counts,
            ending,
        })
    }

    fn ending(&self) -> Result<Option<Ending>, ShapeError> {
        let state: State = value_of("state", &self.state)?;
        if state == State::Active {
            return Ok(None);
        }
        let Some(ended_at) = &self.ended_at else {
            return Err(ShapeError::new(format!(
                "`ended_at` is missing, but the state is {:?}",
                self.state
            )));
        };
        let ended_at: Timestamp = time_of("ended_at", ended_at)?;
        let close = self.close.as_ref().map(CloseObject::close).transpose()?;
        let error = self.error.as_deref().map(str::to_owned);
        Ok(Some(Ending {
            ended_at,
            state,
            error,
            close,
        }))
    }
}

impl<'a> CloseObject<'a> {
    fn of(close: &'a Close) -> Self {
        Self {
            by: close.by.word().into(),
            code: close.code,
            reason: close.reason.as_str().into(),
        }
    }

    fn close(&self) -> Result<Close, ShapeError> {
        Ok(Close {
            by: value_of("close.by", &self.by)?,
            code: self.code,
            reason: self.reason.to_string(),
        })
    }
}

impl<'a> TlsObject<'a> {
    fn of(tls: &'a Tls) -> Self {
        Self {
            client: tls.client.as_ref().map(LegObject::of),
            server: tls.server.as_ref().map(LegObject::of),
        }
    }

    fn into_tls(self) -> Tls {
        Tls {
            client: self.client.map(LegObject::into_leg),
            server: self.server.map(LegObject::into_leg),
        }
    }
}

impl<'a> LegObject<'a> {
    fn of(leg: &'a TlsLeg) -> Self {
        Self {
            version: leg.version.as_str().into(),
            cipher: leg.cipher.as_str().into(),
            server_name: leg.server_name.as_deref().map(Cow::from),
            subject: leg.subject.as_deref().map(Cow::from),
            alpn: leg.alpn.as_deref().map(Cow::from),
        }
    }

    fn into_leg(self) -> TlsLeg {
        TlsLeg {
            version: self.version.into_owned(),
            cipher: self.cipher.into_owned(),
            server_name: self.server_name.map(Cow::into_owned),
            subject: self.subject.map(Cow::into_owned),
            alpn: self.alpn.map(Cow::into_owned),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{flow as object, parse_flow};
    use crate::exchange::samples;
    use crate::flow::{Flow, State};

    const ACTIVE: &str = r#"{"flow_id":"7","protocol":"WebSocket","flow_type":"bidirectional","state":"active","error":null,"url":"ws://example.com/chat?room=1","subprotocol":null,"extensions":null,"mode":"regular","client_addr":"127.0.0.1:50000","server_addr":null,"started_at":"2026-01-31T08:15:00.000001Z","ended_at":null,"messages_sent":0,"messages_received":0,"bytes_sent":0,"bytes_received":0,"messages_lost":0,"close":null,"tls":null}"#;
    const CLOSED: &str = r#"{"flow_id":"8","protocol":"WebSocket","flow_type":"bidirectional","state":"complete","error":null,"url":"wss://example.com/chat","subprotocol":"chat.v1","extensions":"permessage-deflate","mode":"regular","client_addr":"127.0.0.1:50000","server_addr":"192.0.2.1:443","started_at":"2026-01-31T08:15:00.000001Z","ended_at":"2026-01-31T08:15:09.000000Z","messages_sent":4,"messages_received":3,"bytes_sent":57,"bytes_received":31,"messages_lost":0,"close":{"by":"client","code":1000,"reason":"bye"},"tls":{"client":null,"server":{"version":"TLSv1.3","cipher":"TLS13_AES_256_GCM_SHA384","server_name":"example.com","subject":"CN=example.com","alpn":"http/1.1"}}}"#;

    #[test]
    fn a_flow_has_every_key_and_reads_back() {
        for (flow, golden) in [(samples::active(), ACTIVE), (samples::websocket().0, CLOSED)] {
            assert_eq!(serde_json::to_string(&object(&flow)).unwrap(), golden);
            assert_eq!(parse_flow(golden.as_bytes()).unwrap(), flow);
        }
    }

    #[test]
    fn an_error_names_the_key() {
        for (from, to, names) in [
            (r#""state":"complete""#, r#""state":"done""#, "`state`"),
            (r#""flow_id":"8""#, r#""flow_id":"4294967295""#, "`flow_id`"),
            (
                r#""ended_at":"2026-01-31T08:15:09.000000Z""#,
                r#""ended_at":null"#,
                "`ended_at`",
            ),
            (r#""by":"client""#, r#""by":"nobody""#, "`close.by`"),
            (r#""started_at":"2026"#, r#""started_at":"x"#, "`started_at`"),
            (r#""url":"wss://example.com/chat","#, "", "`url`"),
        ] {
            let broken = CLOSED.replacen(from, to, 1);
            let error = parse_flow(broken.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(names), "{error}");
        }
    }

    #[test]
    fn an_active_flow_has_no_ending() {
        let flow: Flow = parse_flow(ACTIVE.as_bytes()).unwrap();
        assert_eq!(flow.state(), State::Active);
        assert_eq!(flow.ending, None);
    }
}
