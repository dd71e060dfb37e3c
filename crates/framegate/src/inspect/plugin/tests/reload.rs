//! Files that change while the plugin is in force.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::super::{Hook, Plugin, PluginState};
use super::{as_text, call, spec, text};
use crate::inspect::Opinion;

struct Changing {
    plugin: Plugin,
    path: PathBuf,
    state: PluginState,
    version: u64,
    _dir: TempDir,
}

impl Changing {
    fn new(source: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("plugin.star");
        fs::write(&path, source).unwrap();
        Self {
            plugin: Plugin::load(spec(&path)).unwrap(),
            path,
            state: PluginState::default(),
            version: 0,
            _dir: dir,
        }
    }

    /// Writes the file, each time with a later time than before: clocks of file systems may be coarse.
    fn write(&mut self, source: &str) {
        fs::write(&self.path, source).unwrap();
        self.version += 1;
        let later = SystemTime::now() + Duration::from_secs(10 * self.version);
        File::options()
            .write(true)
            .open(&self.path)
            .unwrap()
            .set_modified(later)
            .unwrap();
    }

    fn says(&mut self) -> Opinion {
        call(&self.plugin, Hook::ReceiveFromClient, &text("x"), &mut self.state).unwrap()
    }
}

fn answering(answer: &str) -> String {
    format!(
        "def on_receive_from_client(m):\n    m.state['n'] = m.state.get('n', 0) + 1\n    return '{answer} %d' % m.state['n']\n"
    )
}

#[test]
fn a_new_version_is_in_force_and_finds_the_state_of_the_one_before() {
    let mut changing = Changing::new(&answering("one"));
    assert_eq!(changing.plugin.reload_if_changed(), Ok(false));
    assert_eq!(changing.says(), as_text("one 1"));
    changing.write(&answering("two"));
    assert_eq!(changing.says(), as_text("one 2"), "not before it is asked to");
    assert_eq!(changing.plugin.reload_if_changed(), Ok(true));
    assert_eq!(changing.plugin.reload_if_changed(), Ok(false));
    assert_eq!(changing.says(), as_text("two 3"));
    changing.write(&answering("two"));
    assert_eq!(changing.plugin.reload_if_changed(), Ok(false), "it was only touched");
    changing.write("def on_receive_from_server(m):\n    pass\n");
    assert_eq!(changing.plugin.reload_if_changed(), Ok(true));
    assert!(!changing.plugin.has(Hook::ReceiveFromClient) && changing.plugin.has(Hook::ReceiveFromServer));
    assert_eq!(changing.says(), Opinion::Pass);
}

#[test]
fn a_bad_version_is_told_once_and_the_one_before_stays() {
    let mut changing = Changing::new(&answering("good"));
    changing.write("def on_receive_from_client(m)\n");
    let error = changing.plugin.reload_if_changed().unwrap_err();
    assert_eq!(error.place.map(|place| place.line), Some(1), "{error}");
    assert_eq!(changing.plugin.reload_if_changed(), Ok(false));
    assert_eq!(changing.says(), as_text("good 1"));
    changing.write("def on_other(m):\n    pass\n");
    assert!(
        changing.plugin.reload_if_changed().is_err(),
        "another bad version is told again"
    );
    changing.write(&answering("better"));
    assert_eq!(changing.plugin.reload_if_changed(), Ok(true));
    assert_eq!(changing.says(), as_text("better 2"));
}

#[test]
fn a_file_that_vanishes_is_told_once_and_the_plugin_stays() {
    let mut changing = Changing::new(&answering("here"));
    fs::remove_file(&changing.path).unwrap();
    let error = changing.plugin.reload_if_changed().unwrap_err();
    assert!(error.what.starts_with("cannot be read"), "{error}");
    assert_eq!(changing.plugin.reload_if_changed(), Ok(false));
    assert_eq!(changing.says(), as_text("here 1"));
    changing.write(&answering("again"));
    assert_eq!(changing.plugin.reload_if_changed(), Ok(true));
    assert_eq!(changing.says(), as_text("again 2"));
}
