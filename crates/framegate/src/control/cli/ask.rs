//! One question, put to the running proxy or else to the record.

use std::fs::File;
use std::path::Path;

use super::DATABASE_NAME;
use crate::control::client::{Client, Pieces};
use crate::control::json::ShapeError;
use crate::control::operations::{Answer, Args, Context, Gives, Item, Operation, OperationError};

/// An answer on its way, from either.
pub(super) enum Asked {
    Record {
        answer: Answer,
        lines: bool,
    },
    Proxy {
        pieces: Pieces,
        rest: Vec<u8>,
        endless: bool,
    },
}

impl Asked {
    pub(super) async fn ask(
        data_dir: &Path,
        operation: &'static Operation,
        given: &[(&str, &str)],
        file: Option<File>,
    ) -> Result<Self, OperationError> {
        // The same words for what is wrong, whoever answers.
        let args = Args::read(operation, given.iter().copied())?;
        if let Some(client) = Client::find(data_dir).await {
            let pieces = client.ask(operation, given, file).await?;
            return Ok(Self::Proxy {
                pieces,
                rest: Vec::new(),
                endless: operation.is_endless(),
            });
        }
        if operation.live {
            let why = format!(
                "no proxy runs with the data directory {}: start `framegate run`",
                data_dir.display()
            );
            return Err(OperationError::NotRunning(why));
        }
        let context = Context::of_record(data_dir.join(DATABASE_NAME));
        let lines = matches!(operation.gives, Gives::Many(_));
        Ok(Self::Record {
            answer: operation.ask(&context, args, file),
            lines,
        })
    }

    /// It has no end of its own.
    pub(super) fn is_endless(&self) -> bool {
        matches!(self, Self::Proxy { endless: true, .. })
    }

    /// The next bytes, as a script wants them; `None`: that was all.
    pub(super) async fn bytes(&mut self) -> Result<Option<Vec<u8>>, OperationError> {
        match self {
            Self::Proxy { pieces, .. } => Ok(pieces.next().await?.map(Vec::from)),
            Self::Record { answer, lines } => {
                let Some(items) = answer.next().await.transpose()? else {
                    return Ok(None);
                };
                let mut bytes = Vec::new();
                for item in &items {
                    item.write_json(&mut bytes);
                    if *lines {
                        bytes.push(b'\n');
                    }
                }
                Ok(Some(bytes))
            }
        }
    }

    /// The next objects; `None`: that was all.
    pub(super) async fn items(&mut self) -> Result<Option<Vec<Item>>, OperationError> {
        match self {
            Self::Record { answer, .. } => answer.next().await.transpose(),
            Self::Proxy { pieces, rest, .. } => {
                let piece = pieces.next().await?;
                let last = piece.is_none();
                rest.extend_from_slice(&piece.unwrap_or_default());
                let items = whole_lines(rest, last).map_err(|error| {
                    OperationError::Failed(format!("the running proxy's answer cannot be read: {error}"))
                })?;
                Ok(if last && items.is_empty() { None } else { Some(items) })
            }
        }
    }
}

/// Takes the objects off `rest` whose lines are whole; at the end the last line may lack its end.
fn whole_lines(rest: &mut Vec<u8>, last: bool) -> Result<Vec<Item>, ShapeError> {
    let end = if last {
        rest.len()
    } else {
        rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
    };
    let lines = rest[..end].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let items = lines.map(Item::read_json).collect();
    rest.drain(..end);
    items
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::whole_lines;
    use crate::control::operations::Item;

    #[test]
    fn a_line_is_read_when_it_is_whole() {
        let mut rest = b"{\"missed\":1}\n{\"missed\":2}\n{\"mis".to_vec();
        assert_eq!(
            whole_lines(&mut rest, false).unwrap(),
            [Item::Missed(1), Item::Missed(2)]
        );
        assert_eq!(whole_lines(&mut rest, false).unwrap(), []);
        rest.extend_from_slice(b"sed\":3}");
        assert_eq!(whole_lines(&mut rest, true).unwrap(), [Item::Missed(3)]);
        assert!(rest.is_empty());
    }
}
