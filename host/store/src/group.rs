//! Group commit: callers that come while one group is being written become the next group.
//!
//! The first caller of a group writes it, on its own thread; nobody else writes meanwhile. It does not know what is
//! written.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// Groups of items `T` with a result `R` each.
#[derive(Debug)]
pub(crate) struct Groups<T, R> {
    bytes_max: u64,
    queue: Mutex<Queue<T, R>>,
    /// A group is done, or there is room in the queue.
    moved: Condvar,
}

#[derive(Debug)]
struct Queue<T, R> {
    waiting: Group<T, R>,
    /// Some thread is writing a group.
    busy: bool,
}

#[derive(Debug)]
struct Group<T, R> {
    items: Vec<T>,
    bytes: u64,
    done: Arc<OnceLock<R>>,
}

impl<T, R: Clone> Groups<T, R> {
    /// Groups of at most `bytes_max`, and of one caller at least.
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            queue: Mutex::new(Queue {
                waiting: Group::new(),
                busy: false,
            }),
            moved: Condvar::new(),
        }
    }

    /// Adds `items` to a group, and returns when it is written: its result, and the number of items in it up to these.
    /// `write` is called when this caller is the one who writes. It does not panic.
    pub(crate) fn join(
        &self,
        items: Vec<T>,
        bytes: u64,
        write: impl FnOnce(Vec<T>) -> R,
    ) -> (R, usize) {
        let mut queue = self.lock();
        while queue.waiting.bytes > 0 && queue.waiting.bytes + bytes > self.bytes_max {
            queue = self.wait(queue);
        }
        queue.waiting.items.extend(items);
        queue.waiting.bytes += bytes;
        let place = queue.waiting.items.len();
        let done = Arc::clone(&queue.waiting.done);
        while queue.busy && done.get().is_none() {
            queue = self.wait(queue);
        }
        if let Some(result) = done.get() {
            return (result.clone(), place);
        }
        let group = std::mem::replace(&mut queue.waiting, Group::new());
        queue.busy = true;
        drop(queue);
        let result = done.get_or_init(|| write(group.items)).clone();
        self.lock().busy = false;
        self.moved.notify_all();
        (result, place)
    }

    /// How many items wait for the group that is being written.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting.items.len()
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T, R>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, queue: MutexGuard<'a, Queue<T, R>>) -> MutexGuard<'a, Queue<T, R>> {
        self.moved
            .wait(queue)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, R> Group<T, R> {
    fn new() -> Self {
        Self {
            items: Vec::new(),
            bytes: 0,
            done: Arc::default(),
        }
    }
}
