//! The pages from which a client that goes through the proxy gets the CA's certificate and learns where to put it.
//!
//! Only the certificate is served, never its key.

use super::ca::Ca;
use super::guide::{self, Line};

/// What browsers and phones take for a CA's certificate, PEM or DER.
const CERTIFICATE_TYPE: &str = "application/x-x509-ca-cert";

/// One page or file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// For `Content-Type`.
    pub content_type: &'static str,
    /// For `Content-Disposition: attachment`; `None`: to be shown.
    pub filename: Option<&'static str>,
    /// For the body.
    pub body: Vec<u8>,
}

/// The page at `path` (a query is ignored): `/` for people, `/ca.pem`, `/ca.crt`, `/ca.cer`, `/ca.der` for machines; `None`: there
/// is none.
#[must_use]
pub fn page(path: &str, ca: &Ca) -> Option<Page> {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let certificate = |filename, body: &[u8]| {
        Some(Page {
            content_type: CERTIFICATE_TYPE,
            filename: Some(filename),
            body: body.to_vec(),
        })
    };
    match path {
        "" | "/" | "/index.html" => Some(Page {
            content_type: "text/html; charset=utf-8",
            filename: None,
            body: html(ca).into_bytes(),
        }),
        "/ca.pem" => certificate("framegate-ca.pem", ca.cert_pem().as_bytes()),
        "/ca.crt" => certificate("framegate-ca.crt", ca.cert_pem().as_bytes()),
        "/ca.cer" => certificate("framegate-ca.cer", ca.cert_der()),
        "/ca.der" => certificate("framegate-ca.der", ca.cert_der()),
        _ => None,
    }
}

fn html(ca: &Ca) -> String {
    let mut guides = String::new();
    for guide in guide::guides("framegate-ca.pem") {
        guides.push_str(&format!("<details><summary>{}</summary>\n", escape(guide.system)));
        for line in guide.lines {
            guides.push_str(&match line {
                Line::Say(text) => format!("<p>{}</p>\n", escape(&text)),
                Line::Type(command) => format!("<pre>{}</pre>\n", escape(&command)),
            });
        }
        guides.push_str("</details>\n");
    }
    include_str!("page.html")
        .replace("{name}", &escape(ca.name()))
        .replace("{fingerprint}", &escape(&ca.fingerprint()))
        .replace("{guides}", &guides)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    use super::*;

    fn ca() -> (tempfile::TempDir, Ca) {
        let directory = tempfile::tempdir().unwrap();
        let ca = Ca::load_or_create(directory.path()).unwrap();
        (directory, ca)
    }

    #[test]
    fn the_certificate_is_served_in_both_forms() {
        let (_directory, ca) = ca();
        for (path, filename) in [("/ca.der", "framegate-ca.der"), ("/ca.cer", "framegate-ca.cer")] {
            let page = page(path, &ca).unwrap();
            assert_eq!(page.body, ca.cert_der().as_ref());
            assert_eq!(
                (page.content_type, page.filename),
                ("application/x-x509-ca-cert", Some(filename))
            );
        }
        for path in ["/ca.pem", "/ca.crt", "/ca.pem?download"] {
            let page = page(path, &ca).unwrap();
            assert_eq!(&CertificateDer::from_pem_slice(&page.body).unwrap(), ca.cert_der());
            assert_eq!(page.content_type, "application/x-x509-ca-cert");
        }
    }

    #[test]
    fn the_page_is_whole_in_itself() {
        let (_directory, ca) = ca();
        let page = page("/", &ca).unwrap();
        assert_eq!(page.content_type, "text/html; charset=utf-8");
        let html = String::from_utf8(page.body).unwrap();
        for part in [
            ca.name(),
            &ca.fingerprint(),
            "/ca.pem",
            "/ca.der",
            "macOS",
            "Android",
            "NODE_EXTRA_CA_CERTS",
        ] {
            assert!(html.contains(part), "{part} is missing");
        }
        // Anything from elsewhere would have to be named in one of these ways.
        for outside in ["src=\"", "url(", "@import", "<script", "<link"] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert!(html.contains("src=&quot;user&quot;"), "text is escaped");
    }

    #[test]
    fn nothing_else_is_served() {
        let (_directory, ca) = ca();
        for path in ["/nothing", "/ca.key", "/../framegate-ca.key.pem", "/ca.pem/", "*"] {
            assert_eq!(page(path, &ca), None, "{path}");
        }
    }
}
