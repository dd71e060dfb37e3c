//! Takes in conversations that were recorded elsewhere or at another time.

use std::borrow::Borrow;

use rusqlite::Connection;

use super::block::Block;
use super::writer::{Pending, insert_flow, update_counts, update_ending};
use super::{Row, StoreError, Writer};
use crate::flow::{Ending, Flow, FlowId, Message, State, Timestamp};

impl Writer {
    /// Puts a whole flow on record under a new id, which it returns. All of it or, on an error, nothing. Commits what was
    /// written before, and then itself. The ids that `flow` and the messages have do not matter; sequences stay.
    ///
    /// A flow that has no ending ends as an error, "interrupted", with its last message.
    ///
    /// Whoever gives out ids ahead of [`Writer::open_flow`] uses [`Writer::import_flow_as`].
    ///
    /// # Errors
    /// [`StoreError::OutOfIds`], otherwise what SQLite said; also when two messages have the same sequence.
    pub fn import_flow<M: Borrow<Message>>(
        &mut self,
        flow: &Flow,
        messages: impl IntoIterator<Item = M>,
    ) -> Result<FlowId, StoreError> {
        let id = self.next_flow_id();
        self.import_flow_as(id, flow, messages)?;
        Ok(id)
    }

    /// As [`Writer::import_flow`], under an id that the caller has reserved.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] if the id is taken, otherwise as [`Writer::import_flow`].
    pub fn import_flow_as<M: Borrow<Message>>(
        &mut self,
        id: FlowId,
        flow: &Flow,
        messages: impl IntoIterator<Item = M>,
    ) -> Result<(), StoreError> {
        self.commit()?;
        if id > FlowId::MAX {
            return Err(StoreError::OutOfIds);
        }
        if self.has_flow(id)? {
            return Err(StoreError::Duplicate(id));
        }
        self.write("import a flow", |connection| insert(connection, id, flow, messages))?;
        self.commit()?;
        self.pending.insert(id, Pending::from(0));
        self.reserve(id);
        Ok(())
    }

    fn has_flow(&self, id: FlowId) -> Result<bool, StoreError> {
        // A flow that is being deleted still has messages under its id.
        let sql = "SELECT 1 FROM flows WHERE id = ?1 UNION ALL SELECT 1 FROM expired WHERE flow = ?1";
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.exists([id.0]))
            .map_err(StoreError::sqlite("import a flow"))
    }
}

fn insert<M: Borrow<Message>>(
    connection: &Connection,
    id: FlowId,
    flow: &Flow,
    messages: impl IntoIterator<Item = M>,
) -> rusqlite::Result<()> {
    insert_flow(connection, id, &flow.opening)?;
    let mut last = flow.opening.started_at;
    let (mut block, mut next) = (Block::default(), Some(0));
    for message in messages {
        let message = message.borrow();
        let mut row = Row::from(message);
        row.flow = id;
        block.insert(connection, &row, &mut next)?;
        last = last.max(message.at);
    }
    block.write(connection)?;
    update_counts(connection, id, &flow.counts)?;
    match &flow.ending {
        Some(ending) => update_ending(connection, id, ending)?,
        None => update_ending(connection, id, &cut_off(last))?,
    };
    Ok(())
}

fn cut_off(ended_at: Timestamp) -> Ending {
    Ending {
        ended_at,
        state: State::Error,
        error: Some("interrupted: it was still open when it was exported".to_owned()),
        close: None,
    }
}
