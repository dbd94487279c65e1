//! What clients say on a WebSocket.

use serde::Deserialize;

/// Longest name of a subscription.
const LONGEST_SUB: usize = 64;

/// A message, tagged by `type`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum ClientMessage {
    /// Begins a subscription; one of the same name ends.
    Subscribe(Box<Subscribe>),
    /// Ends a subscription.
    Unsubscribe {
        /// Its name.
        sub: String,
    },
    /// Wants the events of a gap.
    Fetch {
        /// Name of the subscription.
        sub: String,
        /// The cursor before the gap.
        from: String,
        /// The cursor behind it.
        to: String,
    },
    /// Is answered with the same `t`.
    Ping {
        /// Anything.
        #[serde(default)]
        t: serde_json::Value,
    },
}

/// What is subscribed to.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Subscribe {
    /// Name of the subscription, chosen by the client.
    pub(crate) sub: String,
    /// What it is about.
    pub(crate) topic: Topic,
    /// The run, of the topics `run` and `log`.
    #[serde(default)]
    pub(crate) run: Option<String>,
    /// The attempt, of the topic `log`.
    #[serde(default)]
    pub(crate) attempt: Option<String>,
    /// The cursor of the last event that the client has applied.
    #[serde(default)]
    pub(crate) after: Option<String>,
    /// With so many events of the past.
    #[serde(default)]
    pub(crate) last: Option<usize>,
    /// With the events since a time in UTC milliseconds.
    #[serde(default)]
    pub(crate) since: Option<u64>,
    /// The first line, of the topic `log`; a negative number counts from the end. The last 200 lines without it.
    #[serde(default)]
    pub(crate) from: Option<i64>,
    /// Only events of these kinds.
    #[serde(default)]
    pub(crate) kinds: Vec<String>,
    /// Only calls of these tools.
    #[serde(default)]
    pub(crate) tools: Vec<String>,
}

/// What a subscription is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum Topic {
    /// The list of runs.
    Runs,
    /// A run.
    Run,
    /// The log of an attempt.
    Log,
}

impl ClientMessage {
    /// # Errors
    /// When the text is no message, with why.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let message: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let sub = match &message {
            Self::Subscribe(subscribe) => &subscribe.sub,
            Self::Unsubscribe { sub } | Self::Fetch { sub, .. } => sub,
            Self::Ping { t } if t.to_string().len() > 1000 => return Err("`t` is too long".to_owned()),
            Self::Ping { .. } => return Ok(message),
        };
        if sub.is_empty() || sub.len() > LONGEST_SUB {
            return Err(format!("`sub` is a name of 1 to {LONGEST_SUB} bytes"));
        }
        Ok(message)
    }
}
