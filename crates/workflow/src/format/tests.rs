use super::*;

fn formatted(text: &str) -> String {
    let made = format(text).unwrap_or_else(|error| {
        let file = read::read(text).expect("a tree");
        let tried = print::print(&file, Order::AsWritten);
        panic!("{error}: {:?}\n{text}\nlaid out:\n{tried}", crate::parse(&tried).diagnostics)
    });
    assert_eq!(format(&made).as_deref(), Ok(made.as_str()), "it is laid out once and for all");
    made
}

#[expect(clippy::disallowed_methods, reason = "the corpus is in files")]
fn corpus(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    std::fs::read_to_string(path).expect("a file of the corpus")
}

#[test]
fn comments_stay_where_they_belong() {
    insta::assert_snapshot!(formatted(&corpus("comments.yaml")));
}

#[test]
fn keys_come_in_the_order_of_the_reference() {
    insta::assert_snapshot!(formatted(&corpus("order.yaml")));
}

#[test]
fn anchors_stay_before_their_aliases() {
    insta::assert_snapshot!(formatted(&corpus("anchors.yaml")));
}

#[test]
fn scalars_keep_their_style_and_lose_marks_they_do_not_need() {
    insta::assert_snapshot!(formatted(&corpus("scalars.yaml")));
}

#[test]
fn lists_are_indented_and_stay_on_one_line() {
    insta::assert_snapshot!(formatted(&corpus("lists.yaml")));
    insta::assert_snapshot!(formatted(&corpus("flow.yaml")));
}

#[test]
fn line_breaks_are_those_of_the_file() {
    let made = formatted(&corpus("line-ends.yaml"));
    assert_eq!(made.matches("\r\n").count(), made.matches('\n').count());
    assert!(made.starts_with("name: lines\r\n"), "{made:?}");
}

#[test]
fn an_invalid_file_is_refused() {
    assert_eq!(format("name: x\n"), Err(FormatError::Invalid));
    assert_eq!(format("a: [\n"), Err(FormatError::Invalid));
    assert_eq!(format(""), Err(FormatError::Invalid));
}
