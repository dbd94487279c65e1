//! Real guards, real children, real deaths: nothing is left, and nobody else is touched.

#![expect(clippy::unwrap_used, reason = "the functions of a test may fail like the test")]

#[cfg(target_os = "linux")]
mod alone;
#[cfg(target_os = "linux")]
mod deaths;
#[cfg(target_os = "linux")]
mod guarded;
#[cfg(target_os = "linux")]
mod in_terminal;
#[cfg(target_os = "linux")]
mod last_one;
#[cfg(target_os = "linux")]
mod manners;
#[cfg(target_os = "linux")]
mod runner;
#[cfg(target_os = "linux")]
mod stage;
#[cfg(target_os = "linux")]
mod workers;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == guarded::COMMAND => guarded::main(rest),
        Some((first, rest)) if first == alone::COMMAND => alone::main(rest),
        Some((first, _)) if first == guarded::LEADERLESS => guarded::leaderless(),
        _ => {
            let mut cases = deaths::cases();
            cases.extend(manners::cases());
            cases.extend(alone::cases());
            cases.extend(in_terminal::cases());
            cases.extend(last_one::cases());
            runner::run(&cases, &arguments)
        }
    }
}

/// Elsewhere there is no `/proc` to prove anything with.
#[cfg(not(target_os = "linux"))]
const fn main() {}
