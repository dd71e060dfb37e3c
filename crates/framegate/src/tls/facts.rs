//! What goes on record of a TLS connection.

use rustls::{ClientConnection, CommonState, ServerConnection};
use rustls_pki_types::CertificateDer;
use x509_parser::asn1_rs::ToDer;
use x509_parser::prelude::{AttributeTypeAndValue, FromDer, X509Certificate, X509Name};

use crate::flow::TlsLeg;

/// The facts of the client's leg, after the handshake.
pub(super) fn of_client_leg(connection: &ServerConnection) -> TlsLeg {
    TlsLeg {
        server_name: connection.server_name().map(str::to_owned),
        ..of_either(connection)
    }
}

/// The facts of the server's leg, after the handshake. `server_name`: what was sent as SNI.
pub(super) fn of_server_leg(connection: &ClientConnection, server_name: Option<String>) -> TlsLeg {
    let certificate = connection.peer_certificates().and_then(|chain| chain.first());
    TlsLeg {
        server_name,
        subject: certificate.and_then(subject),
        ..of_either(connection)
    }
}

fn of_either(connection: &CommonState) -> TlsLeg {
    TlsLeg {
        // rustls writes "TLSv1_3" and names its cipher suites as this project does.
        version: connection
            .protocol_version()
            .map(|it| format!("{it:?}").replace('_', "."))
            .unwrap_or_default(),
        cipher: connection
            .negotiated_cipher_suite()
            .map(|it| format!("{:?}", it.suite()))
            .unwrap_or_default(),
        server_name: None,
        subject: None,
        alpn: connection
            .alpn_protocol()
            .map(|it| String::from_utf8_lossy(it).into_owned()),
    }
}

/// The certificate's subject as RFC 4514 writes it; `None` if the certificate cannot be read.
fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(rfc4514(certificate.subject()))
}

/// RFC 4514 §2.1: the last name comes first, names are parted by commas, the parts of one name by plus signs.
pub(super) fn rfc4514(name: &X509Name<'_>) -> String {
    let names: Vec<_> = name.iter_rdn().collect();
    names
        .iter()
        .rev()
        .map(|rdn| rdn.iter().map(attribute).collect::<Vec<_>>().join("+"))
        .collect::<Vec<_>>()
        .join(",")
}

/// RFC 4514 §2.3: a short name and the value; without either, the OID and the value's DER in hexadecimal.
fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    // RFC 4514 §3 and, the last, RFC 2985, which everybody writes so.
    let short = match oid.as_str() {
        "2.5.4.3" => "CN",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.6" => "C",
        "2.5.4.9" => "STREET",
        "0.9.2342.19200300.100.1.25" => "DC",
        "0.9.2342.19200300.100.1.1" => "UID",
        _ => "",
    };
    match attribute.as_str() {
        Ok(value) if !short.is_empty() => format!("{short}={}", escape(value)),
        _ => {
            let der = attribute.attr_value().to_der_vec().unwrap_or_default();
            let hex: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{}=#{hex}", if short.is_empty() { &oid } else { short })
        }
    }
}

/// RFC 4514 §2.4; control characters are written in hexadecimal, so that none reaches a log.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, letter) in value.chars().enumerate() {
        match letter {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => escaped.extend(['\\', letter]),
            '#' if at == 0 => escaped.push_str("\\#"),
            ' ' if at == 0 || at == last => escaped.push_str("\\ "),
            _ if letter.is_control() => {
                let mut bytes = [0; 4];
                for byte in letter.encode_utf8(&mut bytes).bytes() {
                    escaped.push_str(&format!("\\{byte:02X}"));
                }
            }
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn subject_of(parts: &[(DnType, &str)]) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in parts {
            params.distinguished_name.push(kind.clone(), *value);
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        subject(certificate.der()).unwrap()
    }

    #[test]
    fn subjects_are_written_as_rfc_4514_wants_them() {
        assert_eq!(
            subject_of(&[(DnType::CommonName, "echo.example.com")]),
            "CN=echo.example.com"
        );
        assert_eq!(
            subject_of(&[
                (DnType::CountryName, "GB"),
                (DnType::OrganizationName, "Frames, Ltd"),
                (DnType::CommonName, "echo"),
            ]),
            "CN=echo,O=Frames\\, Ltd,C=GB"
        );
        assert_eq!(
            subject_of(&[(DnType::CommonName, " #a=\"b\"\n ")]),
            "CN=\\ #a=\\\"b\\\"\\0A\\ "
        );
        assert_eq!(subject_of(&[(DnType::CommonName, "#a\\")]), "CN=\\#a\\\\");
        assert_eq!(subject_of(&[]), "");
    }

    #[test]
    fn a_name_without_a_short_form_is_its_oid_and_der() {
        let subject = subject_of(&[(DnType::CustomDnType(vec![1, 2, 3]), "x")]);
        // UTF8String, one byte, "x".
        assert_eq!(subject, "1.2.3=#0c0178");
    }

    #[test]
    fn an_unreadable_certificate_has_no_subject() {
        assert_eq!(subject(&CertificateDer::from(b"no certificate".to_vec())), None);
    }
}
