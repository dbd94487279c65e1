//! Real changes of files over the API.

use serde_json::json;

use super::client::Served;
use crate::file_changes::{agent, worked};

#[test]
fn changes_and_their_diffs_are_served() {
    let env = worked("echo two >> quiet.txt; printf 'a\\0' > 'bin ä'\n");
    env.write("quiet.txt", "one\n");
    let _ = agent(&env, &[]).output().code(0);
    let served = Served::start(&env, &[]);
    let attempt = served.own("GET", "/api/v1/runs/r1", "").json();
    let attempt = attempt["steps"][0]["attempts"][0]["id"].as_str().unwrap().replace('#', "%23");
    let changes = format!("/api/v1/runs/r1/attempts/{attempt}/changes");
    let found = served.own("GET", &changes, "").json();
    assert_eq!((&found["complete"], &found["missed"]), (&json!(true), &json!(null)), "{found}");
    let quiet =
        &found["changes"].as_array().unwrap().iter().find(|change| change["path"] == "quiet.txt").unwrap();
    assert_eq!(
        **quiet,
        json!({"path": "quiet.txt", "kind": "modified", "cause": "other", "added": 1, "removed": 0, "bytes": 8, "diff": true})
    );
    let diff = served.own("GET", &format!("{changes}/diff?path=quiet.txt"), "");
    assert_eq!(
        (diff.status, diff.text().as_str()),
        (200, "--- a/quiet.txt\n+++ b/quiet.txt\n@@ -1 +1,2 @@\n one\n+two\n")
    );
    assert!(diff.header("content-type").unwrap().starts_with("text/plain"));
    for (path, status) in [
        ("/diff", 400),
        ("/diff?path=bin%20%C3%A4", 404),
        ("/diff?path=../../../etc/passwd", 404),
        ("/diff?path=/etc/passwd", 404),
    ] {
        assert_eq!(served.own("GET", &format!("{changes}{path}"), "").status, status, "{path}");
    }
    assert_eq!(served.own("GET", "/api/v1/runs/r1/attempts/nope/changes", "").status, 404);
    assert_eq!(served.request("GET", &changes, &[], "").status, 401);
    served.end();
}
