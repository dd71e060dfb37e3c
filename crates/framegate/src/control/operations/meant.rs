//! What of the record a filter means.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::{Context, Event, Item, OperationError};
use crate::flow::{Flow, FlowId, Message, State};
use crate::query::{Facts, Filter, FlowFacts};
use crate::store::{FlowQuery, Reader, StoreError};

/// Flows or messages in one page.
pub(super) const PAGE: usize = 500;

/// How many to read at once when so many are wanted: no more than that, where all that is read is meant.
pub(super) fn page_size(filter: &Filter, wanted: usize) -> usize {
    if filter.is_all() { wanted.min(PAGE) } else { PAGE }
}

/// Whether the filter means the flow, or one of its messages.
pub(super) fn means(filter: &Filter, reader: &Reader, flow: &Flow) -> Result<bool, StoreError> {
    let facts = FlowFacts::from(flow);
    if let Some(answer) = filter.means_flow(&facts) {
        return Ok(answer);
    }
    let mut from = 0;
    loop {
        let page = reader.messages(flow.id, from, PAGE)?;
        if page
            .iter()
            .any(|message| filter.means(&Facts::new(&facts, message.into())))
        {
            return Ok(true);
        }
        let next = page.last().and_then(|last| last.sequence.checked_add(1));
        let Some(next) = next else { return Ok(false) };
        from = next;
    }
}

/// The next flows behind `after` that are meant, `size` of them or fewer; none: there are no more. Moves `after`.
pub(super) fn page(
    filter: &Filter,
    reader: &Reader,
    newest_first: bool,
    size: usize,
    after: &mut Option<FlowId>,
) -> Result<Vec<Flow>, StoreError> {
    loop {
        let query = FlowQuery {
            limit: size,
            newest_first,
            after: *after,
        };
        let mut flows = reader.flows(&query)?;
        let Some(last) = flows.last() else { return Ok(flows) };
        *after = Some(last.id);
        let mut failed = None;
        flows.retain(|flow| {
            means(filter, reader, flow).unwrap_or_else(|error| {
                failed.get_or_insert(error);
                false
            })
        });
        match failed {
            Some(error) => return Err(error),
            None if flows.is_empty() => {}
            None => return Ok(flows),
        }
    }
}

/// What a filter means of what happens.
pub(super) struct Live {
    filter: Filter,
    /// The open flows whose events have come.
    flows: HashMap<FlowId, FlowFacts<'static>>,
}

impl Live {
    pub(super) fn new(filter: Filter) -> Self {
        Self {
            filter,
            flows: HashMap::new(),
        }
    }

    /// The event, if it is meant. A flow is meant by itself, not for one of its messages, which are still to come.
    pub(super) async fn meant(&mut self, event: &Event, context: &Context) -> Result<Option<Item>, OperationError> {
        match event {
            Event::Flow(flow) if self.filter.is_all() => Ok(Some(Item::Flow(flow.clone()))),
            Event::Message(message) if self.filter.is_all() => Ok(Some(Item::Message(message.clone()))),
            Event::Flow(flow) => {
                let facts = facts_of(flow);
                let meant = self.filter.means_flow(&facts) == Some(true);
                if flow.state() == State::Active {
                    self.flows.insert(flow.id, facts);
                } else {
                    self.flows.remove(&flow.id);
                }
                Ok(meant.then(|| Item::Flow(flow.clone())))
            }
            Event::Message(message) => {
                let facts = match self.flows.entry(message.flow) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(unknown) => match recorded(context, message).await? {
                        Some(facts) => unknown.insert(facts),
                        None => return Ok(None),
                    },
                };
                let meant = self.filter.means(&Facts::new(facts, message.into()));
                Ok(meant.then(|| Item::Message(message.clone())))
            }
        }
    }
}

fn facts_of(flow: &Flow) -> FlowFacts<'static> {
    FlowFacts::from(flow).into_owned()
}

/// The facts of a flow that opened before anybody listened.
async fn recorded(context: &Context, message: &Message) -> Result<Option<FlowFacts<'static>>, OperationError> {
    let (context, id) = (context.clone(), message.flow);
    let read = tokio::task::spawn_blocking(move || {
        let reader: Option<Arc<Reader>> = context.reader()?;
        let flow = reader.map(|reader| reader.flow(id)).transpose()?.flatten();
        Ok(flow.as_ref().map(facts_of))
    });
    read.await
        .unwrap_or_else(|error| Err(OperationError::Failed(format!("the work was broken off: {error}"))))
}
