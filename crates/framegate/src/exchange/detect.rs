//! What format a file is in, told by its content; and its import in two readings.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use super::{ImportError, Imported, Intake, Limits, Nowhere, har, jsonl};

/// How much of a file is looked at.
const LOOK_BYTES: u64 = 64 << 10;

/// A format that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detected {
    /// See [`jsonl`].
    Jsonl,
    /// See [`har`].
    Har,
}

/// Imports a file of either format: reads all of it first, and stores only what is sound to its end.
///
/// # Errors
/// Says where the file breaks its format; nothing has been stored then. If the store fails, whole flows may have been.
pub fn import<F: Read + Seek>(file: &mut F, limits: Limits, intake: &mut dyn Intake) -> Result<Imported, ImportError> {
    let mut start = Vec::new();
    file.by_ref().take(LOOK_BYTES).read_to_end(&mut start)?;
    let format = detect(&start)?;
    read(file, format, limits, &mut Nowhere)?;
    read(file, format, limits, intake)
}

fn read<F: Read + Seek>(
    file: &mut F,
    format: Detected,
    limits: Limits,
    intake: &mut dyn Intake,
) -> Result<Imported, ImportError> {
    file.seek(SeekFrom::Start(0))?;
    let mut file: &mut dyn BufRead = &mut BufReader::with_capacity(64 << 10, file);
    match format {
        Detected::Jsonl => jsonl::import(&mut file, limits, intake),
        Detected::Har => har::import(&mut file, intake),
    }
}

/// A HAR is one object with the key `log`; a JSONL file begins with a whole object on one line.
fn detect(start: &[u8]) -> Result<Detected, ImportError> {
    let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).trim_ascii_start();
    let no = |why: &str| Err(ImportError::NoFormat(format!("{why}; import reads JSONL and HAR")));
    if start.is_empty() {
        return no("the file is empty");
    }
    if !start.starts_with(b"{") {
        return no("the file is neither JSONL nor HAR: it does not begin with a JSON object");
    }
    match first_key(start) {
        Some("log") => Ok(Detected::Har),
        Some("format" | "flow_id" | "protocol") => Ok(Detected::Jsonl),
        // A HAR may have other members beside its log.
        _ if contains(start, b"\"entries\"") => Ok(Detected::Har),
        _ => no("the file is JSON, but neither a HAR nor a framegate JSONL file"),
    }
}

fn first_key(object: &[u8]) -> Option<&str> {
    let rest = object.strip_prefix(b"{")?.trim_ascii_start().strip_prefix(b"\"")?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(&rest[..end]).ok()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::super::samples::Memory;
    use super::*;

    #[test]
    fn the_content_tells_the_format() {
        for (start, format) in [
            (r#"{"format":"framegate-jsonl","version":1}"#, Detected::Jsonl),
            (r#"{"flow_id":"1","protocol":"HTTP"}"#, Detected::Jsonl),
            ("\u{feff}{\n  \"log\" : {", Detected::Har),
            (r#"{"$schema":"x","log":{"entries":[]}}"#, Detected::Har),
        ] {
            assert_eq!(detect(start.as_bytes()).unwrap(), format, "{start}");
        }
        for (start, says) in [
            ("", "empty"),
            ("PK\x03\x04", "does not begin"),
            (r#"{"a":1}"#, "neither a HAR"),
        ] {
            let error = detect(start.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_file_that_breaks_at_its_end_leaves_nothing_behind() {
        let mut file = Vec::new();
        jsonl::export(&mut Memory::samples(), &mut file).unwrap();
        file.extend_from_slice(b"{\"sequence\":1}\n");
        let mut memory = Memory::default();
        let error = import(&mut Cursor::new(&file), Limits::default(), &mut memory).unwrap_err();
        assert!(error.to_string().starts_with("line 15: "), "{error}");
        assert_eq!(memory, Memory::default());
    }

    /// Either format with all samples, some of its bytes replaced.
    fn damaged() -> impl Strategy<Value = Vec<u8>> {
        let files: Vec<Vec<u8>> = [jsonl::export, har::export]
            .map(|export| {
                let mut file = Vec::new();
                export(&mut Memory::samples(), &mut file).unwrap();
                file
            })
            .into();
        let bytes = prop::sample::select(br#"{}[],:"\\0192ex-."#.to_vec());
        let damage = prop::collection::vec((any::<prop::sample::Index>(), bytes), 1..6);
        (prop::sample::select(files), damage).prop_map(|(mut file, damage)| {
            for (at, byte) in damage {
                let at = at.index(file.len());
                file[at] = byte;
            }
            file
        })
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_imported_or_refused(file in damaged()) {
            let mut memory = Memory::default();
            match import(&mut Cursor::new(&file), Limits::default(), &mut memory) {
                Ok(imported) => prop_assert_eq!(imported.flows, memory.0.len() as u64),
                Err(error) => {
                    prop_assert_eq!(&memory, &Memory::default());
                    prop_assert!(!error.to_string().is_empty());
                }
            }
        }
    }
}
