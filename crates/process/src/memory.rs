//! How this process asks the system for memory.

/// Has all threads take memory from one place. To be called once, at the beginning of `main`, before there are threads.
///
/// The allocator of glibc gives each thread a place of its own, up to eight for each processor, and what one thread gave
/// back is of no use to the others: the snapshot of a long run, the lines of its viewer and the run itself each kept what
/// they had needed at most. Ours are few threads, of which one does nearly all of the work, so they hardly wait for each other.
/// Other allocators have no such setting, and need none.
pub(crate) fn share() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    one_arena();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "a setting of the allocator, which has no safe form")]
fn one_arena() {
    // SAFETY: it takes two numbers. A setting that is refused leaves what there was, which is larger and as good.
    unsafe { nix::libc::mallopt(nix::libc::M_ARENA_MAX, 1) };
}
