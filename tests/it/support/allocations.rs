//! Counts what the current thread allocates.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
    static FREED: Cell<u64> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    COUNT.set(COUNT.get() + 1);
    BYTES.set(BYTES.get() + bytes as u64);
}

// SAFETY: every call goes to the system allocator as it is; the counters are plain cells that
// allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        FREED.set(FREED.get() + layout.size() as u64);
        // SAFETY: `pointer` came from `System`, by `alloc` or `realloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        FREED.set(FREED.get() + layout.size() as u64);
        // SAFETY: `pointer` came from `System`, by `alloc` or `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Runs `work` and says how many allocations it made, and of how many bytes in all.
pub(crate) fn allocations<T>(work: impl FnOnce() -> T) -> (T, u64, u64) {
    let (count, bytes) = (COUNT.get(), BYTES.get());
    let result = work();
    (result, COUNT.get() - count, BYTES.get() - bytes)
}

/// Runs `work` and says how many bytes of what it allocated are still there.
pub(crate) fn kept<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let (bytes, freed) = (BYTES.get(), FREED.get());
    let result = work();
    let (bytes, freed) = (BYTES.get() - bytes, FREED.get() - freed);
    (result, bytes.saturating_sub(freed))
}
