use std::thread::sleep;
use std::time::Duration;

use wordcount::{longest, words};

/// Slow enough to be watched.
fn take_some_time() {
    sleep(Duration::from_millis(250));
}

#[test]
fn an_empty_text_has_no_words() {
    take_some_time();
    assert_eq!(words(""), 0);
    assert_eq!(longest(""), None);
}

#[test]
fn white_space_is_not_a_word() {
    take_some_time();
    assert_eq!(words(" \t\n "), 0);
}

#[test]
fn words_are_counted() {
    take_some_time();
    assert_eq!(words("to be or not to be"), 6);
}

#[test]
fn line_breaks_separate_words() {
    take_some_time();
    assert_eq!(words("that\nis\r\nthe question"), 4);
}

#[test]
fn the_longest_word_is_found() {
    take_some_time();
    assert_eq!(longest("that is the question"), Some("question"));
}

#[test]
fn the_first_of_equals_is_the_longest() {
    take_some_time();
    assert_eq!(longest("one two six"), Some("one"));
}

#[test]
fn letters_count_not_bytes() {
    take_some_time();
    assert_eq!(longest("äöü abcd"), Some("abcd"));
}

#[test]
fn punctuation_belongs_to_its_word() {
    take_some_time();
    assert_eq!(words("hello , world !"), 4);
    assert_eq!(words("hello, world!"), 2);
}
