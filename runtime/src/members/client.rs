//! One request to one member, over a connection of its own, within a deadline.
//!
//! A member may be broken or hostile: it is asked at the address that Kubernetes names, follows us
//! nowhere, and costs no more than one connection and one small body.

use std::io::{self, ErrorKind};
use std::time::Duration;

use http::header::{ACCEPT, CONNECTION, CONTENT_LENGTH, HOST, USER_AGENT};
use http::{Method, Request};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use kaspr_core::outcome::Refusal;
use kaspr_core::poll::{Said, Silence};
use kaspr_engine::polls::Target;
use kaspr_engine::request::Failure;
use kaspr_engine::worker;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits;

/// Asks members.
#[derive(Clone, Debug)]
pub struct Client {
    /// Whether members are found by the names that the headless Service gives them, as the original
    /// does, and not by the addresses of their pods.
    pub by_name: bool,
}

/// Why no answer came.
#[derive(Debug)]
enum NoAnswer {
    /// Nothing was sent.
    Unsent(Silence),
    /// Something was, or may have been.
    Cut(Silence),
}

impl Client {
    /// How a member is.
    pub async fn status(&self, member: &Target) -> Said {
        let call = self.call(member, Method::GET, worker::STATUS_PATH);
        match within(limits::MEMBER_WITHIN, call).await {
            Ok((code, body)) => worker::said(code, &body),
            Err(NoAnswer::Unsent(why) | NoAnswer::Cut(why)) => Said::Silent(why),
        }
    }

    /// Asks a member for a rebalance.
    pub async fn rebalance(&self, member: &Target) -> Result<(), Failure> {
        let call = self.call(member, Method::POST, worker::SIGNAL_PATH);
        match within(limits::MEMBER_WITHIN, call).await {
            Ok((code, _)) if worker::is_accepted(code) => Ok(()),
            Ok((code, _)) => {
                let words = format!("the member answers {code}");
                Err(Failure::new(worker::refusal(code), &words))
            }
            Err(NoAnswer::Unsent(why)) => Err(Failure::new(Refusal::Unreachable, &why.to_string())),
            // Its yes may have been too long to read: it counts as one that nobody heard.
            Err(NoAnswer::Cut(why)) => Err(Failure::new(Refusal::AnswerLost, &why.to_string())),
        }
    }

    async fn call(
        &self,
        member: &Target,
        method: Method,
        path: &'static str,
    ) -> Result<(u16, Bytes), NoAnswer> {
        let stream = match timeout(limits::MEMBER_CONNECT_WITHIN, self.connect(member)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) => return Err(NoAnswer::Unsent(Silence::NoConnection)),
            Err(_) => return Err(NoAnswer::Unsent(Silence::Timeout)),
        };
        let unsent = |_| NoAnswer::Unsent(Silence::NoConnection);
        let mut builder = http1::Builder::new();
        builder.max_buf_size(limits::MEMBER_BUFFER).max_headers(limits::MEMBER_HEADERS_MAX);
        let (mut sender, connection) =
            builder.handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.map_err(unsent)?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, format!("{}:{}", member.host, member.port))
            .header(USER_AGENT, concat!("kaspr-operator/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json")
            .header(CONTENT_LENGTH, "0")
            .header(CONNECTION, "close")
            .body(Empty::new())
            .map_err(|_| NoAnswer::Unsent(Silence::Unreadable))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| cut(&error))?;
            read(response).await
        };
        // The connection moves only while somebody asks it to, and ends with this call.
        tokio::pin!(answer);
        tokio::pin!(connection);
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            _ = &mut connection => answer.await,
        }
    }

    /// Whatever a name leads to, the pod at the address that Kubernetes names is asked, or nobody.
    async fn connect(&self, member: &Target) -> io::Result<TcpStream> {
        if !self.by_name {
            return TcpStream::connect((member.address, member.port)).await;
        }
        let stream = TcpStream::connect((member.host.as_str(), member.port)).await?;
        if stream.peer_addr()?.ip().to_canonical() != member.address.to_canonical() {
            return Err(ErrorKind::AddrNotAvailable.into());
        }
        Ok(stream)
    }
}

async fn read(response: http::Response<Incoming>) -> Result<(u16, Bytes), NoAnswer> {
    let code = response.status().as_u16();
    // What an error says is not read.
    if !(200..300).contains(&code) {
        return Ok((code, Bytes::new()));
    }
    let body = Limited::new(response.into_body(), worker::BODY_MAX).collect().await;
    let body = body.map_err(|error| {
        let is_long = error.is::<http_body_util::LengthLimitError>();
        NoAnswer::Cut(if is_long { Silence::TooLarge } else { Silence::NoConnection })
    })?;
    Ok((code, body.to_bytes()))
}

fn cut(error: &hyper::Error) -> NoAnswer {
    let is_nonsense = error.is_parse();
    NoAnswer::Cut(if is_nonsense { Silence::Unreadable } else { Silence::NoConnection })
}

async fn within<T>(
    time: Duration,
    call: impl Future<Output = Result<T, NoAnswer>>,
) -> Result<T, NoAnswer> {
    timeout(time, call).await.unwrap_or(Err(NoAnswer::Cut(Silence::Timeout)))
}
