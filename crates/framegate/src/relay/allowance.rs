//! What each peer may still say: the buckets and the clock that the session has not.

use std::sync::Arc;

use wire::Peer;
use wire::error::Rule;
use wire::session::{Allowance, Output, Session};

use crate::config::Limits;
use crate::limit::{Bucket, Spending};

/// The rates and numbers that one connection is held to; not there where it is held to none.
#[derive(Debug)]
pub(super) struct Allowances {
    peers: [Rest; 2],
    /// What the client's source may say in all of its connections.
    source: Option<Arc<Spending>>,
}

/// What one peer may still say in this connection.
#[derive(Debug)]
struct Rest {
    messages: Option<Bucket>,
    bytes: Option<Bucket>,
    count: Option<u64>,
}

impl Allowances {
    /// As the settings have it; `source` is there if what the client's source says is limited.
    pub(super) fn new(limits: &Limits, source: Option<Arc<Spending>>, now: u64) -> Option<Box<Self>> {
        let rest = || Rest {
            messages: Bucket::per_second(limits.messages_per_second_max, now),
            bytes: Bucket::per_second(limits.bytes_per_second_max, now),
            count: (limits.messages_max > 0).then_some(limits.messages_max),
        };
        let peers = [rest(), rest()];
        let limited = source.is_some() || peers[0].is_limited();
        limited.then(|| Box::new(Self { peers, source }))
    }

    /// Hands the session what a peer has said, and settles what of it was let in.
    pub(super) fn receive(
        &mut self,
        session: &mut Session,
        from: Peer,
        input: &[u8],
        now: u64,
        out: &mut Vec<Output>,
    ) -> usize {
        // Another connection of the source must not spend the same meanwhile.
        let mut source = match from {
            Peer::Client => self.source.as_ref().map(|source| source.lock()),
            Peer::Server => None,
        };
        let rest = &mut self.peers[from.index()];
        let mut allowance = rest.allowance(now);
        if let Some(rates) = &mut source {
            let messages = fill(rates.messages.as_mut(), now);
            narrow(&mut allowance, messages, Rule::SourceMessageRate);
            let bytes = fill(rates.bytes.as_mut(), now);
            narrow_bytes(&mut allowance, bytes, Rule::SourceByteRate);
        }
        *session.allowance(from) = allowance;
        let taken = session.receive(from, input, now, out);
        let left = *session.allowance(from);
        let (messages, bytes) = (allowance.messages - left.messages, allowance.bytes - left.bytes);
        spend(&mut rest.messages, messages);
        spend(&mut rest.bytes, bytes);
        rest.count = rest.count.map(|count| count - messages.min(count));
        if let Some(rates) = &mut source {
            spend(&mut rates.messages, messages);
            spend(&mut rates.bytes, bytes);
        }
        taken
    }
}

impl Rest {
    const fn is_limited(&self) -> bool {
        self.messages.is_some() || self.bytes.is_some() || self.count.is_some()
    }

    fn allowance(&mut self, now: u64) -> Allowance {
        let mut allowance = Allowance::BOUNDLESS;
        narrow(&mut allowance, fill(self.messages.as_mut(), now), Rule::MessageRate);
        narrow_bytes(&mut allowance, fill(self.bytes.as_mut(), now), Rule::ByteRate);
        narrow(&mut allowance, self.count, Rule::MessageCount);
        allowance
    }
}

fn fill(bucket: Option<&mut Bucket>, now: u64) -> Option<u64> {
    bucket.map(|bucket| bucket.fill(now))
}

fn spend(bucket: &mut Option<Bucket>, count: u64) {
    if let Some(bucket) = bucket {
        bucket.take(count);
    }
}

/// The tightest limit is the one that is named.
fn narrow(allowance: &mut Allowance, messages: Option<u64>, rule: Rule) {
    if let Some(messages) = messages.filter(|messages| *messages < allowance.messages) {
        (allowance.messages, allowance.messages_rule) = (messages, rule);
    }
}

fn narrow_bytes(allowance: &mut Allowance, bytes: Option<u64>, rule: Rule) {
    if let Some(bytes) = bytes.filter(|bytes| *bytes < allowance.bytes) {
        (allowance.bytes, allowance.bytes_rule) = (bytes, rule);
    }
}

#[cfg(test)]
mod tests {
    use super::Allowances;
    use crate::config::Limits;

    #[test]
    fn without_a_limit_there_is_nothing_to_look_at() {
        assert!(Allowances::new(&Limits::default(), None, 0).is_none());
        let limits = Limits {
            messages_max: 1,
            ..Limits::default()
        };
        assert!(Allowances::new(&limits, None, 0).is_some());
    }
}
