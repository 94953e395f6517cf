//! Requests on their way into the pipeline.
//!
//! A task that was spawned has not run yet, and a full queue lets nobody in for a while: the
//! lifecycle knows nothing of such requests, and a shutdown would turn them away.

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::watch;

#[derive(Default)]
pub(super) struct Gangway {
    on_it: watch::Sender<OnIt>,
}

#[derive(Default)]
struct OnIt {
    next: u64,
    /// The numbers of requests, in the order in which they came.
    requests: BTreeSet<u64>,
}

impl Gangway {
    /// A request is handed over.
    pub(super) fn enter(self: &Arc<Self>) -> Boarding {
        let mut number = 0;
        self.on_it.send_modify(|on_it| {
            number = on_it.next;
            on_it.next += 1;
            on_it.requests.insert(number);
        });
        Boarding {
            gangway: self.clone(),
            number,
        }
    }

    /// How many requests are on it.
    pub(super) fn len(&self) -> usize {
        self.on_it.borrow().requests.len()
    }

    /// Ends when those that are on it now have left it. Later ones are not waited for.
    pub(super) async fn clear(&self) {
        let mut on_it = self.on_it.subscribe();
        let before = on_it.borrow().next;
        let cleared = |on_it: &OnIt| on_it.requests.first().is_none_or(|first| *first >= before);
        // The sender is `self`, so the wait has no other end.
        let _ = on_it.wait_for(cleared).await;
    }
}

/// One request. Drop it when the pipeline has taken the request.
pub(super) struct Boarding {
    gangway: Arc<Gangway>,
    number: u64,
}

impl Drop for Boarding {
    fn drop(&mut self) {
        self.gangway.on_it.send_modify(|on_it| {
            on_it.requests.remove(&self.number);
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio_test::{assert_pending, assert_ready, task};

    use super::*;

    #[test]
    fn it_is_clear_when_those_have_left_that_were_on_it() {
        let gangway = Arc::new(Gangway::default());
        assert_ready!(task::spawn(gangway.clear()).poll());
        let (first, second) = (gangway.enter(), gangway.enter());
        let mut clear = task::spawn(gangway.clear());
        assert_pending!(clear.poll());
        let _later = gangway.enter();
        drop(second);
        assert_pending!(clear.poll());
        drop(first);
        assert!(clear.is_woken());
        assert_ready!(clear.poll());
        assert_eq!(gangway.len(), 1);
    }
}
