use std::os::unix::fs::MetadataExt;

use tokio::task::LocalSet;

use super::*;

fn request(run: &str, command: RunCommand) -> String {
    let run_id = RunId::parse(run).unwrap();
    serde_json::to_string(&Request { run_id, command, user: None }).unwrap() + "\n"
}

#[test]
fn only_wishes_that_a_visitor_may_have_are_understood() {
    let run = RunId::parse("r1").unwrap();
    let retry = RunCommand::RetryStep("build".into());
    assert_eq!(understood(request("r1", retry.clone()).as_bytes(), &run).unwrap(), (retry, None));
    for (line, why) in [
        (request("r2", RunCommand::CancelRun { force: true }), "this is the run r1"),
        (request("r1", RunCommand::LeaveNow), "only the terminal"),
        (request("r1", RunCommand::HangUp), "only the terminal"),
        ("{}\n".to_owned(), "not a request"),
        (
            "{\"runId\":\"r1\",\"command\":{\"type\":\"pause\"}}\n".to_owned(),
            "does not know the request `pause`",
        ),
        (String::new(), "one line"),
        ("x".repeat(Request::LONGEST), "one line"),
    ] {
        let refused = understood(line.as_bytes(), &run).unwrap_err().to_string();
        assert!(refused.contains(why), "{line}: {refused}");
    }
}

/// A socket of a run `r1`, in a runtime directory of its own.
fn place(dir: &tempfile::TempDir) -> ControlPlace {
    let dir = dir.path().as_os_str().to_owned();
    ControlPlace::bind(&RunId::parse("r1").unwrap(), |_| Some(dir.clone())).unwrap()
}

#[tokio::test(flavor = "current_thread")]
async fn visitors_that_say_nothing_keep_nobody_out_for_long_and_the_socket_goes() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(&dir);
    let path = place.path().to_owned();
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
    LocalSet::new()
        .run_until(async {
            let (socket, mut brought) = ControlSocket::open(place, RunId::parse("r1").unwrap()).unwrap();
            let mut silent = Vec::new();
            for _ in 0..2 * CLIENTS {
                silent.push(UnixStream::connect(&path).await.unwrap());
            }
            let mut visitor = UnixStream::connect(&path).await.unwrap();
            visitor.write_all(request("r1", RunCommand::CancelStep("a".into())).as_bytes()).await.unwrap();
            let ControlRequest { command, by, answer, .. } = brought.recv().await.unwrap();
            assert_eq!(command, RunCommand::CancelStep("a".into()));
            assert_eq!(by.map(|by| by.pid), Some(std::process::id()));
            answer.send(Answer::Refused { why: "no".to_owned() }).unwrap();
            let mut said = String::new();
            visitor.read_to_string(&mut said).await.unwrap();
            assert_eq!(said, "{\"type\":\"refused\",\"why\":\"no\"}\n");
            drop(socket);
        })
        .await;
    assert!(!path.exists());
}
