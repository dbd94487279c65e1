//! A model that follows a script. It speaks the four protocols the agents speak, and nothing but 127.0.0.1 reaches it.

mod anthropic;
mod chat;
mod gemini;
mod http;
mod responses;
mod script;

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

pub(crate) use script::{Fault, PROMPT, Script, Step};

use http::Request;
use script::{Part, SUB_TASK};

/// Between two pieces of a stream, so that it is one.
const PACE: Duration = Duration::from_millis(4);

/// Pieces of a stream that come before it breaks off.
const BEFORE_DROP: usize = 8;

/// A server for one run of one agent. It goes with this process.
pub(crate) struct Model {
    port: u16,
    state: Arc<Mutex<State>>,
}

struct State {
    script: Script,
    /// Turns that were answered to the end.
    turn: usize,
    /// The same of sub-agents, all of them together.
    sub_agent_turn: usize,
    /// What the script wanted to do and the agent offers nothing for.
    missing: Vec<&'static str>,
    /// Requests of the agent itself, in order.
    requests: Vec<Value>,
    workspace: PathBuf,
}

impl Model {
    /// Begins to listen.
    pub(crate) fn start(script: Script, workspace: &Path) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let workspace = workspace.to_owned();
        let state = Arc::new(Mutex::new(State {
            script,
            turn: 0,
            sub_agent_turn: 0,
            missing: Vec::new(),
            requests: Vec::new(),
            workspace,
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // An agent that hangs up in mid answer is not our trouble.
                thread::spawn(move || serve(stream, &state));
            }
        });
        Ok(Self { port, state })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What the agent asked, as it asked it.
    pub(crate) fn requests(&self) -> Vec<Value> {
        lock(&self.state).requests.clone()
    }
}

impl Model {
    /// What the script wanted and the agent does not offer.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        lock(&self.state).missing.clone()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which protocol a request is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Anthropic,
    Responses,
    Chat,
    Gemini,
}

impl Dialect {
    fn of(path: &str) -> Option<Self> {
        let path = path.split('?').next().unwrap_or(path);
        if path.ends_with("/messages") {
            Some(Self::Anthropic)
        } else if path.ends_with("/responses") {
            Some(Self::Responses)
        } else if path.ends_with("/chat/completions") {
            Some(Self::Chat)
        } else if path.ends_with("enerateContent") {
            Some(Self::Gemini)
        } else {
            None
        }
    }

    /// The tools a request offers: name and schema of each.
    fn tools(self, body: &Value) -> Vec<(String, Value)> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let named = |tool: &Value, schema: &str| {
            tool["name"].as_str().map(|name| (name.to_owned(), tool[schema]["properties"].clone()))
        };
        let tools = list(&body["tools"]);
        match self {
            Self::Anthropic => tools.iter().filter_map(|tool| named(tool, "input_schema")).collect(),
            Self::Responses => {
                let of_namespace = |tool: &Value| {
                    let space = tool["name"].as_str().unwrap_or_default().to_owned();
                    let inner = list(&tool["tools"]);
                    let inner: Vec<_> = inner.iter().filter_map(|tool| named(tool, "parameters")).collect();
                    inner.into_iter().map(move |(name, has)| (format!("{space}.{name}"), has))
                };
                let plain = tools.iter().filter_map(|tool| named(tool, "parameters"));
                plain.chain(tools.iter().flat_map(of_namespace)).collect()
            }
            Self::Chat => tools.iter().filter_map(|tool| named(&tool["function"], "parameters")).collect(),
            Self::Gemini => tools
                .iter()
                .flat_map(|tool| list(&tool["functionDeclarations"]))
                .filter_map(|tool| named(&tool, "parametersJsonSchema"))
                .collect(),
        }
    }

    /// The pieces of an answer, each the data of an event and its name.
    fn pieces(self, model: &str, parts: &[Part]) -> Vec<(Option<String>, Value)> {
        match self {
            Self::Anthropic => anthropic::pieces(model, parts),
            Self::Responses => responses::pieces(model, parts),
            Self::Chat => chat::pieces(model, parts),
            Self::Gemini => gemini::pieces(model, parts),
        }
    }

    /// An answer in one piece.
    fn whole(self, model: &str, text: &str) -> Value {
        match self {
            Self::Anthropic => anthropic::whole(model, text),
            Self::Gemini => gemini::whole(model, text),
            Self::Responses | Self::Chat => json!({ "error": { "message": "only streams are answered" } }),
        }
    }

    fn failure(self, status: u16, until: Option<u64>) -> Value {
        let message = match until {
            Some(_) => "You exceeded your current quota. Your limit is used up.".to_owned(),
            None => format!("the script says {status}"),
        };
        match self {
            Self::Anthropic => {
                let kind = if status == 429 { "rate_limit_error" } else { "api_error" };
                json!({ "type": "error", "error": { "type": kind, "message": message } })
            }
            Self::Gemini if until.is_some() => json!({ "error": {
                "code": status, "status": "RESOURCE_EXHAUSTED",
                "message": format!(
                    "You have exhausted your capacity on this model. Your quota will reset after {}s.",
                    wait(until)
                ),
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "QUOTA_EXHAUSTED",
                        "domain": "cloudcode-pa.googleapis.com",
                    },
                    { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": format!("{}s", wait(until)) },
                ],
            } }),
            Self::Gemini => {
                json!({ "error": { "code": status, "message": message, "status": "UNAVAILABLE" } })
            }
            Self::Responses if until.is_some() => json!({ "error": {
                "type": "usage_limit_reached", "message": message, "plan_type": "pro",
                "resets_at": until, "resets_in_seconds": wait(until),
            } }),
            Self::Chat if until.is_some() => {
                json!({ "error": { "message": message, "type": "insufficient_quota", "code": "insufficient_quota" } })
            }
            Self::Responses | Self::Chat => {
                json!({ "error": { "message": message, "type": "server_error", "code": null } })
            }
        }
    }
}

/// Seconds until a second of UTC.
fn wait(until: Option<u64>) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    until.unwrap_or(now + 1).saturating_sub(now)
}

/// The headers of a failure.
fn headers(until: Option<u64>) -> String {
    let Some(until) = until else { return "retry-after: 1\r\n".to_owned() };
    format!(
        "retry-after: {}\r\nanthropic-ratelimit-unified-status: rejected\r\n\
         anthropic-ratelimit-unified-reset: {until}\r\n\
         anthropic-ratelimit-unified-representative-claim: five_hour\r\n\
         anthropic-ratelimit-unified-5h-status: rejected\r\nanthropic-ratelimit-unified-5h-reset: {until}\r\n\
         x-should-retry: false\r\n",
        wait(Some(until))
    )
}

/// What is answered.
enum Answer {
    Status(u16, Option<u64>),
    Turn {
        parts: Vec<Part>,
        drop: bool,
    },
    /// To a request beside the work, as for a title.
    Aside,
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let Some(request) = http::read(&mut stream)? else { return Ok(()) };
    let Some(dialect) = Dialect::of(&request.path) else {
        let counted = json!({ "totalTokens": 100, "input_tokens": 100, "data": [] });
        return http::respond(&mut stream, 200, "", &counted);
    };
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let name = model_name(&request, &body);
    let is_stream = body["stream"] == true || request.path.contains(":streamGenerateContent");
    match answer(dialect, &body, state) {
        Answer::Status(status, until) => {
            http::respond(&mut stream, status, &headers(until), &dialect.failure(status, until))
        }
        Answer::Aside if is_stream => {
            send(&mut stream, dialect, dialect.pieces(&name, &[Part::Text("A title".to_owned())]), false)
        }
        Answer::Aside => http::respond(&mut stream, 200, "", &dialect.whole(&name, "A title")),
        Answer::Turn { parts, drop } => send(&mut stream, dialect, dialect.pieces(&name, &parts), drop),
    }
}

fn model_name(request: &Request, body: &Value) -> String {
    let in_path = || request.path.split("/models/").nth(1)?.split(':').next().map(str::to_owned);
    body["model"].as_str().map(str::to_owned).or_else(in_path).unwrap_or_default()
}

fn answer(dialect: Dialect, body: &Value, state: &Mutex<State>) -> Answer {
    let tools = dialect.tools(body);
    if tools.is_empty() {
        return Answer::Aside;
    }
    let text = body.to_string();
    if text.contains(SUB_TASK) && !text.contains(PROMPT) {
        return sub_agent_answer(body, &tools, state);
    }
    let mut state = lock(state);
    state.requests.push(body.clone());
    let fault = match state.script.always {
        Some(fault) => Some(fault),
        None if state.script.faults.is_empty() => None,
        None => Some(state.script.faults.remove(0)),
    };
    match fault {
        Some(Fault::Status(status)) => return Answer::Status(status, None),
        Some(Fault::Limit(until)) => return Answer::Status(429, Some(until)),
        Some(Fault::Drop) | None => {}
    }
    let drop = fault.is_some();
    let steps = state.script.turns.get(state.turn).cloned();
    if !drop {
        state.turn += 1;
    }
    Answer::Turn { parts: parts(&mut state, steps, &tools, body), drop }
}

fn sub_agent_answer(body: &Value, tools: &[(String, Value)], state: &Mutex<State>) -> Answer {
    let pace = lock(state).script.sub_agent_pace;
    thread::sleep(pace);
    let mut state = lock(state);
    let steps = state.script.of_sub_agent.get(state.sub_agent_turn).cloned();
    state.sub_agent_turn += 1;
    Answer::Turn { parts: parts(&mut state, steps, tools, body), drop: false }
}

fn parts(state: &mut State, steps: Option<Vec<Step>>, tools: &[(String, Value)], body: &Value) -> Vec<Part> {
    let steps = steps.unwrap_or_else(|| vec![Step::Say("The script is over.".to_owned())]);
    let mut parts = Vec::new();
    for step in &steps {
        if let Some(part) = step.as_part(tools, &state.workspace, body) {
            parts.push(part);
        } else {
            state.missing.push(step.means());
            parts.push(Part::Text("There is no tool for that.".to_owned()));
        }
    }
    parts
}

fn send(
    stream: &mut TcpStream,
    dialect: Dialect,
    pieces: Vec<(Option<String>, Value)>,
    drop: bool,
) -> io::Result<()> {
    http::begin_stream(stream)?;
    let count = if drop { BEFORE_DROP.min(pieces.len() - 1) } else { pieces.len() };
    for (event, data) in pieces.into_iter().take(count) {
        let event = event.map(|event| format!("event: {event}\n")).unwrap_or_default();
        http::chunk(stream, &format!("{event}data: {data}\n\n"))?;
        thread::sleep(PACE);
    }
    if drop {
        // Without its last chunk a client can tell that it was cut off.
        return stream.shutdown(std::net::Shutdown::Both);
    }
    if dialect == Dialect::Chat {
        http::chunk(stream, "data: [DONE]\n\n")?;
    }
    http::end_stream(stream)
}
