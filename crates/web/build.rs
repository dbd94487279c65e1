//! Has the page compiled in again when it was built again.
#![expect(clippy::print_stdout, reason = "that is how a build script speaks with cargo")]

fn main() {
    println!("cargo::rerun-if-changed=app/dist");
}
