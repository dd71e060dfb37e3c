//! Operations that follow the running proxy, or change the record.

use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;

use super::context::blocking;
use super::meant::Live;
use super::{Call, Item, OperationError, Running, Work};
use crate::exchange::{self, ImportError, Intake, IntakeError, Limits};
use crate::flow::{Flow, Message};
use crate::store::Writer;

pub(super) fn tail(mut call: Call) -> Work {
    Box::pin(async move {
        let Some(running) = call.context.running.clone() else {
            return Ok(());
        };
        let mut meant = Live::new(call.args.filter());
        let mut events = running.recording.subscribe();
        // A flow that opened before this can be read now; of the others the opening comes.
        running.recording.flush().await;
        // Nothing yet, but from now on nothing is missed.
        call.out.send(Vec::new()).await?;
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = running.stopping.cancelled() => return Ok(()),
                () = call.out.gone() => return Ok(()),
            };
            let item = match event {
                Ok(event) => match meant.meant(&event, &call.context).await? {
                    Some(item) => item,
                    None => continue,
                },
                Err(RecvError::Lagged(missed)) => Item::Missed(missed),
                Err(RecvError::Closed) => return Ok(()),
            };
            call.out.send(vec![item]).await?;
        }
    })
}

pub(super) fn flush(mut call: Call) -> Work {
    Box::pin(async move {
        if let Some(running) = call.context.running.clone() {
            running.recording.flush().await;
        }
        call.out.send(vec![Item::Done]).await
    })
}

pub(super) fn import(mut call: Call) -> Work {
    blocking(move || {
        let Some(mut file) = call.file.take() else {
            return Err(OperationError::BadArgument("there is no file to import".to_owned()));
        };
        let imported = match call.context.running.clone() {
            Some(running) => exchange::import(&mut file, Limits::default(), &mut ThroughRecorder(running)),
            None => {
                let mut writer = ToStore {
                    writer: None,
                    context: &call.context,
                };
                exchange::import(&mut file, Limits::default(), &mut writer)
            }
        };
        let imported = imported.map_err(|error| match error {
            ImportError::Store(error) => OperationError::Failed(error.to_string()),
            error => OperationError::BadFile(error.to_string()),
        })?;
        call.out.give(Item::Imported(imported))?;
        call.out.finish()
    })
}

/// The running proxy has the only writer.
struct ThroughRecorder(Arc<Running>);

impl Intake for ThroughRecorder {
    fn flow(&mut self, flow: Flow, messages: Vec<Message>) -> Result<(), IntakeError> {
        self.0.recording.import(flow, messages).map(drop).map_err(IntakeError)
    }
}

/// Opens the store with the first flow: a file that is not sound does not even create one.
struct ToStore<'a> {
    writer: Option<Writer>,
    context: &'a super::Context,
}

impl Intake for ToStore<'_> {
    fn flow(&mut self, flow: Flow, messages: Vec<Message>) -> Result<(), IntakeError> {
        let said = |error: crate::store::StoreError| IntakeError(error.to_string());
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(Writer::open(self.context.database()).map_err(said)?),
        };
        writer.import_flow(&flow, &messages).map(drop).map_err(said)
    }
}
