//! What clients say on a WebSocket.

use serde::Deserialize;

use crate::feed::ClientLimits;

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
    /// The attempt, of the topic `log`; without one the log is that of all attempts.
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
    /// What the connection is sent at most from now on: less than the server allows.
    #[serde(default)]
    pub(crate) limits: Option<WantedLimits>,
}

/// Limits that a client wants. Those that are absent are the ones of the server, and no limit is above them.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct WantedLimits {
    /// Events in a second.
    #[serde(default)]
    events_per_second: Option<u32>,
    /// Events in a frame.
    #[serde(default)]
    events_per_frame: Option<u32>,
    /// Bytes of a frame, at least 16 KiB.
    #[serde(default)]
    frame_bytes: Option<u32>,
    /// Frames with lines of logs in a second.
    #[serde(default)]
    log_frames_per_second: Option<u32>,
}

impl WantedLimits {
    /// Shortest frame, in bytes: a row of the list of runs fits.
    const FRAME: u32 = 16 * 1024;

    /// The limits of the connection.
    pub(crate) fn within(self, most: ClientLimits) -> ClientLimits {
        let chosen =
            |wanted: Option<u32>, least: u32, most: u32| wanted.unwrap_or(most).clamp(least.min(most), most);
        ClientLimits {
            events_per_second: chosen(self.events_per_second, 1, most.events_per_second),
            events_per_frame: chosen(self.events_per_frame, 1, most.events_per_frame),
            frame_bytes: chosen(self.frame_bytes, Self::FRAME, most.frame_bytes),
            log_frames_per_second: chosen(self.log_frames_per_second, 1, most.log_frames_per_second),
        }
    }
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
    /// The log of an attempt, or of all attempts of a run.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_less_than_the_server_allows_and_never_more() {
        let most = ClientLimits::default();
        let wanted = |text: &str| serde_json::from_str::<WantedLimits>(text).unwrap().within(most);
        assert_eq!(wanted("{}"), most);
        let less = wanted(
            r#"{"eventsPerSecond": 0, "eventsPerFrame": 3, "frameBytes": 1, "logFramesPerSecond": 2}"#,
        );
        assert_eq!((less.events_per_second, less.events_per_frame), (1, 3));
        assert_eq!((less.frame_bytes, less.log_frames_per_second), (16 * 1024, 2));
        assert_eq!(wanted(r#"{"eventsPerSecond": 9999999, "frameBytes": 9999999}"#), most);
    }
}
