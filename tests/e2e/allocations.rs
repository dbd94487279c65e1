//! What our processes ask the system for.

use std::fs;

use crate::env::TestEnv;
use crate::flow::Flow;

/// What the allocator of glibc sets aside for each thread beyond the first place: it begins and ends at a multiple of this.
const PLACE: u64 = 64 * 1024 * 1024;

/// Keeps what the memory of a process is made of, for the core and its supervisor.
const LOOK: &str = r#"
    process=$PPID
    for name in core guard supervisor; do
        cat /proc/$process/maps > $name.maps
        ls /proc/$process/task | wc -l > $name.threads
        process=$(awk '/^PPid:/ { print $2 }' /proc/$process/status)
    done
"#;

/// Places for threads: mappings that are not used yet, and end where a place does.
fn places(maps: &str) -> usize {
    let is_place = |line: &&str| {
        let mut fields = line.split_whitespace();
        let (range, access) = (fields.next().unwrap(), fields.next().unwrap());
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|address| u64::from_str_radix(address, 16).unwrap());
        access == "---p" && to % PLACE == 0 && to - from > PLACE / 2 && to - from < PLACE
    };
    maps.lines().filter(is_place).count()
}

#[test]
fn threads_share_one_place_for_memory() {
    let env = TestEnv::new();
    let steps = (0..50).fold(Flow::new(), |flow, step| flow.step(&format!("s{step}"), "echo $RANDOM"));
    let after: Vec<_> = (0..50).map(|step| format!("s{step}")).collect();
    let after = format!("depends_on: [{}]", after.join(", "));
    env.run(&steps.step_with("look", LOOK, &[&after])).output().code(0);
    for name in ["core", "supervisor"] {
        let maps = fs::read_to_string(env.work().join(format!("{name}.maps"))).unwrap();
        assert_eq!(places(&maps), 0, "{name}:\n{maps}");
    }
    let threads: u32 = env.read("supervisor.threads").trim().parse().unwrap();
    assert!(threads > 1, "with one thread there is nothing to share");
}

#[test]
fn a_place_for_a_thread_is_recognised() {
    let maps = "7f0000000000-7f0000021000 rw-p 00000000 00:00 0 \n\
                7f0000021000-7f0004000000 ---p 00000000 00:00 0 \n\
                7f0004000000-7f0004001000 ---p 00000000 00:00 0 \n\
                7f0004001000-7f0004801000 rw-p 00000000 00:00 0 \n";
    assert_eq!(places(maps), 1);
}
