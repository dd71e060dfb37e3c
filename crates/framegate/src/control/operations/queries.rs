//! Operations that read the record.

use std::io::{BufWriter, Write};

use super::answer::StatusRunning;
use super::context::reading;
use super::meant::{self, PAGE};
use super::{Call, Item, OperationError, Status, Work};
use crate::exchange::{self, ExportError, Source};
use crate::flow::{Flow, FlowId, Message};
use crate::query::{Facts, Filter, FlowFacts};
use crate::store::{FlowQuery, Reader};

/// The default of `limit`, where there is one.
const LIMIT: u64 = 100;

pub(super) fn status(call: Call) -> Work {
    reading(call, |reader, mut call| {
        let running = call.context.running.as_ref().map(|running| StatusRunning {
            pid: std::process::id(),
            started_at: running.started_at,
            doors: running.doors.clone(),
            draining: running.draining.is_cancelled(),
            plugins: running.judges.load().plugin_counts(),
        });
        let newest = reader
            .map(|reader| {
                reader.flows(&FlowQuery {
                    limit: 1,
                    ..FlowQuery::default()
                })
            })
            .transpose()?;
        let newest_flow = newest.unwrap_or_default().first().map(|flow| flow.id);
        call.out.give(Item::Status(Status {
            version: env!("CARGO_PKG_VERSION"),
            running,
            newest_flow,
        }))?;
        call.out.finish()
    })
}

pub(super) fn flows(call: Call) -> Work {
    reading(call, |reader, mut call| {
        let Some(reader) = reader else { return Ok(()) };
        let (filter, limit) = (call.args.filter(), call.args.limit(LIMIT));
        let (mut after, size) = (None, meant::page_size(&filter, limit));
        if limit == usize::MAX {
            loop {
                let page = meant::page(&filter, reader, false, size, &mut after)?;
                if page.is_empty() {
                    return call.out.finish();
                }
                for flow in page {
                    call.out.give(Item::Flow(flow))?;
                }
            }
        }
        let mut newest = Vec::new();
        while newest.len() < limit {
            let page = meant::page(&filter, reader, true, size, &mut after)?;
            if page.is_empty() {
                break;
            }
            newest.extend(page);
        }
        newest.truncate(limit);
        for flow in newest.into_iter().rev() {
            call.out.give(Item::Flow(flow))?;
        }
        call.out.finish()
    })
}

pub(super) fn flow(call: Call) -> Work {
    reading(call, |reader, mut call| {
        let (_, flow) = known(reader, call.args.flow())?;
        call.out.give(Item::Flow(flow))?;
        call.out.finish()
    })
}

pub(super) fn messages(call: Call) -> Work {
    reading(call, |reader, mut call| {
        let (reader, flow) = known(reader, call.args.flow())?;
        let (filter, facts) = (call.args.filter(), FlowFacts::from(&flow));
        let mut left = call.args.limit(0);
        let mut from = match call.args.number("after") {
            None => Some(0),
            Some(after) => u32::try_from(after).ok().and_then(|after| after.checked_add(1)),
        };
        while let (Some(start), 1..) = (from, left) {
            let page = reader.messages(flow.id, start, meant::page_size(&filter, left))?;
            let Some(last) = page.last() else { break };
            from = last.sequence.checked_add(1);
            let meant = page
                .into_iter()
                .filter(|message| filter.means(&Facts::new(&facts, message.into())));
            for message in meant.take(left) {
                left -= 1;
                call.out.give(Item::Message(message))?;
            }
        }
        call.out.finish()
    })
}

pub(super) fn search(call: Call) -> Work {
    reading(call, |reader, mut call| {
        let Some(reader) = reader else { return Ok(()) };
        let words = call.args.text("words").unwrap_or_default();
        let (filter, mut left) = (call.args.filter(), call.args.limit(LIMIT));
        // How many hits are meant is not known before they are read.
        let limit = if filter.is_all() { left } else { usize::MAX };
        for hit in reader.search(words, limit)? {
            if left == 0 {
                break;
            }
            // It may have been deleted since.
            let found = reader.message(hit.flow, hit.sequence)?.zip(reader.flow(hit.flow)?);
            let meant = found.filter(|(message, flow)| filter.means(&Facts::new(&flow.into(), message.into())));
            if let Some((message, _)) = meant {
                left -= 1;
                call.out.give(Item::Hit(message, hit.snippet))?;
            }
        }
        call.out.finish()
    })
}

pub(super) fn export(call: Call) -> Work {
    reading(call, |reader, mut call| {
        let format = call.args.text("format").unwrap_or_default().to_owned();
        let filter = call.args.filter();
        let mut out = BufWriter::with_capacity(64 << 10, &mut call.out);
        let source: &mut dyn Source = match reader {
            Some(reader) => &mut Meant { reader, filter },
            None => &mut Nothing,
        };
        let written = match format.as_str() {
            "har" => exchange::har::export(source, &mut out),
            "csv" => exchange::csv::export(source, &mut out),
            _ => exchange::jsonl::export(source, &mut out),
        };
        let written = written.and_then(|()| Ok(out.flush()?));
        // What is left in the buffer of a failed export must not look like its proper end.
        let _ = out.into_parts();
        written.map_err(|error| match error {
            ExportError::Write(_) => OperationError::Gone,
            ExportError::Read(why) => OperationError::Failed(why),
        })
    })
}

fn known(reader: Option<&Reader>, id: FlowId) -> Result<(&Reader, Flow), OperationError> {
    let flow = reader.map(|reader| reader.flow(id)).transpose()?.flatten();
    let found = reader.zip(flow);
    found.ok_or_else(|| OperationError::NotFound(format!("there is no flow {id} on record")))
}

/// The flows that a filter means, whole: a file that says half of a conversation would be read as all of it.
struct Meant<'a> {
    reader: &'a Reader,
    filter: Filter,
}

impl Source for Meant<'_> {
    fn flows(&mut self, mut after: Option<FlowId>) -> Result<Vec<Flow>, ExportError> {
        let page = meant::page(&self.filter, self.reader, false, PAGE, &mut after);
        page.map_err(|error| ExportError::Read(error.to_string()))
    }

    fn messages(&mut self, flow: FlowId, after: Option<u32>) -> Result<Vec<Message>, ExportError> {
        let from = match after {
            None => 0,
            Some(u32::MAX) => return Ok(Vec::new()),
            Some(after) => after + 1,
        };
        let page = self.reader.messages(flow, from, PAGE);
        page.map_err(|error| ExportError::Read(error.to_string()))
    }
}

/// A record that does not exist.
struct Nothing;

impl Source for Nothing {
    fn flows(&mut self, _: Option<FlowId>) -> Result<Vec<Flow>, ExportError> {
        Ok(Vec::new())
    }

    fn messages(&mut self, _: FlowId, _: Option<u32>) -> Result<Vec<Message>, ExportError> {
        Ok(Vec::new())
    }
}
