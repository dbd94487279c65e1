//! `--junit` and `roboppi export --format junit`, read as a strict reader does.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal::SIGINT;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::env::TestEnv;
use crate::flow::Flow;

/// An element of a document.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
    text: String,
}

impl Element {
    fn of(start: &BytesStart<'_>) -> Self {
        let name = start.name().as_ref().to_owned();
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.unwrap();
            let value = quick_xml::escape::unescape(&attribute.value).unwrap().into_owned();
            (attribute.key.as_ref().to_owned(), value)
        });
        Self { name, attributes: attributes.collect(), ..Self::default() }
    }

    fn get(&self, name: &str) -> &str {
        self.attributes.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    fn all(&self, name: &str) -> Vec<&Self> {
        self.children.iter().filter(|child| child.name == name).collect()
    }

    fn case(&self, name: &str) -> &Self {
        let suite = self.all("testsuite")[0];
        suite
            .all("testcase")
            .into_iter()
            .find(|case| case.get("name") == name)
            .unwrap_or_else(|| panic!("no case {name}"))
    }
}

/// An element: its name, required attributes, other attributes, elements in it, and whether it has text.
type Rule = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str], bool);

/// What the schema of the JUnit reader of Jenkins (`junit-10.xsd`) allows.
const SCHEMA: &[Rule] = &[
    ("testsuites", &[], &["name", "time", "tests", "failures", "errors"], &["testsuite"], false),
    (
        "testsuite",
        &["name", "tests", "failures", "errors"],
        &["group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"],
        &["testsuite", "properties", "testcase", "system-out", "system-err"],
        false,
    ),
    ("properties", &[], &[], &["property"], false),
    ("property", &["name", "value"], &[], &[], false),
    (
        "testcase",
        &["name"],
        &["time", "classname", "group"],
        &[
            "skipped",
            "error",
            "failure",
            "rerunFailure",
            "rerunError",
            "flakyFailure",
            "flakyError",
            "system-out",
            "system-err",
        ],
        false,
    ),
    ("skipped", &[], &["type", "message"], &[], true),
    ("failure", &[], &["type", "message"], &[], true),
    ("error", &[], &["type", "message"], &[], true),
    ("rerunFailure", &["type"], &["message"], &["stackTrace", "system-out", "system-err"], true),
    ("rerunError", &["type"], &["message"], &["stackTrace", "system-out", "system-err"], true),
    ("flakyFailure", &["type"], &["message"], &["stackTrace", "system-out", "system-err"], true),
    ("flakyError", &["type"], &["message"], &["stackTrace", "system-out", "system-err"], true),
    ("stackTrace", &[], &[], &[], true),
    ("system-out", &[], &[], &[], true),
    ("system-err", &[], &[], &[], true),
];

fn validate(element: &Element) {
    let (_, required, optional, children, text) = SCHEMA
        .iter()
        .find(|(name, ..)| *name == element.name)
        .unwrap_or_else(|| panic!("element {}", element.name));
    let names: BTreeSet<_> = element.attributes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), element.attributes.len(), "an attribute twice: {element:?}");
    assert!(required.iter().all(|name| names.contains(name)), "attributes are missing: {element:?}");
    for name in names {
        assert!(required.contains(&name) || optional.contains(&name), "attribute {name} of {}", element.name);
    }
    if let Some((_, time)) = element.attributes.iter().find(|(name, _)| name == "time") {
        assert!(
            time.split_once('.').is_some_and(|(whole, part)| {
                !whole.is_empty()
                    && part.len() == 3
                    && [whole, part].iter().all(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            }),
            "{time}"
        );
    }
    assert!(*text || element.text.trim().is_empty(), "text in {}: {}", element.name, element.text);
    let places = element.children.iter().map(|child| {
        children
            .iter()
            .position(|name| *name == child.name)
            .unwrap_or_else(|| panic!("{} in {}", child.name, element.name))
    });
    let places: Vec<_> = places.collect();
    // A rerun has its parts in this order, each once.
    assert!(
        !element.name.contains("rerun") && !element.name.contains("flaky") || places.is_sorted(),
        "{element:?}"
    );
    element.children.iter().for_each(validate);
}

/// Reads a document as a strict reader does, and validates it.
fn read(document: &str) -> Element {
    for char in document.chars() {
        assert!(
            matches!(char, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..),
            "{char:?}"
        );
    }
    let mut reader = Reader::from_str(document);
    reader.config_mut().check_comments = true;
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}: {document}")) {
            Event::Eof => break,
            Event::Decl(_) => {}
            Event::Start(start) => open.push(Element::of(&start)),
            Event::Empty(start) => open.last_mut().unwrap().children.push(Element::of(&start)),
            Event::End(_) => {
                let done = open.pop().unwrap();
                open.last_mut().unwrap().children.push(done);
            }
            Event::Text(text) => open.last_mut().unwrap().text.push_str(&text),
            Event::GeneralRef(reference) => {
                let entity = format!("&{};", &*reference);
                open.last_mut().unwrap().text.push_str(&quick_xml::escape::unescape(&entity).unwrap());
            }
            other => panic!("{other:?}"),
        }
    }
    let mut root = open.pop().unwrap();
    assert!(open.is_empty() && root.children.len() == 1, "one root");
    let root = root.children.remove(0);
    assert_eq!(root.name, "testsuites");
    validate(&root);
    let suite = root.all("testsuite")[0];
    let cases = suite.all("testcase");
    let count = |name: &str| cases.iter().filter(|case| !case.all(name).is_empty()).count().to_string();
    assert_eq!(
        [suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped")],
        [cases.len().to_string(), count("failure"), count("error"), count("skipped")]
            .each_ref()
            .map(String::as_str)
    );
    root
}

fn flaky(times: u32) -> String {
    format!("echo x >> calls; n=$(wc -l < calls); echo call $n; echo trouble $n >&2; [ $n -ge {times} ]")
}

#[test]
fn a_report_has_failures_reruns_and_flakes_of_every_step() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let flow = Flow::new()
            .step("fine", "echo fine")
            .step_with("flaky", &flaky(3), &["on_failure: retry", "max_retries: 5"])
            .step_with("broken", "echo out; echo err >&2; exit 3", &["on_failure: retry", "max_retries: 1"])
            .step_with("optional", "echo no; exit 1", &["continue_on_error: true"])
            .step_with("after", "true", &["depends_on: [broken]"])
            .step_with("late", "echo begin; sleep 1000", &["timeout: 200ms", "grace: 100ms"]);
        let _ = env.run(&flow).args(["--junit", "report.xml", mode]).output().code(1);
        let document = env.read("report.xml");
        let root = read(&document);
        let suite = root.all("testsuite")[0];
        assert_eq!(
            (suite.get("name"), suite.get("tests"), suite.get("failures")),
            ("flow", "6", "2"),
            "{document}"
        );
        assert!(root.case("fine").children.is_empty(), "{document}");
        let flakes = root.case("flaky").all("flakyFailure");
        assert_eq!(flakes.len(), 2, "{document}");
        assert_eq!(flakes[1].get("type"), "exit_code");
        assert_eq!(flakes[1].all("system-out")[0].text, "call 2\n");
        assert_eq!(flakes[1].all("system-err")[0].text, "trouble 2\n");
        let broken = root.case("broken");
        assert!(broken.all("failure")[0].get("message").contains("exit code 3"), "{document}");
        assert_eq!(broken.all("rerunFailure").len(), 1, "{document}");
        assert_eq!(broken.all("system-out")[0].text, "out\n");
        assert!(root.case("optional").all("skipped")[0].get("message").contains("allowed"), "{document}");
        assert!(root.case("after").all("skipped")[0].get("message").contains("broken"), "{document}");
        assert_eq!(root.case("late").all("failure")[0].get("type"), "timeout", "{document}");
        let properties = suite.all("properties")[0].all("property");
        let property =
            |name: &str| properties.iter().find(|found| found.get("name") == name).unwrap().get("value");
        assert_eq!((property("outcome"), property("exitCode"), property("handle")), ("failed", "1", "r1"));
        let exported = env.roboppi(["export", "-1", "--format", "junit"]).output().code(0).text();
        assert_eq!(exported, document, "the record gives the same report");
        let mode = fs::metadata(env.work().join("report.xml")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }
}

#[test]
fn hostile_names_and_output_make_a_valid_report() {
    let env = TestEnv::new();
    let name = "a <b> & \"c\" ]]> 'd' é 日本";
    let script = "printf '\\033[31mred\\033[0m \\000\\001 ]]></system-out><x/> \\377\\376 &amp; \\357\\277\\277 ##vso[x]\\n'; exit 1";
    let flow = Flow::new().with("name: \"<flow> & \\u0001 \\\"quoted\\\"\"").step(name, script);
    let _ = env.run(&flow).args(["--junit", "report.xml"]).output().code(1);
    let document = env.read("report.xml");
    let root = read(&document);
    assert_eq!(root.all("testsuite")[0].all("testcase")[0].get("name"), name, "{document}");
    let text = &root.case(name).all("system-out")[0].text;
    assert!(text.starts_with("red  ]]></system-out><x/> ") && text.contains("&amp;"), "{text:?}");
    assert!(!document.contains("##vso["), "{document}");
}

#[test]
fn secrets_are_masked_in_it() {
    let env = TestEnv::new();
    let secret = "hunter2-is-my-secret";
    let flow = Flow::new().step_with("work", "echo \"with $API_TOKEN\"; exit 1", &["env_pass: [API_TOKEN]"]);
    let _ = env.run(&flow).args(["--junit", "report.xml"]).env("API_TOKEN", secret).output().code(1);
    let document = env.read("report.xml");
    assert!(document.contains("with ") && !document.contains(secret), "{document}");
    read(&document);
}

#[test]
fn a_cancelled_run_has_its_report() {
    let env = TestEnv::new();
    let flow = Flow::new().step("long", "echo begun > begun; sleep 1000").step_with(
        "next",
        "true",
        &["depends_on: [long]"],
    );
    let running = env.run(&flow).args(["--junit", "report.xml"]).start();
    env.wait_for_file("begun");
    running.signal(SIGINT);
    let _ = running.wait().code(130);
    let root = read(&env.read("report.xml"));
    assert_eq!(root.case("long").all("error")[0].get("type"), "cancelled");
    assert_eq!(root.case("next").all("skipped").len(), 1);
}

#[test]
fn a_report_that_cannot_be_written_is_refused_at_the_start_and_a_warning_at_the_end() {
    let env = TestEnv::new();
    let flow = Flow::of("echo ran > ran; rmdir reports; exit 0");
    for place in ["nowhere/report.xml", ".", "-"] {
        let refused = env.run(&flow).args(["--junit", place]).output().code(2);
        assert!(refused.stderr.contains("error: "), "{}", refused.stderr);
        assert!(!env.work().join("ran").exists(), "nothing was started");
    }
    fs::create_dir(env.work().join("reports")).unwrap();
    let ran = env.run(&flow).args(["--junit", "reports/report.xml"]).output().code(0);
    assert!(ran.stderr.contains("warning: --junit: cannot write reports/report.xml"), "{}", ran.all());
}
