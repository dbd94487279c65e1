//! `GET /api/v1/ws`: one WebSocket for a page, with many subscriptions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::connection::Connection;
use super::frames;
use super::message::ClientMessage;
use crate::api::session::{Limits, Role};
use crate::app::{App, Counted};
use crate::call::Call;
use crate::problem::Problem;
use crate::security::Refusal;

/// Longest message of a client, in bytes.
pub(super) const LONGEST_MESSAGE: usize = 64 * 1024;

/// Messages that are none, before the connection is closed.
pub(super) const GARBAGE: u32 = 20;

/// How long a client may take to receive a frame.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time between two signs of life that the server asks for.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// How long a client may be silent.
const SILENCE: Duration = Duration::from_secs(65);

/// Connections at a time.
const MOST: u64 = 4096;

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// Of no credential, or a wrong one.
    Login,
    /// Of a page of another site.
    Origin,
    /// The client takes what it is sent too slowly.
    TooSlow,
    /// It says nothing that is a message.
    Garbage,
    /// The server has as many as it takes.
    Full,
    /// The client is gone.
    Gone,
}

impl Close {
    const fn code(self) -> u16 {
        match self {
            Self::Login => 4401,
            Self::Origin => 4403,
            Self::TooSlow => 4408,
            Self::Garbage => 4400,
            Self::Full => 1013,
            Self::Gone => 1000,
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::Login => "log in",
            Self::Origin => "the page is of another site",
            Self::TooSlow => "too slow: connect again with the last cursor",
            Self::Garbage => "too many messages that are none",
            Self::Full => "too many connections: try again later",
            Self::Gone => "",
        }
    }
}

impl From<Refusal> for Close {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ForeignHost | Refusal::ForeignOrigin => Self::Origin,
            _ => Self::Login,
        }
    }
}

/// A WebSocket that was let in, or the reason why it was not: pages see no reason of an upgrade that is refused.
pub(crate) async fn open(State(app): State<Arc<App>>, call: Call, upgrade: WebSocketUpgrade) -> Response {
    let role = call.client.role.unwrap_or(Role::Reader);
    let refusal = call.client.refusal;
    let upgrade = upgrade.max_message_size(LONGEST_MESSAGE).max_frame_size(LONGEST_MESSAGE);
    upgrade.on_upgrade(move |socket| async move {
        match refusal {
            Some(refusal) => refuse(socket, refusal, frames::error(None, &refusal.into())).await,
            None => serve(app, socket, role).await,
        }
    })
}

/// Tells the reason, and closes.
pub(super) async fn refuse(mut socket: WebSocket, refusal: Refusal, frame: String) {
    let _ = timeout(PATIENCE, socket.send(Message::Text(frame.into()))).await;
    close(socket, refusal.into()).await;
}

/// Closes, and waits a moment for the client to do the same.
pub(super) async fn close(mut socket: WebSocket, why: Close) {
    let frame = CloseFrame { code: why.code(), reason: why.reason().into() };
    if timeout(PATIENCE, socket.send(Message::Close(Some(frame)))).await.is_ok_and(|sent| sent.is_ok()) {
        let last = async { while let Some(Ok(_)) = socket.recv().await {} };
        let _ = timeout(Duration::from_secs(2), last).await;
    }
}

/// Sends a frame, within the patience of the server.
pub(super) async fn send(app: &App, socket: &mut WebSocket, frame: String) -> Result<(), Close> {
    match timeout(PATIENCE, socket.send(Message::Text(frame.into()))).await {
        Ok(Ok(())) => {
            app.counters.frames.fetch_add(1, Relaxed);
            Ok(())
        }
        Ok(Err(_)) => Err(Close::Gone),
        Err(_) => {
            app.counters.too_slow.fetch_add(1, Relaxed);
            Err(Close::TooSlow)
        }
    }
}

async fn serve(app: Arc<App>, mut socket: WebSocket, role: Role) {
    if app.counters.sockets.load(Relaxed) >= MOST {
        return close(socket, Close::Full).await;
    }
    let counters = Arc::clone(&app);
    let _open = Counted::new(&counters.counters.sockets);
    app.counters.sockets_opened.fetch_add(1, Relaxed);
    if let Err(why) = talk(&app, &mut socket, role).await {
        close(socket, why).await;
    }
}

async fn talk(app: &Arc<App>, socket: &mut WebSocket, role: Role) -> Result<(), Close> {
    let welcome = json!({"type": "welcome", "epoch": app.epoch, "limits": Limits::from(app.settings.limits), "role": role});
    send(app, socket, welcome.to_string()).await?;
    let mut connection = Connection::new(Arc::clone(app));
    let mut out = VecDeque::new();
    let mut garbage = 0;
    let mut heard = Instant::now();
    let mut heartbeat = Instant::now() + HEARTBEAT;
    loop {
        let again = connection.pump(&mut out).await;
        let sent_any = !out.is_empty();
        while let Some(frame) = out.pop_front() {
            send(app, socket, frame).await?;
        }
        if heard.elapsed() > SILENCE {
            return Err(Close::Gone);
        }
        let wait = again.map(|at| Duration::from_millis(at.saturating_sub(app.now())));
        // What a client says is heard between two frames, also when there is always something to send.
        let pause = if sent_any { Duration::ZERO } else { wait.unwrap_or(HEARTBEAT) };
        tokio::select! {
            biased;
            message = socket.recv() => {
                heard = Instant::now();
                let Some(Ok(message)) = message else { return Err(Close::Gone) };
                match understood(&message) {
                    Some(Ok(message)) => connection.handle(message, &mut out).await,
                    Some(Err(why)) => {
                        garbage += 1;
                        app.counters.bad_messages.fetch_add(1, Relaxed);
                        let problem = Problem::bad_request(format!("that is no message: {why}"));
                        out.push_back(frames::error(None, &problem.hint("see docs/api.md")));
                        if garbage >= GARBAGE {
                            return Err(Close::Garbage);
                        }
                    }
                    None if matches!(message, Message::Close(_)) => return Err(Close::Gone),
                    None => {}
                }
            }
            () = connection.news() => {}
            () = sleep(pause), if again.is_some() || sent_any => {}
            () = tokio::time::sleep_until(heartbeat) => {
                heartbeat = Instant::now() + HEARTBEAT;
                let ping = timeout(PATIENCE, socket.send(Message::Ping(Vec::new().into()))).await;
                if !ping.is_ok_and(|sent| sent.is_ok()) {
                    return Err(Close::Gone);
                }
            }
        }
    }
}

/// What a frame of a client says; `None` when it says nothing.
fn understood(message: &Message) -> Option<Result<ClientMessage, String>> {
    match message {
        Message::Text(text) => Some(ClientMessage::parse(text)),
        Message::Binary(_) => Some(Err("it is not text".to_owned())),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => None,
    }
}
