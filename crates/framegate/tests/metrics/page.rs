//! The page about the metrics has what there is, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::peers::{End, TEXT, shake_hands};
use crate::scrape::Scrape;
use crate::stage::{Proxy, connect, wait_for};

/// Name, type and labels of each metric, as the table on the page has them.
fn on_the_page() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let metric = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        // The table of causes has two columns.
        let [name, kind, labels, _] = cells[..] else {
            return None;
        };
        Some((name.trim_matches('`').to_owned(), (kind.to_owned(), names(labels))))
    };
    rows.filter_map(metric).collect()
}

#[test]
fn the_page_has_every_metric_with_its_type_and_labels_and_no_other() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(
        home.path().join("some.star"),
        "def on_receive_from_client(message):\n    pass\n",
    )
    .unwrap();
    std::fs::write(home.path().join("form.json"), "{}").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let route = format!(
        r#"routes=[{{upstream=["ws://{}"], send_hook="http://127.0.0.1:9/"}}]"#,
        listener.local_addr().unwrap()
    );
    let settings = [
        route.as_str(),
        r#"plugins=[{path="some.star"}]"#,
        r#"schemas=[{id="form", path="form.json"}]"#,
        r#"safety.input.rules=[{id="bad", pattern="bad"}]"#,
    ];
    let mut args = vec!["--mode", "gateway@:0"];
    args.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    let proxy = Proxy::start_in(home, &args);
    // Which hooks there are is known by those of connections.
    let (mut client, _server) = shake_hands(End::client(connect(proxy.addr("gateway"))), &listener, "");
    client.send(TEXT, b"hello");
    let scrape = wait_for("the hook", || {
        let scrape = Scrape::of(&proxy);
        (!scrape.labels["framegate_hook_breaker_open"].is_empty()).then_some(scrape)
    });
    let real: BTreeMap<String, (String, BTreeSet<String>)> = scrape
        .families
        .iter()
        .map(|(family, kind)| {
            let name = match kind.as_str() {
                "counter" => format!("{family}_total"),
                "info" => format!("{family}_info"),
                _ => family.clone(),
            };
            let mut labels = scrape.labels[family].clone();
            if kind == "histogram" {
                labels.remove("le");
            }
            (name, (kind.clone(), labels))
        })
        .collect();
    assert_eq!(on_the_page(), real);
}
