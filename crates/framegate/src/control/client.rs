//! The commands' way to the running proxy: a small HTTP/1.1 client for its control door.

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Empty, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::operations::OperationError;
use super::run_file::RunFile;

/// The running proxy, as a command reaches it.
#[derive(Debug)]
pub struct Client {
    run_file: RunFile,
}

/// For the answer to "are you there", on the same machine.
const FIND: Duration = Duration::from_secs(2);

/// An error's body.
const PROBLEM_BYTES_MAX: usize = 64 << 10;

/// How much of a file is sent at once.
const PIECE_BYTES: usize = 64 << 10;

impl Client {
    /// Finds the proxy that runs with this data directory; `None`: none does. A `run.json` that a crash left behind is
    /// seen through: whatever listens there now does not know the process id.
    pub async fn find(data_dir: &Path) -> Option<Self> {
        let run_file = RunFile::read(data_dir)?;
        let client = Self { run_file };
        let is_there = tokio::time::timeout(FIND, client.is_there()).await;
        matches!(is_there, Ok(Some(true))).then_some(client)
    }

    async fn is_there(&self) -> Option<bool> {
        // Without the token: nobody knows yet who listens.
        let request = self
            .request(Method::GET, "/livez")
            .body(Either::Left(Empty::new()))
            .ok()?;
        let response = self.send(request).await.ok()?;
        let body = Limited::new(response.into_body(), PROBLEM_BYTES_MAX)
            .collect()
            .await
            .ok()?;
        let said: serde_json::Value = serde_json::from_slice(&body.to_bytes()).ok()?;
        Some(said["pid"] == self.run_file.pid)
    }

    /// Asks an operation; the answer comes as its door writes it.
    ///
    /// # Errors
    /// What the door said, and [`OperationError::Failed`] if it cannot be reached.
    pub async fn ask(
        &self,
        operation: &super::operations::Operation,
        given: &[(&str, &str)],
        file: Option<File>,
    ) -> Result<Pieces, OperationError> {
        let mut path = format!("/api/v1/{}", operation.name);
        for (at, (name, value)) in given.iter().enumerate() {
            path.push(if at == 0 { '?' } else { '&' });
            path.push_str(&format!("{name}={}", percent_encoded(value)));
        }
        let method = if operation.read_only { Method::GET } else { Method::POST };
        let body = match file {
            Some(file) => Either::Right(Upload::of(file).map_err(|error| failed(&error))?),
            None => Either::Left(Empty::new()),
        };
        let token = format!("Bearer {}", self.run_file.token.reveal());
        let request = self.request(method, &path).header("authorization", token).body(body);
        let response = self.send(request.map_err(|error| failed(&error))?).await?;
        match response.status() {
            StatusCode::OK => Ok(Pieces(response.into_body())),
            status => Err(problem(status, response.into_body()).await),
        }
    }

    fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.addr().to_string())
    }

    /// A door that listens on every address is reached on loopback.
    fn addr(&self) -> SocketAddr {
        let mut addr = self.run_file.control;
        match addr.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        addr
    }

    async fn send(&self, request: Request<Either<Empty<Bytes>, Upload>>) -> Result<Response<Incoming>, OperationError> {
        let tcp = TcpStream::connect(self.addr()).await.map_err(|error| failed(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(tcp))
            .await
            .map_err(|error| failed(&error))?;
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(|error| failed(&error))
    }
}

/// An answer, in pieces as they come.
#[derive(Debug)]
pub struct Pieces(Incoming);

impl Pieces {
    /// The next bytes; `None`: that was all.
    ///
    /// # Errors
    /// If the answer broke off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, OperationError> {
        while let Some(frame) = self.0.frame().await {
            let broke = |_| OperationError::Failed("the proxy broke off its answer; its log says why".to_owned());
            if let Ok(data) = frame.map_err(broke)?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

fn failed(error: &dyn std::fmt::Display) -> OperationError {
    OperationError::Failed(format!(
        "the control door of the running proxy cannot be asked: {error}"
    ))
}

async fn problem(status: StatusCode, body: Incoming) -> OperationError {
    let body = Limited::new(body, PROBLEM_BYTES_MAX)
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let said: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let detail = match said["detail"].as_str() {
        Some(detail) => detail.to_owned(),
        None => format!("the running proxy answered {status}"),
    };
    match status.as_u16() {
        400 => OperationError::BadArgument(detail),
        404 => OperationError::NotFound(detail),
        409 => OperationError::Conflict(detail),
        422 => OperationError::BadFile(detail),
        _ => OperationError::Failed(detail),
    }
}

/// For a value in a query (RFC 3986 §2.3).
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A file as the body of a request. It blocks the thread for each read: a command has nothing else to do.
#[derive(Debug)]
struct Upload {
    file: File,
    left: u64,
}

impl Upload {
    fn of(file: File) -> io::Result<Self> {
        let left = file.metadata()?.len();
        Ok(Self { file, left })
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut piece = vec![0; usize::try_from(self.left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES)];
        let read = self.file.read(&mut piece).and_then(|n| match n {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was read",
            )),
            n => Ok(n),
        });
        Poll::Ready(Some(read.map(|n| {
            piece.truncate(n);
            self.left -= n as u64;
            Frame::data(piece.into())
        })))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.left)
    }
}
