//! Everything one can ask of framegate, once.
//!
//! Each [`Operation`] says its name, what it is for, what it takes and what it gives. A door (the HTTP API, the command
//! line and whatever comes after them) is derived from [`ALL`] and knows no operation by itself; it turns [`Item`]s
//! into its own form.

mod answer;
mod args;
mod context;
mod list;
mod live;
mod judged;
mod meant;
mod queries;

pub use answer::{Answer, Item, OperationError, Status};
pub use args::Args;
pub use context::{Context, Event, Recording, Running};
pub use list::{ALL, EXPORT_FORMATS, find};

use std::fs::File;
use std::pin::Pin;

use answer::Out;

/// Something that can be asked.
#[derive(Debug)]
pub struct Operation {
    /// Its name: one word in lower case.
    pub name: &'static str,
    /// What it is for, in one line.
    pub summary: &'static str,
    /// It changes nothing.
    pub read_only: bool,
    /// It needs the running proxy; the others also answer from the store alone.
    pub live: bool,
    /// It takes a file besides its parameters: a body of its request.
    pub takes_file: bool,
    /// What it takes.
    pub params: &'static [Param],
    /// What it gives.
    pub gives: Gives,
    run: fn(Call) -> Work,
}

/// A parameter of an operation.
#[derive(Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What it means, in one line, with unit, default and limits.
    pub summary: &'static str,
    /// What it may be.
    pub kind: ParamKind,
    /// It must be given.
    pub required: bool,
}

/// What a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// Any text that is not blank.
    Text,
    /// The text of a message, which may be empty.
    Payload,
    /// A whole number, 0 or more.
    Number,
    /// A flow's id.
    Flow,
    /// A filter; see [`crate::query::Filter`].
    Filter,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// What an operation gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// One object.
    One(Shape),
    /// Objects of these shapes, until there are no more.
    Many(&'static [Shape]),
    /// A file.
    File,
}

/// The shape of an object; [`Item`] has the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The state of the proxy.
    Status,
    /// A flow.
    Flow,
    /// A message.
    Message,
    /// A message that was found, with the text around what matched.
    Hit,
    /// What an import did.
    Imported,
    /// An empty object: it was done.
    Done,
    /// How much of a live stream was missed.
    Missed,
    /// A message that is held.
    Held,
}

/// A question on its way.
struct Call {
    context: Context,
    args: Args,
    file: Option<File>,
    out: Out,
}

type Work = Pin<Box<dyn Future<Output = Result<(), OperationError>> + Send>>;

impl Operation {
    /// Its answer goes on for as long as somebody listens.
    #[must_use]
    pub fn is_endless(&self) -> bool {
        matches!(self.gives, Gives::Many(shapes) if shapes.contains(&Shape::Missed))
    }

    /// Asks. The answer comes in pieces, as they are fetched; dropping it ends the work.
    ///
    /// Needs a tokio runtime around it. With the proxy running, an answer from the record holds everything the proxy
    /// had seen when it was asked.
    #[must_use]
    pub fn ask(&'static self, context: &Context, args: Args, file: Option<File>) -> Answer {
        let (out, answer) = answer::channel();
        let context = context.clone();
        let failed = out.failing();
        tokio::spawn(async move {
            if let Err(error) = self
                .answer(Call {
                    context,
                    args,
                    file,
                    out,
                })
                .await
            {
                failed.fail(error).await;
            }
        });
        answer
    }

    async fn answer(&self, call: Call) -> Result<(), OperationError> {
        match &call.context.running {
            // What is asked of the running proxy alone does not wait for the disk: a person may be waiting, and a peer.
            Some(_) if self.live => {}
            Some(running) => running.recording.flush().await,
            None if self.live => {
                let why = format!(
                    "{} needs the running proxy, and none runs with this data directory",
                    self.name
                );
                return Err(OperationError::NotRunning(why));
            }
            None => {}
        }
        (self.run)(call).await
    }
}
