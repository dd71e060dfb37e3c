//! Who may read the metrics.

use std::sync::Arc;

use super::Api;
use crate::config::Settings;

#[test]
fn the_metrics_are_behind_the_token_until_they_are_public() {
    let api = Api::start();
    let host = format!("Host: {}\r\n", api.addr());
    for wrong in ["", "Authorization: Bearer x\r\n", "Authorization: Basic x\r\n"] {
        let (status, _, body) = api.ask("GET /metrics", &format!("{host}{wrong}"), b"");
        assert!(status == 401 && !body.contains("framegate_build"), "{wrong:?}: {body}");
    }
    let (status, head, body) = api.get("/metrics");
    assert_eq!(status, 200);
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    assert!(body.contains("\nframegate_record_queue_bytes 7\n"), "{body}");
    let mut settings = Settings::default();
    settings.metrics.public = true;
    api.settings.store(Arc::new(settings));
    assert_eq!(api.ask("GET /metrics", &host, b"").0, 200);
    assert_eq!(
        api.ask("GET /api/v1/flows", &host, b"").0,
        401,
        "nothing else is public"
    );
    assert_eq!(api.ask("POST /metrics", &host, b"").0, 405);
}

#[test]
fn a_page_of_another_site_reads_no_public_metrics() {
    let api = Api::start();
    let mut settings = Settings::default();
    settings.metrics.public = true;
    api.settings.store(Arc::new(settings));
    let addr = api.addr();
    for fields in [
        "Host: evil.example\r\n".to_owned(),
        format!("Host: {addr}\r\nOrigin: http://evil.example\r\n"),
        format!("Host: {addr}\r\nSec-Fetch-Site: cross-site\r\n"),
    ] {
        let (status, _, body) = api.ask("GET /metrics", &fields, b"");
        assert!(status == 403 && !body.contains("framegate_build"), "{fields:?}: {body}");
    }
}
