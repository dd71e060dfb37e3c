//! The file of `control.token_file`: a token that stays the same from one start to the next.

use std::fs::File;
use std::io::Read;

use crate::secret::Secret;

/// Nobody guesses one of so many characters.
const CHARS_MIN: usize = 32;
/// It is sent in a header field.
const CHARS_MAX: usize = 1024;

/// Reads the token, without the blanks and line ends around it.
///
/// # Errors
/// What is wrong with the file or with what stands in it, without repeating any of that.
pub(crate) fn read_token(path: &str) -> Result<Secret, String> {
    let unread = |error: std::io::Error| format!("the file cannot be read: {error}");
    // Whatever else has a name may keep whoever opens it waiting.
    if !std::fs::metadata(path).map_err(unread)?.is_file() {
        return Err("that is no file".to_owned());
    }
    let mut file = File::open(path).map_err(unread)?;
    is_private(&file).map_err(unread)??;
    let mut text = String::new();
    let most = 2 * CHARS_MAX as u64;
    file.by_ref()
        .take(most)
        .read_to_string(&mut text)
        .map_err(|_| "what stands in the file is not UTF-8".to_owned())?;
    let token = text.trim_ascii();
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("what stands in the file has characters that are not visible ones of ASCII".to_owned());
    }
    if !(CHARS_MIN..=CHARS_MAX).contains(&token.len()) {
        let len = token.len();
        return Err(format!(
            "what stands in the file has {len} characters, and a token {CHARS_MIN} to {CHARS_MAX}"
        ));
    }
    Ok(Secret::from(token.to_owned()))
}

/// Whoever reads the file may do all that the door can.
#[cfg(unix)]
fn is_private(file: &File) -> std::io::Result<Result<(), String>> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    Ok(match mode & 0o077 {
        0 => Ok(()),
        _ => Err(format!(
            "others than its owner may read or change the file, its mode is {mode:03o}: chmod 600 makes it private"
        )),
    })
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps)] // as on Unix
fn is_private(_: &File) -> std::io::Result<Result<(), String>> {
    Ok(Ok(()))
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::read_token;

    fn read(text: &[u8], mode: u32) -> Result<String, String> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        read_token(path.to_str().unwrap()).map(|token| token.reveal().to_owned())
    }

    #[test]
    fn a_token_is_what_stands_in_its_owners_file_without_the_blanks_around_it() {
        let token = "0123456789abcdefghijklmnopqrstu=";
        for text in [token.to_owned(), format!("{token}\n"), format!(" \t{token}\r\n\n")] {
            assert_eq!(read(text.as_bytes(), 0o600).as_deref(), Ok(token), "{text:?}");
        }
        assert_eq!(read(token.as_bytes(), 0o400).as_deref(), Ok(token));
        assert_eq!(read(&[b'x'; 1024], 0o600).unwrap().len(), 1024);
    }

    #[test]
    fn what_is_none_is_not_taken_and_not_repeated() {
        let token = "0123456789abcdefghijklmnopqrstu=";
        let long = "x".repeat(1025);
        let longer = "x".repeat(5000);
        for (text, mode, why) in [
            (token, 0o640, "mode is 640"),
            (token, 0o604, "mode is 604"),
            (token, 0o620, "mode is 620"),
            ("", 0o600, "0 characters"),
            ("\n", 0o600, "0 characters"),
            (&token[1..], 0o600, "31 characters"),
            (&long, 0o600, "1025 characters"),
            (&longer, 0o600, "2048 characters"),
            ("0123456789abcdefghijkl mnopqrstu=", 0o600, "not visible"),
            ("0123456789abcdefghijkl\nmnopqrstu=", 0o600, "not visible"),
            ("0123456789abcdefghijklmnopqrstü=", 0o600, "not visible"),
        ] {
            let error = read(text.as_bytes(), mode).unwrap_err();
            assert!(error.contains(why), "{error}");
            assert!(
                text.is_empty() || text == "\n" || !error.contains(text.trim()),
                "{error}"
            );
        }
        assert!(read(b"\xff", 0o600).unwrap_err().contains("UTF-8"));
        assert!(read_token("/").unwrap_err().contains("no file"));
        assert!(read_token("/no/such").unwrap_err().contains("cannot be read"));
    }
}
