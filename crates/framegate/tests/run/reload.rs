//! SIGHUP.

use rustix::process::Signal;
use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::stage::{Proxy, echo_server};

#[test]
fn a_valid_configuration_goes_for_new_connections_and_an_invalid_one_for_none() {
    let server = echo_server();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("f.toml");
    std::fs::write(&file, "[limits]\nframe_bytes_max = 1000\n").unwrap();
    let args = [
        "--config",
        "f.toml",
        "--mode",
        "regular@:0",
        "--set",
        "limits.drain_ms=1",
    ];
    let mut proxy = Proxy::start_in(home, &args);
    let message = Message::binary(vec![7; 500]);
    let echoed = |client: &mut tungstenite::WebSocket<_>| {
        client.send(message.clone()).unwrap();
        assert_eq!(client.read().unwrap(), message);
    };
    let mut before = proxy.websocket(server);
    echoed(&mut before);

    std::fs::write(&file, "[limits]\nframe_bytes_max = 200\nidle_m = 1\n").unwrap();
    proxy.signal(Signal::HUP);
    proxy.wait_for_log("nothing changed");
    assert!(proxy.log().contains("limits.idle_m (f.toml:3)"), "{}", proxy.log());
    echoed(&mut proxy.websocket(server));

    std::fs::write(
        &file,
        "[limits]\nframe_bytes_max = 200\ndrain_ms = 2\n[listen]\nthreads = 3\n",
    )
    .unwrap();
    proxy.signal(Signal::HUP);
    proxy.wait_for_log("was reloaded");
    let log = proxy.log();
    assert!(
        log.contains("from now on limits.frame_bytes_max = 200 (was 1000)"),
        "{log}"
    );
    assert!(log.contains("needs a restart: listen.threads = 3 (was 0)"), "{log}");
    assert!(!log.contains("limits.drain_ms"), "the flag goes before the file: {log}");
    let mut after = proxy.websocket(server);
    after.send(message.clone()).unwrap();
    let Message::Close(Some(close)) = after.read().unwrap() else {
        panic!("the limit is not in force");
    };
    assert_eq!(close.code, CloseCode::Size);
    echoed(&mut before);
    drop((before, after));
    proxy.stop();
}
