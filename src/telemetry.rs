//! Traces of runs, as the variables of OpenTelemetry ask for them: sent once a run is over, within two seconds, whatever the
//! collector does.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use roboppi_attach::Liveness;
use roboppi_record::RecordStore;
use roboppi_report::export::otlp::{Attributes, Spans};
use roboppi_run::{RunView, TraceIds, TraceParent, TraceSampler};
use roboppi_supervisor::RunSecrets;

use crate::http::{self, Post};

/// How long sending may take in all.
pub(crate) const LIMIT: Duration = Duration::from_secs(2);

/// Where collectors listen by default.
const DEFAULT_ENDPOINT: &str = "http://localhost:4318";

/// Variables of CI systems, and the attributes that they are. The first that is set counts.
const OF_CI: &[(&str, &[&str])] = &[
    ("vcs.ref.head.revision", &["GITHUB_SHA", "CI_COMMIT_SHA", "BUILDKITE_COMMIT"]),
    ("vcs.ref.head.name", &["GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "BUILDKITE_BRANCH"]),
    ("vcs.repository.url.full", &["CI_PROJECT_URL", "BUILDKITE_REPO"]),
];

/// What the environment asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Telemetry {
    /// The context in which this process was started.
    pub(crate) parent: Option<TraceParent>,
    /// Where traces go; `None` when nobody asked for them.
    export: Option<Export>,
    /// Why nothing is sent although it was asked for.
    pub(crate) warning: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Export {
    url: String,
    headers: Vec<(String, String)>,
    resource: Attributes,
    sampler: TraceSampler,
    limit: Duration,
}

impl Telemetry {
    /// Reads the environment.
    pub(crate) fn of_environment() -> Self {
        Self::of(|name| std::env::var_os(name))
    }

    fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name: &str| {
            let value = variable(name)?.into_string().ok()?;
            Some(value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let parent = text("TRACEPARENT").and_then(|text| text.parse().ok());
        let (export, warning) = match export(&text) {
            Ok(export) => (export, None),
            Err(why) => (None, Some(format!("no traces are sent: {why}"))),
        };
        Self { parent, export, warning }
    }

    /// Which traces are recorded; `None` when none is sent.
    pub(crate) fn sampler(&self) -> Option<TraceSampler> {
        self.export.as_ref().map(|export| export.sampler)
    }

    /// Whether traces are sent, of the runs that are recorded.
    pub(crate) const fn is_on(&self) -> bool {
        self.export.is_some()
    }

    /// Sends the spans of a run that is over, with `hide` masking their texts. Returns why not all were sent. Blocks, so it
    /// needs a thread.
    pub(crate) fn send(
        &self,
        record: &dyn RecordStore,
        view: &RunView,
        liveness: Liveness,
        hide: &dyn Fn(&str) -> String,
    ) -> Option<String> {
        let export = self.export.as_ref()?;
        let run = &view.head.as_ref()?.run_id;
        if !export.sampler.samples(self.parent, TraceIds::new(run, self.parent).trace()) {
            return None;
        }
        let end = Instant::now() + export.limit;
        let spans = Spans::of(record, view, liveness, export.resource.clone()).masked(hide);
        let mut sent = 0;
        for (count, request) in spans.requests() {
            let left = end.saturating_duration_since(Instant::now());
            let why = if left.is_zero() {
                format!("no time left after {:.1}s", export.limit.as_secs_f64())
            } else {
                let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
                headers.extend(export.headers.iter().cloned());
                let post = Post { url: export.url.clone(), headers, body: request.to_string().into_bytes() };
                match http::post(&post, left) {
                    Ok(()) => {
                        sent += count;
                        continue;
                    }
                    Err(error) => error.message,
                }
            };
            return Some(format!(
                "traces: {} of {} spans were not sent: {why}",
                spans.len() - sent,
                spans.len()
            ));
        }
        None
    }
}

/// Where traces go, when they were asked for.
fn export(text: &impl Fn(&str) -> Option<String>) -> Result<Option<Export>, String> {
    let endpoint = text("OTEL_EXPORTER_OTLP_ENDPOINT");
    let own = text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    let exporter = text("OTEL_TRACES_EXPORTER");
    let is_off = text("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let asked = endpoint.is_some() || own.is_some() || exporter.as_deref() == Some("otlp");
    if is_off || !asked || exporter.as_deref() == Some("none") {
        return Ok(None);
    }
    if let Some(other) = exporter.filter(|exporter| exporter != "otlp") {
        return Err(format!("OTEL_TRACES_EXPORTER: `{other}` is not known; `otlp` and `none` are"));
    }
    let of_traces = |name: &str| {
        text(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"))
            .or_else(|| text(&format!("OTEL_EXPORTER_OTLP_{name}")))
    };
    if of_traces("PROTOCOL").is_some_and(|protocol| protocol == "grpc") {
        return Err(
            "OTEL_EXPORTER_OTLP_PROTOCOL: grpc is not spoken; name the endpoint for http (port 4318) and \
                    http/json or http/protobuf"
                .to_owned(),
        );
    }
    let url = own.unwrap_or_else(|| {
        let base = endpoint.unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
        format!("{}/v1/traces", base.trim_end_matches('/'))
    });
    http::check_url(&url).map_err(|why| format!("the endpoint: {why}"))?;
    let headers = of_traces("HEADERS").map_or_else(Vec::new, |list| pairs(&list));
    let millis = of_traces("TIMEOUT").and_then(|value| value.parse().ok()).map(Duration::from_millis);
    let limit = millis.filter(|limit| !limit.is_zero()).map_or(LIMIT, |limit| limit.min(LIMIT));
    let sampler =
        sampler(text("OTEL_TRACES_SAMPLER").as_deref(), text("OTEL_TRACES_SAMPLER_ARG").as_deref())?;
    Ok(Some(Export { url, headers, resource: resource(text), sampler, limit }))
}

/// Hides the headers for the collector and the password in its URL, which the workers of a run inherit, as they are and decoded, whether or not anything is
/// sent. A header that is too short to be hidden, such as the name of a tenant, is seldom a secret.
pub(crate) fn hide(secrets: &mut RunSecrets) {
    for name in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"] {
        let Ok(list) = std::env::var(name) else { continue };
        for value in secret_parts(&list) {
            let _hidden = secrets.hide(name, &value);
        }
    }
    for name in ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] {
        let Ok(url) = std::env::var(name) else { continue };
        if let Some(password) = http::password(&url) {
            let _hidden = secrets.hide(name, password);
        }
    }
}

/// The values of a list of headers, encoded and decoded, and what is behind a scheme such as `Bearer`.
fn secret_parts(list: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for raw in list.split(',').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value.trim()) {
        let value = decoded(raw);
        let credentials = value.split_once(' ').map(|(_, rest)| rest.trim().to_owned());
        parts.extend([Some(raw.to_owned()), Some(value), credentials].into_iter().flatten());
    }
    parts
}

/// A URL without the name and the password that may be in it.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..end].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[host..])
}

/// `key=value,key=value`, percent-encoded. What is no pair is left out.
fn pairs(list: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let (key, value) = (decoded(key.trim()), decoded(value.trim()));
        (!key.is_empty()).then_some((key, value))
    };
    list.split(',').filter_map(pair).collect()
}

/// Without percent-encoding. What is encoded badly stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        match hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn resource(text: &impl Fn(&str) -> Option<String>) -> Attributes {
    let mut attributes = Attributes::default();
    for (name, variables) in OF_CI {
        if let Some(value) = variables.iter().find_map(|variable| text(variable)) {
            attributes.text(name, &without_user(&value));
        }
    }
    if let (Some(server), Some(repository)) = (text("GITHUB_SERVER_URL"), text("GITHUB_REPOSITORY")) {
        attributes.text("vcs.repository.url.full", &without_user(&format!("{server}/{repository}")));
    }
    for (name, value) in text("OTEL_RESOURCE_ATTRIBUTES").iter().flat_map(|list| pairs(list)) {
        attributes.text(&name, &value);
    }
    if let Some(name) = text("OTEL_SERVICE_NAME") {
        attributes.text("service.name", &name);
    }
    attributes
}

fn sampler(name: Option<&str>, argument: Option<&str>) -> Result<TraceSampler, String> {
    let name = name.unwrap_or("parentbased_always_on");
    let (follows_parent, root) = match name.strip_prefix("parentbased_") {
        Some(root) => (true, root),
        None => (false, name),
    };
    let share = match root {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => {
            let share = argument.map_or(Ok(1.0), str::parse::<f64>);
            share
                .ok()
                .filter(|share| (0.0..=1.0).contains(share))
                .ok_or_else(|| "OTEL_TRACES_SAMPLER_ARG: a share is a number from 0 to 1".to_owned())?
        }
        _ => return Err(format!("OTEL_TRACES_SAMPLER: `{name}` is not known")),
    };
    Ok(TraceSampler { follows_parent, share })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn telemetry(variables: &[(&str, &str)]) -> Telemetry {
        Telemetry::of(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    fn url(variables: &[(&str, &str)]) -> Option<String> {
        telemetry(variables).export.map(|export| export.url)
    }

    #[test]
    fn nothing_is_sent_unless_asked_for() {
        assert_eq!(url(&[]), None);
        assert_eq!(url(&[("TRACEPARENT", PARENT)]), None);
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");
        assert_eq!(url(&[endpoint]).as_deref(), Some("http://collector:4318/v1/traces"));
        assert_eq!(url(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]), None);
        assert_eq!(url(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]), None);
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other/in");
        assert_eq!(url(&[endpoint, own]).as_deref(), Some("http://other/in"));
        assert_eq!(
            url(&[("OTEL_TRACES_EXPORTER", "otlp")]).as_deref(),
            Some("http://localhost:4318/v1/traces")
        );
    }

    #[test]
    fn what_cannot_be_done_is_a_warning() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        for (name, value, part) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector", "http://"),
            ("OTEL_TRACES_EXPORTER", "zipkin", "zipkin"),
            ("OTEL_TRACES_SAMPLER", "mine", "mine"),
        ] {
            let found = telemetry(&[endpoint, (name, value)]);
            assert!(!found.is_on() && found.warning.as_ref().unwrap().contains(part), "{found:?}");
        }
        let found =
            telemetry(&[endpoint, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")]);
        assert!(found.warning.unwrap().contains("from 0 to 1"));
    }

    #[test]
    fn headers_and_attributes_are_decoded() {
        let found = telemetry(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b%3D, x=,=y,z , n=1%"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=mine,team=a%2Cb"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000"),
        ]);
        let export = found.export.unwrap();
        let pairs: Vec<_> =
            export.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("api-key", "a b="), ("x", ""), ("n", "1%")]);
        assert!(export.resource.has("team") && export.resource.has("service.name"));
        assert_eq!(export.limit, LIMIT);
    }

    #[test]
    fn no_password_is_in_the_url_of_a_repository() {
        for (url, clean) in [
            ("https://me:t0ken@host:8080/a.git", "https://host:8080/a.git"),
            ("https://t@ken@host", "https://host"),
            ("ssh://git@host/a", "ssh://host/a"),
            ("https://host/a@b", "https://host/a@b"),
            ("git@host:a/b.git", "git@host:a/b.git"),
            ("main@2", "main@2"),
        ] {
            assert_eq!(without_user(url), clean);
        }
        let parts = secret_parts("authorization=Bearer%20abc, key=k=1,none");
        assert_eq!(parts, ["Bearer%20abc", "Bearer abc", "abc", "k=1", "k=1"]);
    }

    #[test]
    fn a_sampler_is_named_as_the_standard_has_it() {
        let of = |name: &str, argument: Option<&str>| {
            sampler(Some(name), argument).map(|found| (found.follows_parent, found.share))
        };
        assert_eq!(sampler(None, None).map(|found| (found.follows_parent, found.share)), Ok((true, 1.0)));
        assert_eq!(of("always_off", None), Ok((false, 0.0)));
        assert_eq!(of("parentbased_traceidratio", Some("0.25")), Ok((true, 0.25)));
        assert!(of("jaeger_remote", None).is_err());
    }
}
