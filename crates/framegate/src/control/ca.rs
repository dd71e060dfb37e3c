//! `framegate ca`: where the certificate is, a copy of it, and having this machine trust it.

use std::io::Write;
use std::path::Path;

use super::exit::ExitError;
use crate::config::cli::CaCommand;
use crate::tls::Ca;
use crate::tls::ca::{self, CaError};

/// Does what is asked with the CA of a data directory, which is made if it is not there.
///
/// # Errors
/// The CA's files cannot be read or written, a step of the installation failed, or `out` did.
pub fn run(data_dir: &Path, command: &CaCommand, out: &mut dyn Write) -> Result<(), ExitError> {
    let authority = Ca::load_or_create(&ca::directory(data_dir))?;
    match command {
        CaCommand::Path => writeln!(out, "{}", authority.path().display())?,
        CaCommand::Export { file } if file == Path::new("-") => out.write_all(authority.cert_pem().as_bytes())?,
        CaCommand::Export { file } => ca::export(&authority, file)?,
        CaCommand::Install => {
            let installation = ca::install(&authority);
            write!(out, "{installation}")?;
            out.flush()?;
            if !installation.succeeded() {
                return Err(ExitError::Silent);
            }
        }
    }
    Ok(out.flush()?)
}

impl From<CaError> for ExitError {
    fn from(error: CaError) -> Self {
        Self::Failed(error.to_string())
    }
}
