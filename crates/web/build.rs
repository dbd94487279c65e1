//! Has the page compiled in again when it was built again.

fn main() {
    println!("cargo::rerun-if-changed=app/dist");
}
