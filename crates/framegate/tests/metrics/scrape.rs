//! A scrape, read as strictly as OpenMetrics 1.0 has it, as far as the proxy uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::stage::Proxy;

/// What was scraped.
pub(crate) struct Scrape {
    /// The type of each family, by its name.
    pub(crate) families: BTreeMap<String, String>,
    /// The names of the labels of each family.
    pub(crate) labels: BTreeMap<String, BTreeSet<String>>,
    samples: BTreeMap<String, f64>,
}

impl Scrape {
    /// With the token of `run.json`.
    pub(crate) fn of(proxy: &Proxy) -> Self {
        let run_file: Value = serde_json::from_slice(&std::fs::read(proxy.run_file()).unwrap()).unwrap();
        let addr = proxy.addr("control");
        let mut tcp = TcpStream::connect(addr).unwrap();
        write!(
            tcp,
            "GET /metrics HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            run_file["token"].as_str().unwrap()
        )
        .unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
        Self::read(body)
    }

    fn read(text: &str) -> Self {
        let text = text.strip_suffix("# EOF\n").unwrap();
        let (mut families, mut labels) = (BTreeMap::new(), BTreeMap::<String, BTreeSet<String>>::new());
        let mut samples = BTreeMap::new();
        let (mut helped, mut family, mut kind) = (String::new(), String::new(), String::new());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap();
                assert!(help.ends_with('.') && !help.ends_with(".."), "{line}");
                helped = name.to_owned();
            } else if let Some(typed) = line.strip_prefix("# TYPE ") {
                let (name, of) = typed.split_once(' ').unwrap();
                assert_eq!(name, helped, "its HELP stands before it");
                (family, kind) = (name.to_owned(), of.to_owned());
                let before = families.insert(family.clone(), kind.clone());
                assert_eq!(before, None, "{name} comes once");
                labels.entry(family.clone()).or_default();
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                let name = sample.split('{').next().unwrap();
                let suffix = name.strip_prefix(&family).unwrap();
                let suffixes: &[&str] = match kind.as_str() {
                    "counter" => &["_total"],
                    "gauge" => &[""],
                    "info" => &["_info"],
                    "histogram" => &["_bucket", "_sum", "_count"],
                    other => panic!("{other}"),
                };
                assert!(suffixes.contains(&suffix), "{line} in {family}, a {kind}");
                let value: f64 = value.parse().unwrap();
                assert!(value >= 0.0 && value.is_finite(), "{line}");
                labels.get_mut(&family).unwrap().extend(names(sample));
                assert_eq!(samples.insert(sample.to_owned(), value), None, "{sample} comes once");
            }
        }
        Self {
            families,
            labels,
            samples,
        }
    }

    /// The value of this sample, labels included.
    #[track_caller]
    pub(crate) fn get(&self, sample: &str) -> f64 {
        *self
            .samples
            .get(sample)
            .unwrap_or_else(|| panic!("there is no {sample}"))
    }

    /// The samples of this name that are not 0, without the name.
    pub(crate) fn some(&self, name: &str) -> Vec<(&str, f64)> {
        let all = self.samples.iter().filter(|(_, value)| **value != 0.0);
        all.filter_map(|(sample, value)| Some((sample.strip_prefix(name)?, *value)))
            .filter(|(rest, _)| rest.starts_with('{'))
            .collect()
    }
}

/// The names of a sample's labels.
fn names(sample: &str) -> BTreeSet<String> {
    let Some((_, labels)) = sample.split_once('{') else {
        return BTreeSet::new();
    };
    let labels = labels.strip_suffix("\"}").unwrap();
    labels
        .split("\",")
        .map(|label| label.split_once("=\"").unwrap().0.to_owned())
        .collect()
}
