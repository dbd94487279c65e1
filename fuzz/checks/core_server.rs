//! A whole core that is told anything at all: it goes on, answers every request it understands once, says nothing but
//! messages, and leaves when its wire ends. It has no adapters, so that no worker starts.

use std::collections::BTreeMap;
use std::time::Duration;

use roboppi_core::CoreSettings;
use roboppi_core::server::serve;
use roboppi_ipc::{DEFAULT_LINE_LIMIT, Dialect, Frame, LineFramer, Message, decode};
use roboppi_worker_adapters::Adapters;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
use tokio::sync::mpsc;

/// Reached only when something hangs.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn check(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let said = runtime.block_on(async {
        tokio::time::timeout(LIMIT, converse(bytes)).await.expect("the core does not hang")
    });
    let mut answers = BTreeMap::<String, usize>::new();
    for message in messages(&said) {
        let message = message.expect("a core says messages only");
        match &message {
            Message::Ack(_)
            | Message::PermitGranted(_)
            | Message::PermitRejected(_)
            | Message::JobCancelled(_)
            | Message::Error(_) => {
                if let Some(id) = message.request_id() {
                    *answers.entry(id.to_string()).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    assert_eq!(answers, requests(bytes));
}

/// Says everything, closes its end, and gives all that the core says.
async fn converse(bytes: &[u8]) -> Vec<u8> {
    let (near, far) = duplex(4096);
    let (reader, writer) = split(far);
    let (_stop, stops) = mpsc::channel(1);
    let serving = serve(reader, writer, CoreSettings::default(), Adapters::default(), stops);
    let (mut reader, mut writer) = split(near);
    let speaking = async move {
        // The core may have gone.
        let _ = writer.write_all(bytes).await;
        let _ = writer.shutdown().await;
    };
    let mut said = Vec::new();
    let (served, (), read) = tokio::join!(serving, speaking, reader.read_to_end(&mut said));
    served.expect("the wire does not fail");
    read.expect("the wire does not fail");
    said
}

fn messages(bytes: &[u8]) -> Vec<Result<Message, Option<String>>> {
    let mut framer = LineFramer::new(DEFAULT_LINE_LIMIT);
    let mut messages = Vec::new();
    framer.push(bytes, |frame| {
        if let Frame::Line(line) = frame {
            let decoded = decode(line)
                .map(|decoded| decoded.map_err(|error| error.request_id.map(|id| id.to_string())));
            messages.extend(decoded);
        }
    });
    messages
}

/// How often each id is to be answered.
fn requests(bytes: &[u8]) -> BTreeMap<String, usize> {
    let mut expected = BTreeMap::new();
    let mut dialect = None;
    for message in messages(bytes) {
        let spoken = *dialect.get_or_insert(match &message {
            Ok(Message::Hello(hello)) => Dialect::agree(hello.protocol).unwrap_or(Dialect::V1),
            _ => Dialect::V1,
        });
        let is_new = spoken == Dialect::V2;
        let asked = match &message {
            Ok(message) => match message {
                Message::SubmitJob(_) | Message::RequestPermit(_) | Message::CancelJob(_) => {
                    message.request_id()
                }
                Message::PauseJob(_) | Message::ResumeJob(_) if is_new => message.request_id(),
                _ => None,
            }
            .map(ToString::to_string),
            Err(waits) => waits.clone().filter(|_| is_new),
        };
        if let Some(id) = asked {
            *expected.entry(id).or_default() += 1;
        }
    }
    expected
}
