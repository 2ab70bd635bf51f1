use std::net::{IpAddr, Ipv4Addr};

use kaspr_core::outcome::Refusal;
use kaspr_core::poll::{Said, Silence, State};
use kaspr_engine::polls::Target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::client::Client;

const CLIENT: Client = Client { by_name: false };

/// A member that gives this answer to whatever is asked, once.
async fn member(answer: Vec<u8>) -> Target {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(&answer).await;
        // It does not hang up: the length says where the answer ends.
        std::future::pending::<()>().await;
    });
    target(port)
}

fn target(port: u16) -> Target {
    Target {
        namespace: "n".to_owned(),
        pod: "a-app-0".to_owned(),
        uid: "u".to_owned(),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port,
        host: "a-app-0.a-app.n.svc.cluster.local".to_owned(),
    }
}

fn answer(code: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {code} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn state(answer: Vec<u8>) -> State {
    CLIENT.status(&member(answer).await).await.state()
}

#[tokio::test]
async fn a_status_is_read_and_nothing_is_followed() {
    let body = r#"{"leader": true, "rebalancing": true, "recovering": false}"#;
    assert_eq!(state(answer(200, body)).await, State::Stuck);
    let elsewhere = b"HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(state(elsewhere.to_vec()).await, State::Silent(Silence::Refused));
    assert_eq!(state(answer(404, "")).await, State::Silent(Silence::NotOffered));
}

#[tokio::test]
async fn a_body_is_read_up_to_its_bound() {
    let long = answer(200, &"x".repeat(200 * 1024));
    assert_eq!(state(long).await, State::Silent(Silence::TooLarge));
    let nonsense = b"no http at all\r\n\r\n".to_vec();
    assert_eq!(state(nonsense).await, State::Silent(Silence::Unreadable));
}

#[tokio::test]
async fn nobody_who_listens_is_no_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let said = CLIENT.status(&target(port)).await;
    assert_eq!(said, Said::Silent(Silence::NoConnection));
    let refused = CLIENT.rebalance(&target(port)).await.unwrap_err();
    assert_eq!(refused.refusal, Refusal::Unreachable, "nothing was sent");
}

/// A name may lead anywhere.
#[tokio::test]
async fn a_name_that_leads_elsewhere_is_no_connection() {
    let by_name = Client { by_name: true };
    let ask = async |address: [u8; 4]| {
        let body = r#"{"leader": true, "rebalancing": true, "recovering": false}"#;
        let member = Target {
            host: "127.0.0.1".to_owned(),
            address: IpAddr::from(address),
            ..member(answer(200, body)).await
        };
        by_name.status(&member).await.state()
    };
    assert_eq!(ask([127, 0, 0, 1]).await, State::Stuck);
    assert_eq!(ask([127, 0, 0, 2]).await, State::Silent(Silence::NoConnection));
}

/// C3 of the original, and the workers that answer 500 and rebalance.
#[tokio::test]
async fn only_a_yes_is_a_yes() {
    let ask = async |code: u16| {
        let member = member(answer(code, "{}")).await;
        CLIENT.rebalance(&member).await.map_err(|failure| failure.refusal)
    };
    assert_eq!(ask(200).await, Ok(()));
    assert_eq!(ask(422).await, Err(Refusal::Invalid));
    assert_eq!(ask(500).await, Err(Refusal::AnswerLost));
}
