//! The events of a watch on their way to the client, one line each.

use std::collections::VecDeque;
use std::future::pending;

use futures::{Stream, stream};
use http_body_util::BodyExt;
use hyper::body::Bytes;
use kube::client::Body;
use serde_json::{Value, json};

use super::answer::{Broken, status};
use super::rule::Fault;

/// What is sent on: the events, as the fault has them. Each is told before it goes.
pub(super) fn events(
    body: Body,
    fault: Option<Fault>,
    tell: impl Fn(&Value) + Send + Sync + 'static,
) -> impl Stream<Item = Result<Bytes, Broken>> + Send {
    stream::unfold(Some((Events::of(body, fault), tell)), async |state| {
        let (mut events, tell) = state?;
        let (item, is_last) = events.next(&tell).await?;
        Some((item, (!is_last).then_some((events, tell))))
    })
}

/// The first event alone; nothing of a watch that ends without one.
pub(super) async fn first_event(body: Body) -> Result<Bytes, Broken> {
    Events::of(body, None).line().await.unwrap_or_else(|| Ok(Bytes::new()))
}

struct Events {
    body: Body,
    lines: VecDeque<Bytes>,
    rest: Vec<u8>,
    /// Events that were met, bookmarks left out.
    seen: usize,
    fault: Option<Fault>,
}

type Item = Result<Bytes, Broken>;

impl Events {
    fn of(body: Body, fault: Option<Fault>) -> Self {
        Self { body, lines: VecDeque::new(), rest: Vec::new(), seen: 0, fault }
    }

    /// What comes next, and whether it is the last.
    async fn next(&mut self, tell: &impl Fn(&Value)) -> Option<(Item, bool)> {
        match self.fault {
            Some(Fault::HoldWatch(after)) if self.seen >= after => pending().await,
            Some(Fault::Gone(after)) if self.seen >= after => return Some((Ok(too_old()), true)),
            _ => {}
        }
        loop {
            let line = match self.line().await? {
                Ok(line) => line,
                Err(broken) => return Some((Err(broken), true)),
            };
            let event: Value = serde_json::from_slice(&line).unwrap_or_default();
            self.seen += usize::from(event["type"] != "BOOKMARK");
            let is_left_out = self.fault == Some(Fault::DropEvent(self.seen));
            if !is_left_out || event["type"] == "BOOKMARK" {
                tell(&event["object"]["metadata"]);
                return Some((Ok(line), false));
            }
        }
    }

    async fn line(&mut self) -> Option<Item> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(Ok(line));
            }
            let frame = match self.body.frame().await? {
                Ok(frame) => frame,
                Err(_) => return Some(Err(Broken)),
            };
            self.rest.extend_from_slice(frame.data_ref().map_or(&[][..], |data| &data[..]));
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                self.lines.push_back(line.into());
            }
        }
    }
}

/// The event by which a server says that it cannot go on from the version asked for.
fn too_old() -> Bytes {
    format!("{}\n", json!({"type": "ERROR", "object": status(410)})).into()
}
