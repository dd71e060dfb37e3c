//! `run.json`: where the running proxy listens, and the token that its control door asks for.
//!
//! Written when all doors listen, with mode 0600 and at once as a whole, and removed on a clean exit. After a crash it
//! stays behind: whoever reads it asks the control door before believing it ([`super::client`]).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// The file's name in the data directory.
pub const FILE_NAME: &str = "run.json";

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// The proxy's process.
    pub pid: u32,
    /// Its doors.
    pub modes: Vec<Door>,
    /// Its control door.
    pub control: SocketAddr,
    /// What the control door asks for.
    pub token: Secret,
}

/// A door that listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// What it is, such as "regular".
    pub mode: String,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl RunFile {
    /// Where the file of a data directory is.
    #[must_use]
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join(FILE_NAME)
    }

    /// Writes the file to `path`, replacing what is there. It goes away with what is returned.
    ///
    /// # Errors
    /// What the disk said.
    pub fn publish(&self, path: &Path) -> io::Result<Published> {
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        write_private(path, &text)?;
        Ok(Published {
            path: path.to_owned(),
            text,
        })
    }

    /// Reads the file of a data directory; `None`: there is none, or it makes no sense.
    #[must_use]
    pub fn read(data_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(Self::path(data_dir)).ok()?).ok()
    }
}

/// A file that was written; removed when dropped, unless another process has replaced it.
#[derive(Debug)]
pub struct Published {
    path: PathBuf,
    text: Vec<u8>,
}

impl Drop for Published {
    fn drop(&mut self) {
        if fs::read(&self.path).is_ok_and(|text| text == self.text) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Nobody sees a half-written file, and nobody else may read it, not even for a moment.
fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::other("not the name of a file"))?;
    let mut beside = name.to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(beside);
    // Left behind by a process that had the same id.
    let _ = fs::remove_file(&beside);
    let written = create_private(&beside).and_then(|mut file| {
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn run_file() -> RunFile {
        RunFile {
            pid: 7,
            modes: vec![Door {
                mode: "regular".to_owned(),
                addr: "127.0.0.1:8080".parse().unwrap(),
            }],
            control: "127.0.0.1:8081".parse().unwrap(),
            token: Secret::from("secret".to_owned()),
        }
    }

    #[test]
    fn it_is_written_whole_and_private_and_goes_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = RunFile::path(dir.path());
        fs::write(&path, "what a crash left behind").unwrap();
        assert_eq!(RunFile::read(dir.path()), None);
        let published = run_file().publish(&path).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap().trim_end(),
            r#"{"pid":7,"modes":[{"mode":"regular","addr":"127.0.0.1:8080"}],"control":"127.0.0.1:8081","token":"secret"}"#
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(RunFile::read(dir.path()), Some(run_file()));
        drop(published);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_file_of_another_process_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = RunFile::path(dir.path());
        let first = run_file().publish(&path).unwrap();
        let second = RunFile { pid: 8, ..run_file() };
        let _second = second.publish(&path).unwrap();
        drop(first);
        assert_eq!(RunFile::read(dir.path()), Some(second));
    }
}
