//! CONNECT with TLS inside, and servers that speak it.

use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::flow::FlowType;

type ClientStream = StreamOwned<ClientConnection, TcpStream>;

/// A server that speaks TLS with a certificate of its own making.
fn tls_server<T: Send + 'static>(
    serve: impl Fn(&mut StreamOwned<ServerConnection, TcpStream>) -> T + Send + Sync + 'static,
) -> (SocketAddr, JoinHandle<Vec<T>>, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let der = made.cert.der().to_vec();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let config = Arc::new(config);
    let (addr, thread) = server(1, move |_, stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        serve(&mut StreamOwned::new(connection, stream))
    });
    (addr, thread, der)
}

/// Opens a tunnel to `to` and speaks TLS in it, trusting `root` alone.
fn tls_client(proxy: &Proxy, to: &str, name: &str, root: &[u8]) -> ClientStream {
    let mut roots = RootCertStore::empty();
    roots.add(root.to_vec().into()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = proxy.client();
    send(&mut tcp, format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n"));
    assert!(read_head(&mut tcp).starts_with("HTTP/1.1 200 "));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp)
}

fn insecure() -> Proxy {
    Proxy::with("regular@127.0.0.1:0", 1, |settings| {
        settings.tls.insecure_hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    })
}

fn answer(stream: &mut StreamOwned<ServerConnection, TcpStream>) -> String {
    let head = read_head(stream);
    send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    head
}

#[test]
fn tls_in_a_tunnel_is_read_and_both_legs_are_on_record() {
    let mut proxy = insecure();
    let (addr, server, _) = tls_server(answer);
    let root = proxy.world.ca.cert_der().to_vec();
    let mut client = tls_client(&proxy, &format!("localhost:{}", addr.port()), "localhost", &root);
    let request = "GET /x HTTP/1.1\r\nhOst: localhost\r\n\r\n";
    send(&mut client, request);
    assert!(read_until(&mut client, "\r\n\r\nok").starts_with("HTTP/1.1 200 OK"));
    assert_eq!(server.join().unwrap()[0], request);
    let (flow, messages) = proxy.ended();
    assert_eq!(flow.opening.url, format!("https://localhost:{}/x", addr.port()));
    let tls = flow.opening.tls.unwrap();
    assert_eq!(tls.client.unwrap().server_name.as_deref(), Some("localhost"));
    assert!(tls.server.unwrap().subject.is_some());
    assert_eq!(messages.len(), 2);
}

#[test]
fn a_websocket_in_tls_keeps_its_early_bytes() {
    let mut proxy = insecure();
    let (addr, server, _) = tls_server(|stream| {
        read_head(stream);
        let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        send(stream, format!("{switch}first"));
        read_bytes(stream, 5)
    });
    let root = proxy.world.ca.cert_der().to_vec();
    let mut client = tls_client(&proxy, &addr.to_string(), "127.0.0.1", &root);
    send(
        &mut client,
        format!(
            "GET /ws HTTP/1.1\r\nHost: {addr}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\nearly"
        ),
    );
    assert!(read_head(&mut client).starts_with("HTTP/1.1 101 "));
    assert_eq!(read_bytes(&mut client, 5), b"first");
    assert_eq!(server.join().unwrap()[0], b"early");
    drop(client);
    assert_eq!(proxy.ended().0.opening.url, format!("wss://{addr}/ws"));
}

#[test]
fn a_certificate_that_does_not_hold_is_a_502_to_the_request() {
    let mut proxy = Proxy::regular();
    let (addr, server, _) = tls_server(|stream| stream.read(&mut [0]).is_err());
    let root = proxy.world.ca.cert_der().to_vec();
    let mut client = tls_client(&proxy, &addr.to_string(), "127.0.0.1", &root);
    send(&mut client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let head = read_head(&mut client);
    assert!(head.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{head}");
    let mut body = String::new();
    client.read_to_string(&mut body).unwrap();
    assert!(body.contains("urn:framegate:problem:server-"), "{body}");
    assert!(server.join().unwrap()[0]);
    let (flow, messages) = proxy.ended();
    assert_eq!(flow.opening.server_addr, Some(addr.to_string()));
    assert!(flow.ending.unwrap().error.unwrap().contains("certificate"));
    assert_eq!(fact(&messages[1], "status"), Some("502"));
}

#[test]
fn a_client_that_does_not_trust_the_ca_is_on_record() {
    let mut proxy = insecure();
    let (addr, _server, other_root) = tls_server(|_| {});
    let mut client = tls_client(&proxy, &addr.to_string(), "127.0.0.1", &other_root);
    assert!(client.write_all(b"x").and_then(|()| client.flush()).is_err());
    let (error, _) = proxy.failed();
    assert!(error.contains("does not trust"), "{error}");
}

#[test]
fn a_name_in_the_hello_is_no_passthrough_to_another_host() {
    let mut proxy = Proxy::with("regular@127.0.0.1:0", 1, |settings| {
        settings.tls.passthrough = vec!["elsewhere.example".to_owned()]
    });
    let (addr, server, _) = tls_server(answer);
    let root = proxy.world.ca.cert_der().to_vec();
    let mut client = tls_client(
        &proxy,
        &format!("localhost:{}", addr.port()),
        "elsewhere.example",
        &root,
    );
    send(&mut client, "GET /read HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(read_head(&mut client).starts_with("HTTP/1.1 "));
    drop(client);
    let (flow, _) = proxy.ended();
    assert_eq!(flow.opening.url, format!("https://localhost:{}/read", addr.port()));
    drop(server);
}

#[test]
fn passthrough_by_the_name_in_the_hello_leaves_tls_alone() {
    let mut proxy = Proxy::with("regular@127.0.0.1:0", 1, |settings| {
        settings.tls.passthrough = vec!["localhost".to_owned()]
    });
    let (addr, server, root) = tls_server(answer);
    let mut client = tls_client(&proxy, &addr.to_string(), "localhost", &root);
    send(&mut client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(read_until(&mut client, "\r\n\r\nok").starts_with("HTTP/1.1 200 OK"));
    server.join().unwrap();
    drop(client);
    let (flow, messages) = proxy.ended();
    assert_eq!(flow.opening.flow_type, FlowType::Tunnel);
    assert_eq!(messages, []);
}

#[test]
fn an_absolute_https_url_is_fetched_over_tls() {
    let mut proxy = insecure();
    let (addr, server, _) = tls_server(answer);
    let mut client = proxy.client();
    send(
        &mut client,
        format!("GET https://{addr}/x HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n"),
    );
    assert!(read_rest(&mut client).ends_with("\r\n\r\nok"));
    assert!(server.join().unwrap()[0].starts_with("GET /x HTTP/1.1\r\n"));
    let (flow, _) = proxy.ended();
    assert_eq!(flow.opening.url, format!("https://{addr}/x"));
    assert_eq!(flow.opening.tls.unwrap().client, None);
}

#[test]
fn a_reverse_door_speaks_tls_to_its_server() {
    let (addr, server, _) = tls_server(answer);
    let mode = format!("reverse:wss://localhost:{}@127.0.0.1:0", addr.port());
    let mut proxy = Proxy::with(&mode, 1, |settings| {
        settings.tls.insecure_hosts = vec!["localhost".to_owned()]
    });
    let mut client = proxy.client();
    send(
        &mut client,
        "GET /x HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n",
    );
    assert!(read_rest(&mut client).ends_with("\r\n\r\nok"));
    let host = format!("localhost:{}", addr.port());
    assert_eq!(
        server.join().unwrap()[0],
        format!("GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    );
    let (flow, _) = proxy.ended();
    assert_eq!(flow.opening.url, format!("https://{host}/x"));
    assert_eq!(flow.opening.mode, "reverse");
}
