//! An allocator that counts what a thread has.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

pub(crate) struct Counting;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// Bytes this thread has allocated and not freed.
pub(crate) fn live() -> usize {
    LIVE.get()
}

/// What `make` gives back, and the most bytes it had at a time.
pub(crate) fn peak_of<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let before = live();
    PEAK.set(before);
    let made = make();
    (made, PEAK.get() - before)
}

fn count(freed: usize, taken: usize) {
    // Another thread may have taken what this one frees.
    let live = LIVE.get().saturating_sub(freed) + taken;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

#[expect(
    unsafe_code,
    reason = "an allocator has no safe form; this one only counts, and passes everything on"
)]
// SAFETY: every call goes to the allocator of the system as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(0, layout.size());
        // SAFETY: what holds for the caller holds here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(layout.size(), 0);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), size);
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}
