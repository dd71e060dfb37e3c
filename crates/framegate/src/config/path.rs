//! What a path means, for those who go by it.

use percent_encoding::percent_decode_str;

/// The path that a server finds, however it was written: percent-decoded, with single slashes, and without the parameters of
/// its parts. A client must not choose by the way it writes a path which route its connection takes.
///
/// `None`: it leads up again (`..`), and servers differ in what they make of that.
#[must_use]
pub(crate) fn meant_path(path: &str) -> Option<String> {
    let decoded = percent_decode_str(path).decode_utf8_lossy().replace('\\', "/");
    let parts = decoded
        .split('/')
        .map(|part| part.split(';').next().unwrap_or_default());
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return None;
    }
    let slash = if decoded.ends_with('/') && !parts.is_empty() {
        "/"
    } else {
        ""
    };
    Some(format!("/{}{slash}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::meant_path;

    #[test]
    fn a_path_is_one_however_it_is_written() {
        for written in [
            "/team chat",
            "/team%20chat",
            "//team%20chat",
            "/%74eam%20chat;v=1",
            "\\team%20chat",
        ] {
            assert_eq!(meant_path(written).as_deref(), Some("/team chat"), "{written}");
        }
        assert_eq!(meant_path("").as_deref(), Some("/"));
        assert_eq!(meant_path("/a%2Fb/").as_deref(), Some("/a/b/"));
        for up in ["/..", "/a/./b", "/a/%2e%2E/b", "/a/..;/b", "/a\\..\\b"] {
            assert_eq!(meant_path(up), None, "{up}");
        }
    }
}
